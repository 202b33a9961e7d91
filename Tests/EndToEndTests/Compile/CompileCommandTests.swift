import Foundation
import Testing

/// Compiled functions in the program: options, the sandbox, signals, pages that vanish.
///
/// What is to end machine code comes after two seconds: on a busy machine the compiler takes one.
@Suite struct CompileCommandTests {
    private let endless = """
        local n, b = 0, mmap.anonymous(4096)
        local f = mmap.compile(function(x)
          n = n + 1
          while true do
            for i = 0, #b - 1 do b[i] = x x = (x * 5 + 1) & 255 end
          end
        end, { strict = true })
        print(pcall(f, 1))
        print(n, mmap.whynot(f))
        """

    @Test func optionsAndTheSandbox() throws {
        let script = "local g = mmap.compile(function(x) return x + 1 end) print(g(1), mmap.whynot(g))"
        let program = Program.mmaplua
        #expect(try program.run(["-e", script]).output == "2\tnil\n")
        #expect(
            try program.run(["--no-compile", "-e", script]).output
                == "2\tnothing is compiled (--no-compile)\n")
        #expect(
            try program.run(["--sandbox", "-e", script]).output
                == "2\tnothing is compiled in a sandbox (use --allow-compile)\n")
        #expect(try program.run(["--sandbox", "--allow-compile", "-e", script]).output == "2\tnil\n")
        #expect(try program.run(["--allow-compile", "-e", script]).errors.contains("needs --sandbox"))
        let report = try program.run([
            "--compile-report", "-e", "\(script) mmap.compile(function(x) return x .. x end)(0.5)",
        ]).errors
        #expect(report.hasPrefix("compiled functions:\n  (command line):1 (integer): "))
        #expect(report.contains("(float): not compiled: line 1: strings are joined"))
        #expect(try program.run(["--compile-report", "-e", ""]).errors == "compiled functions: none\n")
    }

    @Test func timeEndsMachineCode() throws {
        let outcome = try Program.mmaplua.run(["--time=2", "-e", endless])
        #expect(outcome.output.contains("time limit exceeded"))
        // The upvalue is as before the call.
        #expect(outcome.output.hasSuffix("\n0\tnil\n"))
    }

    private let recursion = """
        local function fib(n) if n < 2 then return n end return fib(n - 1) + fib(n - 2) end
        local g = mmap.compile(fib)

        """

    @Test func timeEndsRecursion() throws {
        let outcome = try Program.mmaplua.run(["--time=2", "-e", recursion + "print(pcall(g, 90))"])
        #expect(outcome.output.contains("time limit exceeded"))
    }

    /// The frames of functions that call each other take 1 MiB. Without it the interpreter makes the calls.
    @Test func recursionWithoutMemoryForFrames() throws {
        let outcome = try Program.mmaplua.run([
            "--memory=1M", "-e", recursion + "print(g(20), mmap.whynot(g), g(21))",
        ])
        #expect(outcome.output == "6765\tnil\t10946\n")
    }

    @Test func lostPagesAreAnError() throws {
        let outcome = try Program.mmaplua.run([
            "-e",
            """
            local path = os.tmpname()
            local page = mmap.PAGESIZE
            local file = assert(io.open(path, "wb")) file:write(("x"):rep(4 * page)) file:close()
            local b = mmap.open(path, "r+")
            local sum = mmap.compile(function(b) local s = 0
              for i = 0, #b - 1 do s = s + b[i] end
              return s end, { strict = true })
            print(sum(b))
            io.open(path, "wb"):close()
            local ok, e = pcall(sum, b)
            print(ok, e.code, (tostring(e):gsub(":.*", "")))
            print(select(2, pcall(sum, b)).code)
            os.remove(path)
            """,
        ])
        #expect(outcome.output == "\(4 * getpagesize() * 120)\nfalse\tSIGBUS\t(command line)\nSIGBUS\n")
    }

    /// The SIGINT handler of a stock lua5.4 only sets a hook.
    @Test(
        .enabled(
            if: Program.lua.exists && Program.variable("MMAPLUA_MODULE") != nil,
            "there is no lua5.4, or no module for it: MMAPLUA_MODULE"))
    func interruptEndsMachineCodeInAStockLua() throws {
        let module = try #require(Program.variable("MMAPLUA_MODULE"))
        let outcome = try Program.lua.run([
            "-e",
            """
            package.cpath = "\(module)"
            mmap = require "mmap"
            os.execute("(sleep 2; kill -INT $PPID) >/dev/null 2>&1 &")
            \(endless)
            """,
        ])
        #expect(outcome.output.contains(/^false\t\(command line\):\d+: interrupted!\n0\tnil\n$/))
    }

    /// LLVM takes seconds for this function, which is in the middle of them. It is left, and does nothing any more.
    @Test func interruptEndsTheCompiler() throws {
        let script = """
            local lines = { "return function(x) local s, y, z = 0, x, 1" }
            for i = 1, 500 do lines[#lines + 1] = ("s = s + %d * y z = z ~ s y = y // (z | 1) + %d"):format(i, i) end
            lines[#lines + 1] = "return s end"
            local f, id = load(table.concat(lines, "\\n"))(), io.open("/proc/self/stat"):read "n"
            local g, e
            -- Where the machine is busy, the signal may come before the compiler begins.
            for try = 1, 20 do
              e = select(2, pcall(function()
                g = mmap.compile(f)
                os.execute(("(sleep %g; kill -INT %d) >/dev/null 2>&1 &"):format(try * 0.3, id))
                g(3)
              end))
              if (mmap.whynot(g) or ""):find "interrupted" then break end
            end
            print(e, mmap.whynot(g), g(3) == f(3), mmap.whynot(mmap.compile(function() end)))
            """
        let outcome = try Program.mmaplua.run(["-e", script])
        let reason = "the compiler was interrupted; the interpreter runs everything now"
        #expect(outcome.errors == "")
        #expect(outcome.output == "interrupted!\t\(reason)\ttrue\tnot called yet\n")
    }

    /// A table is made meanwhile: it grows, is counted, and is gone after each way out.
    @Test func whatEndsMachineCodeThatMakesTables() throws {
        let script = """
            local n, b = 0, mmap.anonymous(4096)
            local f = mmap.compile(function(x)
              n = n + 1
              local t = {}
              while true do
                for i = 0, 1 << 24 do t[i] = i + x end
                t = {}
                t[x & 255] = x
              end
            end, { strict = true })
            local ok, e = pcall(f, 1)
            print(ok, (tostring(e):gsub("%d+", "N")))
            print(n, mmap.whynot(f))
            """
        let time = try Program.mmaplua.run(["--time=2", "-e", script])
        #expect(time.output.contains("time limit exceeded") && time.output.hasSuffix("\n0\tnil\n"))
        let interrupt = try Program.mmaplua.run([
            "-e",
            "os.execute('(sleep 2; kill -INT '..io.open('/proc/self/stat'):read('n')..') >/dev/null 2>&1 &')\n\(script)",
        ])
        #expect(interrupt.output == "false\t(command line):N: interrupted!\n0\tnil\n")
        // The interpreter goes on where the limit is reached, and needs memory too.
        let memory = try Program.mmaplua.run(["--memory=20M", "-e", script])
        #expect(memory.output.contains("not enough memory"))
        // Twenty times: 100 MB, if any were kept.
        let kept = try Program.mmaplua.run([
            "--memory=30M", "-e",
            """
            local path = os.tmpname()
            local function put(n) local file = assert(io.open(path, "wb")) file:write(("x"):rep(n)) file:close() end
            local f = mmap.compile(function(b) local t = {}
              for i = 0, 500000 do t[i] = i end
              for i = 0, #b - 1 do t[b[i]] = i end
              return #t, t[120] end, { strict = true })
            for turn = 1, 20 do
              put(4 * mmap.PAGESIZE)
              local b = mmap.open(path)
              assert(f(b) == 500000)
              put(0)
              local ok, e = pcall(f, b)
              assert(not ok and e.code == "SIGBUS", e)
              b:close()
            end
            os.remove(path)
            print "done"
            """,
        ])
        #expect(kept.output == "done\n", "\(kept.errors)")
    }

    @Test func codeCountsForTheLimitOfMemory() throws {
        let outcome = try Program.mmaplua.run([
            "--memory=1500K", "-e",
            """
            local list = {}
            for i = 1, 3000 do
              list[i] = mmap.compile(function(x) return x + 1 end)
              list[i](1)
              if mmap.whynot(list[i]) then print(mmap.whynot(list[i])) break end
            end
            """,
        ])
        #expect(outcome.output.contains("--memory") || outcome.errors.contains("not enough memory"))
    }

    /// What a finalizer takes away with the debug library while the function goes on in the interpreter.
    @Test(arguments: ["1, nil", "1, io.stdout", "2, print", "3, nil", "3, 7", "3, {}"])
    func aFinalizerChangesTheUpvalues(_ change: String) throws {
        let outcome = try Program.mmaplua.run(
            [
                "-e",
                """
                local function seed()
                  setmetatable({}, { __gc = function()
                    local info = debug.getinfo(2, "Sf")
                    if info and info.what == "C" and type(select(2, debug.getupvalue(info.func, 3))) == "table" then
                      debug.setupvalue(info.func, \(change))
                    end
                    seed()
                  end })
                end
                for i = 1, 10 do seed() end
                collectgarbage("setpause", 0) collectgarbage("setstepmul", 1000)
                for i = 1, 30 do
                  local f = mmap.compile(function(x)
                    local a, b, c, d = {}, {}, {}, {}
                    for i = 1, 5000 do a[i] = i b[i] = i c[i] = i d[i] = i end
                    a[-1] = x
                    return a, b, c, d
                  end)
                  local ok, e = pcall(f, 1)
                  assert(ok or e:find "the upvalues of a compiled function were changed", e)
                  ok, e = pcall(mmap.parallel, f, 1, 10)
                  assert(ok or e:find "changed" or e:find "a finalizer", e)
                end
                print "ended"
                """,
            ], environment: ["MALLOC_PERTURB_": "165"])
        #expect(outcome.ending == .status(0))
        #expect(outcome.output == "ended\n")
    }
}
