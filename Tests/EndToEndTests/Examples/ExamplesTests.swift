import Glibc
import Testing

/// The examples, run as a reader of the README runs them.
private enum Example {
    static let folder = "\(packageRoot)/examples"

    static func path(_ name: String) -> String { "\(folder)/\(name).lua" }

    static func run(
        _ name: String, _ arguments: String..., environment: [String: String] = [:]
    ) throws -> Outcome {
        try Program.mmaplua.run([path(name)] + arguments, environment: environment)
    }

    /// The required arguments after the file.
    static func more(_ name: String) -> [String] {
        name == "edit" ? ["a", "b"] : name == "sortcolumn" ? ["x:u8", "x"] : []
    }

    static let all = ["edit", "elf", "elfsyms", "sortcolumn", "tour", "wav", "wordcount"]
}

private let wc = Program(path: "/usr/bin/wc")
private let hexdump = Program(path: "/usr/bin/hexdump")
private let setpriv = Program(path: "/usr/bin/setpriv")

extension TemporaryFolder {
    /// Writes a file of any bytes and returns its path.
    @discardableResult
    fileprivate func file(_ name: String, bytes: [UInt8]) throws -> String {
        let full = try file(name, "")
        guard let file = fopen(full, "w") else { throw SystemFailure("fopen") }
        defer { fclose(file) }
        guard fwrite(bytes, 1, bytes.count, file) == bytes.count else { throw SystemFailure("fwrite") }
        return full
    }
}

private func lines(_ text: String) -> [String] {
    text.split(separator: "\n", omittingEmptySubsequences: false).map { String($0) }
}

private func words(_ line: String) -> [String] { line.split(separator: " ").map { String($0) } }

@Suite
struct ExamplesTests {
    @Test(arguments: Example.all)
    func `wrong arguments are answered with the usage`(name: String) throws {
        let outcome = try Program.mmaplua.run(
            [Example.path(name)] + (name == "wordcount" ? [] : name == "edit" ? ["a"] : ["a", "b"]))
        #expect(outcome.ending == .status(2))
        #expect(outcome.output == "")
        #expect(outcome.errors.hasPrefix("usage: mmaplua \(name).lua "))
        #expect(lines(outcome.errors).count == 2)
    }

    @Test(arguments: Example.all)
    func `a file that cannot be mapped is one clear line`(name: String) throws {
        let folder = try TemporaryFolder()
        for (path, problem) in [
            (folder.path + "/none", "No such file or directory (ENOENT)"),
            (folder.path, "Is a directory (EISDIR)"),
        ] {
            let outcome = try Program.mmaplua.run(
                [Example.path(name), path] + Example.more(name))
            #expect(outcome.ending == .status(1))
            #expect(lines(outcome.errors).count == 2)
            #expect(outcome.errors.contains("open: \(problem): ") && outcome.errors.contains(path))
        }
    }

    @Test(arguments: Example.all)
    func `an example says how it is tested`(name: String) throws {
        let outcome = try Program(path: "/usr/bin/head").run(["-n", "20", Example.path(name)])
        #expect(lines(outcome.output).contains { $0.hasPrefix("-- test:") })
    }
}

