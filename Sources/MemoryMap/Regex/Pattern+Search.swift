internal import CMemoryMap
internal import CPCRE2
internal import Glibc

/// The result of a search.
package enum PatternResult: Sendable {
    case none
    case found
    /// The pattern reached its mark; see `PatternOptions.stopsAtMark`.
    case marked
}

/// A search for a pattern in bytes: those of a mapping or any others, in place or not (see `PatternWindow`).
///
/// A search is done in parts that take some milliseconds each; between them it polls. A part is a range of
/// offsets where a match may start; the match may read the whole subject. So the results do not depend on the
/// parts.
package struct PatternSearch {
    package let pattern: PatternPointer
    package let subject: UnsafeRawBufferPointer
    /// The handle of the mapping that the subject lies in, if it does.
    package let origin: MappedBytes?
    /// The start and end of the last match, then of each group, in bytes. Both are less than 0 for a group
    /// that is not part of the match.
    package var offsets: UnsafePointer<Int> { UnsafePointer(pattern.pointee.offsets.unsafelyUnwrapped) }

    /// - Parameter pattern: Must not be freed yet.
    package init(_ pattern: PatternPointer, _ subject: UnsafeRawBufferPointer, _ origin: MappedBytes?) {
        self.pattern = pattern
        self.subject = subject
        self.origin = origin
    }

    /// Searches for the first match.
    ///
    /// - Parameters:
    ///   - start: Where to start, in bytes, `0 ... count`.
    ///   - skipsEmpty: Whether to ignore an empty match at `start`.
    ///   - shouldContinue: Asked every few milliseconds whether to continue.
    /// - Throws: `interrupted`, `lost`, `misuse` for a match beyond a limit of steps or memory, and
    /// `systemCall`
    ///   without memory for a copy of the subject.
    package func next(
        from start: Int, skipsEmpty: Bool = false, shouldContinue: (Int) -> Bool
    ) throws(MapError) -> PatternResult {
        if pattern.pointee.is_copied { return try nextInCopies(from: start, skipsEmpty, shouldContinue) }
        var window = PatternWindow(inPlace: subject, pattern)
        return try next(&window, from: start, skipsEmpty: skipsEmpty, shouldContinue: shouldContinue)
    }

    private func nextInCopies(
        from start: Int, _ skipsEmpty: Bool, _ shouldContinue: (Int) -> Bool
    ) throws(MapError) -> PatternResult {
        var window = PatternWindow(pattern, subject)
        defer { window.close() }
        return try next(&window, from: start, skipsEmpty: skipsEmpty, shouldContinue: shouldContinue)
    }

    /// As above, in a window that may hold a copy already.
    ///
    /// - Parameter end: The first offset where no match may start; nil if one may even start at the end of
    /// the subject.
    ///   Only for patterns that are divisible.
    @inline(__always)
    func next(
        _ window: inout PatternWindow, from start: Int, before end: Int? = nil, skipsEmpty: Bool = false,
        shouldContinue: (Int) -> Bool
    ) throws(MapError) -> PatternResult {
        let end = end ?? subject.count &+ 1
        if start >= end { return .none }
        var effort = Effort(pattern)
        defer { effort.finish() }
        let isDivisible = pattern.pointee.is_divisible
        var from = start
        try window.begin(&from, shouldContinue)
        // An empty match at the start does not count; after the start it does.
        let later = pattern.pointee.match_options & ~PCRE2_NOTEMPTY_ATSTART
        var options = pattern.pointee.match_options | (skipsEmpty ? PCRE2_NOTEMPTY_ATSTART : 0)
        if from > start { options = later }
        // The interpreter then looks for the start of a line, too.
        var isAtLine = from == start || !pattern.pointee.begins_lines
        while from < end {
            try window.show(from, effort.slice, shouldContinue)
            if window.becomesWhole() {
                isAtLine = true
                (from, options) = (
                    start, pattern.pointee.match_options | (skipsEmpty ? PCRE2_NOTEMPTY_ATSTART : 0)
                )
                continue
            }
            if !isAtLine {
                (from, isAtLine) = (try window.nextLine(from, effort.slice, shouldContinue), true)
                continue
            }
            let last = window.last(from, effort.slice, end)
            pcre2_set_offset_limit_8(pattern.pointee.context, isDivisible ? last &- window.lower : -1)
            pcre2_set_match_limit_8(pattern.pointee.context, effort.patience)
            let code = window.match(from, options)
            if code > 0 { return try found() }
            if code == PCRE2_ERROR_CALLOUT { return .marked }
            if code == PCRE2_ERROR_NOMATCH {
                let isComplete = last >= end &- 1 || window.endsFragment && last == window.upper
                let missesEnd =
                    pattern.pointee.is_machine_code && !window.isWhole
                    && options & PCRE2_NOTEMPTY_ATSTART != 0
                if pattern.pointee.begins_lines, from < window.upper, isComplete ? missesEnd : isDivisible {
                    // After the start, the interpreter tries starts of lines and the end; machine code not
                    // the end.
                    (from, options) = (
                        try window.nextLine(isComplete ? from : last, effort.slice, shouldContinue), later
                    )
                } else if last >= end &- 1 {
                    break
                } else if window.endsFragment && last == window.upper {
                    (from, options) = (try window.nextFragment(effort.slice, shouldContinue), later)
                } else if pattern.pointee.is_anchored {
                    break
                } else if isDivisible {
                    (from, options) = (last &+ 1, later)
                } else {
                    window.grow(from)
                }
            } else if code == PCRE2_ERROR_PARTIAL {
                let place = min(window.lower &+ offsets[0], last &+ 1)
                if isDivisible && place > from {
                    (from, options) = (place, later)
                    window.drop()
                } else {
                    window.grow(from)
                }
            } else if code != MM_MATCH_LEFT {
                try effort.increase(after: code)
            }
            if !shouldContinue(from &- start) { throw MapError(.interrupted) }
            try origin?.checkIntact()
            effort.adapt()
        }
        try origin?.checkIntact()
        return .none
    }

    private func found() throws(MapError) -> PatternResult {
        try origin?.checkIntact()
        if offsets[0] > offsets[1] || offsets[1] > subject.count {
            throw MapError(.misuse, "\\K moved the start of the match past its end")
        }
        return .found
    }

    /// The start of the search for the next match, after one that began at `from`, and whether an empty match
    /// there would be the same again. As Perl's //g.
    package func following(_ from: Int) -> (start: Int, skipsEmpty: Bool) {
        if offsets[0] == offsets[1] { return (max(offsets[1], from), true) }
        // \K can put the start of a match before the search; the search must advance even then.
        return (max(offsets[1], from &+ 1), false)
    }
}

