import Glibc
import Testing

/// The rows of methods.lua in the program, which can make processes, and in its sandbox.
@Suite
struct MethodTests {
    /// The folder of all tests.
    private static let tests = #filePath.split(separator: "/").dropLast(2).map { "/" + $0 }.joined()

    @Test(arguments: [
        "everyFunctionHasARow", "everyMethodRefusesAStranger", "everyWrongTypeIsNamedWithItsArgument",
        "whatIsMissingIsSaidToBeMissing", "everyNumberIsInRangeOrRefused",
    ])
    func misuse(test: String) throws {
        let lua = Self.tests + "/LuaMapTests/lua/"
        let outcome = try Program.mmaplua.run([
            "-e",
            """
            HAS_PROCESSES = true
            dofile '\(lua)prelude.lua' dofile '\(lua)tools.lua'
            local ok, e = xpcall(dofile '\(lua)misuse.lua'.\(test), debug.traceback)
            cleanup()
            print(ok, e)
            """,
        ])
        #expect(outcome == Outcome(output: "true\tnil\n", errors: "", ending: .status(0)))
    }

    /// The list of what a sandbox has is in sandbox.c; what it should have, in the rows. Each call of each row is made.
    @Test(arguments: [[], ["--allow-run"]])
    func sandbox(options: [String]) throws {
        let folder = try TemporaryFolder()
        let table = Self.tests + "/methods.lua"
        let allowed =
            ["--allow-read=\(table)"]
            + [folder.path, "/dev/shm"].flatMap {
                ["--allow-read=\($0)", "--allow-write=\($0)"]
            }
        let outcome = try Program.mmaplua.run(
            ["--sandbox"] + allowed + options + [
                "-e",
                """
                local methods, option = dofile '\(table)', '\(options.first ?? "")'
                local fixture <close>, refusals = methods.fixture '\(folder.path)', 0
                for name, value in pairs(mmap) do
                  if type(value) == 'function' then assert(methods.row('mmap.' .. name), name .. ' has no row') end
                end
                for _, row in ipairs(methods.rows) do
                  local is_there = row.sandbox == true or row.sandbox == option
                  -- There is no way to a finalizer without debug, and to a child only with the option.
                  local has_way = not row.internal and row.method ~= '__gc' and (row.class ~= 'child' or option == '--allow-run')
                  for n in ipairs(has_way and row.calls or {}) do
                    local ok, e = pcall(row.call, fixture, n)
                    local is_refused = not ok and tostring(e):find 'is not allowed in a sandbox' ~= nil
                    assert(is_refused ~= is_there and (ok or is_refused or row.fails), row.name .. ': ' .. tostring(e))
                    refusals = refusals + (is_refused and 1 or 0)
                  end
                end
                print(refusals > 0)
                """,
            ])
        #expect(outcome == Outcome(output: "\(options.isEmpty)\n", errors: "", ending: .status(0)))
    }
}
