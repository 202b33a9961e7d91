internal import CLua
internal import CLuaMap
internal import CMemoryMap
internal import MemoryMap

// Making, closing, and describing views.

/// `b:view(type [, offset [, count [, stride]]])`. [-0, +0, –] uses no slots; never raises. The new view
/// is on top.
@implementation @c
func lm_buffer_view(_ L: LuaState, _ outcome: Outcome, _ target: ViewPointer) -> CInt {
    respond(outcome) { () throws(MapError) in
        let arguments = Arguments(L)
        let bytes = try arguments.bytes(1)
        let type = try arguments.elementType(2)
        let (offset, count) = try arguments.range(3)
        let stride = try arguments.optionalInteger(5)
        if let stride, stride < 1 {
            throw MapError("stride %1 is out of range: it is at least 1 byte", argument: 5, stride)
        }
        target.pointee.elements = try about(3) { () throws(MapError) in
            try bytes.elements(type, offset, count: count, stride: stride)
        }.elements
        return 1
    }
}

/// `v:slice([i [, n]])`. [-0, +0, –] uses no slots; never raises. The new view is on top.
@implementation @c
func lm_view_slice(_ L: LuaState, _ outcome: Outcome, _ target: ViewPointer) -> CInt {
    respond(outcome) { () throws(MapError) in
        let arguments = Arguments(L)
        let elements = try arguments.elements(1)
        let (index, count) = try arguments.range(2)
        target.pointee.elements = try about(2) { () throws(MapError) in
            try elements.slice(index, count)
        }.elements
        return 1
    }
}

/// `v:close()` and `__close`; may run any number of times. Does not unmap the mapping.
/// [-0, +0, –] uses no slots; never raises.
@implementation @c
func lm_view_close(_ L: LuaState, _ outcome: Outcome) -> CInt {
    respond(outcome) { () throws(MapError) in
        let view = try Arguments(L).view(1)
        view.pointee.elements.region = .closed
        return 0
    }
}

/// Describes a view in any state, also closed or lost.
@implementation @c
func lm_describe_view(
    _ view: UnsafePointer<lm_view>, _ description: UnsafeMutablePointer<lm_view_description>
) {
    let elements = MappedElements(view.pointee.elements)
    description.pointee = lm_view_description(
        bytes: describe(view.pointee.elements.region), type: elements.type.name.cString,
        count: elements.count, stride: elements.stride, size: elements.type.byteCount)
}

/// Makes elements in new, zeroed memory, and stores them in the new buffer and the new view.
func makeElements(
    _ type: ElementType, _ count: Int, _ buffer: BufferPointer, _ target: ViewPointer
) throws(MapError) -> MappedElements {
    let (bytes, isOverflow) = count.multipliedReportingOverflow(by: type.byteCount)
    buffer.pointee.region = try mapRegion(
        length: isOverflow ? Int.max : max(1, bytes), protection: [.read, .write],
        flags: [.anonymous, .private], descriptor: -1, offset: 0)
    let elements = try MappedBytes(buffer.pointee.region).elements(type, 0, count: count)
    target.pointee.elements = elements.elements
    return elements
}

/// Runs work on new memory, and unmaps it at once if the work fails. [-0, +0, –] uses no slots; never raises.
func filling(
    _ buffer: BufferPointer, _ target: ViewPointer, _ body: () throws(MapError) -> Void
) throws(MapError) {
    do throws(MapError) { try body() } catch {
        let region = buffer.pointee.region
        (buffer.pointee.region, target.pointee.elements.region) = (.closed, .closed)
        if region.isWhole { unmapRegion(region) }
        throw error
    }
}
