import Testing

/// Output of a session: tables, long help, and advice after an error.
@Suite
struct PromptTests {
    /// A session on a terminal of 24 lines and 80 columns.
    private func session(_ setUp: String = "", _ environment: [String: String] = [:]) throws -> Terminal {
        let terminal = try Terminal(
            .mmaplua, ["-i", "-e", setUp],
            environment: ["MMAPLUA_HISTORY": "", "NO_COLOR": "1", "LC_ALL": "C"].merging(environment) { $1 })
        #expect(terminal.sees("> "))
        return terminal
    }

    @Test func `tables are shown formatted`() throws {
        let terminal = try session(
            "b = mmap.anonymous(1 << 16) v = b:view('u8', 0, 4) long = {} for i = 1, 1000 do long[i] = i end many = {} for i = 1, 99 do many['k' .. i] = i end"
        )
        for (typed, shown) in [
            ("v:stats()", "\ncount  4\nexact  true\nmax    0\nmean   0.0\nmin    0\nsum    0\n> "),
            ("b:info()", "\nlength      65536 (64 KiB)\n"),
            (
                "{ closed = false, path = 'a\\27b', address = 4096, 2.5 }",
                "\n[1]      2.5\naddress  0x1000\nclosed   false\npath     \"a\\x1bb\"\n> "
            ),
            ("long", "\n1, 2, 3, 4, 5,"), ("#long", "1000\n> "),
            ("{ a = long }", " more }\n> "), ("many", "\n... and 79 more\n> "),
            ("{}", "\n{}\n> "),
            ("{ { x = 1, y = { 1, 2 } }, {} }", "\n[1]  { x = 1, y = { 1, 2 } }\n[2]  {}\n> "),
            ("mmap.faults(function() return 5 end)", "\nmajor    "), ("1", "\n1\n> "),
            ("setmetatable({ 1 }, { __tostring = function() return 'mine' end })", "\nmine\n> "),
            ("mmap", "\ntable: 0x"), ("select(2, pcall(mmap.open, '/none'))", "No such file"),
            ("{ b }", "\n[1]  mmap.buffer: 0x"), ("nil", "\nnil\n> "), ("1, {}", "\n1\n{}\n> "),
        ] {
            terminal.type("\(typed)\n")
            #expect(terminal.sees(shown), "\(typed): \(terminal.shown)")
        }
        // The results after the table are on lines of their own.
        terminal.type("mmap.faults(function() return 'first', 'second' end)\n")
        #expect(terminal.sees("\nseconds "))
        #expect(terminal.sees("\nfirst\nsecond\n> "))
    }

    @Test func `piped output is that of plain Lua`() throws {
        let outcome = try Program(path: "/bin/sh").run([
            "-c", "echo '{ 1 }' | \"$1\" -i 2>&1", "sh", Program.mmaplua.path,
        ])
        #expect(outcome.output.contains("\ntable: 0x"))
    }

    @Test func `help that is longer than the screen goes through the pager`() throws {
        let paged = try session("", ["PAGER": "sed 's/^/:/'"])
        paged.type("help()\n")
        #expect(paged.sees("\n:Views") || paged.sees(":"), "\(paged.shown)")
        paged.type("help 'fill'\n")
        #expect(paged.sees("\nThere are several"), "\(paged.shown)")
        // A pager that ends early, and one that does not exist.
        let left = try session("", ["PAGER": "head -n 1 >/dev/null"])
        left.type("help()\nprint(6 * 7)\n")
        #expect(left.sees("\n42\n"))
        let missing = try session("", ["PAGER": "no-such-pager"])
        missing.type("help()\n")
        #expect(missing.sees("Views"))
        let none = try session("", ["PAGER": ""])
        none.type("help()\n")
        #expect(none.sees("Views"))
    }

