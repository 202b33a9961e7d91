package import CMemoryMap
internal import CPCRE2
internal import Glibc

/// A compiled pattern and PCRE2's memory for its matches. It has one owner, who frees it.
///
/// Only one thread at a time may use it.
package typealias PatternPointer = UnsafeMutablePointer<mm_pattern>

/// Options for the meaning of a pattern.
package struct PatternOptions: OptionSet, Sendable {
    package let rawValue: UInt64
    package init(rawValue: UInt64) { self.rawValue = rawValue }
    private init(_ bits: UInt32) { rawValue = UInt64(bits) }

    package static let ignoreCase = PatternOptions(PCRE2_CASELESS)
    /// `^` and `$` match at newlines too.
    package static let multiline = PatternOptions(PCRE2_MULTILINE)
    /// `.` matches newlines too.
    package static let dotMatchesAll = PatternOptions(PCRE2_DOTALL)
    /// Whitespace and comments in the pattern are ignored.
    package static let extended = PatternOptions(PCRE2_EXTENDED)
    /// Pattern and subject are UTF-8, and `\w` and similar classes cover Unicode. Invalid UTF-8 in a subject
    /// matches nothing.
    package static let unicode = PatternOptions(PCRE2_UTF | PCRE2_UCP)
    /// Matches only at the start of the search.
    package static let anchored = PatternOptions(PCRE2_ANCHORED)
    /// The pattern is a translation of Lua's, in which recursion is known to be right in machine code.
    package static let translated = PatternOptions(rawValue: 1 << 33)
    /// A search ends with `PatternResult.marked` when the pattern reaches a callout, `(?C)`.
    package static let stopsAtMark = PatternOptions(rawValue: 1 << 32)

    /// PCRE2's options.
    fileprivate var bits: UInt32 {
        var bits = UInt32(truncatingIfNeeded: rawValue) | PCRE2_USE_OFFSET_LIMIT
        // Without `unicode` the subject is not checked, so the pattern must not turn UTF-8 on.
        bits |= contains(.unicode) ? PCRE2_NEVER_BACKSLASH_C : PCRE2_NEVER_UTF
        // No optimization may avoid the mark.
        if contains(.stopsAtMark) {
            bits |= PCRE2_NO_START_OPTIMIZE | PCRE2_NO_AUTO_POSSESS | PCRE2_NO_DOTSTAR_ANCHOR
        }
        return bits
    }
}

/// The reason that a pattern was not compiled.
package struct PatternError: Error {
    /// The error number of PCRE2; pcre2_get_error_message(3) gives its text.
    package let code: CInt
    /// In bytes from the start of the pattern.
    package let offset: Int

    /// Whether the pattern may be right, and there was no memory to compile it.
    package var isShortage: Bool { code == PCRE2_ERROR_NOMEMORY || code == PCRE2_ERROR_HEAP_FAILED }
}

