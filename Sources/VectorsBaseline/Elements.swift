internal import Vectors

// Scalar loops over elements of any type, which the compiler vectorizes.

@inline(__always)
private func element<T: BitwiseCopyable>(_ p: UnsafeRawPointer, _ i: Int, _ type: T.Type) -> T {
    p.loadUnaligned(fromByteOffset: i &* MemoryLayout<T>.stride, as: T.self)
}

/// Counts in chunks with a counter as wide as an element, so that vectors of counters and of elements have equal
/// width.
@inline(__always)
private func countWhere<T: BitwiseCopyable, Counter: FixedWidthInteger & UnsignedInteger>(
    _ p: UnsafeRawPointer, _ count: Int, _: Counter.Type, _ chunk: Int, _ holds: (T) -> Bool
) -> Int {
    var result = 0
    var i = 0
    while i < count {
        let end = min(i &+ chunk, count)
        var counter: Counter = 0
        while i < end {
            counter &+= holds(element(p, i, T.self)) ? 1 : 0
            i &+= 1
        }
        result &+= Int(truncatingIfNeeded: counter)
    }
    return result
}

/// Tests 64 elements at a time without a branch, then single ones after the first group with a match.
@inline(__always)
private func findWhere<T: BitwiseCopyable>(_ p: UnsafeRawPointer, _ count: Int, _ holds: (T) -> Bool) -> Int {
    let few = 64
    var i = 0
    while i &+ few <= count {
        var isAny = false
        var j = i
        while j < i &+ few {
            isAny = holds(element(p, j, T.self)) || isAny
            j &+= 1
        }
        if isAny { break }
        i &+= few
    }
    while i < count {
        if holds(element(p, i, T.self)) { return i }
        i &+= 1
    }
    return Vectors.none
}

@inline(__always)
private func compare<T: Comparable & BitwiseCopyable>(
    _ comparison: Int32, _ x: T, _ scan: ((T) -> Bool) -> Int
) -> Int {
    switch Comparison.numbered(comparison) {
    case .equal: scan { $0 == x }
    case .notEqual: scan { $0 != x }
    case .less: scan { $0 < x }
    case .lessOrEqual: scan { $0 <= x }
    case .greater: scan { $0 > x }
    case .greaterOrEqual: scan { $0 >= x }
    case nil: 0
    }
}

@inline(__always)
private func countWhere<T: Comparable & BitwiseCopyable, Counter: FixedWidthInteger & UnsignedInteger>(
    _ p: UnsafeRawPointer, _ count: Int, _ comparison: Int32, _ value: UnsafeRawPointer, _: T.Type,
    _ counter: Counter.Type, _ chunk: Int
) -> Int {
    compare(comparison, element(value, 0, T.self)) { countWhere(p, count, counter, chunk, $0) }
}

func countWhere(
    _ type: Int32, _ comparison: Int32, _ p: UnsafeRawPointer, _ count: Int, _ value: UnsafeRawPointer
) -> Int {
    switch Element.numbered(type) {
    case .u8: countWhere(p, count, comparison, value, UInt8.self, UInt8.self, 255)
    case .i8: countWhere(p, count, comparison, value, Int8.self, UInt8.self, 255)
    case .u16: countWhere(p, count, comparison, value, UInt16.self, UInt16.self, 32768)
    case .i16: countWhere(p, count, comparison, value, Int16.self, UInt16.self, 32768)
    case .u32: countWhere(p, count, comparison, value, UInt32.self, UInt32.self, 1 &<< 30)
    case .i32: countWhere(p, count, comparison, value, Int32.self, UInt32.self, 1 &<< 30)
    case .u64: countWhere(p, count, comparison, value, UInt64.self, UInt64.self, count)
    case .i64: countWhere(p, count, comparison, value, Int64.self, UInt64.self, count)
    case .f32: countWhere(p, count, comparison, value, Float.self, UInt32.self, 1 &<< 30)
    case .f64: countWhere(p, count, comparison, value, Double.self, UInt64.self, count)
    case .f16: countWhere(p, count, comparison, value, Half.self, UInt32.self, 1 &<< 30)
    case .bf16: countWhere(p, count, comparison, value, Brain.self, UInt32.self, 1 &<< 30)
    case nil: 0
    }
}

@inline(__always)
private func findWhere<T: Comparable & BitwiseCopyable>(
    _ p: UnsafeRawPointer, _ count: Int, _ comparison: Int32, _ value: UnsafeRawPointer, _: T.Type
) -> Int {
    compare(comparison, element(value, 0, T.self)) { findWhere(p, count, $0) }
}

