internal import CLua
internal import CLuaMap
internal import CMemoryMap
internal import MemoryMap

// The cost of a call.

@implementation @c
func lm_cost_size() -> Int {
    ResidencyCount.capacity() &* MemoryLayout<ResidencyEntry>.stride
        &+ MemoryLayout<ResidencyCount>.stride
}

/// The start of `mmap.faults(fn)`. [-0, +0, –] uses no slots; never raises.
@implementation @c
func lm_cost_start(
    _ L: LuaState, _ outcome: Outcome, _ cost: UnsafeMutablePointer<lm_cost>,
    _ memory: UnsafeMutableRawPointer,
    _ size: Int
) -> CInt {
    respond(outcome) { () throws(MapError) in
        let head = MemoryLayout<ResidencyCount>.stride
        let entries = (memory + head).assumingMemoryBound(to: ResidencyEntry.self)
        let count = max(size &- head, 0) / MemoryLayout<ResidencyEntry>.stride
        let monitor = Monitor(frugal: L)
        let pages = try ResidencyCount(UnsafeMutableBufferPointer(start: entries, count: count)) {
            monitor.shouldContinue($0)
        }
        memory.assumingMemoryBound(to: ResidencyCount.self).initialize(to: pages)
        cost.pointee.resident = Int64(residentSize())
        var usage = mm_usage()
        mm_read_usage(&usage)
        cost.pointee.note(usage, sign: -1)
        return 0
    }
}

/// The end of `mmap.faults(fn)`. [-0, +0, –] uses no slots; never raises.
@implementation @c
func lm_cost_end(
    _ L: LuaState, _ outcome: Outcome, _ cost: UnsafeMutablePointer<lm_cost>,
    _ memory: UnsafeMutableRawPointer
) -> CInt {
    respond(outcome) { () throws(MapError) in
        var usage = mm_usage()
        mm_read_usage(&usage)
        cost.pointee.note(usage, sign: 1)
        cost.pointee.resident = Int64(residentSize()) &- cost.pointee.resident
        let monitor = Monitor(frugal: L)
        cost.pointee.pages = Int64(
            try memory.assumingMemoryBound(to: ResidencyCount.self).pointee.growth {
                monitor.shouldContinue($0)
            })
        return 0
    }
}

extension lm_cost {
    fileprivate mutating func note(_ usage: mm_usage, sign: Int64) {
        if sign < 0 { (minor, major, read, seconds) = (0, 0, 0, 0) }
        minor &+= sign &* usage.minor_faults
        major &+= sign &* usage.major_faults
        read &+= sign &* usage.blocks_read &* 512
        seconds += Double(sign) * usage.seconds
    }
}
