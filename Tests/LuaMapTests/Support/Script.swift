import CLua
import CLuaMap
import Testing

/// A Lua state with the standard libraries and the module, in this process.
final class Script {
    let state: OpaquePointer

    /// luaopen_mmap itself and not a closure around it: a Lua error must not cross a Swift frame.
    static let opener = unsafeBitCast(
        luaopen_mmap as @convention(c) (OpaquePointer) -> CInt, to: lua_CFunction.self)

    /// `allocator` and `context` are arguments of lua_newstate(3); nil for Lua's own allocator.
    init?(_ allocator: lua_Alloc? = nil, _ context: UnsafeMutableRawPointer? = nil) {
        guard let state = allocator.map({ lua_newstate($0, context) }) ?? luaL_newstate() else { return nil }
        self.state = state
        luaL_openlibs(state)
        luaL_requiref(state, "mmap", Script.opener, 1)
        lua_settop(state, 0)
        let prelude = Interface.prelude + "math.randomseed(\(Interface.seed))"
        if let problem = run(prelude, name: "prelude") { Issue.record("\(problem)") }
        if Interface.isCompiled, let problem = run(Interface.compiled, name: "compiled") {
            Issue.record("\(problem)")
        }
    }

    /// Runs a Lua source; `name` is its chunk name. Returns the error message, or nil.
    func run(_ source: String, name: String = "script") -> String? {
        lua_settop(state, 0)
        let handler = "return debug.traceback(tostring((...)))"
        let source = name == "script" ? changed(source) : source
        guard luaL_loadbufferx(state, handler, handler.utf8.count, "=handler", "t") == LUA_OK,
            luaL_loadbufferx(state, source, source.utf8.count, "=\(name)", "t") == LUA_OK,
            lua_pcallk(state, 0, 0, 1, 0, nil) == LUA_OK
        else {
            return lua_tolstring(state, -1, nil).map { String(cString: $0) } ?? "an error that is no string"
        }
        return nil
    }

    /// The source with every function compiled, if that was asked for.
    private func changed(_ source: String) -> String {
        guard Interface.isCompiled, lua_getglobal(state, "__change") == LUA_TFUNCTION else { return source }
        defer { lua_settop(state, 0) }
        lua_pushlstring(state, source, source.utf8.count)
        guard lua_pcallk(state, 1, 1, 0, 0, nil) == LUA_OK else { return source }
        var count = 0
        guard let text = lua_tolstring(state, -1, &count) else { return source }
        return String(decoding: UnsafeRawBufferPointer(start: text, count: count), as: UTF8.self)
    }

    deinit {
        _ = run("cleanup()", name: "cleanup")
        lua_close(state)
    }
}

/// Runs a script that must not raise an error.
///
/// - Parameter prepare: Called after the files of the tests were read, which another user may not be permitted to.
func check(
    _ source: String, after prepare: () -> Void = {}, sourceLocation: SourceLocation = #_sourceLocation
) {
    guard let script = Script() else {
        Issue.record("no memory for a Lua state", sourceLocation: sourceLocation)
        return
    }
    prepare()
    if let problem = script.run(source) { Issue.record("\(problem)", sourceLocation: sourceLocation) }
}

/// The same in a process of its own: for scripts that read or change state that other tests share.
func checkAlone(_ source: String, sourceLocation: SourceLocation = #_sourceLocation) async {
    await #expect(processExitsWith: .exitCode(0), sourceLocation: sourceLocation) {
        [source, sourceLocation] in
        check(source, sourceLocation: sourceLocation)
    }
}
