internal import Vectors

// Exact sums of integers. Signed elements are biased by half their range (2^(bits - 1)), so that all sums are
// unsigned. The total bias is subtracted at the end.

@inline(__always)
private func lanes(_ p: UnsafeRawPointer, _ flip: UInt64) -> Lanes64 {
    p.loadUnaligned(as: Lanes64.self) ^ Lanes64(repeating: flip)
}

/// Sums whole blocks of 64 bytes. Returns the number of bytes summed.
@inline(__always)
private func sum8(_ p: UnsafeRawPointer, _ size: Int, _ flip: UInt64, _ total: inout Lanes64) -> Int {
    var i = 0
    let whole = size & ~63
    while i < whole {
        // Each iteration adds two bytes to a field of 16 bits, which cannot overflow in 128 iterations.
        let end = min(i &+ 128 &* 64, whole)
        var sums = Lanes64()
        while i < end {
            sums &+= halved8(lanes(p + i, flip))
            i &+= 64
        }
        total &+= halved32(halved16(sums))
    }
    return i
}

@inline(__always)
private func sum16(_ p: UnsafeRawPointer, _ size: Int, _ flip: UInt64, _ total: inout Lanes64) -> Int {
    var i = 0
    let whole = size & ~63
    while i < whole {
        // Each iteration adds two elements to a field of 32 bits, which cannot overflow in 32,768 iterations.
        let end = min(i &+ 32768 &* 64, whole)
        var sums = Lanes64()
        while i < end {
            sums &+= halved16(lanes(p + i, flip))
            i &+= 64
        }
        total &+= halved32(sums)
    }
    return i
}

@inline(__always)
private func sum32(_ p: UnsafeRawPointer, _ size: Int, _ flip: UInt64, _ total: inout Lanes64) -> Int {
    var i = 0
    while i &+ 64 <= size {
        total &+= halved32(lanes(p + i, flip))
        i &+= 64
    }
    return i
}

/// Sums the lower and the upper halves of 64-bit elements separately.
@inline(__always)
private func sum64(
    _ p: UnsafeRawPointer, _ size: Int, _ flip: UInt64, _ low: inout Lanes64, _ high: inout Lanes64
) -> Int {
    let mask = Lanes64(repeating: 0xffff_ffff)
    let shift = Lanes64(repeating: 32)
    var i = 0
    while i &+ 64 <= size {
        let x = lanes(p + i, flip)
        low &+= x & mask
        high &+= x &>> shift
        i &+= 64
    }
    return i
}

/// An unsigned integer of 128 bits in two halves.
struct Wide {
    var low: UInt64 = 0
    var high: UInt64 = 0

    @inline(__always)
    mutating func add(_ low: UInt64, _ high: UInt64) {
        let (sum, carry) = self.low.addingReportingOverflow(low)
        self.low = sum
        self.high = self.high &+ high &+ (carry ? 1 : 0)
    }

    /// Adds `value * 2^32`.
    @inline(__always)
    mutating func addUpper(_ value: UInt64) { add(value &<< 32, value &>> 32) }

    @inline(__always)
    mutating func subtract(_ low: UInt64, _ high: UInt64) {
        let (difference, borrow) = self.low.subtractingReportingOverflow(low)
        self.low = difference
        self.high = self.high &- high &- (borrow ? 1 : 0)
    }
}

@inline(__always)
private func rest<T: FixedWidthInteger & UnsignedInteger>(
    _ p: UnsafeRawPointer, _ from: Int, _ size: Int, _ flip: T, _ wide: inout Wide
) {
    var i = from
    while i < size {
        wide.add(UInt64(truncatingIfNeeded: p.loadUnaligned(fromByteOffset: i, as: T.self) ^ flip), 0)
        i &+= MemoryLayout<T>.size
    }
}

func sum(_ type: Int32, _ p: UnsafeRawPointer, _ count: Int, _ out: UnsafeMutablePointer<UInt64>) {
    guard let type = Element.numbered(type) else { return }
    let size = count &* type.size
    let isSigned = type.isSigned
    var low = Lanes64()
    var high = Lanes64()
    var wide = Wide()
    switch type {
    case .u8, .i8:
        let done = sum8(p, size, isSigned ? 0x8080_8080_8080_8080 : 0, &low)
        rest(p, done, size, isSigned ? UInt8(0x80) : 0, &wide)
    case .u16, .i16:
        let done = sum16(p, size, isSigned ? 0x8000_8000_8000_8000 : 0, &low)
        rest(p, done, size, isSigned ? UInt16(0x8000) : 0, &wide)
    case .u32, .i32:
        let done = sum32(p, size, isSigned ? 0x8000_0000_8000_0000 : 0, &low)
        rest(p, done, size, isSigned ? UInt32(0x8000_0000) : 0, &wide)
    case .u64, .i64:
        let done = sum64(p, size, isSigned ? 1 &<< 63 : 0, &low, &high)
        rest(p, done, size, isSigned ? UInt64(1) &<< 63 : 0, &wide)
    case .f32, .f64, .f16, .bf16: return
    }
    wide.add(reduced(low), 0)
    wide.addUpper(reduced(high))
    if isSigned {
        // The total bias: count * 2^(bits - 1).
        let shift = UInt64(truncatingIfNeeded: type.size &* 8 &- 1)
        let n = UInt64(truncatingIfNeeded: count)
        wide.subtract(n &<< shift, n &>> (64 &- shift))
    }
    out[0] = wide.low
    out[1] = wide.high
}
