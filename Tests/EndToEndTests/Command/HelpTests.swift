import Testing

/// `help`, and how a session shows the library's values.
@Suite
struct HelpTests {
    private func session(_ lines: String, _ environment: [String: String] = [:]) throws -> String {
        let outcome = try Program(path: "/bin/sh").run(
            ["-c", "printf '%s\\n' \"$2\" | \"$1\" -i 2>&1", "sh", Program.mmaplua.path, lines],
            environment: environment)
        #expect(outcome.ending == .status(0))
        return outcome.output
    }

    @Test(arguments: [
        ("help(mmap.anonymous(1))", "b:hexdump([offset [, length]])"),
        ("help(mmap.advise)", "Tells the kernel how a range will be used"),
        ("help \"advise\"", "see also madvise(2)"),
        ("help \"b:advise\"", "b:advise(offset, length, advice)"), ("help \"buffer:advise\"", "raises"),
        ("help(mmap.anonymous(1).view)", "b:view(type"),
        ("help \"view\"", "v:sum([\"wrap\"] [, \"skipnan\"])"),
        ("help(mmap)", "mmap.open(path"), ("help()", "Views"),
        ("help \"adivse\"", "Near it: buffer:advise"),
        ("help \"count\"", "There are several"), ("help \"MADV_RANDOM\"", "mmap.MADV_NORMAL"),
        ("help(mmap.regex \"a\")", "re:gmatch"), ("help(print)", "none of the library's"),
        ("help(nil)", "type nil"),
        ("help \"csv\"", "mmap.table(source [, options])"), ("help \"csv\"", "b:fields(separator"),
        ("help \"json\"", "mmap.json.decode(source"), ("help \"time\"", "mmap.table(source [, options])"),
        ("help \"readInt16LE\"", "b:readUInt32LE"), ("help \"nothing at all [\"", "Nothing is known"),
    ])
    func `help knows`(what: String, answer: String) throws {
        #expect(try session(what).contains(answer))
    }

    @Test func `help has the characters of the locale`() throws {
        #expect(try session("help 'fill'", ["LC_ALL": "C"]).utf8.allSatisfy { $0 < 128 })
        #expect(try session("help 'advise'", ["LC_ALL": "C.UTF-8"]).contains("→"))
    }

    @Test func `only a session has help, and a script's own stays`() throws {
        #expect(try Program.mmaplua.run(["-e", "print(help)"]).output == "nil\n")
        #expect(try session("help").contains("function: "))
        let outcome = try Program(path: "/bin/sh").run([
            "-c", "echo 'help' | \"$1\" -e 'help = 5' -i", "sh", Program.mmaplua.path,
        ])
        #expect(outcome.output.contains("\n5\n"))
    }

    @Test func `piped output is that of plain Lua`() throws {
        #expect(try session("mmap.anonymous(10)").contains("10 bytes rw-p anonymous+0\n> "))
    }

    @Test func `a terminal shows pictures and first lines`() throws {
        let folder = try TemporaryFolder()
        let path = try folder.file(
            "text", "first line\nsecond\tline\n" + String(repeating: "x\n", count: 9000))
        let setUp = """
            b = mmap.open "\(path)" b:touch()
            v = b:view("u8", 0, 5)
            r = b:records(mmap.struct { { "a", "u8" }, { "s", "char[4]" } }, 0, 9)
            """
        let terminal = try Terminal(
            .mmaplua, ["-i", "-e", setUp],
            environment: ["MMAPLUA_HISTORY": "", "NO_COLOR": "1", "LC_ALL": "C"])
        #expect(terminal.sees("> "))
        terminal.type("b\n")
        #expect(terminal.sees("pages of 4 KiB\n"))
        #expect(terminal.sees("\nin memory "))
        #expect(terminal.sees("\nfirst line\nsecond  line\nx\nx\nx\n> "))
        terminal.type("b:slice(#b)\n")
        #expect(terminal.sees("\nmmap.buffer: "))
        #expect(terminal.sees(" 0 bytes"))
        terminal.type("v\n")
        #expect(terminal.sees("\nmmap.view: "))
        #expect(terminal.sees("\n102 105 114 115 116\n> "))
        terminal.type("r\n")
        #expect(terminal.sees("\n[0] a = 102  s = \"irst\"\n[1]"))
        #expect(terminal.sees("... and 4 more\n> "))
        terminal.type("mmap.anonymous(5 * 4096)\n")
        #expect(terminal.sees("\nthe first page is not in memory; use b:hexdump(0, 64) to read it\n> "))
        terminal.type("b, 1\n")
        #expect(terminal.sees("\nmmap.buffer: "))
        #expect(terminal.sees("text+0\t1\n> "))
        terminal.type("b:close()\n")
        #expect(terminal.sees("> "))
        for (name, type) in [("b", "buffer"), ("v", "view"), ("r", "records")] {
            terminal.type("\(name)\n")
            #expect(terminal.sees("\nmmap.\(type) (closed)\n> "))
        }
        // A script's own print gets the value itself.
        terminal.type("do local p = print function print(x) p(type(x)) end end\n")
        #expect(terminal.sees("> "))
        terminal.type("mmap.anonymous(1)\n")
        #expect(terminal.sees("\nuserdata\n> "))
    }

    @Test func `a lost buffer is shown`() throws {
        let folder = try TemporaryFolder()
        let path = try folder.file("text", String(repeating: "x", count: 20000))
        let terminal = try Terminal(
            .mmaplua,
            ["-i", "-e", "b = mmap.open \"\(path)\" io.open(\"\(path)\", \"w\"):close() pcall(b.touch, b)"],
            environment: ["MMAPLUA_HISTORY": ""])
        #expect(terminal.sees("> "))
        terminal.type("b\n")
        #expect(terminal.sees("(lost)\n> "))
    }
}
