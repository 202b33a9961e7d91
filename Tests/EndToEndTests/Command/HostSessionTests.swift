import Glibc
import Testing

/// The interactive prompt, on a pseudo-terminal.
@Suite(.serialized)
struct HostSessionTests {
    private static let up = "\u{1B}[A"
    private static let left = "\u{1B}[D"
    private static let controlC = "\u{3}"
    private static let controlD = "\u{4}"

    private func session(_ arguments: [String] = [], _ environment: [String: String] = [:]) throws -> Terminal
    {
        let terminal = try Terminal(
            .mmaplua, arguments, environment: ["MMAPLUA_HISTORY": ""].merging(environment) { $1 })
        #expect(terminal.sees("> "))
        return terminal
    }

    @Test func `prints the values of an expression and leaves at Ctrl-D`() throws {
        let terminal = try session()
        terminal.type("6 * 7, 'x'\n")
        #expect(terminal.sees("\n42\tx\n> "))
        terminal.type(Self.controlD)
        #expect(terminal.end() == .status(0))
    }

    @Test func `a second prompt continues an incomplete statement`() throws {
        let terminal = try session()
        terminal.type("for i = 1, 2 do\n")
        #expect(terminal.sees("\n>> "))
        terminal.type("print('n' .. i)\n")
        #expect(terminal.sees("\n>> "))
        terminal.type("end\n")
        #expect(terminal.sees("\nn1\nn2\n> "))
    }

    @Test func `Ctrl-C clears the line and gives a new prompt`() throws {
        let terminal = try session()
        terminal.type("print('un" + Self.controlC)
        #expect(terminal.sees("^C\n> "))
        terminal.type("print('de' .. 'ux')\n")
        #expect(terminal.sees("\ndeux\n> "))
    }

    @Test func `Ctrl-C leaves an incomplete statement`() throws {
        let terminal = try session()
        terminal.type("for i = 1, 2 do\n")
        #expect(terminal.sees("\n>> "))
        terminal.type(Self.controlC)
        #expect(terminal.sees("^C\n> "))
        terminal.type("'a' .. 'b'\n")
        #expect(terminal.sees("\nab\n> "))
    }

    @Test func `Ctrl-C interrupts running code with a traceback and the session continues`() throws {
        let terminal = try session()
        terminal.type("print 'busy' while true do end\n")
        #expect(terminal.sees("\nbusy\n"))
        terminal.type(Self.controlC)
        #expect(terminal.sees("interrupted!\nstack traceback:\n"))
        #expect(terminal.sees("\n> "))
        terminal.type("'still' .. 'here'\n")
        #expect(terminal.sees("\nstillhere\n> "))
    }

    @Test func `Ctrl-C ends the picture of a table, which is not made once more by print`() throws {
        let terminal = try session()
        terminal.type(
            """
            t = mmap.table { n = mmap.anonymous(8):view 'u8' }:where(function() io.write('be', 'gun') io.flush() while true do end end, 'n')

            """
        )
        #expect(terminal.sees("\n> "))
        terminal.type("t\n")
        #expect(terminal.sees("begun"))
        terminal.type(Self.controlC)
        #expect(terminal.sees("interrupted!\n> "))
        terminal.type("'still' .. 'here'\n")
        #expect(terminal.sees("\nstillhere\n> "))
    }

    @Test func `the line can be edited`() throws {
        let terminal = try session()
        terminal.type("'ac' .. ''" + String(repeating: Self.left, count: 8) + "b\n")
        #expect(terminal.sees("\nabc\n> "))
    }

    @Test func `characters beyond ASCII are edited as one`() throws {
        let terminal = try session()
        terminal.type("#'aéü\u{7F}'\n")
        #expect(terminal.sees("\n3\n> "))
    }

    @Test func `the locale of a script stays that of lua`() throws {
        let terminal = try session()
        terminal.type("'ctype=' .. os.setlocale(nil, 'ctype')\n")
        #expect(terminal.sees("\nctype=C\n> "))
    }

