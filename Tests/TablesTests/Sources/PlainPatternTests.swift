import CMemoryMap
import MemoryMap
import Testing

@testable import Tables

@Suite("Patterns without backtracking")
struct PlainPatternTests {
    /// What PCRE2 finds in a line: the offsets of all groups, or nil.
    private func found(_ pattern: CompiledPattern, _ line: [UInt8], _ groups: Int) throws -> [Int]? {
        // At the end of memory that can be read.
        let buffer = try TestBuffer(pageSize)
        let file = try buffer.file(line)
        guard let base = file.region.base else { return nil }
        let bytes = UnsafeRawBufferPointer(start: base, count: line.count)
        let answer = pattern.pointer.pointee.matchesAtOnce(bytes)
        let isFound = try #require(answer as Bool?)
        guard isFound, let offsets = pattern.pointer.pointee.offsets else { return nil }
        return (2..<2 * groups + 2).map { offsets[$0] }
    }

    /// The same without PCRE2, of the line alone, and of several together with others between them.
    private func matched(_ plain: PlainPattern, _ line: [UInt8], _ groups: Int) throws -> [Int]? {
        let buffer = try TestBuffer(pageSize)
        var file = try buffer.file(line)
        guard let base = file.region.base else { return nil }
        var offsets = [Int](repeating: -7, count: 2 * groups + 1)
        let isFound = offsets.withUnsafeMutableBufferPointer { offsets in
            offsets.baseAddress.map { plain.matches(base, line.count, $0) }
        }
        let alone = isFound == true ? Array(offsets[..<(2 * groups)]) : nil
        let lines = try PlainLines(groups: groups)
        for more in [16, 40] {
            file = try buffer.file(line + [UInt8](repeating: UInt8(ascii: "a"), count: more))
            guard let base = file.region.base else { return nil }
            for number in more == 16 ? [1, 5] : line.count % 8 == 0 ? [64] : [] {
                // All but each third are a part of the line.
                for i in 0..<number {
                    lines.starts[i] = UnsafePointer(base)
                    lines.counts[i] = i % 3 == 0 ? line.count : line.count / (i + 1)
                }
                let matches = plain.matches(lines, number)
                #expect(number == 64 || matches >> UInt64(number) == 0)
                for i in stride(from: 0, to: number, by: 3) {
                    let together =
                        matches >> UInt64(i) & 1 != 0 ? (0..<2 * groups).map { lines.offsets($0)[i] } : nil
                    #expect(together == alone)
                }
            }
        }
        return alone
    }

    private func compiled(_ source: String) throws -> CompiledPattern? {
        try? CompiledPattern([UInt8](source.utf8), []) { _ in TableError("wrong") }
    }