@Suite
struct TourTests {
    @Test(.enabled(if: hexdump.exists))
    func `the first bytes are those of hexdump`() throws {
        let folder = try TemporaryFolder()
        for size in [1, 15, 16, 63, 64, 65, 5000] {
            let path = try folder.file("f", bytes: (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 7) })
            let expected = lines(try hexdump.run(["-C", "-n", "64", path]).output).dropLast(2)
            let output = lines(try Example.run("tour", path).output)
            let start = try #require(output.firstIndex(of: "First bytes")) + 1
            let dump = output[start...].prefix { $0 != "" }
            #expect(Array(dump) == expected.map { "  " + $0 })
        }
    }

    @Test func `histogram and entropy are right`() throws {
        let folder = try TemporaryFolder()
        let all = try folder.file("all", bytes: (0..<2560).map { UInt8(truncatingIfNeeded: $0) })
        let output = try Example.run("tour", all).output
        #expect(output.contains("\nEntropy along the file: 8.00 of 8 bits per byte\n"))
        #expect(output.contains("\n  256 values of 256; most often 0x00 0.4 %, 0x01 0.4 %"))
        for digit in ["0", "7", "f"] {
            #expect(lines(output).contains { $0.hasPrefix("  \(digit)0  ") && $0.contains("   6.2 %  █") })
        }
        #expect(output.contains("\n  60  `abcdefghijklmno   6.2 %"))

        let two = try folder.file("two", "aabb" + "aabb")
        let other = try Example.run("tour", two).output
        #expect(other.contains("Entropy along the file: 1.00 of 8"))
        #expect(other.contains("  2 values of 256; most often 'a' 50.0 %, 'b' 50.0 %\n"))
        #expect(
            other.contains("\n  60  `abcdefghijklmno 100.0 %  " + String(repeating: "█", count: 46) + "\n"))
    }

    @Test func `the smallest files`() throws {
        let folder = try TemporaryFolder()
        let empty = try folder.file("empty", "")
        #expect(
            try Example.run("tour", empty)
                == Outcome(
                    output: "\(empty): 0 bytes, 0 pages\n  nothing to see in an empty file\n", errors: "",
                    ending: .status(0)))
        let one = try Example.run("tour", try folder.file("one", "x"))
        #expect(one.ending == .status(0))
        #expect(one.output.hasPrefix("\(folder.path)/one: 1 byte, 1 page\n"))
        #expect(one.output.contains("  1 value of 256; most often 'x' 100.0 %\n"))
        #expect(one.output.contains("Entropy along the file: 0.00 of 8 bits per byte\n"))
        #expect(one.output.contains("\n  after   1 of 1 page in memory (100 %)\n"))
        #expect(one.output.contains("looked at 1 byte in "))
    }

    @Test func `a large file is sampled and not read ahead`() throws {
        let sample = (8 << 20) / sysconf(Int32(_SC_PAGESIZE))
        var after = ""
        // Where memory is short, the kernel drops pages before they are looked at, and then reads more around them.
        for attempt in 1...5 {
            let folder = try TemporaryFolder()
            let path = try folder.file("large", "")
            #expect(truncate(path, 1 << 30) == 0)
            let outcome = try Example.run("tour", path)
            #expect(outcome.ending == .status(0))
            #expect(outcome.output.hasPrefix("\(path): 1,073,741,824 bytes, "))
            for line in lines(outcome.output).dropFirst() { #expect(line.count <= 80, "\(line)") }
            let sampled = "  of a sample: the first 128 KiB of each of 64 parts of the file"
            #expect(lines(outcome.output).contains(sampled))
            #expect(outcome.output.contains("looked at 8,388,608 bytes in "))
            let before = try #require(lines(outcome.output).first { $0.hasPrefix("  before  ") })
            #expect(words(before)[1] == "0")
            after = try #require(lines(outcome.output).first { $0.hasPrefix("  after   ") })
            let pages = try #require(Int(words(after)[1].filter { $0 != "," }))
            if pages > 0 && pages < 4 * sample { return }
            if attempt < 5 { sleep(2) }
        }
        Issue.record("read ahead each time: \(after)")
    }

    @Test(arguments: [
        (["LANG": "C.UTF-8"], true), (["LANG": "en_US.utf8"], true), (["LANG": "C"], false),
        (["LANG": ""], false), (["LANG": "C.UTF-8", "LC_ALL": "C"], false),
        (["LANG": "C", "LC_ALL": "C.UTF-8"], true), (["LANG": "C.UTF-8", "LC_CTYPE": "POSIX"], false),
        (["LANG": "de_DE.ISO-8859-1"], false),
    ])
    func `bars suit the terminal`(environment: [String: String], isUnicode: Bool) throws {
        let outcome = try Example.run("tour", Example.path("tour"), environment: environment)
        #expect(outcome.ending == .status(0))
        #expect(outcome.output.utf8.contains { $0 >= 0x80 } == isUnicode)
        #expect(outcome.output.contains(isUnicode ? "████" : "####"))
        for line in lines(outcome.output).dropFirst() { #expect(line.count <= 80, "\(line)") }
    }

    /// Root may write every file: the kernel hides residency only from another user.
    @Test(.enabled(if: getuid() != 0 || setpriv.exists))
    func `a kernel that hides residency is quoted`() throws {
        let folder = try TemporaryFolder()
        let shell = Program(path: "/bin/sh")
        let copied = try shell.run([
            "-c", "chmod 755 $0 && cp \"$1\" $0/mmaplua && cp \"$2\" $0/tour.lua && chmod 755 $0/*",
            folder.path, Program.mmaplua.path, Example.path("tour"),
        ])
        #expect(copied.ending == .status(0), "\(copied.errors)")
        let command = ["\(folder.path)/mmaplua", "\(folder.path)/tour.lua", "/etc/passwd"]
        let outcome =
            getuid() == 0
            ? try setpriv.run(["--reuid", "65534", "--clear-groups"] + command)
            : try Program(path: command[0]).run(Array(command[1...]))
        #expect(outcome.ending == .status(0), "\(outcome.errors)")
        for when in ["before ", "after  "] {
            #expect(
                outcome.output.contains(
                    "  \(when) the kernel tells only those who own the file or may write it (EPERM)\n"))
        }
    }
}

