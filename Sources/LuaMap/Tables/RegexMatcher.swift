internal import CLuaMap
internal import CMemoryMap
internal import Glibc
internal import MemoryMap
internal import Tables

/// A regular expression of one thread, compiled anew for each.
final class RegexMatcher: Matcher, @unchecked Sendable {
    private let source: [UInt8]
    private let options: PatternOptions
    private let steps: UInt32?
    private let pattern: CompiledPattern

    /// - Throws: If the pattern is none, or there is no memory for it.
    convenience init(_ source: [UInt8], flags: [UInt8], steps: UInt32? = nil) throws(TableError) {
        try self.init(source, PatternOptions(letters: flags), steps)
    }

    private init(_ source: [UInt8], _ options: PatternOptions, _ steps: UInt32?) throws(TableError) {
        (self.source, self.options, self.steps) = (source, options, steps)
        pattern = try CompiledPattern(source, options, steps: steps) { error in
            TableError("the pattern is wrong at byte \(error.offset); mmap.regex says why")
        }
    }

    func matches(_ text: Text) throws(TableError) -> Bool {
        let search = PatternSearch(pattern.pointer, text.buffer, nil)
        let result = try mapped { () throws(MapError) in
            try search.next(from: 0) { _ in !lm_is_interrupted() }
        }
        return result != .none
    }

    func copy() throws(TableError) -> any Matcher { try RegexMatcher(source, options, steps) }
}

extension PatternOptions {
    init(letters: [UInt8]) {
        self = []
        for (letter, option) in Self.byLetter where letters.contains(letter) { insert(option) }
    }

    private static var byLetter: [(UInt8, PatternOptions)] {
        [
            (UInt8(ascii: "i"), .ignoreCase), (UInt8(ascii: "m"), .multiline),
            (UInt8(ascii: "s"), .dotMatchesAll),
            (UInt8(ascii: "x"), .extended), (UInt8(ascii: "u"), .unicode),
        ]
    }
}
