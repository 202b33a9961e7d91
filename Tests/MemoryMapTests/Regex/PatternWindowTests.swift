import CMemoryMap
import CPCRE2
import Glibc
import Synchronization
import Testing

@testable import MemoryMap

/// Matches in copies of parts of a subject, compared with those of PCRE2's interpreter in the whole subject.
@Suite struct PatternWindowTests {
    /// How a pattern is matched.
    enum Way: Equatable, CustomStringConvertible {
        /// By machine code or the interpreter, in parts of this many bytes.
        case compiled(Int), interpreted(Int)

        var description: String {
            switch self {
            case .compiled(let size): "compiled, \(size) at a time"
            case .interpreted(let size): "interpreted, \(size) at a time"
            }
        }
    }

    /// PCRE2's interpreter, called directly.
    final class Reference {
        private let valid: OpaquePointer
        /// For subjects that are not UTF-8.
        private let any: OpaquePointer
        private let data: OpaquePointer
        private let context: OpaquePointer

        init?(_ source: String, _ options: PatternOptions) {
            let isUnicode = options.contains(.unicode)
            let language = pcre2_compile_context_create_8(nil)
            defer { pcre2_compile_context_free_8(language) }
            pcre2_set_newline_8(language, UInt32(PCRE2_NEWLINE_LF))
            let bits = UInt32(truncatingIfNeeded: options.rawValue) | (isUnicode ? 0 : PCRE2_NEVER_UTF)
            func compile(_ more: UInt32) -> OpaquePointer? {
                var (error, place): (CInt, Int) = (0, 0)
                return Array(source.utf8).withUnsafeBufferPointer {
                    pcre2_compile_8($0.baseAddress, $0.count, bits | more, &error, &place, language)
                }
            }
            guard let valid = compile(0), let any = compile(isUnicode ? PCRE2_MATCH_INVALID_UTF : 0),
                let data = pcre2_match_data_create_from_pattern_8(valid, nil),
                let context = pcre2_match_context_create_8(nil)
            else { return nil }
            (self.valid, self.any, self.data, self.context) = (valid, any, data, context)
            pcre2_set_match_limit_8(context, 100_000)
        }

        deinit {
            pcre2_match_context_free_8(context)
            pcre2_match_data_free_8(data)
            pcre2_code_free_8(any)
            pcre2_code_free_8(valid)
        }

        /// The offsets of all matches and their groups, from an offset; nil beyond a limit.
        func all(in subject: [UInt8], from start: Int = 0) -> [Int]? {
            let isValid = isUTF8(subject, from: start)
            var bytes = [0, 0] + subject + [0]
            return bytes.withUnsafeMutableBufferPointer { all in
                guard let base = all.baseAddress, let offsets = pcre2_get_ovector_pointer_8(data) else {
                    return nil
                }
                var found: [Int] = []
                var (from, options): (Int, UInt32) = (start, 0)
                while from <= subject.count {
                    let code = pcre2_match_8(
                        isValid ? valid : any, base + 2, subject.count, from,
                        options | PCRE2_NO_JIT | (isValid ? PCRE2_NO_UTF_CHECK : 0), data, context)
                    if code == PCRE2_ERROR_NOMATCH { break }
                    if code < 0 || offsets[0] > offsets[1] { return nil }
                    found += (0..<2 * Int(pcre2_get_ovector_count_8(data))).map { offsets[$0] }
                    if offsets[0] == offsets[1] {
                        (from, options) = (max(from, offsets[1]), PCRE2_NOTEMPTY_ATSTART)
                    } else {
                        (from, options) = (max(from + 1, offsets[1]), 0)
                    }
                }
                return found
            }
        }
    }

    /// A compiled pattern that is freed.
    final class Compiled {
        let pointer = PatternPointer.allocate(capacity: 1)

        init(_ source: String, _ options: PatternOptions, _ way: Way) throws {
            var text = Array(source.utf8)
            pointer.initialize(to: mm_pattern())
            pointer.pointee = try text.withUnsafeMutableBytes { try mm_pattern(.init($0), options) }
            pointer.pointee.steps = 100_000
            switch way {
            case .compiled(let size):
                (pointer.pointee.first_copy, pointer.pointee.most_copy) = (size, size)
            case .interpreted(let size):
                (pointer.pointee.is_machine_code, pointer.pointee.is_copied) = (false, true)
                (pointer.pointee.first_copy, pointer.pointee.most_copy) = (size, size)
            }
        }

        deinit {
            pointer.pointee.free()
            pointer.deallocate()
        }