/// The part of a search that is done at a time: small at first, so that a short search is cheap and a long
/// one is noticed soon.
private struct Effort {
    private let pattern: PatternPointer
    /// The number of offsets where a match may start.
    private(set) var slice = 512
    /// The limit of steps for each of them.
    private(set) var patience: UInt32
    fileprivate static let firstPatience: UInt32 = 10_000
    private var isDeep = false
    private var stack: OpaquePointer?
    /// The most memory for backtracking, in bytes.
    private let most: Int
    private var isLong = false
    private var lap = 0

    init(_ pattern: PatternPointer) {
        self.pattern = pattern
        most = min(patternMemory, memoryLeft())
        patience = min(Effort.firstPatience, pattern.pointee.steps)
        if !pattern.pointee.is_machine_code {
            pcre2_set_heap_limit_8(pattern.pointee.context, UInt32(shallowMatch >> 10))
        }
        if pattern.pointee.is_deep { deepen() }
    }

    /// Makes the next part one of some milliseconds. A longer search can be interrupted.
    mutating func adapt() {
        let before = lap
        lap = nanoseconds()
        if before != 0 && lap &- before > 8_000_000 {
            slice = max(slice / 8, 1)
        } else if before == 0 || lap &- before < 2_000_000 {
            slice = min(slice &* 4, 1 << 24)
        }
        if isLong || patience <= Effort.firstPatience && slice < 1 << 16 { return }
        isLong = true
        mm_escape_begin()
    }

