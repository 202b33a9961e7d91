internal import CLua
internal import CLuaMap
internal import CMemoryMap
internal import MemoryMap
internal import Vectors

/// `v:sort(["desc"])`: the view itself. [-0, +1, –] uses one slot; never raises.
@implementation @c
func lm_view_sort(_ L: LuaState, _ outcome: Outcome) -> CInt {
    respond(outcome) { () throws(MapError) in
        _ = try Arguments(L).view(1)
        let isDescending = try Arguments(L).isDescending(2)
        try work(L) { (elements, monitor) throws(MapError) in
            try elements.sort(isDescending: isDescending, shouldContinue: monitor.shouldContinue)
        }
        lua_pushvalue(L, 1)
        return 1
    }
}
