internal import CLua
internal import CLuaMap
internal import CMemoryMap
internal import Glibc
internal import MemoryMap

// Child processes that share memory with this one. No function here touches Lua's stack.

/// A descriptor of the mapped memory, for a child.
@implementation @c
func lm_share(
    _ outcome: Outcome, _ region: UnsafePointer<mm_region>, _ descriptor: UnsafeMutablePointer<CInt>
)
    -> CInt
{
    respond(outcome) { () throws(MapError) in
        descriptor.pointee = try MappedBytes(region.pointee).descriptorToShare()
        return 0
    }
}

/// Maps the memory that the parent shares, in a new, closed buffer.
@implementation @c
func lm_adopt(_ outcome: Outcome, _ target: BufferPointer, _ shared: UnsafePointer<lm_mapping>) -> CInt {
    respond(outcome) { () throws(MapError) in
        let shared = shared.pointee
        target.pointee.region = try adoptRegion(
            shared.descriptor, offset: Int(shared.offset), length: Int(shared.length),
            protection: Protection(rawValue: shared.protection), keeps: shared.keeps != 0,
            isAnonymous: shared.kind == MM_ANONYMOUS)
        return 0
    }
}

/// A slice of a buffer that lm_adopt has filled in.
@implementation @c
func lm_share_slice(
    _ outcome: Outcome, _ whole: UnsafePointer<lm_buffer>, _ place: UnsafePointer<Int64>,
    _ target: BufferPointer
) -> CInt {
    respond(outcome) { () throws(MapError) in
        target.pointee.region = try MappedBytes(whole.pointee.region).slice(Int(place[1]), Int(place[2]))
            .region
        return 0
    }
}

/// A view on a buffer that lm_adopt has filled in.
@implementation @c
func lm_share_view(
    _ outcome: Outcome, _ whole: UnsafePointer<lm_buffer>, _ place: UnsafePointer<Int64>,
    _ shape: UnsafePointer<Int64>, _ target: ViewPointer
) -> CInt {
    respond(outcome) { () throws(MapError) in
        let type = try sharedType(shape[2])
        let elements = try MappedBytes(whole.pointee.region).elements(
            type, Int(place[1]), count: Int(shape[0]), stride: Int(shape[1])
        ).elements
        guard elements.region.length == place[2] else { throw MapError.unsound }
        target.pointee.elements = elements
        return 0
    }
}

/// An atomic on a buffer that lm_adopt has filled in.
@implementation @c
func lm_share_atomic(
    _ outcome: Outcome, _ whole: UnsafePointer<lm_buffer>, _ place: UnsafePointer<Int64>, _ type: Int64,
    _ target: AtomicPointer
) -> CInt {
    respond(outcome) { () throws(MapError) in
        let type = try sharedType(type)
        let region = try MappedBytes(whole.pointee.region).atomic(type, at: Int(place[1])).region
        guard region.length == place[2] else { throw MapError.unsound }
        target.pointee.region = region
        target.pointee.type = type.code
        return 0
    }
}

private func sharedType(_ code: Int64) throws(MapError) -> ElementType {
    guard let type = ElementType(checking: code) else { throw MapError.unsound }
    return type
}

extension MapError {
    fileprivate static var unsound: MapError { MapError(misuse: "the message to the child is damaged") }
}

@implementation @c
func lm_start(
    _ outcome: Outcome, _ path: UnsafePointer<CChar>,
    _ arguments: UnsafePointer<UnsafeMutablePointer<CChar>?>,
    _ descriptors: UnsafePointer<CInt>, _ count: Int, _ process: UnsafeMutablePointer<CInt>,
    _ watch: UnsafeMutablePointer<CInt>
) -> CInt {
    respond(outcome) { () throws(MapError) in
        process.pointee = try startProcess(
            path, arguments, descriptors: UnsafeBufferPointer(start: descriptors, count: count))
        watch.pointee = watchProcess(process.pointee) ?? -1
        return 0
    }
}

@implementation @c
func lm_refused(_ outcome: Outcome, _ name: UnsafePointer<CChar>, _ error: CInt) {
    // The limit in the message depends only on the errno (EMFILE, ENFILE), so any call will do here.
    outcome.fill(MapError(.memfd_create, errno: error))
    outcome.pointee.call = name
}

/// Waits for the end of a process until the deadline, but only a short time: 1 and its status, or 0. The
/// status is -1 if other code has reaped the process.
@implementation @c
func lm_await(_ process: CInt, _ watch: CInt, _ deadline: Int64, _ status: UnsafeMutablePointer<CInt>) -> CInt
{
    do {
        let rest = deadline == 0 ? 0 : max(deadline &- mm_now(), 0)
        guard let ended = try awaitProcess(process, watch >= 0 ? watch : nil, nanoseconds: rest) else {
            return 0
        }
        status.pointee = ended
    } catch {
        status.pointee = -1
    }
    return 1
}

@implementation @c
func lm_signal(_ outcome: Outcome, _ process: CInt, _ watch: CInt, _ signal: CInt) -> CInt {
    respond(outcome) { () throws(MapError) in
        try signalProcess(process, watch >= 0 ? watch : nil, signal) ? 1 : 0
    }
}
