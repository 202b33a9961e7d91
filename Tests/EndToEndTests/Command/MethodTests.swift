import Glibc
import Testing

/// The rows of methods.lua in the program, which can start processes, and in its sandbox.
@Suite
struct MethodTests {
    /// The folder `Tests`.
    private static let tests = "\(packageRoot)/Tests"

    @Test(arguments: [
        "everyFunctionHasARow", "everyMethodRefusesForeignObjects", "everyWrongTypeIsNamedWithItsArgument",
        "missingArgumentsAreNamed", "everyErrorUnderPcallNamesTheFunction",
        "extraArgumentsAreRefused",
        "everyZeroByteCounts", "everyNumberIsInRangeOrRefused",
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

    /// sandbox.c lists the functions of a sandbox; the rows tell which ones it should list. Makes each call of each
    /// row.
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
                  -- A finalizer cannot be reached without debug, and a child only with the option.
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

    /// Long calls on 1 TiB, where none reaches its end: Ctrl-C ends each with an error of the script. Without calls
    /// that write: on a busy machine they would fill the disk.
    @Test func ctrlCInterruptsLongCalls() throws {
        let folder = try TemporaryFolder()
        let script = try folder.file(
            "long.lua",
            """
            local methods = dofile '\(Self.tests)/methods.lua'
            local function each(row) return type(row.long) == 'function' and { whole = row.long } or row.long or {} end
            if not arg[1] then
              for _, row in ipairs(methods.rows) do
                for name in pairs(not row.writes and each(row) or {}) do print(row.name .. ',' .. name) end
              end
              return
            end
            local path = '\(folder.path)/sparse'
            os.remove(path)
            local b = mmap.sparse(path, 1 << 40)
            local row, name = arg[1]:match '^(.-),(.*)$'
            local call = table.pack(each(methods.row(row))[name](b, function() return mmap.open(path) end))
            local process = io.open '/proc/self/stat':read 'n'
            print(pcall(function()
              os.execute('{ sleep 0.2; kill -INT ' .. process .. '; } &')
              -- On a busy machine the signal may come after the end of the shortest of them.
              for _ = 1, 20 do call[1](table.unpack(call, 2, call.n)) end
            end))
            os.exit(true)
            """)
        // These end by themselves: partial work, or not enough memory.
        let short: Set = ["buffer.hexdump,128 MiB", "view.totable,u64", "view.unique,u32"]
        let calls = try Program.mmaplua.run([script]).output.split(separator: "\n").map(String.init)
        #expect(calls.count >= 35 && short.isSubset(of: calls))
        for call in calls where !short.contains(call) {
            let outcome = try Program.mmaplua.run([script, call])
            #expect(
                outcome.output.hasPrefix("false\t") && outcome.output.hasSuffix("interrupted!\n")
                    && outcome.errors == "" && outcome.ending == .status(0), "\(call): \(outcome)")
        }
    }
}
