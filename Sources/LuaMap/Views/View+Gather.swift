internal import CLua
internal import CLuaMap
internal import CMemoryMap
internal import MemoryMap
internal import Vectors

/// `v:gather(order, source)`: the view itself. [-0, +1, –] uses one slot; never raises.
@implementation @c
func lm_view_gather(_ L: LuaState, _ outcome: Outcome) -> CInt {
    respond(outcome) { () throws(MapError) in
        let arguments = Arguments(L)
        let elements = try arguments.elements(1)
        let order = try arguments.elements(2)
        let source = try arguments.elements(3)
        let monitor = try Monitor(L, total: elements.count)
        do throws(MapError) {
            try elements.gather(order, source, shouldContinue: monitor.shouldContinue)
        } catch { throw gatherFailure(error) }
        lua_pushvalue(L, 1)
        return 1
    }
}

/// The error of an index that is out of range names its element in the order.
func gatherFailure(_ error: MapError) -> MapError {
    error.kind == .valueOutOfRange ? MapError(error, element: error.values.1, argument: 2) : error
}
