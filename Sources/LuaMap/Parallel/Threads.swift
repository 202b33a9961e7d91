internal import CLua
internal import CLuaMap
internal import CMemoryMap
internal import Vectors
internal import MemoryMap

#if canImport(VectorsAVX2)
    internal import VectorsAVX2
#endif

// Settings of long work: CPU dispatch, thread count, progress bar.

/// Selects the fastest vector code for this processor. [-0, +0, –] uses no slots; never raises. Must not use
/// code of the AVX2 module before the check.
@implementation @c
func lm_choose_vectors() {
    #if canImport(VectorsAVX2)
        if mm_has_avx2() { activeVectors = VectorsAVX2.vectors("AVX2") }
    #endif
}

/// `mmap.threads([n])`. [-0, +1, –] uses one slot; never raises.
@implementation @c
func lm_mmap_threads(_ L: LuaState, _ outcome: Outcome) -> CInt {
    respond(outcome) { () throws(MapError) in
        let former = threadCount
        if let wanted = try Arguments(L).optionalInteger(1) {
            guard wanted >= 1 && wanted <= maximalThreadCount else {
                throw MapError(
                    "threads %1 is out of range (1 to %2)", argument: 1, wanted, maximalThreadCount)
            }
            threadCount = wanted
        }
        lua_pushinteger(L, lua_Integer(former))
        return 1
    }
}

/// `mmap.progress([on])`. [-0, +1, –] uses one slot; never raises.
@implementation @c
func lm_mmap_progress(_ L: LuaState, _ outcome: Outcome) -> CInt {
    respond(outcome) { () throws(MapError) in
        let former = ProgressBar.isOn
        ProgressBar.isOn = try Arguments(L).boolean(1, default: former)
        lua_pushboolean(L, former ? 1 : 0)
        return 1
    }
}
