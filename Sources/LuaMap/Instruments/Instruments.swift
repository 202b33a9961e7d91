internal import CLua
internal import CLuaMap
internal import CMemoryMap
internal import Glibc
internal import MemoryMap

// Entries of /proc/self/maps, trials of advice, and the cost of a call.

/// The entries of a buffer in /proc/self/maps or smaps. [-0, +0, –] uses no slots; never raises.
@implementation @c
func lm_process_entries(
    _ L: LuaState, _ outcome: Outcome, _ isDetailed: Bool, _ target: UnsafeMutablePointer<CChar>,
    _ capacity: Int,
    _ needed: UnsafeMutablePointer<Int>
) -> CInt {
    respond(outcome) { () throws(MapError) in
        let bytes = try Arguments(L).bytes(1)
        let raw = UnsafeMutableRawBufferPointer(start: target, count: capacity)
        let monitor = Monitor(frugal: L)
        needed.pointee = try bytes.processEntries(
            of: isDetailed ? "/proc/self/smaps" : "/proc/self/maps", into: raw.bindMemory(to: UInt8.self)
        ) { monitor.shouldContinue($0) }
        return 0
    }
}

/// Pushes the kind of storage of a buffer's file: `MM_CACHE_*`. [-0, +1, –] uses one slot; never raises.
@implementation @c
func lm_buffer_storage(_ L: LuaState, _ outcome: Outcome) -> CInt {
    respond(outcome) { () throws(MapError) in
        let bytes = try Arguments(L).bytes(1)
        let kind = try bytes.storage()
        lua_pushinteger(L, lua_Integer(kind.rawValue))
        return 1
    }
}

@implementation @c
func lm_advice_trial(
    _ outcome: Outcome, _ i: CInt, _ kind: CInt, _ error: UnsafeMutablePointer<Int32>,
    _ destroys: UnsafeMutablePointer<Bool>
) -> CInt {
    respond(outcome) { () throws(MapError) in
        guard i >= 0, Int(i) < Advice.names.count, let kind = MappingKind(rawValue: Int(kind)) else {
            throw MapError(misuse: "there is no such advice")
        }
        let trial = try Advice.names[Int(i)].advice.attempt(on: kind)
        error.pointee = trial.errno ?? -1
        destroys.pointee = trial.destroys
        return 0
    }
}

// MARK: the cost of a call

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

/// Loads explain.lua, which turns the kernel's text into sentences. [-0, +1, –] uses one slot; never raises.
@implementation @c
func lm_load_explain(_ L: LuaState) -> CInt {
    PackageResources.explain_lua.withUnsafeBufferPointer { source in
        luaL_loadbufferx(
            L, UnsafeRawPointer(source.baseAddress)?.assumingMemoryBound(to: CChar.self), source.count,
            "=mmap", "t")
    }
}