    @Test(arguments: [
        ("str\t", "string"), ("string.rev\t", "string.reverse"), ("fun\t", "function"),
        ("x:upp\t", "x:upper"), ("print(mma\t", "print(mmap"), ("u:sl\t", "u:slice"), ("u.wri\t", "u.write"),
        ("proxy.al\t", "proxy.alpha"), ("deep.one.tw\t", "deep.one.two"),
        ("b:advise(\"ran\t", "b:advise(\"random"), ("b:advise 'seq\t", "b:advise 'sequential"),
        ("b:advise(0, 4096, \"willn\t", "b:advise(0, 4096, \"willneed"),
        ("b:view(\"f32b\t", "b:view(\"f32be"),
        ("mmap.open('(', 'r', { gr\t", "mmap.open('(', 'r', { grow"),
        ("mmap.open('a', 'r', { grow = true, of\t", "mmap.open('a', 'r', { grow = true, offset"),
        ("mmap.open('a', 'r', { advice = \"coll\t", "mmap.open('a', 'r', { advice = \"collapse"),
        ("b:populate(\"wr\t", "b:populate(\"write"), ("help \"rea\t", "help \"read"),
    ])
    func `Tab completes`(typed: String, completed: String) throws {
        let terminal = try session([
            "-i", "-e",
            """
            x = 'text'  deep = { one = { two = 2 } }
            proxy = setmetatable({}, { __pairs = function() return next, { alpha = 1 } end })
            u = io.tmpfile()
            debug.setmetatable(u, { __methods = { slice = true, write = true },
              __index = function() error 'not asked' end })
            """,
        ])
        // The marker shows that the completed name came from the key.
        terminal.type(typed + "_")
        #expect(terminal.sees(completed + "_"))
    }

    @Test func `Tab lists what is possible`() throws {
        let terminal = try session()
        terminal.type("string.re\t")
        #expect(terminal.sees("\nrep      reverse\n> string.re"))
    }

    @Test func `an error or an endless loop in a metamethod does not end a completion's session`() throws {
        let terminal = try session([
            "-i", "-e",
            "bad = setmetatable({}, { __index = function() error 'no' end }) slow = setmetatable({}, {"
                + " __pairs = function() io.write 'at work' io.stdout:flush() while true do end end })",
        ])
        terminal.type("bad.x.y\tz")
        #expect(terminal.sees("bad.x.y") && terminal.sees("z"))
        terminal.type(Self.controlC)
        #expect(terminal.sees("^C\n> "))
        terminal.type("slow.x\t")
        #expect(terminal.sees("at work"))
        terminal.type(Self.controlC + "z")
        #expect(terminal.sees("z"))
        terminal.type(Self.controlC)
        #expect(terminal.sees("^C\n> "))
        terminal.type("'al' .. 'ive'\n")
        #expect(terminal.sees("\nalive\n> "))
    }

    @Test func `the history is kept in a file that only its owner reads`() throws {
        let folder = try TemporaryFolder()
        let place = ["MMAPLUA_HISTORY": folder.path + "/deep/history"]
        let first = try session([], place)
        first.type("'entry \\\\' .. 'one'\n")
        #expect(first.sees("\nentry \\one\n> "))
        first.type("do\n")
        #expect(first.sees(">> "))
        first.type("print 'several' end\n")
        #expect(first.sees("\nseveral\n> "))
        first.type("os.exit(3)\n")
        #expect(first.end() == .status(3))
        #expect(
            folder.contents("deep/history")
                == "'entry \\\\\\\\' .. 'one'\ndo\\nprint 'several' end\nos.exit(3)\n")
        var information = stat()
        #expect(stat(folder.path + "/deep/history", &information) == 0)
        #expect(information.st_mode & 0o777 == 0o600)
        #expect(stat(folder.path + "/deep", &information) == 0)
        #expect(information.st_mode & 0o777 == 0o700)