@Suite(.enabled(if: wc.exists))
struct WordCountTests {
    private func expectSame(_ paths: [String]) throws {
        let expected = try wc.run(paths, environment: ["LC_ALL": "C"])
        let outcome = try Program.mmaplua.run([Example.path("wordcount")] + paths)
        #expect(outcome == expected)
    }

    @Test(arguments: [
        "", "x", "\n", " ", "no newline", "two lines\nof text\n",
        " \t\n\u{b}\u{c}\r a\u{b}b\u{c}c\rd\te  f \n\n",
        "a-b,c", "\n\n\n",
    ])
    func `small texts as in wc`(text: String) throws {
        let folder = try TemporaryFolder()
        try expectSame([try folder.file("f", text)])
    }

    /// Blocks are 64 KiB: words that end at, begin at, or cross the end of a block, or fill several.
    @Test func `words at the ends of blocks`() throws {
        let folder = try TemporaryFolder()
        let block = 64 << 10
        for length in [block - 2, block - 1, block, block + 1, 2 * block - 1, 2 * block, 3 * block + 1] {
            let long = String(repeating: "x", count: length)
            for text in [long, long + " y", long + "\ny\n", " " + long, "a " + long + " b"] {
                try expectSame([try folder.file("f", text)])
            }
        }
    }

    @Test func `several files and their total`() throws {
        let folder = try TemporaryFolder()
        let paths = try [
            folder.file("empty", ""), folder.file("one", "1"),
            folder.file("many", String(repeating: "many words\n", count: 20_000)),
        ]
        try expectSame(paths)
        try expectSame(Array(paths.prefix(2)))
        try expectSame([paths[0], paths[0]])
        try expectSame(Example.all.map { Example.path($0) })
    }

    /// Since coreutils 9.5 any byte but white space begins a word; before, it had to be printable.
    @Test func `bytes that are not text`() throws {
        let folder = try TemporaryFolder()
        let bytes: [UInt8] = Array("a\0b \0 \u{1}\n é \u{7f} x\u{7f}".utf8) + [0xff, 0x20, 0x80, 0x61, 0x20]
        // a\0b, x\x7f\xff and \x80a.
        let path = try folder.file("f", bytes: bytes)
        #expect(try Example.run("wordcount", path).output == " 1  3 \(bytes.count) \(path)\n")

        // The zeros around a word may be in other blocks.
        let zeros = [UInt8](repeating: 0, count: 64 << 10)
        let far = try folder.file("far", bytes: zeros + [0x61] + zeros + [0x62] + zeros + [0x20, 0x63])
        #expect(try Example.run("wordcount", far).output.hasPrefix("     0      2 196612 "))

        let isPrintable = try wc.run(["-w"], input: "\u{1}", environment: ["LC_ALL": "C"]).output == "0\n"
        if isPrintable { try expectSame([path, far, Program.mmaplua.path]) }
    }

    @Test func `a bad file does not keep others from being counted`() throws {
        let folder = try TemporaryFolder()
        let path = try folder.file("f", "one two\n")
        let outcome = try Example.run("wordcount", folder.path + "/none", path)
        #expect(outcome.ending == .status(1))
        #expect(outcome.output == "1 2 8 \(path)\n1 2 8 total\n")
        #expect(outcome.errors.contains("No such file or directory (ENOENT): \(folder.path)/none\n"))
    }
}

