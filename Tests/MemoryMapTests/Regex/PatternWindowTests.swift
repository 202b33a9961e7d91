import CMemoryMap
import Glibc
import Synchronization
import Testing

@testable import MemoryMap

/// Matches in copies of parts of a subject, against PCRE2's matches in the whole subject.
@Suite struct PatternWindowTests {
    /// The method of matching.
    enum Way: Equatable, CustomStringConvertible {
        /// PCRE2's interpreter on the whole subject.
        case interpreted
        /// Machine code, or the interpreter without UTF-8, on parts of this many bytes.
        case compiled(Int), parts(Int)

        var description: String {
            switch self {
            case .interpreted: "interpreted"
            case .compiled(let size): "compiled, \(size) at a time"
            case .parts(let size): "interpreted, \(size) at a time"
            }
        }
    }

    /// A compiled pattern that is freed at the end.
    final class Compiled {
        let pointer = PatternPointer.allocate(capacity: 1)

        init(_ source: String, _ options: PatternOptions, _ way: Way) throws {
            var text = Array(source.utf8)
            pointer.initialize(to: mm_pattern())
            pointer.pointee = try text.withUnsafeMutableBytes { try mm_pattern(.init($0), options) }
            switch way {
            case .interpreted:
                (pointer.pointee.is_machine_code, pointer.pointee.is_copied) = (false, true)
                (pointer.pointee.first_copy, pointer.pointee.most_copy) = (1 << 20, 1 << 20)
            case .compiled(let size):
                #expect(pointer.pointee.is_machine_code)
                (pointer.pointee.first_copy, pointer.pointee.most_copy) = (size, size)
            case .parts(let size):
                #expect(!options.contains(.unicode))
                (pointer.pointee.is_machine_code, pointer.pointee.is_copied) = (false, true)
                (pointer.pointee.first_copy, pointer.pointee.most_copy) = (size, size)
            }
        }

        deinit {
            pointer.pointee.free()
            pointer.deallocate()
        }

        /// The offset of the first match; -1 for none, -2 if a limit was reached.
        func first(in bytes: UnsafeRawBufferPointer, from start: Int) -> Int {
            let search = PatternSearch(pointer, bytes, nil)
            guard let result = try? search.next(from: start, poll: { _ in true }) else { return -2 }
            return result == .found ? search.offsets[0] : -1
        }

        /// The offsets of all matches and their groups, from an offset on; and the number of matches by `count`.
        func all(in subject: [UInt8], from start: Int = 0) throws -> [Int] {
            try subject.withUnsafeBytes { bytes in
                let search = PatternSearch(pointer, bytes, nil)
                var found: [Int] = []
                var (from, skipsEmpty, count) = (start, false, 0)
                while from <= bytes.count,
                    try search.next(from: from, skipsEmpty: skipsEmpty, poll: { _ in true }) == .found
                {
                    count += 1
                    found += (0...2 * Int(pointer.pointee.captures) + 1).map { search.offsets[$0] }
                    (from, skipsEmpty) = search.following(from)
                }
                #expect(try search.count(from: start, poll: { _ in true }) == count)
                return found
            }
        }
    }

    static let patterns = [
        "a", "ab", "é", "a+", "a+b", "b?", "", ".", "..", ".*", ".+", "^", "$", "^a", "a$", "^.*$", "\\A.",
        "\\z", "\\Z", "a\\z",
        "a\\Z", "\\b", "\\B", "\\ba", "a\\b", "\\B.", "\\w+", "\\W+", "[^a]", "[^a]+b", "(?<=a)b", "(?<!a)b",
        "(?<=a|bb)b",
        "(?<=é)a", "(?<=\\Aa)b", "(?<=^a)b", "(?<=(?<=a)b)a", "(?<!(?<=a)b)a", "(?<=a(?<=ba))b", "(?=a)",
        "(?!a)", "(?=a.)a",
        "(?!b)a|b", "a(?=b)", "a(?!b)", "(?=.*b)a", "(?<=(.))b", "(a)(b)?", "(a|b)\\1", "(?:a|(b))+", "\\X",
        "\\X\\X", "a\\X",
        "\\Ga", "\\G.", "a\\Kb", "(?>a+)b", "a++b", "(?i)A", "(?i)É", "\\R", "a\\R", "\\n", "\\h", "\\p{L}",
        "\\P{L}+",
        "(*COMMIT)ab", "a(*COMMIT)b", "a+(*PRUNE)b|.", "a+(*SKIP)b|.", "(a(?1)?b)",
        "(?<=(?1))a|(b)",
        "(?<=(?2)b)a|(?:(a)|((?<=b)a))$", "(?|(a)|(b))$", "(*ANYCRLF)^a", "(*CRLF)a$", "(?<=\\n)a", "a{2,3}",
        "(?:ab){2}", "[ab]{2,}?$",
    ]

