import Testing

/// `examples/grep.lua` against the system's grep.
@Suite
struct ExamplesGrepTests {
    private static let script = "\(packageRoot)/examples/grep.lua"
    private static let locale = ["LC_ALL": "C"]

    private func run(_ arguments: [String], input: String = "") throws -> Outcome {
        try Program.mmaplua.run([Self.script] + arguments, input: input, environment: Self.locale)
    }

    private static let text = """
        first line
        second Line, user 12 and user 17

        a.b|c \\ [x]
          indented\t\r
        user 170
        \u{e9}t\u{e9} and a last line without its newline
        """

    @Test(arguments: [
        [], ["-n"], ["-c"], ["-o"], ["-v"], ["-in"], ["-cv"], ["-l"], ["-q"], ["-no"], ["-vn"], ["-h"],
        ["--color=always"], ["--color=always", "-no"], ["--color=always", "-c"], ["--color=never"],
    ])
    func `it finds what grep finds`(options: [String]) throws {
        let grep = Program(path: "/usr/bin/grep")
        let folder = try TemporaryFolder()
        let files = [
            try folder.file("one", Self.text), try folder.file("two", "line\n\n"),
            try folder.file("none", ""),
        ]
        let patterns = [
            "line", "user [0-9]+7\\b", "x*", "^", "$", "^$", "", "a|b", "user [^x]+7", "\\s+$", "\\Aa",
            "(?<=user )1",
            "(?!a)n", "nowhere",
        ]
        // Every line matches an empty pattern; GNU grep knows that -v then finds none, and -c prints nothing.
        for pattern in patterns where !(pattern.isEmpty && options == ["-cv"]) {
            for list in [[files[0]], files] {
                let arguments = options + ["-e", pattern] + list
                let theirs = try grep.run(["-P"] + arguments, environment: Self.locale)
                #expect(try run(arguments) == theirs, "\(arguments)")
            }
        }
        for text in ["user 1", ".", "a.b|c \\ [x]", "Line"] {
            for more in [["-F"], ["-Fi"]] {
                let arguments = more + options + ["-e", text] + files
                #expect(
                    try run(arguments) == grep.run(arguments, environment: Self.locale), "\(arguments)")
            }
        }
    }

    @Test func `standard input, binary files and errors`() throws {
        let folder = try TemporaryFolder()
        let binary = try folder.file("binary", "a\u{0}b\nabc\n")
        let plain = try folder.file("plain", "abc\n")
        #expect(try run(["b"], input: "abc\nx\n").output == "abc\n")
        #expect(try run(["-c", "b", plain, "-"], input: "b\nb").output == "\(plain):1\n(standard input):2\n")
        #expect(try run(["b"]).ending == .status(1))

        let matches = try run(["b", binary, plain])
        #expect(matches.output == "\(plain):abc\n")
        #expect(matches.errors == "grep.lua: \(binary): binary file matches\n")
        #expect(try run(["-ac", "b", binary]).output == "2\n")

        let missing = try run(["b", folder.path + "/missing", plain])
        #expect(missing.ending == .status(2) && missing.output == "\(plain):abc\n")
        #expect(missing.errors.contains("No such file or directory (ENOENT)"))
        #expect(try run(["-q", "b", plain, folder.path + "/missing"]).ending == .status(0))

        let wrong = try run(["(", plain])
        #expect(wrong.ending == .status(2))
        #expect(wrong.errors == "grep.lua: (: missing closing parenthesis (at byte 1)\n")
        for arguments in [
            [], ["-Z", "x"], ["-e"], ["--color=blue", "x"], ["--generate"], ["--generate", "x", "y"],
        ] {
            let outcome = try run(arguments)
            #expect(outcome.ending == .status(2) && outcome.errors.contains("usage: mmaplua grep.lua"))
        }
        #expect(try run(["--help"]).output.hasPrefix("usage: mmaplua grep.lua"))
        #expect(try run(["--", "-n", plain]).ending == .status(1))
    }

    @Test(arguments: [true, false])
    func `colors are for terminals`(wanted: Bool) throws {
        let folder = try TemporaryFolder()
        let path = try folder.file("f", "one\ntwo\n")
        let terminal = try Terminal(
            .mmaplua, [Self.script, "-n", "w", path], environment: wanted ? [:] : ["NO_COLOR": "1"])
        #expect(terminal.sees("2:two"))
        #expect(terminal.end() == .status(0))
        #expect(terminal.isColored == wanted)
        #expect(try !run(["-n", "w", path]).output.contains("\u{1B}"))
    }
}