extension mm_pattern {
    /// Compiles a pattern in the language of pcre2pattern(3).
    ///
    /// - Parameters:
    ///   - source: At most 1 MiB.
    ///   - steps: The most steps of a match from one offset; nil for the default.
    package init(
        _ source: UnsafeRawBufferPointer, _ options: PatternOptions, steps: UInt32? = nil
    ) throws(PatternError) {
        self.init()
        let compiler = try PatternCompiler(source, options.bits)
        defer { compiler.free() }
        code = try? compiler.compile(variableLookbehind: false)
        let hasFixedLookbehinds = code != nil
        if code == nil { code = try compiler.compile(variableLookbehind: true) }
        begins_lines = unit(UInt32(PCRE2_INFO_FIRSTCODETYPE)) == 2
        let losesStarts = mayLoseStarts(source)
        let mayBeMachineCode =
            hasFixedLookbehinds && !hasVerb(source) && !repeatsZeroTimes(source)
            && !(losesStarts && hasBackreference(source)) && !(begins_lines && contains(source, "\\G"))
            && (options.contains(.translated) || !mayRecurse(source)) && !contains(source, "(*NO_JIT)")
        if mayBeMachineCode, losesStarts, let fresh = try? compiler.compile(PCRE2_NO_START_OPTIMIZE) {
            pcre2_code_free_8(code)
            code = fresh
        }
        describe(source, options, mayBeMachineCode: mayBeMachineCode)
        if needsWhole(source), hasFixedLookbehinds { whole = try? compiler.compile(PCRE2_MATCH_INVALID_UTF) }
        data = pcre2_match_data_create_from_pattern_8(code, nil)
        context = pcre2_match_context_create_8(nil)
        if is_copied { window = PatternWindow.makeMemory(smallWindow) }
        guard data != nil, context != nil, is_copied == (window != nil) else {
            free()
            throw PatternError(code: CInt(PCRE2_ERROR_NOMEMORY), offset: 0)
        }
        self.steps = steps ?? (is_machine_code ? UInt32.max : 10_000_000)
        has_steps = steps != nil
        offsets = pcre2_get_ovector_pointer_8(data)
        if options.contains(.stopsAtMark) {
            pcre2_set_callout_8(context, { _, _ in CInt(PCRE2_ERROR_CALLOUT) }, nil)
        }
    }

    /// Generates the machine code too, and records properties of the pattern.
    private mutating func describe(
        _ source: UnsafeRawBufferPointer, _ options: PatternOptions, mayBeMachineCode: Bool
    ) {
        let all = unit(UInt32(PCRE2_INFO_ALLOPTIONS))
        is_utf = all & PCRE2_UTF != 0
        // The interpreter does what has no machine code. (*NO_JIT) is no error.
        is_machine_code =
            mayBeMachineCode && pcre2_jit_compile_8(code, PCRE2_JIT_COMPLETE) == 0
            && (!is_utf || pcre2_jit_compile_8(code, PCRE2_JIT_PARTIAL_HARD) == 0)
            && size(UInt32(PCRE2_INFO_JITSIZE)) > 0
        // Machine code reads bytes one at a time, and none outside the subject. Where it decodes UTF-8 it
        // needs valid UTF-8; the interpreter reads bytes twice and relies on the first result.
        is_copied = is_utf || !is_machine_code
        (first_copy, most_copy) = (512, 256 << 10)
        is_anchored = all & PCRE2_ANCHORED != 0
        has_clusters = contains(source, "\\X")
        lookbehind = reach(source)
        match_options = optionsOfStart(source)
        // In a search cut into parts, \G would match at the start of each part, and a verb like (*COMMIT)
        // would end only one part.
        is_divisible = !is_anchored && !contains(source, "\\G") && !contains(source, "(*")
        is_within_line =
            is_divisible && unit(UInt32(PCRE2_INFO_MATCHEMPTY)) == 0 && staysWithinLine(source, options)
    }

    /// Whether the pattern may depend on where the subject starts and ends, and not only the fragment of
    /// valid UTF-8 that it is matched in.
    private func needsWhole(_ source: UnsafeRawBufferPointer) -> Bool {
        guard is_utf else { return false }
        // Other newlines are for patterns that begin with a verb.
        if begins_lines && contains(source, "(*") { return true }
        if match_options & PCRE2_NOTEMPTY_ATSTART != 0 { return true }
        return contains(source, "\\A") || contains(source, "\\Z") || contains(source, "\\z")
            || contains(source, "\\G")
    }

    /// How many bytes before its start a search may depend on. PCRE2 reports the length of one lookbehind;
    /// those of nested ones add up, and with recursion there is no limit.
    private func reach(_ source: UnsafeRawBufferPointer) -> Int {
        let lookbehinds = countLookbehinds(source)
        if lookbehinds > 0, has_clusters || mayRecurse(source) { return Int.max }
        // One more for \b and ^, and one so that these do not see the start of the copy.
        let characters = Int(unit(UInt32(PCRE2_INFO_MAXLOOKBEHIND))) &* max(lookbehinds, 1) &+ 2
        return 4 &* characters
    }

