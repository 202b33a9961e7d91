internal import MemoryMap

/// Sorts strings, stable: by radix over eight bytes after those that all of them have, then those that are equal there by
/// merging. Parts are sorted on all cores and then merged.
struct TextSort: @unchecked Sendable {
    struct Item: RadixItem { var key: UInt64, row: UInt32 }

    let items: UnsafeMutablePointer<Item>
    /// For as many.
    let room: UnsafeMutablePointer<Item>
    let texts: UnsafeMutablePointer<Text>
    let isDescending: Bool
    let run: Run

    /// Fewer are not worth a thread.
    private static var grain: Int { 32 << 10 }

    func sort(_ count: Int) throws(TableError) {
        let skipped = try lengthInCommon(count)
        let parts = ParallelRanges(count, grain: max(TextSort.grain, (count &- 1) / threadCount &+ 1))
        try forEach(parts) { range throws(TableError) in try sortPart(range, skipped) }
        // Two parts are merged at a time; at last all of them are one.
        var width = parts.grain
        while width < count {
            let (whole, next) = (count, width &* 2)
            try forEach(ParallelRanges(count, grain: next)) { range throws(TableError) in
                merge(range.lowerBound, min(range.lowerBound &+ width, whole), range.upperBound)
            }
            width = next
        }
    }

    private func forEach(
        _ ranges: ParallelRanges, _ body: (Range<Int>) throws(TableError) -> Void
    ) throws(TableError) {
        do throws(MapError) {
            try withoutActuallyEscaping(body) { (body) throws(MapError) in
                try ranges.forEach(shouldContinue: { _ in true }) { _, range in
                    // The only error is that the run was stopped, of which `poll` tells.
                    do throws(TableError) { try body(range) } catch { return false }
                    return true
                }
            }
        } catch { throw TableError(error) }
        try run.poll()
    }

    /// Bytes at the start of all strings that are the same.
    private func lengthInCommon(_ count: Int) throws(TableError) -> Int {
        if count == 0 { return 0 }
        let first = texts[Int(items[0].row)]
        var length = first.count
        for i in 1..<count {
            let text = texts[Int(items[i].row)]
            length = min(length, text.count)
            var same = 0
            while same < length, text.start[same] == first.start[same] { same &+= 1 }
            length = same
            if length == 0 { break }
            if i & 0xFFFF == 0 { try run.poll() }
        }
        return length
    }

    private func sortPart(_ range: Range<Int>, _ skipped: Int) throws(TableError) {
        for i in range {
            let text = texts[Int(items[i].row)]
            let word = prefix(Text(text.start + skipped, text.count &- skipped))
            items[i].key = isDescending ? ~word : word
        }
        try sortByPrefix(range)
        var start = range.lowerBound
        while start < range.upperBound {
            var end = start &+ 1
            while end < range.upperBound, items[end].key == items[start].key { end &+= 1 }
            if end &- start > 1 { try sortByMerging(start..<end) }
            start = end
        }
    }

    private func sortByPrefix(_ range: Range<Int>) throws(TableError) {
        let (part, copy, count) = (items + range.lowerBound, room + range.lowerBound, range.count)
        var differing = DifferingBits()
        for i in 0..<count { differing.note(part[i].key) }
        let sorted = try sortByRadix(part, copy, count, differing, run)
        if sorted != part { part.update(from: sorted, count: count) }
    }

    /// Whether b has to be in front of a.
    @inline(__always)
    private func isAfter(_ a: Item, _ b: Item) -> Bool {
        if a.key != b.key { return a.key > b.key }
        let result = texts[Int(a.row)].order(texts[Int(b.row)])
        return isDescending ? result < 0 : result > 0
    }

    /// Runs of 16 by insertion, then merged two by two.
    private func sortByMerging(_ range: Range<Int>) throws(TableError) {
        var start = range.lowerBound
        while start < range.upperBound {
            let end = min(range.upperBound, start &+ 16)
            for i in start..<end {
                let item = items[i]
                var place = i
                while place > start && isAfter(items[place &- 1], item) {
                    items[place] = items[place &- 1]
                    place &-= 1
                }
                items[place] = item
            }
            start = end
        }
        var width = 16
        while width < range.count {
            var start = range.lowerBound
            while start < range.upperBound {
                try run.poll()
                let middle = min(range.upperBound, start &+ width)
                let end = min(range.upperBound, middle &+ width)
                merge(start, middle, end)
                start = end
            }
            width &*= 2
        }
    }

    private func merge(_ start: Int, _ middle: Int, _ end: Int) {
        if middle >= end || !isAfter(items[middle &- 1], items[middle]) { return }
        // The first part makes room.
        (room + start).update(from: items + start, count: middle &- start)
        var (left, right, place) = (start, middle, start)
        while left < middle && right < end {
            if isAfter(room[left], items[right]) {
                items[place] = items[right]
                right &+= 1
            } else {
                items[place] = room[left]
                left &+= 1
            }
            place &+= 1
        }
        (items + place).update(from: room + left, count: middle &- left)
    }
}

/// The first eight bytes, the first highest; zeros after the end.
@inline(__always)
private func prefix(_ text: Text) -> UInt64 {
    if text.count >= 8 {
        return UInt64(bigEndian: UnsafeRawPointer(text.start).loadUnaligned(as: UInt64.self))
    }
    var result: UInt64 = 0
    for i in 0..<text.count { result |= UInt64(text.start[i]) &<< UInt64(56 &- 8 &* i) }
    return result
}