@Suite
struct EditTests {
    @Test func `every occurrence is replaced in place`() throws {
        let folder = try TemporaryFolder()
        let path = try folder.file("f", "a stock, two stocks\n")
        var before = stat()
        #expect(stat(path, &before) == 0)
        let outcome = try Example.run("edit", path, "stock", "shock")
        #expect(outcome.errors == "")
        #expect(outcome.ending == .status(0))
        #expect(
            outcome.output == """
                Before, in the second mapping:
                00000000  61 20 73 74 6f 63 6b 2c  20 74 77 6f 20 73 74 6f  |a stock, two sto|
                00000010  63 6b 73 0a                                       |cks.|

                After:
                00000000  61 20 73 68 6f 63 6b 2c  20 74 77 6f 20 73 68 6f  |a shock, two sho|
                00000010  63 6b 73 0a                                       |cks.|

                \(path): 2 places of 5 bytes replaced
                  the \(sysconf(Int32(_SC_PAGESIZE))) bytes from offset 0, whole pages, are on the disk

                """)
        #expect(folder.contents("f") == "a shock, two shocks\n")
        var after = stat()
        #expect(stat(path, &after) == 0)
        #expect(before.st_ino == after.st_ino)
    }

    @Test(arguments: [
        ("x", "x", "y", "y"), ("aaa", "aa", "bb", "bba"), ("aaaa", "aa", "ba", "baba"),
        ("ab", "ab", "ab", "ab"),
        ("%d.*", "%d", "--", "--.*"), ("end", "d", "!", "en!"),
    ])
    func `the text is not a pattern`(text: String, find: String, replace: String, result: String) throws {
        let folder = try TemporaryFolder()
        let outcome = try Example.run("edit", try folder.file("f", text), find, replace)
        #expect(outcome.ending == .status(0), "\(outcome.errors)")
        #expect(folder.contents("f") == result)
    }

    @Test func `occurrences on many pages`() throws {
        let folder = try TemporaryFolder()
        let path = try folder.file("f", String(repeating: "needle in a haystack, ", count: 10_000))
        let outcome = try Example.run("edit", path, "needle", "NEEDLE")
        #expect(outcome.output.contains("\n\(path): 10000 places of 6 bytes replaced\n"))
        #expect(lines(outcome.output).count < 30)
        #expect(folder.contents("f") == String(repeating: "NEEDLE in a haystack, ", count: 10_000))
    }

    @Test func `without arguments it makes and removes a file`() throws {
        let outcome = try Example.run("edit")
        #expect(outcome.ending == .status(0))
        #expect(outcome.errors == "")
        let parts = outcome.output.split(separator: "After:")
        #expect(parts.count == 2)
        #expect(parts.first?.contains("|to a shared mapp|") == true)
        #expect(parts.last?.contains("|to a SHARED mapp|") == true)
        let said = try #require(lines(outcome.output).first { $0.hasSuffix(": 1 place of 6 bytes replaced") })
        let path = String(said.prefix { $0 != ":" })
        #expect(path.hasPrefix("/"))
        #expect(access(path, F_OK) != 0)
    }

    @Test(arguments: [("long", "longer"), ("", ""), ("", "x"), ("x", "")])
    func `unequal lengths change nothing`(find: String, replace: String) throws {
        let folder = try TemporaryFolder()
        let outcome = try Example.run("edit", try folder.file("f", "a long x"), find, replace)
        #expect(outcome.ending == .status(2))
        #expect(outcome.errors.hasPrefix("edit.lua: FIND has \(find.utf8.count) byte"))
        #expect(folder.contents("f") == "a long x")
    }

    @Test(arguments: ["", "y", "some text"])
    func `a search without a match is reported`(text: String) throws {
        let folder = try TemporaryFolder()
        let path = try folder.file("f", text)
        let outcome = try Example.run("edit", path, "\nz", "ab")
        #expect(outcome == Outcome(output: "", errors: "\(path): no \"\\\nz\" in it\n", ending: .status(1)))
    }
}
