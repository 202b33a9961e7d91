import Glibc
import Testing

/// The examples on text, against answers computed here or by other tools.
@Suite
struct ExamplesTextTests {
    private static let names = ["brc", "csvstat", "logtop"]

    private func run(_ name: String, _ arguments: String...) throws -> Outcome {
        try Program.mmaplua.run(["\(packageRoot)/examples/\(name).lua"] + arguments)
    }

    private func run(_ name: String, on text: String, _ arguments: String...) throws -> Outcome {
        let folder = try TemporaryFolder()
        let path = try folder.file("f", text)
        return try Program.mmaplua.run(
            ["\(packageRoot)/examples/\(name).lua"]
                + (name == "logtop" ? arguments + [path] : [path] + arguments))
    }

    @Test(arguments: names)
    func `wrong arguments are answered with the usage`(name: String) throws {
        for arguments in [[], ["--generate"], ["--generate", "x", "y"], ["a", "b", "c", "d"]] {
            let outcome = try Program.mmaplua.run(["\(packageRoot)/examples/\(name).lua"] + arguments)
            #expect(outcome.ending == .status(2))
            #expect(outcome.errors.hasPrefix("usage: mmaplua \(name).lua "))
            #expect(outcome.output == "")
        }
    }

    @Test(arguments: names)
    func `a missing file, and an empty one`(name: String) throws {
        let folder = try TemporaryFolder()
        let missing = try run(name, folder.path + "/none")
        #expect(missing.ending == .status(1))
        #expect(missing.errors.contains("No such file or directory (ENOENT)"))
        let empty = try run(name, on: "")
        #expect(empty.ending == .status(0))
        #expect(empty.errors == "")
        #expect(empty.output.split(separator: "\n").count == (name == "csvstat" ? 2 : 1))
    }

    @Test func `brc prints lowest, mean, and highest`() throws {
        let folder = try TemporaryFolder()
        let path = folder.path + "/f"
        #expect(try run("brc", "--generate", "3000", path).ending == .status(0))
        var stations: [String: (low: Int, high: Int, sum: Int, count: Int)] = [:]
        let lines = try #require(folder.contents("f")).split(separator: "\n")
        #expect(lines.count == 3000)
        for line in lines {
            let parts = line.split(separator: ";")
            let name = String(parts[0])
            let tenths = try #require(Int(parts[1].filter { $0 != "." }))
            var s = stations[name] ?? (tenths, tenths, 0, 0)
            s = (min(s.low, tenths), max(s.high, tenths), s.sum + tenths, s.count + 1)
            stations[name] = s
        }
        func text(_ tenths: Int) -> String {
            "\(tenths < 0 ? "-" : "")\(abs(tenths) / 10).\(abs(tenths) % 10)"
        }
        let answers = stations.map { name, s in
            let mean = Int((Double(s.sum) / Double(s.count) + 0.5).rounded(.down))
            return "\(name)=\(text(s.low))/\(text(mean))/\(text(s.high))"
        }
        let outcome = try run("brc", path)
        #expect(outcome.ending == .status(0))
        #expect(outcome.output.hasPrefix("{") && outcome.output.hasSuffix("}\n"))
        let given = outcome.output.dropFirst().dropLast(2).split(separator: ",").map {
            String($0.first == " " ? $0.dropFirst() : $0)
        }
        #expect(given.count == answers.count)
        let wrong = Set(given).symmetricDifference(answers)
        #expect(wrong.isEmpty, "\(wrong)")
    }

    @Test func `brc names the row that is wrong`() throws {
        let outcome = try run("brc", on: "a;1.0\nb;c\n")
        #expect(outcome.ending == .status(1))
        #expect(outcome.errors.contains("row 1, line 2, offset 6, field 2: 'c' is not a number"))
        #expect(try run("brc", on: "a;1.0\nb;-2\na;2\n").output == "{a=1.0/1.5/2.0, b=-2.0/-2.0/-2.0}\n")
    }

    @Test(arguments: [1, 7, 9])
    func `logtop counts as cut, sort and uniq do`(field: Int) throws {
        let folder = try TemporaryFolder()
        let path = folder.path + "/access.log"
        #expect(try run("logtop", "--generate", "3000", path).ending == .status(0))
        let command = """
            export LC_ALL=C
            cut -d ' ' -f \(field) -- "$1" | sort | uniq -c | sort -k 1,1nr -k 2 | head -n 20 |
            awk '{ print $1, $2 }'
            """
        let wanted = try Program(path: "/bin/sh").run(["-c", command, "sh", path]).output
        let outcome = try run("logtop", "\(field)", "20", path)
        let given = outcome.output.split(separator: "\n").dropLast().map { line in
            let words = line.split(separator: " ")
            return "\(words[0]) \(words[2])\n"
        }
        #expect(given.joined() == wanted)
    }

    @Test func `logtop says how many lines are too short`() throws {
        let outcome = try run("logtop", on: "a b c\na\n\nb b\n", "2")
        #expect(outcome.output == "2  50.0%  b\n4 lines, 1 values of field 2, which 2 lines do not have\n")
    }

    @Test func `csvstat knows the columns`() throws {
        let outcome = try run(
            "csvstat",
            on: "a,\"b\nb\",c,d\r\n1,x,,1.5\n\n-2,\"y,\"\"z\"\"\",,-1e1\n3,,,7,over\n")
        #expect(outcome.errors == "")
        #expect(
            outcome.output == """
                column               type        empty         lowest        highest         mean
                a                    integer         0             -2              3     0.666667
                b
                b                  text            1        1 bytes        5 bytes
                c                    empty           3
                d                    number          0          -10.0              7         -0.5
                (5)                  text            0        4 bytes        4 bytes
                3 rows

                """)
        let marked = try run("csvstat", on: "\u{FEFF}\"a, b\",c\n1,2\n")
        #expect(marked.output.contains("\na, b                 integer "), "\(marked.output)")
        let tabs = try run("csvstat", on: "x\ty\n1\t2\n", "tab")
        #expect(tabs.output.contains("\ny                    integer "))
        let broken = try run("csvstat", on: "x\n\"y\n")
        #expect(broken.ending == .status(1))
        #expect(broken.errors.contains("row 1, line 2, offset 2, field 1: the quote is not closed"))
    }
}
