import Glibc
import Testing

/// What the command does beside or beyond lua5.4.
@Suite
struct HostTests {
    @Test(arguments: [["--help"], ["-v", "--help"], ["-e", "error()", "--help", "script"]])
    func `help goes to standard output`(arguments: [String]) throws {
        let outcome = try Program.mmaplua.run(arguments)
        #expect(outcome.ending == .status(0))
        #expect(outcome.errors == "")
        #expect(outcome.output.hasPrefix("usage: mmaplua [options] [script [args]]\n"))
        for option in ["-e stat", "-i ", "-l g=mod", "-v ", "-E ", "-W ", "--help", "--version"] {
            #expect(outcome.output.contains("\n  \(option)"))
        }
    }

    @Test func `the version names the program and its Lua`() throws {
        let outcome = try Program.mmaplua.run(["--version"])
        #expect(outcome.output.hasPrefix("mmaplua "))
        #expect(outcome.output.hasSuffix("(Lua 5.4.4)\n"))
        #expect(outcome.ending == .status(0))
    }

    @Test func `behind the script's name nothing is an option`() throws {
        let outcome = try Program.mmaplua.run(["-", "--help", "--version"], input: "print(...)")
        #expect(outcome.output == "--help\t--version\n")
    }

    @Test func `the library is a global and a module`() throws {
        let outcome = try Program.mmaplua.run(["-e", "print(type(mmap), mmap == require 'mmap', _VERSION)"])
        #expect(outcome == Outcome(output: "table\ttrue\tLua 5.4\n", errors: "", ending: .status(0)))
    }

    @Test(arguments: ["lpeg", "cjson", "lfs"])
    func `C modules of the distribution load`(module: String) throws {
        let code = "print(pcall(require, '\(module)'))"
        let outcome = try Program.mmaplua.run(["-e", code])
        guard Program.lua.exists, try Program.lua.run(["-e", code]).output.hasPrefix("true") else { return }
        #expect(outcome.output.hasPrefix("true\ttable: "), "\(outcome.output)")
    }

    @Test(arguments: [
        ["-e", "print(1)"], ["-e", "io.write(1) os.exit(0)"], ["-e", "io.write(1) os.exit(0, true)"],
        ["--help"], ["--version"], ["-v"], ["-e", "io.write(string.rep(1, 1 << 20))"],
    ])
    func `output that cannot be written is an error`(arguments: [String]) throws {
        let quoted = arguments.map { "'\($0)'" }.joined(separator: " ")
        let command = "exec '\(Program.mmaplua.path)' \(quoted) > /dev/full"
        let outcome = try Program(path: "/bin/sh").run(["-c", command])
        #expect(outcome.ending == .status(1))
        #expect(outcome.errors.contains("cannot write standard output"))
    }

    @Test func `a failure of the script counts more than its output's`() throws {
        let command = "exec '\(Program.mmaplua.path)' -e 'io.write(1) os.exit(7)' > /dev/full"
        #expect(try Program(path: "/bin/sh").run(["-c", command]).ending == .status(7))
    }

    @Test func `a closed standard output matters only to those who use it`() throws {
        let run = { (code: String) in
            try Program(path: "/bin/sh").run(["-c", "exec '\(Program.mmaplua.path)' -e '\(code)' >&-"]).ending
        }
        #expect(try run("local x = 1") == .status(0))
        #expect(try run("print(1)") == .status(1))
    }

    @Test func `an unfinished statement at the end of the input says what is missing`() throws {
        let outcome = try Program.mmaplua.run(["-i"], input: "x = 1 +\n")
        #expect(outcome.errors.contains("near <eof>"))
        #expect(outcome.ending == .status(0))
    }

    @Test func `an empty argument list is enough`() throws {
        let outcome = try Program.mmaplua.run(["-h"], name: "")
        #expect(outcome.errors.hasPrefix("mmaplua: unrecognized option '-h'\nusage: mmaplua "))
    }

    /// Starts a script that says when it is ready, sends signals, and returns how it ended.
    private func interrupt(_ code: String, times: Int = 1) throws -> Outcome {
        let script = """
            '\(Program.mmaplua.path)' -e "$1" & child=$!
            i=0; while [ $i -lt \(times) ]; do sleep 0.5; kill -INT $child; i=$((i + 1)); done
            wait $child; echo "status $?"
            """
        return try Program(path: "/bin/bash").run(["-c", script, "bash", code])
    }

    @Test func `Ctrl-C is an error of the running code`() throws {
        let outcome = try interrupt("while true do end")
        #expect(
            outcome.errors == """
                \(Program.mmaplua.path): interrupted!
                stack traceback:
                \t(command line):1: in main chunk
                \t[C]: in ?

                """)
        #expect(outcome.output == "status 1\n")
    }

    @Test func `Ctrl-C can be caught`() throws {
        let outcome = try interrupt("pcall(function() while true do end end) print 'after'")
        #expect(outcome.output == "after\nstatus 0\n")
        #expect(outcome.errors == "")
    }

    @Test func `a second Ctrl-C ends what Lua cannot interrupt`() throws {
        let outcome = try interrupt("string.find(('a'):rep(200000), '.*.*b')", times: 2)
        #expect(outcome.output == "status \(128 + SIGINT)\n")
    }
}
