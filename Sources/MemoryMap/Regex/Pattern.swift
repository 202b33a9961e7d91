package import CMemoryMap
internal import CPCRE2
internal import Glibc

/// A compiled pattern, and what PCRE2 needs to match with it. It has one owner, who frees it.
///
/// Not to be used by two threads at a time.
package typealias PatternPointer = UnsafeMutablePointer<mm_pattern>

/// How the text of a pattern is to be read.
package struct PatternOptions: OptionSet, Sendable {
    package let rawValue: UInt64
    package init(rawValue: UInt64) { self.rawValue = rawValue }
    private init(_ bits: UInt32) { rawValue = UInt64(bits) }

    package static let ignoreCase = PatternOptions(PCRE2_CASELESS)
    /// `^` and `$` match at newlines too.
    package static let multiline = PatternOptions(PCRE2_MULTILINE)
    /// `.` matches newlines too.
    package static let dotMatchesAll = PatternOptions(PCRE2_DOTALL)
    /// White space and comments in the pattern mean nothing.
    package static let extended = PatternOptions(PCRE2_EXTENDED)
    /// Pattern and subject are UTF-8, and `\w` and its like know all of Unicode. What is not valid UTF-8
    /// in a subject matches nothing.
    package static let unicode = PatternOptions(PCRE2_UTF | PCRE2_UCP)
    /// Only where the search starts.
    package static let anchored = PatternOptions(PCRE2_ANCHORED)
    /// A search ends, with `PatternResult.marked`, where the pattern comes to a callout, `(?C)`.
    package static let stopsAtMark = PatternOptions(rawValue: 1 << 32)

    /// What PCRE2 is told.
    fileprivate var bits: UInt32 {
        var bits = UInt32(truncatingIfNeeded: rawValue) | PCRE2_USE_OFFSET_LIMIT
        // Without the option the subject is not checked, so the pattern must not ask for UTF-8 either.
        bits |= contains(.unicode) ? PCRE2_MATCH_INVALID_UTF | PCRE2_NEVER_BACKSLASH_C : PCRE2_NEVER_UTF
        // Whatever comes to the mark has to.
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
}

extension mm_pattern {
    /// Compiles a pattern for pcre2pattern(3)'s language.
    ///
    /// - Parameter source: At most 1 MiB.
    package init(
        _ source: UnsafeRawBufferPointer, _ options: PatternOptions
    ) throws(PatternError) {
        self.init()
        var error: CInt = 0
        var place = 0
        let language = pcre2_compile_context_create_8(nil)
        defer { pcre2_compile_context_free_8(language) }
        guard language != nil else { throw PatternError(code: CInt(PCRE2_ERROR_NOMEMORY), offset: 0) }
        pcre2_set_newline_8(language, UInt32(PCRE2_NEWLINE_LF))
        pcre2_set_max_pattern_length_8(language, 1 << 20)
        code = withBytes(source) {
            pcre2_compile_8($0, source.count, options.bits, &error, &place, language)
        }
        if code != nil, isMisjudged(source) {
            pcre2_code_free_8(code)
            code = withBytes(source) {
                pcre2_compile_8(
                    $0, source.count, options.bits | PCRE2_NO_START_OPTIMIZE, &error, &place, language)
            }
        }
        guard code != nil else { throw PatternError(code: error, offset: place) }
        describe(source, options)
        data = pcre2_match_data_create_from_pattern_8(code, nil)
        context = pcre2_match_context_create_8(nil)
        if is_copied { window = PatternWindow.makeMemory(smallWindow) }
        guard data != nil, context != nil, is_copied == (window != nil) else {
            free()
            throw PatternError(code: CInt(PCRE2_ERROR_NOMEMORY), offset: 0)
        }
        offsets = pcre2_get_ovector_pointer_8(data)
        if options.contains(.stopsAtMark) {
            pcre2_set_callout_8(context, { _, _ in CInt(PCRE2_ERROR_CALLOUT) }, nil)
        }
    }

    /// Has machine code made too, which depends on what the pattern is.
    private mutating func describe(_ source: UnsafeRawBufferPointer, _ options: PatternOptions) {
        let all = unit(UInt32(PCRE2_INFO_ALLOPTIONS))
        is_utf = all & PCRE2_UTF != 0
        // What the processor's own code cannot do, or may not, is interpreted. (*NO_JIT) is no error.
        is_machine_code =
            pcre2_jit_compile_8(code, PCRE2_JIT_COMPLETE) == 0
            && (!is_utf || pcre2_jit_compile_8(code, PCRE2_JIT_PARTIAL_HARD) == 0)
            && size(UInt32(PCRE2_INFO_JITSIZE)) > 0
        // Machine code looks at bytes one at a time, at none outside the subject. Where it decodes UTF-8 it looks at
        // up to three behind the end; and the interpreter looks twice and relies on what it saw.
        is_copied = is_utf || !is_machine_code
        (first_copy, most_copy) = (512, 256 << 10)
        is_anchored = all & PCRE2_ANCHORED != 0
        has_clusters = contains(source, "\\X")
        lookbehind = reach(source)
        // Of a search cut into parts, \G would match at every part's start, and a verb like (*COMMIT)
        // would end but one.
        is_divisible = !is_anchored && !contains(source, "\\G") && !contains(source, "(*")
        is_within_line =
            is_divisible && unit(UInt32(PCRE2_INFO_MATCHEMPTY)) == 0 && staysWithinLine(source, options)
    }

    /// PCRE2 10.42 takes the first character of a match from an assertion, as in `(?=a)b?a`, and then wants
    /// the last literal behind it: there the two may be the same one, and "a" is not matched.
    private func isMisjudged(_ source: UnsafeRawBufferPointer) -> Bool {
        guard contains(source, "(?=") || contains(source, "(*"),
            unit(UInt32(PCRE2_INFO_FIRSTCODETYPE)) == 1, unit(UInt32(PCRE2_INFO_LASTCODETYPE)) == 1
        else { return false }
        return unit(UInt32(PCRE2_INFO_FIRSTCODEUNIT)) | 0x20 == unit(UInt32(PCRE2_INFO_LASTCODEUNIT)) | 0x20
    }

    /// How many bytes in front of a search's start its match may depend on. PCRE2 knows how far one lookbehind goes,
    /// but those inside others add up; and with a recursion there is no end of them.
    private func reach(_ source: UnsafeRawBufferPointer) -> Int {
        let lookbehinds = countLookbehinds(source)
        if lookbehinds > 0, has_clusters || mayRecurse(source) { return Int.max }
        // One more for \b and ^, and one so that these do not see the start of the copy.
        let characters = Int(unit(UInt32(PCRE2_INFO_MAXLOOKBEHIND))) &* max(lookbehinds, 1) &+ 2
        return 4 &* characters
    }

    /// How many groups there are.
    package var captures: UInt32 { unit(UInt32(PCRE2_INFO_CAPTURECOUNT)) }

    private func unit(_ what: UInt32) -> UInt32 {
        var unit: UInt32 = 0
        pcre2_pattern_info_8(code, what, &unit)
        return unit
    }

    private func size(_ what: UInt32) -> Int {
        var size = 0
        return pcre2_pattern_info_8(code, what, &size) == 0 ? size : 0
    }

    /// The memory that the compiled pattern takes, in bytes, with what the interpreter keeps between two matches.
    package var size: Int {
        size(UInt32(PCRE2_INFO_SIZE)) &+ size(UInt32(PCRE2_INFO_JITSIZE))
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
        pcre2_code_free_8(old.code)
    }
}

/// What a match may use at most to remember where it can turn back to, in bytes.
let patternMemory = 256 << 20

/// What it may use of that without asking: PCRE2's interpreter keeps so much from one match to the next.
let shallowMatch = 64 << 10

/// Runs `body` with a pointer that is never nil.
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

/// How many lookbehinds a pattern has at most: `(?<=`, `(?<!`, `(?<*`, and all that has a name as `(*plb:` has.
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