        /// The offset of the first match; -1 for none, -2 for one that takes too much.
        func first(in bytes: UnsafeRawBufferPointer, from start: Int) -> Int {
            let search = PatternSearch(pointer, bytes, nil)
            guard let result = try? search.next(from: start, shouldContinue: { _ in true }) else { return -2 }
            return result == .found ? search.offsets[0] : -1
        }

        /// The offsets of all matches and their groups, from an offset on; and how many there are said to be.
        func all(in subject: [UInt8], from start: Int = 0) throws -> [Int] {
            try subject.withUnsafeBytes { bytes in
                let search = PatternSearch(pointer, bytes, nil)
                var found: [Int] = []
                var (from, skipsEmpty, count) = (start, false, 0)
                while from <= bytes.count,
                    try search.next(from: from, skipsEmpty: skipsEmpty, shouldContinue: { _ in true })
                        == .found
                {
                    count += 1
                    found += (0...2 * Int(pointer.pointee.captures) + 1).map { search.offsets[$0] }
                    (from, skipsEmpty) = search.following(from)
                }
                let counted = try search.count(from: start, shouldContinue: { _ in true })
                if counted != count { Issue.record("\(count) matches, \(counted) by count") }
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

    /// Whether the reference is defined: in UTF-8 that is not valid, PCRE2 reads no further back than one lookbehind
    /// goes, though another may be inside.
    private static func isDefined(_ pattern: String, _ subject: [UInt8], from start: Int = 0) -> Bool {
        pattern.split(separator: "(?<", omittingEmptySubsequences: false).count < 3
            && !pattern.contains("(?1)") && !pattern.contains("(?2)")
            || isUTF8(subject, from: start)
    }

    /// Every short subject, cut and invalid characters among them, in parts of every size.
    @Test(arguments: patterns)
    func partsAreNotSeenInShortSubjects(_ pattern: String) throws {
        let subjects =
            Self.strings(Array("ab\n".utf8) + [0xc3, 0xa9], 4)
            + Self.strings([0x61, 0xf0, 0x9f, 0x87, 0xa6], 4)
        for options in Self.flags {
            guard let reference = Reference(pattern, options) else {
                Issue.record("\(pattern) does not compile")
                return
            }
            let ways: [Way] = [
                .compiled(1), .compiled(3), .compiled(1 << 20), .interpreted(2), .interpreted(1 << 20),
            ]
            let compiled = try ways.map { try Compiled(pattern, options, $0) }
            for subject in subjects {
                for from in [0, subject.count / 2] {
                    if options.contains(.unicode), !Self.isDefined(pattern, subject, from: from) { continue }
                    let wanted = reference.all(in: subject, from: from)
                    for (way, one) in zip(ways, compiled) {
                        let found = try one.all(in: subject, from: from)
                        if found == wanted { continue }
                        Issue.record(
                            "\(pattern) \(options.rawValue) in \(subject) from \(from), \(way): \(found), not \(wanted ?? [])"
                        )
                        return
                    }
                }
            }
        }
    }

    /// Characters of every length, flags, lines, and what is none of them.
    private static let pieces: [[UInt8]] =
        ["a", "a", "b", "ab", "é", "€", "𝄞", "\n", "\r\n", " ", "🇦", "🇧", "e\u{301}", "👨\u{200d}👩", "É"].map {
            Array($0.utf8)
        }
        + [[0xc3], [0xf0, 0x9f], [0x80], [0xff], [0xe2, 0x82], [0xed, 0xa0, 0x80]]

    private static func subject(_ dice: inout Seeded, _ most: Int, isValid: Bool) -> [UInt8] {
        let count = Int.random(in: 0...most, using: &dice)
        let choice = isValid ? pieces.dropLast(6) : pieces[...]
        // Few kinds in each, so that there are long rows of one.
        let kinds = (0...Int.random(in: 0...5, using: &dice)).compactMap { _ in
            choice.randomElement(using: &dice)
        }
        return (0..<count).flatMap { _ in kinds.randomElement(using: &dice) ?? [] }
    }

    @Test func partsAreNotSeenInLongSubjects() throws {
        var dice = Seeded()
        for round in 0..<400 {
            let pattern =
                round % 4 == 0 ? Self.patterns.randomElement(using: &dice) ?? "" : Self.pattern(&dice)
            guard let options = Self.flags.randomElement(using: &dice) else { return }
            guard let reference = Reference(pattern, options) else { continue }
            let ways: [Way] = [1, 4, 7, 16, 100, 1 << 20].flatMap { [.compiled($0), .interpreted($0)] }
            let compiled = try ways.map { try Compiled(pattern, options, $0) }
            for _ in 0..<5 {
                let subject = Self.subject(&dice, 60, isValid: Bool.random(using: &dice))
                guard !options.contains(.unicode) || Self.isDefined(pattern, subject),
                    let wanted = reference.all(in: subject)
                else { continue }
                for (way, one) in zip(ways, compiled) {
                    guard let found = try? one.all(in: subject), found != wanted else { continue }
                    Issue.record(
                        "\(dice.seed): \(pattern) \(options.rawValue) in \(subject), \(way): \(found), not \(wanted)"
                    )
                }
            }
        }
    }

    /// PCRE2's interpreter takes a carriage return at the end for all of a repeated `\R`.
    @Test func aPartEndsBeforeNoNewlineOfTwoBytes() throws {
        for pattern in ["\\R*+", "\\R+", "(?:\\R)*+", "a\\R*"] {
            for options: PatternOptions in [[], .unicode] {
                let reference = Reference(pattern, options)
                for text in ["\r\n\r\n", "\r\r\r\n", "a\r\n\na\r\r", "\r\r\r\r"] {
                    let subject = Array(text.utf8)
                    let wanted = reference?.all(in: subject)
                    for size in 1...5 {
                        let way: Way = options == .unicode ? .compiled(size) : .interpreted(size)
                        let found = try Compiled(pattern, options, way).all(in: subject)
                        #expect(found == wanted, "\(pattern) \(options.rawValue) in \(subject), \(way)")
                    }
                }
            }
        }
    }

    // MARK: What is outside

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

    /// Four pages between two that cannot be read, for as long as the process lives.
    private static func memoryBetweenHoles() -> UnsafeMutableRawBufferPointer? {
        let count = 4 * pageSize
        let start = mmap(nil, count + 2 * pageSize, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        guard let start, start != MAP_FAILED else { return nil }
        mprotect(start + pageSize, count, PROT_READ | PROT_WRITE)
        return UnsafeMutableRawBufferPointer(start: start + pageSize, count: count)
    }

    private static let isOver = Atomic<Bool>(false)

    /// Writes mostly at both ends, where a match ends that reads on.
    private static func write(_ memory: UnsafeMutableRawBufferPointer) {
        let bytes = Array("ab\n\r é€".utf8) + [0xf0, 0x9f, 0x80, 0xff]
        var dice = Seeded()
        while !isOver.load(ordering: .relaxed) {
            let random = dice.next()
            let near = Int(random >> 8 & 31)
            let place =
                random & 1 == 0
                ? near : random & 2 == 0 ? memory.count - 1 - near : Int(random >> 16) % memory.count
            memory[place] = bytes[Int(random >> 48) % bytes.count]
        }
    }

    /// Random patterns in every way, in subjects that end or start at a hole, while another thread writes there.
    @Test func neitherHolesNorWritersEndTheProcess() async {
        await #expect(processExitsWith: .exitCode(0)) {
            guard let memory = PatternWindowTests.memoryBetweenHoles() else { exit(2) }
            for place in memory.indices { memory[place] = place % 7 == 0 ? 0x20 : 0x61 }
            nonisolated(unsafe) let shared = memory
            let writer = Task.detached { PatternWindowTests.write(shared) }
            var dice = Seeded()
            let began = nanoseconds()
            while nanoseconds() - began < 4_000_000_000 { PatternWindowTests.search(memory, &dice) }
            PatternWindowTests.isOver.store(true, ordering: .relaxed)
            await writer.value
        }
    }

    private static func search(_ memory: UnsafeMutableRawBufferPointer, _ dice: inout Seeded) {
        let options = flags.randomElement(using: &dice) ?? []
        let ways: [Way] = [.compiled(512), .compiled(1), .interpreted(512), .interpreted(16)]
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
                    from: from, skipsEmpty: start == 0, shouldContinue: { _ in nanoseconds() < end })
                // A test of its own would be a test of each of a million searches.
                if result == .found, search.offsets[1] > count { exit(3) }
            }
        }
    }

    /// The same subject with all kinds of bytes before and after it.
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
                for way: Way in [.compiled(512), .compiled(1), .interpreted(512), .interpreted(1)] {
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

/// Whether bytes are valid UTF-8 and an offset is not inside a character.
private func isUTF8(_ bytes: [UInt8], from start: Int) -> Bool {
    String(validating: bytes, as: UTF8.self) != nil && (start == bytes.count || bytes[start] & 0xc0 != 0x80)
}
