internal import CLua
internal import CLuaMap
internal import MemoryMap

/// Watches over long work for the script that asked for it: stops it at Ctrl-C.
///
/// Every function here is [-0, +0, –]: it uses no stack slots and never raises.
struct Monitor {
    private let state: LuaState
    private let hooks: CInt

    init(_ state: LuaState) {
        self.state = state
        // A stock interpreter knows nothing of lm_interrupt: its handler sets a hook.
        self.hooks = lua_gethookmask(state)
    }

    /// Whether the work is to go on. To be asked on the thread that runs Lua.
    func goesOn(_ done: Int) -> Bool {
        !lm_is_interrupted() && lua_gethookmask(state) == hooks
    }
}
