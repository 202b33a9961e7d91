internal import Glibc
internal import Vectors

// Byte search. Vector instructions compare a block of 64 offsets. If it has candidates, each lane of 8 bytes is
// examined bit by bit. This assumes little-endian lanes, as on x86-64 and arm64 Linux.

private typealias Block = SIMD64<UInt8>
private let blockSize = 64

@inline(__always)
private func block(_ p: UnsafeRawPointer) -> Block { p.loadUnaligned(as: Block.self) }

@inline(__always)
private func byte(_ p: UnsafeRawPointer, _ i: Int) -> UInt8 { p.load(fromByteOffset: i, as: UInt8.self) }

/// A needle prepared for a search loop.
private struct Search {
    let needle: Needle
    let first: Block
    let second: Block
    /// The number of bytes that may still be compared with a long needle; below 0, the search gives up.
    private var patience: Int

    @inline(__always)
    init(_ needle: UnsafeRawPointer, _ positions: Int) {
        patience = positions &* 8 &+ 1 << 20
        self.needle = needle.load(as: Needle.self)
        first = Block(repeating: byte(self.needle.start, self.needle.first))
        second = Block(repeating: byte(self.needle.start, self.needle.second))
    }

    /// A mask of the offsets of a block where both bytes match: 0xff in each.
    @inline(__always)
    func candidates(_ p: UnsafeRawPointer) -> Lanes64 {
        let mask = (block(p + needle.first) .== first) .& (block(p + needle.second) .== second)
        return unsafeBitCast(mask, to: Lanes64.self)
    }

    /// Whether a candidate is a match. Short needles are compared by two words that may overlap, which is faster than
    /// a call of memcmp(3).
    @inline(__always)
    mutating func stands(_ p: UnsafeRawPointer) -> Bool {
        switch needle.count {
        case 0...2: true
        case 3: areEqual(p, UInt16.self)
        case 4...7: areEqual(p, UInt32.self)
        case 8...16: areEqual(p, UInt64.self)
        case 17...64: memcmp(p, needle.start, needle.count) == 0
        default: standsLong(p)
        }
    }

    @inline(__always)
    private mutating func standsLong(_ p: UnsafeRawPointer) -> Bool {
        guard memcmp(p, needle.start, 64) == 0 else { return false }
        patience &-= needle.count
        return patience >= 0 && memcmp(p + 64, needle.start + 64, needle.count &- 64) == 0
    }

    /// The result of a search without a match.
    @inline(__always)
    var nothing: Int { patience < 0 ? Vectors.gaveUp : Vectors.none }

    @inline(__always)
    private func areEqual<Word: FixedWidthInteger & BitwiseCopyable>(_ p: UnsafeRawPointer, _: Word.Type)
        -> Bool
    {
        let last = needle.count &- MemoryLayout<Word>.size
        let first = p.loadUnaligned(as: Word.self) ^ needle.start.loadUnaligned(as: Word.self)
        let second =
            p.loadUnaligned(fromByteOffset: last, as: Word.self)
            ^ needle.start.loadUnaligned(fromByteOffset: last, as: Word.self)
        return first | second == 0
    }

    /// The first match in fewer offsets than a block has, as in a search line by line.
    @inline(__always)
    mutating func firstOfFew(_ bytes: UnsafeRawPointer, _ positions: Int) -> Int {
        typealias Few = SIMD16<UInt8>
        var i = 0
        if positions < 16 {
            while i < positions {
                if standsAnywhere(bytes + i) { return i }
                i &+= 1
            }
            return nothing
        }
        let first = Few(repeating: self.first[0])
        let second = Few(repeating: self.second[0])
        while true {
            let p = bytes + i
            let mask =
                (p.loadUnaligned(fromByteOffset: needle.first, as: Few.self) .== first)
                .& (p.loadUnaligned(fromByteOffset: needle.second, as: Few.self) .== second)
            let found = unsafeBitCast(mask, to: SIMD2<UInt64>.self)
            var lane = 0
            while lane < 2 {
                var rest = found[lane] & 0x0101_0101_0101_0101
                while rest != 0 {
                    let place = i &+ lane &* 8 &+ rest.trailingZeroBitCount &>> 3
                    if stands(bytes + place) { return place }
                    rest &= rest &- 1
                }
                lane &+= 1
            }
            if i &+ 16 >= positions { return nothing }
            // The last block may overlap the previous one, as in `find`.
            i = min(i &+ 16, positions &- 16)
        }
    }