        let second = try session([], place)
        second.type(Self.up + Self.up + "\n")
        #expect(second.sees("\nseveral\n> "))
        second.type(Self.up + Self.up + Self.up + Self.up + "\n")
        #expect(second.sees("\nentry \\one\n> "))
    }

    @Test func `a session works without a history file`() throws {
        let terminal = try session([], ["MMAPLUA_HISTORY": "/proc/nowhere/history"])
        terminal.type("'a' .. 'b'\n")
        #expect(terminal.sees("\nab\n> "))
        terminal.type(Self.up + "\n")
        #expect(terminal.sees("\nab\n> "))
    }

    @Test func `a terminal that cannot edit gets plain lines, with Ctrl-C all the same`() throws {
        let terminal = try session([], ["TERM": "dumb"])
        terminal.type("'pl' .. 'ain'\n")
        #expect(terminal.sees("\nplain\n> "))
        terminal.type("print('un")
        #expect(terminal.sees("print('un"))
        terminal.type(Self.controlC)
        #expect(terminal.sees("\n> "))
        terminal.type("'de' .. 'ux'\n")
        #expect(terminal.sees("\ndeux\n> "))
        terminal.type("io.read(1)\nx'tr' .. 'ois'\n")
        #expect(terminal.sees("\nx\n> trois\n> "), "what io.read left is a line of its own")
        terminal.type(Self.controlD)
        #expect(terminal.end() == .status(0))
    }

    @Test func `Ctrl-C right after the prompt is not lost`() throws {
        let terminal = try session([], ["TERM": "dumb"])
        for number in 1...300 {
            terminal.type(Self.controlC)
            try #require(terminal.sees("\n> "), "the \(number). of 300")
        }
    }

    @Test func `a terminating signal at the prompt ends the program`() throws {
        let terminal = try session()
        terminal.type("half a li")
        #expect(terminal.sees("half a li"))
        kill(terminal.child, SIGTERM)
        #expect(terminal.end() == .signal(SIGTERM))
    }

    @Test(arguments: [SIGWINCH, SIGCONT])
    func `a handled signal does not change the line`(number: CInt) throws {
        let terminal = try session()
        terminal.type("'half ' .. ")
        #expect(terminal.sees("'half ' .. "))
        kill(terminal.child, number)
        #expect(terminal.sees("> 'half ' .. "))
        terminal.type("'a line'\n")
        #expect(terminal.sees("\nhalf a line\n> "))
    }

    @Test func `_PROMPT may be anything, with text that takes no room`() throws {
        let terminal = try session(["-i", "-e", "_PROMPT = '\\1\\27[1m\\2lua> '"])
        terminal.type("'a' .. 'b'\n")
        #expect(terminal.sees("\nab\nlua> "))
    }

    /// Input and the text shown for it. Unescaped, each output would turn the terminal red.
    @Test(arguments: [
        ("b", "\\x1b[31m"), ("tostring(b)", "\\x1b[31m"), ("b:explain()", "\\x1b[31m"),
        ("b:view 'u8'", "\\x1b[31m"),
        ("mmap.struct { { 'a\\27[31m', 'u8' } }", "{ a\\x1b[31m @0 u8 }"),
        ("mmap.anonymous(9):records(mmap.struct { { 'a\\27[31m', 'u8' } })", "[0] a\\x1b[31m = 0\n"),
        ("text:records(mmap.struct { { 'a', 'char[7]' } })", "[0] a = \"\\x1b[31m\\\"\\\\\"\n"),
        ("lines", "\none \\xc2\\x9b31m two\nthree  four\n"),
        ("mmap.open '\\27[31mx'", "(ENOENT): \\x1b[31mx\n"),
        ("error '\\27[31m'", "1: \\x1b[31m\nstack traceback:\n\t"),
        ("({})['\\27[31m'].x", "field '\\x1b[31m')\nstack traceback:\n\t"),
        ("help '\\27[31m'", "Nothing is known of \"\\x1b[31m\"."),
    ])
    func `foreign text is escaped on the terminal`(typed: String, shown: String) throws {
        let folder = try TemporaryFolder()
        let path = try folder.file("\u{1B}[31mred", String(repeating: "x", count: 5000))
        let lines = try folder.file("lines", "one \u{9B}31m two\nthree\tfour\n")
        let text = try folder.file("text", "\u{1B}[31m\"\\")
        let terminal = try session(
            [
                "-i", "-e",
                "b = mmap.open(os.getenv 'B') lines = mmap.open(os.getenv 'LINES') text = mmap.open(os.getenv 'TEXT')",
            ], ["B": path, "LINES": lines, "TEXT": text, "NO_COLOR": "1"])
        terminal.type(typed + "\n")
        #expect(terminal.sees(typed) && terminal.sees(shown), "\(terminal.shown)")
        #expect(terminal.sees("> "))
        #expect(!terminal.isColored)
    }

    /// Also for a program that ends with an error; in a file or pipe the message stays as it is.
    @Test func `an uncaught error is escaped on the terminal`() throws {
        let terminal = try Terminal(.mmaplua, ["-e", "error('\\27[31m\\n\\t\\155é')"])
        #expect(terminal.sees("1: \\x1b[31m\n\t\\x9bé\nstack traceback:\n\t[C]: "))
        #expect(terminal.end() == .status(1) && !terminal.isColored)
        let piped = try Program.mmaplua.run(["-e", "error('\\27[31m')"])
        #expect(piped.errors.contains("1: \u{1B}[31m\n"))
        let printed = try Terminal(.mmaplua, ["-e", "print('\\27[31mred')"])
        #expect(printed.sees("red\n") && printed.isColored, "what a script prints is its own")
        let argument = try Terminal(.mmaplua, ["--\u{1B}[31m"])
        #expect(argument.sees("unrecognized option '--\\x1b[31m'\n"))
        #expect(argument.end() == .status(1) && !argument.isColored)
    }
}
