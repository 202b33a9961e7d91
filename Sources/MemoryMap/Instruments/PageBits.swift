/// One bit for each page of a range, in memory that belongs to the caller and outlives this value.
///
/// The bits for a terabyte take 32 MiB. The caller checks indices; nothing here does.
package struct PageBits {
    private let words: UnsafeMutablePointer<UInt64>
    /// Pages.
    package let count: Int

    /// The number of words for the bits of `count` pages.
    package static func words(for count: Int) -> Int { (count &+ 63) >> 6 }

    /// - Parameter words: The number of words that `words(for:)` returns.
    package init(_ words: UnsafeMutablePointer<UInt64>, count: Int) {
        self.words = words
        self.count = count
    }

    package func clear() { words.update(repeating: 0, count: PageBits.words(for: count)) }

    package subscript(page: Int) -> Bool {
        words[page >> 6] >> UInt64(page & 63) & 1 != 0
    }

    package func insert(_ page: Int) { words[page >> 6] |= 1 << UInt64(page & 63) }

    /// Stores a result of mincore(2): the lowest bit of each byte.
    ///
    /// - Parameters:
    ///   - bytes: One for each page.
    ///   - first: The page of the first one, a multiple of 64. The bits from there on are 0 so far.
    /// - Returns: The number of bits that are set.
    package func insert(_ bytes: UnsafeBufferPointer<UInt8>, at first: Int) -> Int {
        let ones: UInt64 = 0x0101_0101_0101_0101
        let raw = UnsafeRawBufferPointer(bytes)
        var total = 0
        var done = 0
        var word = first >> 6
        while bytes.count &- done >= 64 {
            var packed: UInt64 = 0
            var group = 0
            while group < 8 {
                let eight = UInt64(
                    littleEndian: raw.loadUnaligned(fromByteOffset: done &+ group &* 8, as: UInt64.self))
                // The highest byte of the product is the eight bits side by side.
                packed |= (((eight & ones) &* 0x0102_0408_1020_4080) >> 56) << UInt64(group &* 8)
                group &+= 1
            }
            words[word] = packed
            total &+= packed.nonzeroBitCount
            word &+= 1
            done &+= 64
        }
        while done < bytes.count {
            if bytes[done] & 1 != 0 {
                insert(first &+ done)
                total &+= 1
            }
            done &+= 1
        }
        return total
    }

    /// The number of set bits in a range.
    package func count(in range: Range<Int>) -> Int {
        guard !range.isEmpty else { return 0 }
        let first = range.lowerBound >> 6
        let last = (range.upperBound &- 1) >> 6
        var total = 0
        for index in first...last {
            total &+= (words[index] & mask(index, range)).nonzeroBitCount
        }
        return total
    }

    /// The bits of a word that belong to a range.
    private func mask(_ word: Int, _ range: Range<Int>) -> UInt64 {
        let low = max(range.lowerBound &- word << 6, 0)
        let high = min(range.upperBound &- word << 6, 64)
        return (high == 64 ? ~0 : (1 << UInt64(high)) &- 1) & (~0 << UInt64(low))
    }

    /// The first run of set bits at a page or after it.
    package func run(from page: Int) -> Range<Int>? {
        guard let start = next(from: page, isSet: true) else { return nil }
        return start..<(next(from: start, isSet: false) ?? count)
    }

    private func next(from page: Int, isSet: Bool) -> Int? {
        var index = page >> 6
        let end = PageBits.words(for: count)
        guard page < count else { return nil }
        var word = (isSet ? words[index] : ~words[index]) & (~0 << UInt64(page & 63))
        while word == 0 {
            index &+= 1
            if index >= end { return nil }
            word = isSet ? words[index] : ~words[index]
        }
        let found = index << 6 &+ word.trailingZeroBitCount
        return found < count ? found : nil
    }

    /// Stores the bits that are set here and not in `other`, a set for as many pages.
    package func subtract(_ other: PageBits, into result: PageBits) {
        for index in 0..<PageBits.words(for: count) {
            result.words[index] = words[index] & ~other.words[index]
        }
    }
}