    /// The number of groups.
    package var captures: UInt32 { unit(UInt32(PCRE2_INFO_CAPTURECOUNT)) }

    /// The number of names of groups.
    package var names: Int { Int(unit(UInt32(PCRE2_INFO_NAMECOUNT))) }

    /// A name, ended by a zero byte, and the number of its group.
    ///
    /// - Parameter index: `0 ..< names`.
    package func name(_ index: Int) -> (name: UnsafePointer<UInt8>, group: Int)? {
        var table: UnsafePointer<UInt8>?
        let length = Int(unit(UInt32(PCRE2_INFO_NAMEENTRYSIZE)))
        guard pcre2_pattern_info_8(code, UInt32(PCRE2_INFO_NAMETABLE), &table) == 0, let table else {
            return nil
        }
        let entry = table + index &* length
        return (entry + 2, Int(entry[0]) << 8 | Int(entry[1]))
    }

    /// The limit of steps that the pattern sets itself with `(*LIMIT_MATCH=`; nil if there is none.
    var ownSteps: UInt32? { limit(UInt32(PCRE2_INFO_MATCHLIMIT)) }

    /// The same of memory, in KiB, with `(*LIMIT_HEAP=`.
    var ownHeap: UInt32? { limit(UInt32(PCRE2_INFO_HEAPLIMIT)) }

    /// The same of depth, with `(*LIMIT_DEPTH=`.
    var ownDepth: UInt32? { limit(UInt32(PCRE2_INFO_DEPTHLIMIT)) }

    private func limit(_ what: UInt32) -> UInt32? {
        var limit: UInt32 = 0
        return pcre2_pattern_info_8(code, what, &limit) == 0 ? limit : nil
    }

    private func unit(_ what: UInt32) -> UInt32 {
        var unit: UInt32 = 0
        pcre2_pattern_info_8(code, what, &unit)
        return unit
    }

    private func size(_ what: UInt32) -> Int {
        var size = 0
        return pcre2_pattern_info_8(code, what, &size) == 0 ? size : 0
    }

    /// The memory of the compiled pattern in bytes, including what the interpreter keeps between two matches.
    package var size: Int {
        size(UInt32(PCRE2_INFO_SIZE)) &* (whole == nil ? 1 : 2) &+ size(UInt32(PCRE2_INFO_JITSIZE))
            &+ pcre2_get_match_data_size_8(data) &+ (is_machine_code ? 0 : shallowMatch)
            &+ (is_copied ? smallWindow : 0)
    }

    /// Frees the memory that the interpreter has kept for backtracking. The offsets stay.
    mutating func forget() {
        guard let fresh = pcre2_match_data_create_from_pattern_8(code, nil) else { return }
        let places = pcre2_get_ovector_pointer_8(fresh)
        if let places, let offsets {
            places.update(from: offsets, count: 2 &* Int(pcre2_get_ovector_count_8(fresh)))
        }
        pcre2_match_data_free_8(data)
        (data, offsets) = (fresh, places)
    }

    /// Frees the memory. A second call does nothing.
    package mutating func free() {
        let old = self
        self = mm_pattern()
        Glibc.free(old.window)
        pcre2_match_context_free_8(old.context)
        pcre2_match_data_free_8(old.data)
        pcre2_code_free_8(old.whole)
        pcre2_code_free_8(old.code)
    }
}

/// The most memory for backtracking, in bytes.
let patternMemory = 256 << 20

/// The part of it that needs no budget: PCRE2's interpreter keeps that much from one match to the next.
let shallowMatch = 64 << 10

/// A pattern's text with PCRE2's context for compiling it.
private struct PatternCompiler {
    private let source: UnsafeRawBufferPointer
    private let bits: UInt32
    private let context: OpaquePointer