    @Test func `in a sandbox no pager is run`() throws {
        let folder = try TemporaryFolder()
        let terminal = try Terminal(
            .mmaplua, ["--sandbox", "-i"],
            environment: ["PAGER": "touch \(folder.path)/ran", "LC_ALL": "C"])
        #expect(terminal.sees("> "))
        terminal.type("help()\nprint(6 * 7)\n")
        #expect(terminal.sees("42\n"))
        #expect(folder.contents("ran") == nil)
    }

    @Test func `the table of advice fits the terminal`() throws {
        let terminal = try session()
        terminal.type("mmap.advices()\n")
        #expect(terminal.sees("\n    random access: no readahead\n"), "\(terminal.shown)")
        #expect(terminal.sees("> "))
    }

    @Test(arguments: [
        ("b:len()", "#b is its length"), ("b:size()", "#b is its length"), ("b:length()", "#b is its length"),
        ("b:sub(1, 2)", "b:string(offset, length)"), ("b:byte(1)", "b[offset]"),
        ("b:read(5)", "b:string(offset, length)"),
        ("b:gsub('a', 'b')", "mmap.regex(pattern):gsub"), ("b:fnd('a')", "did you mean 'find'?"),
        ("v:len()", "#v is the number"), ("v:byte(1)", "v[index]"),
        ("v:write(1)", "v:set(index"), ("v:summ()", "did you mean 'sum'?"), ("v:size()", "#v"),
        ("v:length()", "#v"),
        ("v:read()", "v:get(index, count)"), ("v:gsub('a')", "b:string(offset, length):gsub"),
    ])
    func `a method of strings suggests the buffer's method`(call: String, advice: String) throws {
        let setUp = "local b = mmap.anonymous(8) local v = b:view 'u8' "
        let outcome = try Program.mmaplua.run(["-e", setUp + call])
        let lines = outcome.errors.split(separator: "\n")
        #expect(lines.count > 2 && lines[0].contains("attempt to call a nil value (method '"), "\(outcome)")
        #expect(lines.count > 2 && lines[1].contains(advice) && lines[2] == "stack traceback:", "\(outcome)")
        // A table of the script, after an access to an object of the library.
        let other = try Program.mmaplua.run(["-e", setUp + "local _ = b.len local t = {} t:size()"])
        #expect(other.errors.contains("(method 'size')\nstack traceback:"), "\(other)")
        // A caught error has Lua's own message.
        let caught = try Program.mmaplua.run(["-e", setUp + "print(pcall(function() \(call) end))"])
        #expect(caught.output.hasSuffix("')\n") && caught.errors == "", "\(caught)")
    }

    @Test func `ipairs suggests the right loop at once`() throws {
        for (loop, advice) in [
            ("ipairs(mmap.anonymous(1 << 40 >> 10))", "for i = 0, #b - 1 do"),
            ("ipairs(mmap.anonymous(8):view 'u8')", "in v:each() do"),
            ("ipairs(mmap.anonymous(8):lines())", "for line in b:lines() do"),
            ("ipairs(mmap.anonymous(8):fields ';')", "an iterator is for the generic for loop"),
            ("pairs(mmap.anonymous(8))", "for i = 0, #b - 1 do"),
        ] {
            let outcome = try Program.mmaplua.run(["-e", "for i, x in \(loop) do print(i) end"])
            #expect(
                outcome.output == "" && outcome.errors.contains(advice)
                    && outcome.errors.hasPrefix("\(Program.mmaplua.path): (command line):1: "),
                "\(loop): \(outcome)")
        }
        let plain = try Program.mmaplua.run([
            "-e",
            "for i, x in ipairs { 5, 6 } do print(i, x) end print(pcall(ipairs)) print(select('#', ipairs(print))) print(next(getmetatable('').__index) ~= nil)",
        ])
        #expect(plain.output == "1\t5\n2\t6\nfalse\tbad argument #1 to 'ipairs' (value expected)\n3\ntrue\n")
    }
}