    @Test("Random patterns find in random lines what PCRE2 finds", arguments: 0..<4)
    func random(_ seed: Int) throws {
        var random = TestRandom(UInt64(seed))
        let sets = [
            "a", "b", "1", " ", ",", "\"", "\\.", "\\]", ".", "\\d", "\\D", "\\s", "\\S", "\\w", "\\W",
            "[^,]", "[^\"]",
            "[^]]", "[]a]", "[a-c]", "[^a-c1 ]", "[\\d,]", "[^\\s,]", "[a-c1-3_ ]", "[b-]", "é", "[\\w.-]",
            "aaaaaaaaaa", "1, \\[\\]\"",
        ]
        let counts = [
            "", "", "", "+", "+", "*", "?", "{2}", "{1,3}", "{2,}", "{0,1}", "+?", "*?", "++", "??", "{1,2}?",
        ]
        let bytes = [UInt8]("ab1c2 ,\"].-_é".utf8) + [UInt8(9), 0, 255]
        var (plains, matches, misses) = (0, 0, 0)
        for _ in 0..<3000 {
            var source = "^"
            var (open, groups) = ([Bool](), 0)
            for _ in 0..<Int.random(in: 0..<8, using: &random) {
                if Int.random(in: 0..<4, using: &random) == 0 {
                    groups += 1
                    source +=
                        ["(", "(?<g\(groups)>", "(?P<g\(groups)>", "(?'g\(groups)'"].randomElement(
                            using: &random) ?? ""
                    open.append(true)
                } else if Int.random(in: 0..<8, using: &random) == 0 {
                    source += "(?:"
                    open.append(true)
                }
                source += sets.randomElement(using: &random) ?? ""
                source += counts.randomElement(using: &random) ?? ""
                if !open.isEmpty && Bool.random(using: &random) {
                    source += ")"
                    open.removeLast()
                }
            }
            source += open.map { _ in ")" }.joined()
            if Int.random(in: 0..<3, using: &random) == 0 { source += "$" }
            guard let pattern = try compiled(source),
                let plain = PlainPattern([UInt8](source.utf8), groups: Array(1..<groups + 1))
            else { continue }
            plains += 1
            for _ in 0..<30 {
                // Few different bytes, so that much matches.
                let few = (0..<3).map { _ in bytes.randomElement(using: &random) ?? 97 }
                let line = (0..<Int.random(in: 0..<40, using: &random)).map { _ in
                    few.randomElement(using: &random) ?? 97
                }
                let expected = try found(pattern, line, groups)
                let result = try matched(plain, line, groups)
                if expected == nil { misses += 1 } else { matches += 1 }
                if result != expected {
                    Issue.record(
                        "\(source) in \(line): \(String(describing: result)), not \(String(describing: expected))"
                    )
                }
            }
        }
        #expect(plains > 300 && matches > 1000 && misses > 1000, "\(plains) \(matches) \(misses)")
    }

    @Test(
        "A pattern of logs is one of those",
        arguments: [
            #"^\S+ \S+ \S+ \[(?<time>[^]]+)\] "\S+ (?<url>\S+) [^"]*" (?<status>\d+) (?<bytes>\S+)"#,
            #"^(?<host>\S+) - (?<user>\S+) \[([^\]]+)\] "([A-Z]+) ([^ "]+)? HTTP/[0-9.]+" (\d{3}) (\d+|-)$"#,
            #"^(?<level>\w+): (?<text>.*)$"#, "^$", "^", "^(a)(?:b(c))d{2,3}e",
        ])
    func logs(_ source: String) throws {
        // An alternative may have to be tried again.
        #expect((PlainPattern([UInt8](source.utf8), groups: [1]) == nil) == source.contains("|"))
    }

    @Test(
        "What needs more than one try is left to PCRE2",
        arguments: [
            "a", "^a|b", "^a+a", "^\\w+\\d", "^.*,", "^[ab]*b?c", "^a??", "^a+?", "^(a)+b", "^(a)?b",
            "^(?i)a", "^(?=a)a",
            "^\\bb", "^\\xff", "^[[:alpha:]]", "^a$b", "^\\Ka", "^(?#x)a", "^a{1", "^(*ACCEPT)a", "^\\1",
            "^[\\b]", "^\\Qa\\E",
            "^[\\s\\S]*", "^a^b", "^(a", "^a)",
        ])
    func refused(_ source: String) { #expect(PlainPattern([UInt8](source.utf8), groups: []) == nil) }

    @Test("Groups that nobody wants leave no offsets, and lines of all lengths are read to their end")
    func wanted() throws {
        let plain = try #require(PlainPattern([UInt8]("^(x*)(,)(y+)$".utf8), groups: [3]))
        let pattern = try #require(try compiled("^(x*)(,)(y+)$"))
        for length in 0..<100 {
            let line =
                [UInt8](repeating: UInt8(ascii: "x"), count: length) + [UInt8(ascii: ",")]
                + [UInt8](repeating: UInt8(ascii: "y"), count: 100 - length)
            let expected = try #require(try found(pattern, line, 3))
            #expect(try matched(plain, line, 1) == Array(expected[4...]))
        }
    }
}
