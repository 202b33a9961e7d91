internal import CLua
internal import CLuaMap
internal import CMemoryMap
internal import MemoryMap
internal import Vectors

/// `v:unique()`. [-0, +1, –] uses one slot; never raises.
@implementation @c
func lm_view_unique(_ L: LuaState, _ outcome: Outcome) -> CInt {
    respond(outcome) { () throws(MapError) in
        let count = try work(L) { (elements, monitor) throws(MapError) in
            try elements.uniqueCount(shouldContinue: monitor.shouldContinue)
        }
        lua_pushinteger(L, lua_Integer(count))
        return 1
    }
}

/// `v:dedup()`. [-0, +1, –] uses one slot; never raises.
@implementation @c
func lm_view_dedup(_ L: LuaState, _ outcome: Outcome) -> CInt {
    respond(outcome) { () throws(MapError) in
        _ = try Arguments(L).view(1)
        let left = try work(L) { (elements, monitor) throws(MapError) in
            try elements.removeDuplicates(shouldContinue: monitor.shouldContinue)
        }
        lua_pushinteger(L, lua_Integer(left))
        return 1
    }
}