func findWhere(
    _ type: Int32, _ comparison: Int32, _ p: UnsafeRawPointer, _ count: Int, _ value: UnsafeRawPointer
) -> Int {
    switch Element.numbered(type) {
    case .u8: findWhere(p, count, comparison, value, UInt8.self)
    case .i8: findWhere(p, count, comparison, value, Int8.self)
    case .u16: findWhere(p, count, comparison, value, UInt16.self)
    case .i16: findWhere(p, count, comparison, value, Int16.self)
    case .u32: findWhere(p, count, comparison, value, UInt32.self)
    case .i32: findWhere(p, count, comparison, value, Int32.self)
    case .u64: findWhere(p, count, comparison, value, UInt64.self)
    case .i64: findWhere(p, count, comparison, value, Int64.self)
    case .f32: findWhere(p, count, comparison, value, Float.self)
    case .f64: findWhere(p, count, comparison, value, Double.self)
    case .f16: findWhere(p, count, comparison, value, Half.self)
    case .bf16: findWhere(p, count, comparison, value, Brain.self)
    case nil: Vectors.none
    }
}

@inline(__always)
private func extremes<T: Comparable & BitwiseCopyable>(
    _ p: UnsafeRawPointer, _ count: Int, _: T.Type
) -> (T, T) {
    var low = element(p, 0, T.self)
    var high = low
    var i = 1
    while i < count {
        let x = element(p, i, T.self)
        low = x < low ? x : low
        high = x > high ? x : high
        i &+= 1
    }
    return (low, high)
}

@inline(__always)
private func signed<T: SignedInteger & BitwiseCopyable>(
    _ p: UnsafeRawPointer, _ count: Int, _ results: UnsafeMutableRawPointer, _: T.Type
) {
    let (low, high) = extremes(p, count, T.self)
    results.storeBytes(of: Int64(truncatingIfNeeded: low), as: Int64.self)
    results.storeBytes(of: Int64(truncatingIfNeeded: high), toByteOffset: 8, as: Int64.self)
}

@inline(__always)
private func unsigned<T: UnsignedInteger & BitwiseCopyable>(
    _ p: UnsafeRawPointer, _ count: Int, _ results: UnsafeMutableRawPointer, _: T.Type
) {
    let (low, high) = extremes(p, count, T.self)
    results.storeBytes(of: UInt64(truncatingIfNeeded: low), as: UInt64.self)
    results.storeBytes(of: UInt64(truncatingIfNeeded: high), toByteOffset: 8, as: UInt64.self)
}

func extremes(_ type: Int32, _ p: UnsafeRawPointer, _ count: Int, _ results: UnsafeMutableRawPointer) {
    switch Element.numbered(type) {
    case .u8: unsigned(p, count, results, UInt8.self)
    case .i8: signed(p, count, results, Int8.self)
    case .u16: unsigned(p, count, results, UInt16.self)
    case .i16: signed(p, count, results, Int16.self)
    case .u32: unsigned(p, count, results, UInt32.self)
    case .i32: signed(p, count, results, Int32.self)
    case .u64: unsigned(p, count, results, UInt64.self)
    case .i64: signed(p, count, results, Int64.self)
    case .f32, .f64, .f16, .bf16, nil: break
    }
}

@inline(__always)
private func convert<T: BitwiseCopyable>(
    _ p: UnsafeRawPointer, _ count: Int, _ target: UnsafeMutablePointer<Double>, _ double: (T) -> Double
) {
    var i = 0
    while i < count {
        target[i] = double(element(p, i, T.self))
        i &+= 1
    }
}

func convert(_ type: Int32, _ p: UnsafeRawPointer, _ count: Int, _ target: UnsafeMutablePointer<Double>) {
    switch Element.numbered(type) {
    case .u8: convert(p, count, target) { (x: UInt8) in Double(x) }
    case .i8: convert(p, count, target) { (x: Int8) in Double(x) }
    case .u16: convert(p, count, target) { (x: UInt16) in Double(x) }
    case .i16: convert(p, count, target) { (x: Int16) in Double(x) }
    case .u32: convert(p, count, target) { (x: UInt32) in Double(x) }
    case .i32: convert(p, count, target) { (x: Int32) in Double(x) }
    case .u64: convert(p, count, target) { (x: UInt64) in Double(x) }
    case .i64: convert(p, count, target) { (x: Int64) in Double(x) }
    case .f32: convert(p, count, target) { (x: Float) in Double(x) }
    case .f64: convert(p, count, target) { (x: Double) in x }
    case .f16: convert(p, count, target) { (x: Half) in Double(x.value) }
    case .bf16: convert(p, count, target) { (x: Brain) in Double(x.value) }
    case nil: break
    }
}

@inline(__always)
private func narrow<T: BitwiseCopyable>(
    _ p: UnsafeRawPointer, _ count: Int, _ target: UnsafeMutableRawPointer, _ narrowed: (Double) -> T
) {
    var i = 0
    while i < count {
        let value = narrowed(element(p, i, Double.self))
        target.storeBytes(of: value, toByteOffset: i &* MemoryLayout<T>.stride, as: T.self)
        i &+= 1
    }
}

func narrow(_ type: Int32, _ p: UnsafeRawPointer, _ count: Int, _ target: UnsafeMutableRawPointer) {
    switch Element.numbered(type) {
    case .f32: narrow(p, count, target) { Float($0) }
    case .f16: narrow(p, count, target) { Half(oddly($0)) }
    case .bf16: narrow(p, count, target) { Brain(oddly($0)) }
    default: break
    }
}