    private static let flags: [PatternOptions] = [
        .unicode, [.unicode, .multiline], [.unicode, .dotMatchesAll], [], .multiline,
    ]

    /// All strings of these bytes up to a length.
    private static func strings(_ alphabet: [UInt8], _ most: Int) -> [[UInt8]] {
        var all: [[UInt8]] = [[]]
        var last = all
        for _ in 0..<most {
            last = last.flatMap { start in alphabet.map { start + [$0] } }
            all += last
        }
        return all
    }

    /// Whether the subject may be invalid UTF-8. In one search PCRE2 does not retry `.*` within a line, as if an
    /// invalid byte could not have stopped it there; a search that continues in the next part retries it.
    private static func mayBeAnything(_ pattern: String) -> Bool {
        !pattern.contains(".*") && !pattern.contains("\\N*")
    }

    /// Whether machine code and the interpreter agree: in PCRE2 10.42 not on (*PRUNE), (*SKIP), and three regional
    /// indicators.
    private static func isAgreed(_ pattern: String) -> Bool {
        !pattern.contains("(*PRUNE)") && !pattern.contains("(*SKIP)") && !pattern.contains("\\X")
    }

    private static func isValid(_ bytes: [UInt8]) -> Bool { String(validating: bytes, as: UTF8.self) != nil }

    /// Every short subject, with incomplete and invalid characters, in parts of every size.
    @Test(arguments: patterns)
    func partsDoNotMatterInShortSubjects(_ pattern: String) throws {
        let subjects =
            Self.strings(Array("ab\n".utf8) + [0xc3, 0xa9], 4)
            + Self.strings([0x61, 0xf0, 0x9f, 0x87, 0xa6], 4)
        for options in Self.flags {
            let isUnicode = options.contains(.unicode)
            let whole = try Compiled(pattern, options, isUnicode ? .compiled(1 << 20) : .compiled(1))
            let reference = try Compiled(pattern, options, .interpreted)
            let ways: [Way] =
                isUnicode ? [.compiled(1), .compiled(2), .compiled(3)] : [.parts(1), .parts(2), .parts(3)]
            let parts = try ways.map { try Compiled(pattern, options, $0) }
            for subject in subjects {
                let isValid = !isUnicode || Self.isValid(subject)
                if !isValid && !Self.mayBeAnything(pattern) { continue }
                let answer = try whole.all(in: subject)
                // Parts without UTF-8 are interpreted: compare them with the interpreter.
                let wanted = isUnicode ? answer : try reference.all(in: subject)
                for (way, part) in zip(ways, parts) {
                    let found = try part.all(in: subject)
                    #expect(found == wanted, "\(pattern) \(options.rawValue) in \(subject), \(way)")
                }
                if isValid && Self.isAgreed(pattern) {
                    let found = try reference.all(in: subject)
                    #expect(found == answer, "\(pattern) \(options.rawValue) in \(subject), interpreted")
                }
            }
        }
    }

    /// Characters of every length, emoji flags, line ends, and invalid bytes.
    private static let pieces: [[UInt8]] =
        ["a", "a", "b", "ab", "é", "€", "𝄞", "\n", "\r\n", " ", "🇦", "🇧", "e\u{301}", "👨\u{200d}👩", "É"].map {
            Array($0.utf8)
        }
        + [[0xc3], [0xf0, 0x9f], [0x80], [0xff], [0xe2, 0x82], [0xed, 0xa0, 0x80]]

    private static func subject(_ dice: inout Seeded, _ most: Int, isValid: Bool) -> [UInt8] {
        let count = Int.random(in: 0...most, using: &dice)
        let choice = isValid ? pieces.dropLast(6) : pieces[...]
        // Few kinds in each subject, so that there are long runs of one kind.
        let kinds = (0...Int.random(in: 0...5, using: &dice)).compactMap { _ in
            choice.randomElement(using: &dice)
        }
        return (0..<count).flatMap { _ in kinds.randomElement(using: &dice) ?? [] }
    }