    /// Whether the needle matches at `p`, for offsets that were not compared as part of a block.
    @inline(__always)
    func standsAnywhere(_ p: UnsafeRawPointer) -> Bool {
        byte(p, needle.first) == first[0] && memcmp(p, needle.start, needle.count) == 0
    }
}

@inline(__always)
private func isZero(_ v: Lanes64) -> Bool {
    (v[0] | v[1] | v[2] | v[3] | v[4] | v[5] | v[6] | v[7]) == 0
}

/// One bit for each byte of a lane that is 0xff.
@inline(__always)
private func bits(_ v: Lanes64, _ lane: Int) -> UInt64 { v[lane] & 0x0101_0101_0101_0101 }

func countByte(_ bytes: UnsafeRawPointer, _ count: Int, _ sought: UInt8) -> Int {
    let pattern = Block(repeating: sought)
    var total = Lanes64()
    var i = 0
    let whole = count & ~(blockSize &- 1)
    while i < whole {
        // A lane of 8 bits counts up to 255.
        let end = min(i &+ 255 &* blockSize, whole)
        var lanes = Block()
        while i < end {
            lanes &-= unsafeBitCast(block(bytes + i) .== pattern, to: Block.self)
            i &+= blockSize
        }
        total &+= halved32(halved16(halved8(unsafeBitCast(lanes, to: Lanes64.self))))
    }
    var result = Int(truncatingIfNeeded: reduced(total))
    while i < count {
        if byte(bytes, i) == sought { result &+= 1 }
        i &+= 1
    }
    return result
}

func find(_ bytes: UnsafeRawPointer, _ positions: Int, _ needle: UnsafeRawPointer) -> Int {
    var search = Search(needle, positions)
    if positions < blockSize { return search.firstOfFew(bytes, positions) }
    var i = 0
    while true {
        let found = search.candidates(bytes + i)
        if !isZero(found) {
            var lane = 0
            while lane < 8 {
                var rest = bits(found, lane)
                while rest != 0 {
                    let place = i &+ lane &* 8 &+ rest.trailingZeroBitCount &>> 3
                    if search.stands(bytes + place) { return place }
                    rest &= rest &- 1
                }
                lane &+= 1
            }
        }
        if i &+ blockSize >= positions { return search.nothing }
        // The last block may overlap the previous one: the common offsets have no match.
        i = min(i &+ blockSize, positions &- blockSize)
    }
}

func findLast(_ bytes: UnsafeRawPointer, _ positions: Int, _ needle: UnsafeRawPointer) -> Int {
    var search = Search(needle, positions)
    var end = positions
    while end >= blockSize {
        end &-= blockSize
        let found = search.candidates(bytes + end)
        if isZero(found) { continue }
        var lane = 7
        while lane >= 0 {
            var rest = bits(found, lane)
            while rest != 0 {
                let bit = 63 &- rest.leadingZeroBitCount
                let place = end &+ lane &* 8 &+ bit &>> 3
                if search.stands(bytes + place) { return place }
                rest ^= 1 &<< UInt64(truncatingIfNeeded: bit)
            }
            lane &-= 1
        }
    }
    while end > 0 {
        end &-= 1
        if search.standsAnywhere(bytes + end) { return end }
    }
    return search.nothing
}

func count(
    _ bytes: UnsafeRawPointer, _ positions: Int, _ needle: UnsafeRawPointer,
    _ from: UnsafeMutablePointer<Int>
) -> Int {
    var search = Search(needle, positions)
    var result = 0
    var next = from.pointee
    var i = next
    while i &+ blockSize <= positions {
        let found = search.candidates(bytes + i)
        if !isZero(found) {
            var lane = 0
            while lane < 8 {
                var rest = bits(found, lane)
                while rest != 0 {
                    let place = i &+ lane &* 8 &+ rest.trailingZeroBitCount &>> 3
                    if place >= next && search.stands(bytes + place) {
                        result &+= 1
                        next = place &+ search.needle.count
                    }
                    rest &= rest &- 1
                }
                lane &+= 1
            }
        }
        i &+= blockSize
        // The match of a long needle covers whole blocks, which are skipped.
        if next > i { i = next }
    }
    while i < positions {
        if i >= next && search.standsAnywhere(bytes + i) {
            result &+= 1
            next = i &+ search.needle.count
        }
        i &+= 1
    }
    if search.nothing == Vectors.gaveUp { return Vectors.gaveUp }
    from.pointee = max(0, next &- positions)
    return result
}
