internal import CMemoryMap
internal import CPCRE2
internal import Glibc

extension PatternSearch {
    /// The number of matches, which do not overlap.
    ///
    /// - Parameters:
    ///   - start: Where to start, in bytes, `0 ... count`.
    ///   - shouldContinue: Called every few milliseconds; returns false to stop.
    /// - Throws: As `next`.
    package func count(from start: Int, shouldContinue: (Int) -> Bool) throws(MapError) -> Int {
        let isShared = pattern.pointee.is_within_line && pattern.pointee.is_machine_code
        let count =
            isShared
            ? try countByLines(start, shouldContinue) : try count(from: start, before: nil, shouldContinue)
        try origin?.checkIntact()
        return count
    }

    private func count(from start: Int, before end: Int?, _ shouldContinue: (Int) -> Bool) throws(MapError)
        -> Int
    {
        var window = PatternWindow(pattern, subject)
        defer { window.close() }
        var count = 0
        var from = start
        var skipsEmpty = false
        var sincePoll = 0
        while from <= subject.count,
            try next(&window, from: from, before: end, skipsEmpty: skipsEmpty, shouldContinue: shouldContinue)
                == .found
        {
            count &+= 1
            let before = from
            (from, skipsEmpty) = following(from)
            // A search that finds a match soon does not call `shouldContinue`.
            sincePoll &+= from &- before &+ 64
            if sincePoll > 1 << 22 {
                if !shouldContinue(from &- start) { throw MapError(.interrupted) }
                try origin?.checkIntact()
                sincePoll = 0
            }
        }
        return count
    }

    /// The result of a thread for its piece.
    private struct Part {
        var count = 0
        /// Where the thread gave up because the search takes long: only the calling thread can be
        /// interrupted.
        var from = 0
        var end = 0
        /// Whether the last line continues far past `end`. The caller finds its end.
        var isOpen = false
    }

    /// How far past its piece a thread searches for the end of a line, in bytes: it cannot be interrupted.
    private static let farthest = 1 << 26

    /// Counts on several threads. No match contains a newline, so the matches in a line do not depend on
    /// other lines.
    private func countByLines(_ start: Int, _ shouldContinue: (Int) -> Bool) throws(MapError) -> Int {
        let pieces = ParallelRanges(subject.count &- start, grain: 1 << 18)
        let parts = try pieces.map(shouldContinue: shouldContinue) { range in
            let upper = start &+ range.upperBound
            let first = range.lowerBound == 0 ? start : startOfLine(start &+ range.lowerBound, upper)
            // A long line belongs to the piece where it starts.
            guard first < upper else { return Part() }
            let limit = min(subject.count &- upper, Self.farthest) &+ upper
            let end = startOfLine(upper, limit)
            return end < limit || end == subject.count
                ? countPart(first, end) : Part(from: first, end: end, isOpen: true)
        }
        var count = 0
        for part in parts {
            count &+= part.count
            var end = part.end
            while part.isOpen, end < subject.count {
                let limit = min(subject.count &- end, Self.farthest) &+ end
                end = startOfLine(end, limit)
                if end < limit { break }
                if !shouldContinue(end &- start) { throw MapError(.interrupted) }
            }
            if part.from < end { count &+= try self.count(from: part.from, before: end, shouldContinue) }
        }
        return count
    }

    /// The start of the first line that starts at `offset`, which is above 0, or later; `limit` if there is
    /// none before that.
    private func startOfLine(_ offset: Int, _ limit: Int) -> Int {
        guard offset < limit, let bytes = subject.baseAddress else { return limit }
        let before = bytes + (offset &- 1)
        guard let found = memchr(before, CInt(UInt8(ascii: "\n")), limit &- offset) else { return limit }
        return UnsafeRawPointer(found) - bytes &+ 1
    }

    /// Counts on any thread, with its own match context. Gives up if it takes long.
    private func countPart(_ start: Int, _ end: Int) -> Part {
        var part = Part(count: 0, from: start, end: end)
        let data = pcre2_match_data_create_from_pattern_8(pattern.pointee.code, nil)
        let context = pcre2_match_context_create_8(nil)
        var window = PatternWindow(pattern, subject, isShared: true)
        defer {
            window.close()
            pcre2_match_data_free_8(data)
            pcre2_match_context_free_8(context)
        }
        guard start < end, data != nil, context != nil, let offsets = pcre2_get_ovector_pointer_8(data) else {
            return part
        }
        pcre2_set_match_limit_8(context, 1000)
        let began = nanoseconds()
        var slice = 4096
        while part.from < end {
            guard window.least <= pattern.pointee.most_copy, begins(&window, &part.from, slice, began) else {
                return part
            }
            if part.from >= end { break }
            let last = window.last(part.from, slice, end)
            pcre2_set_offset_limit_8(context, last &- window.lower)
            while part.from <= last {
                let code = window.match(part.from, data, context)
                if code == PCRE2_ERROR_NOMATCH || code > 0 && window.lower &+ offsets[0] > last {
                    guard let next = following(&window, last, slice, began) else { return part }
                    part.from = next
                } else if code > 0, window.lower &+ offsets[1] > part.from {
                    part.count &+= 1
                    part.from = window.lower &+ offsets[1]
                } else if code == PCRE2_ERROR_PARTIAL {
                    let place = min(window.lower &+ offsets[0], last &+ 1)
                    if place > part.from { window.drop() } else { window.grow(part.from) }
                    part.from = max(place, part.from)
                    break
                } else {
                    return part
                }
            }
            let elapsed = nanoseconds() &- began
            if elapsed > Self.longest { return part }
            slice = elapsed < 4_000_000 ? slice &* 4 : max(slice / 4, 64)
        }
        return part
    }

    /// How long a thread may take, which cannot be interrupted.
    private static let longest = 40_000_000

    /// Starts a search on any thread. False without memory or time.
    private func begins(
        _ window: inout PatternWindow, _ from: inout Int, _ wanted: Int, _ began: Int
    ) -> Bool {
        let start = from
        func shouldContinue(_: Int) -> Bool { nanoseconds() &- began < Self.longest }
        do throws(MapError) {
            try window.begin(&from, shouldContinue)
            try window.show(from, wanted, shouldContinue)
            if from > start, pattern.pointee.begins_lines {
                from = try window.nextLine(from, wanted, shouldContinue)
            }
        } catch { return false }
        return true
    }

    /// Where a search on any thread goes on that found nothing up to an offset. Nil without memory or time.
    private func following(_ window: inout PatternWindow, _ last: Int, _ wanted: Int, _ began: Int) -> Int? {
        guard window.endsFragment, last == window.upper else { return last &+ 1 }
        do throws(MapError) {
            return try window.nextFragment(wanted) { _ in nanoseconds() &- began < Self.longest }
        } catch { return nil }
    }
}
