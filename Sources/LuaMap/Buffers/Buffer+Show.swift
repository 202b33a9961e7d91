internal import CLua
internal import CLuaMap
internal import CMemoryMap
internal import MemoryMap

// Descriptions for `tostring` and `info`, and hex dumps.

/// Describes a buffer in any state, also closed or lost.
@implementation @c
func lm_describe(_ buffer: UnsafePointer<lm_buffer>, _ description: UnsafeMutablePointer<lm_description>) {
    description.pointee = describe(buffer.pointee.region)
}

/// Describes a range of a mapping in any state, also closed or lost.
func describe(_ region: mm_region) -> lm_description {
    var description = lm_description()
    var region = region
    description.closed = mm_is_closed(&region)
    if description.closed { return description }
    description.lost = mm_is_lost(&region)
    var bytes = MappedBytes(region)
    // A lost mapping cannot be refreshed; its last address and length are shown.
    try? bytes.refresh()
    let slot = region.slot.pointee
    description.slice = !region.isWhole
    description.address = UInt(bitPattern: bytes.region.base)
    description.length = bytes.region.length
    description.offset = slot.file_offset &+ Int64(region.offset)
    description.protection = slot.protection
    description.flags = slot.flags
    description.kind = slot.kind
    description.page = slot.page
    return description
}

/// Starts a dump of the range `(b [, offset [, length]])`. [-0, +0, –] uses no slots; never raises.
@implementation @c
func lm_dump_start(_ L: LuaState, _ outcome: Outcome, _ dump: UnsafeMutablePointer<lm_dump>) -> CInt {
    respond(outcome) { () throws(MapError) in
        let arguments = Arguments(L)
        let bytes = try arguments.bytes(1)
        let (offset, length) = try arguments.range(2)
        let (_, range) = try about(2) { () throws(MapError) in try bytes.readable(offset, length) }
        dump.pointee = lm_dump(
            offset: Int64(offset), length: Int64(range.count), position: Int64(offset), folded: false,
            done: range.isEmpty)
        return 0
    }
}

/// Prints the next lines of a dump. [-0, +0, –] uses no slots; never raises.
@implementation @c
func lm_dump_next(
    _ L: LuaState, _ outcome: Outcome, _ dump: UnsafeMutablePointer<lm_dump>,
    _ target: UnsafeMutablePointer<UInt8>,
    _ capacity: Int
) -> CInt {
    respond(outcome) { () throws(MapError) in
        let bytes = try Arguments(L).bytes(1)
        var state = HexDump(Int(dump.pointee.offset), Int(dump.pointee.length))
        state.position = Int(dump.pointee.position)
        state.isFolded = dump.pointee.folded
        if lm_is_interrupted() { throw MapError(.interrupted) }
        let printed = try bytes.print(
            &state, into: UnsafeMutableBufferPointer(start: target, count: capacity))
        dump.pointee.position = Int64(state.position)
        dump.pointee.folded = state.isFolded
        dump.pointee.done = state.isDone
        return CInt(truncatingIfNeeded: printed)
    }
}