    @Test func partsDoNotMatterInLongSubjects() throws {
        var dice = Seeded(seed: 1)
        for round in 0..<400 {
            let pattern =
                round % 4 == 0 ? Self.patterns.randomElement(using: &dice) ?? "" : Self.pattern(&dice)
            guard let options = Self.flags.randomElement(using: &dice) else { return }
            let isUnicode = options.contains(.unicode)
            let sizes = [1, 4, 7, 16, 100]
            guard let whole = try? Compiled(pattern, options, isUnicode ? .compiled(1 << 20) : .compiled(1))
            else {
                continue
            }
            let reference = try Compiled(pattern, options, .interpreted)
            let ways: [Way] = sizes.map { isUnicode ? .compiled($0) : .parts($0) }
            let parts = try ways.map { try Compiled(pattern, options, $0) }
            for _ in 0..<5 {
                let isValid = !isUnicode || !Self.mayBeAnything(pattern) || Bool.random(using: &dice)
                let subject = Self.subject(&dice, 60, isValid: isUnicode && isValid)
                let measure = isUnicode ? whole : reference
                guard let answer = try? whole.all(in: subject), let wanted = try? measure.all(in: subject)
                else { continue }
                for (way, part) in zip(ways, parts) {
                    guard let found = try? part.all(in: subject) else { continue }
                    #expect(
                        found == wanted, "\(dice.seed): \(pattern) \(options.rawValue) in \(subject), \(way)")
                }
                if !isValid || !Self.isAgreed(pattern) { continue }
                if let found = try? reference.all(in: subject) {
                    #expect(
                        found == answer,
                        "\(dice.seed): \(pattern) \(options.rawValue) in \(subject), interpreted")
                }
            }
        }
    }

    /// For a repeated `\R`, PCRE2's interpreter accepts a carriage return at the end without looking for a newline
    /// after it.
    @Test func partsDoNotSplitCRLF() throws {
        for pattern in ["\\R*+", "\\R+", "(?:\\R)*+", "a\\R*"] {
            for options: PatternOptions in [[], .unicode] {
                let reference = try Compiled(pattern, options, .interpreted)
                for text in ["\r\n\r\n", "\r\r\r\n", "a\r\n\na\r\r", "\r\r\r\r"] {
                    let subject = Array(text.utf8)
                    let wanted = try reference.all(in: subject)
                    for size in 1...5 {
                        let way: Way = options == .unicode ? .compiled(size) : .parts(size)
                        let found = try Compiled(pattern, options, way).all(in: subject)
                        #expect(found == wanted, "\(pattern) \(options.rawValue) in \(subject), \(way)")
                    }
                }
            }
        }
    }

    // MARK: Bytes outside of the subject

    private static let atoms = [
        "a", "b", "ab", "é", "\\n", "\\R", ".", "\\N", "[ab]", "[^a]", "[^\\n]", "\\w", "\\W", "\\d", "\\s",
        "\\b", "\\B", "^",
        "$", "\\A", "\\z", "\\Z", "\\X", "\\h", "\\H", "\\v", "(?i)a", "(?i:ÉB)", "(?=a)", "(?!b)", "(?<=a)",
        "(?<!ab)",
        "(?<=a|bb)", "\\K", "\\G", "aaaa", "abcdef", "\\x0d\\x0a",
    ]
    private static let quantifiers = [
        "", "", "", "", "*", "+", "?", "*?", "+?", "*+", "++", "{2}", "{1,3}", "{2,}",
    ]

    private static func pattern(_ dice: inout Seeded, _ depth: Int = 2) -> String {
        var text = ""
        for _ in 0..<Int.random(in: 1...3, using: &dice) {
            if depth > 0, Int.random(in: 0..<5, using: &dice) == 0 {
                text += ["(", "(?:", "(?>", "(?=", "(?!", "(?|"].randomElement(using: &dice) ?? ""
                text += pattern(&dice, depth - 1)
                if Bool.random(using: &dice) { text += "|" + pattern(&dice, depth - 1) }
                text += ")"
            } else {
                text += atoms.randomElement(using: &dice) ?? ""
            }
            text += quantifiers.randomElement(using: &dice) ?? ""
        }
        return text
    }

    /// Four pages between two unreadable ones, never unmapped.
    private static func memoryBetweenHoles() -> UnsafeMutableRawBufferPointer? {
        let count = 4 * pageSize
        let start = mmap(nil, count + 2 * pageSize, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        guard let start, start != MAP_FAILED else { return nil }
        mprotect(start + pageSize, count, PROT_READ | PROT_WRITE)
        return UnsafeMutableRawBufferPointer(start: start + pageSize, count: count)
    }

    private static let isOver = Atomic<Bool>(false)

    /// Writes mostly near both ends, where a match that reads too far would end.
    private static func write(_ memory: UnsafeMutableRawBufferPointer) {
        let bytes = Array("ab\n\r é€".utf8) + [0xf0, 0x9f, 0x80, 0xff]
        var dice = Seeded(seed: 1)
        while !isOver.load(ordering: .relaxed) {
            let random = dice.next()
            let near = Int(random >> 8 & 31)
            let place =
                random & 1 == 0
                ? near : random & 2 == 0 ? memory.count - 1 - near : Int(random >> 16) % memory.count
            memory[place] = bytes[Int(random >> 48) % bytes.count]
        }
    }

    /// Random patterns by every method, in subjects that start or end at a hole, while another thread writes there.
    @Test func neitherHolesNorWritersEndTheProcess() async {
        await #expect(processExitsWith: .exitCode(0)) {
            guard let memory = PatternWindowTests.memoryBetweenHoles() else { exit(2) }
            for place in memory.indices { memory[place] = place % 7 == 0 ? 0x20 : 0x61 }
            nonisolated(unsafe) let shared = memory
            let writer = Task.detached { PatternWindowTests.write(shared) }
            var dice = Seeded(seed: 1)
            let began = nanoseconds()
            while nanoseconds() - began < 4_000_000_000 { PatternWindowTests.search(memory, &dice) }
            PatternWindowTests.isOver.store(true, ordering: .relaxed)
            await writer.value
        }
    }

    private static func search(_ memory: UnsafeMutableRawBufferPointer, _ dice: inout Seeded) {
        let options = flags.randomElement(using: &dice) ?? []
        let ways: [Way] =
            options.contains(.unicode)
            ? [.compiled(512), .compiled(1), .interpreted] : [.compiled(1), .parts(16)]
        guard let way = ways.randomElement(using: &dice),
            let compiled = try? Compiled(pattern(&dice), options, way)
        else { return }
        for _ in 0..<10 {
            defer { withExtendedLifetime(compiled) {} }
            let count = Int.random(in: 0...(Bool.random(using: &dice) ? 40 : memory.count), using: &dice)
            let start = Bool.random(using: &dice) ? 0 : memory.count - count
            let subject = UnsafeRawBufferPointer(rebasing: memory[start..<start + count])
            let search = PatternSearch(compiled.pointer, subject, nil)
            let near = Int.random(in: 0...min(count, 8), using: &dice)
            let end = nanoseconds() + 20_000_000
            for from in [near, count - near] {
                let result = try? search.next(
                    from: from, skipsEmpty: start == 0, poll: { _ in nanoseconds() < end })
                // Not `#expect`: that would be slow for a million searches.
                if result == .found, search.offsets[1] > count { exit(3) }
            }
        }
    }

    /// The same subject with various bytes before and after it.
    @Test func bytesOutsideChangeNoAnswer() throws {
        let surroundings: [[UInt8]] = [
            [0, 0, 0, 0], Array("aaaa".utf8), [0x90, 0x80, 0x80, 0x80], [0xa9, 0x61, 0xc3, 0xc3],
            [0xff, 0x0a, 0x0a, 0xff],
        ]
        let ends: [[UInt8]] = [
            [0xf0], [0xf0, 0x90], [0xf0, 0x90, 0x80], [0xc3], [0xe2, 0x82], [0x61], [0x0a], [0x0d], [0x80],
        ]
        for pattern in Self.patterns {
            for options in Self.flags {
                let isUnicode = options.contains(.unicode)
                for way: Way in [.compiled(512), .interpreted, isUnicode ? .compiled(1) : .parts(1)] {
                    let compiled = try Compiled(pattern, options, way)
                    for end in ends {
                        let subject = Array("a ".utf8) + end
                        let answers = surroundings.map { outside in
                            (outside + subject + outside).withUnsafeBytes { bytes in
                                let part = UnsafeRawBufferPointer(rebasing: bytes[4..<4 + subject.count])
                                return (0...subject.count).map { compiled.first(in: part, from: $0) }
                            }
                        }
                        #expect(
                            Set(answers).count == 1,
                            "\(pattern) \(options.rawValue) in \(subject), \(way): \(answers)")
                    }
                }
            }
        }
    }
}
