internal import CMemoryMap
internal import CPCRE2
internal import Glibc

/// What became of a search.
package enum PatternResult: Sendable {
    case none
    case found
    /// The pattern reached its mark; see `PatternOptions.stopsAtMark`.
    case marked
}

/// Searches for a pattern in bytes: those of a mapping or any others, in place or not (see `PatternWindow`).
///
/// A search is done in parts that take some milliseconds each, and between them it is asked whether it
/// is to go on. A part is a range of offsets where a match may start; the whole subject can be looked at
/// from there. So the parts cannot be seen in the results.
package struct PatternSearch {
    package let pattern: PatternPointer
    package let subject: UnsafeRawBufferPointer
    /// Where the subject is a mapping's, its handle.
    package let origin: MappedBytes?
    /// Of the last match: where it starts and ends, then the same for each group, in bytes. Both are below
    /// 0 where a group has no part in the match.
    package var offsets: UnsafePointer<Int> { UnsafePointer(pattern.pointee.offsets.unsafelyUnwrapped) }

    /// - Parameter pattern: One that was not freed.
    package init(_ pattern: PatternPointer, _ subject: UnsafeRawBufferPointer, _ origin: MappedBytes?) {
        self.pattern = pattern
        self.subject = subject
        self.origin = origin
    }

    /// Searches for the first match.
    ///
    /// - Parameters:
    ///   - start: Where to start, in bytes, `0 ... count`.
    ///   - skipsEmpty: An empty match at `start` does not count.
    ///   - poll: Asked every few milliseconds whether to go on.
    /// - Throws: `interrupted`, `lost`, `misuse` where the match takes too much time or memory, and `systemCall`
    ///   where a copy of the subject does.
    package func next(
        from start: Int, skipsEmpty: Bool = false, poll: (Int) -> Bool
    ) throws(MapError) -> PatternResult {
        if pattern.pointee.is_copied { return try nextInCopies(from: start, skipsEmpty, poll) }
        var window = PatternWindow(inPlace: subject, pattern)
        return try next(&window, from: start, skipsEmpty: skipsEmpty, poll: poll)
    }

    private func nextInCopies(
        from start: Int, _ skipsEmpty: Bool, _ poll: (Int) -> Bool
    ) throws(MapError) -> PatternResult {
        var window = PatternWindow(pattern, subject)
        defer { window.close() }
        return try next(&window, from: start, skipsEmpty: skipsEmpty, poll: poll)
    }

    /// As above, with what was copied before.
    ///
    /// - Parameter end: The first offset where a match may not start; nil means that one may even start where the
    ///   subject ends. Only for patterns that are divisible.
    @inline(__always)
    func next(
        _ window: inout PatternWindow, from start: Int, before end: Int? = nil, skipsEmpty: Bool = false,
        poll: (Int) -> Bool
    ) throws(MapError) -> PatternResult {
        let end = end ?? subject.count &+ 1
        if start >= end { return .none }
        var effort = Effort(pattern)
        defer { effort.finish() }
        let isDivisible = pattern.pointee.is_divisible
        var from = start
        var options = skipsEmpty ? PCRE2_NOTEMPTY_ATSTART : 0
        while true {
            try window.show(from, effort.slice, poll)
            let last = window.last(from, effort.slice, end)
            pcre2_set_offset_limit_8(pattern.pointee.context, isDivisible ? last &- window.lower : -1)
            pcre2_set_match_limit_8(pattern.pointee.context, effort.patience)
            let code = window.match(from, last, options)
            if code > 0 { return try found() }
            if code == PCRE2_ERROR_CALLOUT { return .marked }
            if code == PCRE2_ERROR_NOMATCH {
                if last >= end &- 1 || pattern.pointee.is_anchored { return try none() }
                if isDivisible {
                    (from, options) = (last &+ 1, window.optionsToStart(last &+ 1))
                } else {
                    window.grow(from)
                }
            } else if code == PCRE2_ERROR_PARTIAL {
                let place = min(window.lower &+ offsets[0], last &+ 1)
                if isDivisible && place > from {
                    (from, options) = (place, window.optionsToStart(place))
                    window.drop()
                } else {
                    window.grow(from)
                }
            } else if code != MM_MATCH_LEFT {
                try effort.increase(after: code)
            }
            if !poll(from &- start) { throw MapError(.interrupted) }
            try origin?.checkIntact()
            effort.adapt()
        }
    }

    private func found() throws(MapError) -> PatternResult {
        try origin?.checkIntact()
        if offsets[0] > offsets[1] || offsets[1] > subject.count {
            throw MapError(.misuse, "\\K put the start of the match behind its end")
        }
        return .found
    }

    private func none() throws(MapError) -> PatternResult {
        try origin?.checkIntact()
        return .none
    }

    /// Where the search for the match behind the last one starts, which began at `from`; and whether an
    /// empty match there would be found twice.
    package func following(_ from: Int) -> (start: Int, skipsEmpty: Bool) {
        if offsets[0] == offsets[1] { return (max(offsets[1], from), true) }
        // A pattern can put the start of a match before the search with \K: go on all the same.
        return (max(offsets[1], from &+ 1), false)
    }
}

