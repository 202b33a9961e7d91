internal import CLua
internal import CLuaMap
internal import CMemoryMap
internal import MemoryMap

// What descriptions in words are made of: entries of /proc/self/maps, the storage, trials of advice.

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

/// Loads explain.lua, which turns the kernel's text into sentences. [-0, +1, –] uses one slot; never raises.
@implementation @c
func lm_load_explain(_ L: LuaState) -> CInt {
    PackageResources.explain_lua.withUnsafeBufferPointer { source in
        luaL_loadbufferx(
            L, UnsafeRawPointer(source.baseAddress)?.assumingMemoryBound(to: CChar.self), source.count,
            "=mmap", "t")
    }
}
