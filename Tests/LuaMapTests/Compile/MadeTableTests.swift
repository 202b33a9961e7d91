import CLua
import CLuaMap
import CMemoryMap
import Testing

/// Tables that compiled functions make, against the interpreter: lua/madetables.lua.
@Suite struct MadeTableTests {
    @Test func histogramsListsAndSieves() { check(suite: "madetables") }
    @Test func valuesAndKeysOfEveryKind() { check(suite: "madetables") }
    @Test func tablesAreLuasAtTheReturn() { check(suite: "madetables") }
    @Test func lengthsAreBorders() { check(suite: "madetables") }
    @Test func theStackGrows() { check(suite: "madetables") }
    @Test func functionsThatAreMadeHaveTheirVariables() { check(suite: "madetables") }
    @Test func partsAndRowsMakeTables() { check(suite: "madetables") }
    @Test func hundredsOfRandomFunctions() { check(suite: "madetables") }
    @Test func aFinalizerFreesTheTables() { check(suite: "madetables") }

    @Test func memoryIsCountedAndGivenBack() async { await checkMemory() }
    @Test func everyAllocationFailsOnce() async { await checkMemory() }

    /// In a process of its own: the limit is the process's.
    private func checkMemory(_ test: String = #function, sourceLocation: SourceLocation = #_sourceLocation)
        async
    {
        await #expect(processExitsWith: .exitCode(0), sourceLocation: sourceLocation) { [test] in
            let allocator = UnsafeMutablePointer<Allocator>.allocate(capacity: 1)
            allocator.initialize(to: Allocator())
            let script = try #require(Script(Allocator.function, allocator))
            AllocationTests.registerAllocator(script, allocator)
            lua_pushcclosure(
                script.state,
                { state in
                    lua_pushinteger(state, lua_Integer(mm_budget_used()))
                    return 1
                }, 0)
            lua_setglobal(script.state, "used")
            lua_pushcclosure(
                script.state,
                { state in
                    mm_budget_set_limit(Int(lua_tointegerx(state, 1, nil)))
                    return 0
                }, 0)
            lua_setglobal(script.state, "limit")
            script.run(suite: "madetables", test: test)
        }
    }
}
