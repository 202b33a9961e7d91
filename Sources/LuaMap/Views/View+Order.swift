internal import CLua
internal import CLuaMap
internal import CMemoryMap
internal import MemoryMap
internal import Vectors

// Whether elements are sorted, and binary searches.

/// `v:sorted()`. [-0, +1, –] uses one slot; never raises.
@implementation @c
func lm_view_sorted(_ L: LuaState, _ outcome: Outcome) -> CInt {
    respond(outcome) { () throws(MapError) in
        let isSorted = try work(L) { (elements, monitor) throws(MapError) in
            try elements.isSorted(shouldContinue: monitor.shouldContinue)
        }
        lua_pushboolean(L, isSorted ? 1 : 0)
        return 1
    }
}

/// [-0, +1, –] uses one slot; never raises.
@inline(__always)
private func bound(_ L: LuaState, _ outcome: Outcome, isUpper: Bool) -> CInt {
    respond(outcome) { () throws(MapError) in
        let elements = try Arguments(L).elements(1)
        let number = try Arguments(L).requiredNumber(2)
        let place = try elements.bound(number, isUpper: isUpper)
        lua_pushinteger(L, lua_Integer(place))
        return 1
    }
}

/// `v:lowerbound(x)`. [-0, +1, –] uses one slot; never raises.
@implementation @c
func lm_view_lowerbound(_ L: LuaState, _ outcome: Outcome) -> CInt { bound(L, outcome, isUpper: false) }

/// `v:upperbound(x)`. [-0, +1, –] uses one slot; never raises.
@implementation @c
func lm_view_upperbound(_ L: LuaState, _ outcome: Outcome) -> CInt { bound(L, outcome, isUpper: true) }