    init(_ source: UnsafeRawBufferPointer, _ bits: UInt32) throws(PatternError) {
        guard let context = pcre2_compile_context_create_8(nil) else {
            throw PatternError(code: CInt(PCRE2_ERROR_NOMEMORY), offset: 0)
        }
        (self.source, self.bits, self.context) = (source, bits, context)
        pcre2_set_newline_8(context, UInt32(PCRE2_NEWLINE_LF))
        pcre2_set_max_pattern_length_8(context, 1 << 20)
    }

    func free() { pcre2_compile_context_free_8(context) }

    /// - Parameter variableLookbehind: Whether a lookbehind may match text of different lengths, other than
    /// by the
    ///   branches of itself.
    func compile(
        _ more: UInt32 = 0, variableLookbehind: Bool = true
    ) throws(PatternError) -> OpaquePointer {
        var error: CInt = 0
        var place = 0
        pcre2_set_max_varlookbehind_8(context, variableLookbehind ? 255 : 0)
        let code = withBytes(source) {
            pcre2_compile_8($0, source.count, bits | more, &error, &place, context)
        }
        guard let code else { throw PatternError(code: error, offset: place) }
        return code
    }
}

/// The options that a pattern sets with `(*NOTEMPTY)` and `(*NOTEMPTY_ATSTART)` at its start.
/// pcre2_jit_match(3) does not know them.
private func optionsOfStart(_ source: UnsafeRawBufferPointer) -> UInt32 {
    var options: UInt32 = 0
    var rest = source[...]
    while rest.starts(with: "(*".utf8), let end = rest.firstIndex(of: UInt8(ascii: ")")) {
        if rest[..<end].elementsEqual("(*NOTEMPTY".utf8) { options |= PCRE2_NOTEMPTY }
        if rest[..<end].elementsEqual("(*NOTEMPTY_ATSTART".utf8) { options |= PCRE2_NOTEMPTY_ATSTART }
        rest = rest[(end + 1)...]
    }
    return options
}

/// Calls `body` with a pointer that is never nil.
private func withBytes<Result>(
    _ bytes: UnsafeRawBufferPointer, _ body: (UnsafePointer<UInt8>) -> Result
) -> Result {
    if let start = bytes.bindMemory(to: UInt8.self).baseAddress { return body(start) }
    var nothing: UInt8 = 0
    return body(&nothing)
}

private func contains(_ bytes: UnsafeRawBufferPointer, _ text: StaticString) -> Bool {
    guard let start = bytes.baseAddress else { return false }
    return mm_find(start, bytes.count, text.utf8Start, text.utf8CodeUnitCount) != nil
}

// MARK: What machine code gets wrong

// PCRE2 10.47's machine code does not always find what its interpreter finds. These are the shapes that
// fuzzing of one against the other has shown (Tests/soak/regex.lua). Patterns that may have them are
// interpreted, or compiled without the search for the first characters of a match.

/// Whether a pattern has a verb such as `(*PRUNE)`, other than the options at its start.
private func hasVerb(_ source: UnsafeRawBufferPointer) -> Bool {
    for verb: StaticString in ["(*:", "(*AC", "(*CO", "(*F", "(*M", "(*P", "(*S", "(*TH"]
    where contains(source, verb) { return true }
    return false
}

/// Whether a pattern may have an item with the count `{0}`.
private func repeatsZeroTimes(_ source: UnsafeRawBufferPointer) -> Bool {
    for place in source.indices where source[place] == UInt8(ascii: "{") {
        var (end, hasZero) = (place &+ 1, false)
        while end < source.count, "0, ".utf8.contains(source[end]) {
            if source[end] == UInt8(ascii: "0") { hasZero = true }
            if source[end] == UInt8(ascii: ",") { hasZero = false }
            end &+= 1
        }
        if hasZero, end < source.count, source[end] == UInt8(ascii: "}") { return true }
    }
    return false
}