    /// Raises the limit that a try came to, for another try; fails if it is the last one.
    mutating func increase(after code: CInt) throws(MapError) {
        if code == PCRE2_ERROR_MATCHLIMIT {
            if let own = pattern.pointee.ownSteps, own <= patience {
                throw MapError(
                    .misuse, "the match takes more steps than its (*LIMIT_MATCH=%1) allows", Int(own))
            }
            guard patience < pattern.pointee.steps else { throw tooLong }
            (patience, slice) = (pattern.pointee.steps, 1)
        } else if code == PCRE2_ERROR_DEPTHLIMIT, let own = pattern.pointee.ownDepth {
            throw MapError(.misuse, "the match is deeper than its (*LIMIT_DEPTH=%1) allows", Int(own))
        } else if code == PCRE2_ERROR_RECURSELOOP {
            throw MapError(.misuse, "the pattern recurses without end")
        } else if code == PCRE2_ERROR_JIT_STACKLIMIT || code == PCRE2_ERROR_HEAPLIMIT, !isDeep {
            pattern.pointee.is_deep = true
            deepen()
            if !isDeep { throw tooDeep }
        } else if code == PCRE2_ERROR_JIT_STACKLIMIT || code == PCRE2_ERROR_HEAPLIMIT
            || code == PCRE2_ERROR_NOMEMORY || code == PCRE2_ERROR_DEPTHLIMIT
        {
            throw tooDeep
        } else {
            throw MapError(.misuse, "the match failed (PCRE2 error %1)", Int(code))
        }
    }

    private var tooLong: MapError {
        let steps = Int(pattern.pointee.steps)
        if pattern.pointee.has_steps {
            return MapError(.misuse, "the match takes more steps than the 'steps' of its regex (%1)", steps)
        }
        return MapError(
            .misuse,
            "the match takes too many steps (more than %1; option 'steps' of mmap.regex raises the limit)",
            steps)
    }

    private var tooDeep: MapError {
        if !pattern.pointee.is_machine_code, let own = pattern.pointee.ownHeap, Int(own) <= most >> 10 {
            return MapError(
                .misuse, "the match takes more memory than its (*LIMIT_HEAP=%1) allows (KiB)", Int(own))
        }
        return MapError(
            .misuse, "the match takes too much memory for backtracking (more than %1 KiB)", most >> 10)
    }

    /// The usual stack is 32 KiB of the thread's own, and the interpreter has little more. This one is an
    /// address range; only its used part becomes memory, but how much is known too late: all of it counts.
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

extension mm_pattern {
    /// Whether a short subject matches, for searches by the million; the offsets are as after `PatternSearch.next`. Nil
    /// where only that can tell.
    ///
    /// - Parameter subject: May be in a mapping; the caller checks that it is intact.
    package mutating func matchesAtOnce(_ subject: UnsafeRawBufferPointer) -> Bool? {
        guard is_machine_code, !is_copied, match_options == 0, subject.count < 1 << 16,
            let start = subject.bindMemory(to: UInt8.self).baseAddress, let offsets
        else { return nil }
        pcre2_set_offset_limit_8(context, -1)
        pcre2_set_match_limit_8(context, min(Effort.firstPatience, steps))
        let code = mm_match(&self, start, subject.count, 0, 0)
        if code == PCRE2_ERROR_NOMATCH { return false }
        return code > 0 && offsets[0] <= offsets[1] && offsets[1] <= subject.count ? true : nil
    }
}