/// How much of a search is done at a time: little at first, so that a short one costs little and a hard
/// one is noticed soon.
private struct Effort {
    private let pattern: PatternPointer
    /// Offsets where a match may start.
    private(set) var slice = 512
    /// Steps for each of them.
    private(set) var patience = firstPatience
    private static let firstPatience: UInt32 = 10_000
    private var isDeep = false
    private var stack: OpaquePointer?
    /// What a match may use to remember where it can turn back to, in bytes.
    private let most: Int
    private var isLong = false
    private var lap = 0

    init(_ pattern: PatternPointer) {
        self.pattern = pattern
        most = min(patternMemory, memoryLeft())
        if !pattern.pointee.is_machine_code {
            pcre2_set_heap_limit_8(pattern.pointee.context, UInt32(shallowMatch >> 10))
        }
        if pattern.pointee.is_deep { deepen() }
    }

    /// A part should take some milliseconds. Whatever goes on for longer than one can be interrupted.
    mutating func adapt() {
        let before = lap
        lap = nanoseconds()
        if before != 0 && lap &- before > 8_000_000 {
            slice = max(slice / 8, 1)
        } else if before == 0 || lap &- before < 2_000_000 {
            slice = min(slice &* 4, 1 << 24)
        }
        if isLong || patience == Effort.firstPatience && slice < 1 << 16 { return }
        isLong = true
        mm_escape_begin()
    }

    /// Makes ready for another try after one that came to a limit.
    mutating func increase(after code: CInt) throws(MapError) {
        // The interpreter cannot be left in the middle: there the limit stays where PCRE2 has it.
        let most = pattern.pointee.is_machine_code ? UInt32.max : 10_000_000
        if code == PCRE2_ERROR_MATCHLIMIT {
            guard patience < most else {
                throw MapError(.misuse, "the match takes too many steps (more than %1)", Int(most))
            }
            (patience, slice) = (most, 1)
        } else if code == PCRE2_ERROR_JIT_STACKLIMIT || code == PCRE2_ERROR_HEAPLIMIT, !isDeep {
            pattern.pointee.is_deep = true
            deepen()
            if !isDeep { throw tooDeep }
        } else if code == PCRE2_ERROR_JIT_STACKLIMIT || code == PCRE2_ERROR_HEAPLIMIT
            || code == PCRE2_ERROR_NOMEMORY || code == PCRE2_ERROR_RECURSIONLIMIT
        {
            throw tooDeep
        } else {
            throw MapError(.misuse, "the match failed (PCRE2 error %1)", Int(code))
        }
    }

    private var tooDeep: MapError {
        MapError(.misuse, "the match takes too much memory to turn back (more than %1 KiB)", most >> 10)
    }

    /// The usual stack is 32 KiB of the thread's own, and the interpreter has little more. This one is an address
    /// range; only what is used of it becomes memory, but how much is known too late: all of it counts.
    private mutating func deepen() {
        guard mm_budget_take(most) else { return }
        guard pattern.pointee.is_machine_code else {
            pcre2_set_heap_limit_8(pattern.pointee.context, UInt32(most >> 10))
            isDeep = true
            return
        }
        stack = pcre2_jit_stack_create_8(min(32 << 10, most), most, nil)
        guard stack != nil else {
            mm_budget_give(most)
            return
        }
        isDeep = true
        pcre2_jit_stack_assign_8(pattern.pointee.context, nil, UnsafeMutableRawPointer(stack))
    }

    mutating func finish() {
        if isLong { mm_escape_end() }
        guard isDeep else { return }
        if stack != nil {
            pcre2_jit_stack_assign_8(pattern.pointee.context, nil, nil)
            pcre2_jit_stack_free_8(stack)
        } else {
            pattern.pointee.forget()
        }
        mm_budget_give(most)
    }
}

/// The time of the monotonic clock in nanoseconds.
func nanoseconds() -> Int {
    var now = timespec()
    clock_gettime(CLOCK_MONOTONIC, &now)
    return now.tv_sec &* 1_000_000_000 &+ now.tv_nsec
}