/// Whether a pattern may refer to the text of a group.
private func hasBackreference(_ source: UnsafeRawBufferPointer) -> Bool {
    if contains(source, "\\g") || contains(source, "\\k") || contains(source, "(?P=") { return true }
    for place in source.indices where source[place] == UInt8(ascii: "\\") && place &+ 1 < source.count {
        if source[place &+ 1] >= UInt8(ascii: "1"), source[place &+ 1] <= UInt8(ascii: "9") { return true }
    }
    return false
}

/// Whether the search for the first characters of a match may miss some: those of `a?b.{2}` or
/// `a?b[cd]{0,2}`, where it takes the count for that of a character in another branch. True also for some
/// patterns without that fault.
private func mayLoseStarts(_ source: UnsafeRawBufferPointer) -> Bool {
    var (hasBranches, countsType) = (false, false)
    for place in source.indices {
        let next = place &+ 1 < source.count ? source[place &+ 1] : 0
        switch source[place] {
        case UInt8(ascii: "*") where place > 0 && source[place &- 1] == UInt8(ascii: "("): break
        case UInt8(ascii: "?"), UInt8(ascii: "*"), UInt8(ascii: "|"): hasBranches = true
        case UInt8(ascii: "{"):
            if next == UInt8(ascii: "0") || next == UInt8(ascii: ",") || next == UInt8(ascii: " ") {
                (hasBranches, countsType) = (true, true)
            }
            if !endsPlainItem(source, before: place) { countsType = true }
        default: break
        }
    }
    return hasBranches && countsType
}

/// Whether the item before an offset is a group, a class or a letter or digit: not a dot, \d or \p{L}.
private func endsPlainItem(_ source: UnsafeRawBufferPointer, before place: Int) -> Bool {
    func byte(_ distance: Int) -> UInt8 { distance <= place ? source[place &- distance] : 0 }
    switch byte(1) {
    case UInt8(ascii: ")"), UInt8(ascii: "]"): return true
    case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "a")...UInt8(ascii: "z"):
        return byte(2) != UInt8(ascii: "\\") && byte(3) != UInt8(ascii: "\\")
    default: return false
    }
}

/// The most lookbehinds that a pattern can have: `(?<=`, `(?<!`, `(?<*`, and everything named like `(*plb:`.
private func countLookbehinds(_ source: UnsafeRawBufferPointer) -> Int {
    var count = 0
    for place in source.indices where source[place] == UInt8(ascii: "(") {
        func byte(_ distance: Int) -> UInt8 {
            place &+ distance < source.count ? source[place &+ distance] : 0
        }
        let isNamed = byte(1) == UInt8(ascii: "*") && byte(2) >= UInt8(ascii: "a")
        let isPlain = byte(1) == UInt8(ascii: "?") && byte(2) == UInt8(ascii: "<")
        switch byte(3) {
        case UInt8(ascii: "="), UInt8(ascii: "!"), UInt8(ascii: "*"): if isPlain { count &+= 1 }
        default: break
        }
        if isNamed { count &+= 1 }
    }
    return count
}

/// Whether a pattern may call one of its groups: `(?R)`, `(?1)`, `(?+1)`, `(?&name)`, `(?P>name)`,
/// `\g<name>`.
private func mayRecurse(_ source: UnsafeRawBufferPointer) -> Bool {
    if contains(source, "(?R") || contains(source, "(?&") || contains(source, "(?P>") { return true }
    if contains(source, "\\g") || contains(source, "(?+") { return true }
    for place in source.indices where source[place] == UInt8(ascii: "(") && place &+ 2 < source.count {
        guard source[place &+ 1] == UInt8(ascii: "?") else { continue }
        let isSigned = source[place &+ 2] == UInt8(ascii: "-") && place &+ 3 < source.count
        let digit = source[isSigned ? place &+ 3 : place &+ 2]
        if digit >= UInt8(ascii: "0"), digit <= UInt8(ascii: "9") { return true }
    }
    return false
}
