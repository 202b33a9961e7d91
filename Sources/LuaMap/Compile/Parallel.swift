internal import CLua
internal import CLuaMap
internal import MemoryMap

/// Runs the parts of `mmap.parallel`. [-0, +0, –] uses no slots; never raises.
@implementation @c
func lm_run_parts(_ L: LuaState, _ outcome: Outcome, _ parts: OpaquePointer) -> CInt {
    respond(outcome) { () throws(MapError) in
        let count = lm_part_count(parts)
        let monitor = try Monitor(L, total: count)
        try ParallelRanges(count, grain: 1).forEach(
            shouldContinue: monitor.shouldContinue, leave: { lm_end_parts(parts) }
        ) { part, _ in lm_run_part(parts, part) }
        return 0
    }
}
