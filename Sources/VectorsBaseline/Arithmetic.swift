internal import Vectors

// Elementwise arithmetic and sums of products.

@inline(__always)
private func combine<T: BitwiseCopyable>(
    _ target: UnsafeMutableRawPointer, _ a: UnsafeRawPointer, _ b: UnsafeRawPointer, _ count: Int,
    _ isScalar: Bool, _ operation: (T, T) -> T
) {
    let size = count &* MemoryLayout<T>.stride
    var i = 0
    if isScalar {
        let y = b.loadUnaligned(as: T.self)
        while i < size {
            let x = a.loadUnaligned(fromByteOffset: i, as: T.self)
            target.storeBytes(of: operation(x, y), toByteOffset: i, as: T.self)
            i &+= MemoryLayout<T>.stride
        }
    } else {
        while i < size {
            let x = a.loadUnaligned(fromByteOffset: i, as: T.self)
            let y = b.loadUnaligned(fromByteOffset: i, as: T.self)
            target.storeBytes(of: operation(x, y), toByteOffset: i, as: T.self)
            i &+= MemoryLayout<T>.stride
        }
    }
}

@inline(__always)
private func integers<T: FixedWidthInteger & BitwiseCopyable>(
    _ operation: Int32, _ target: UnsafeMutableRawPointer, _ a: UnsafeRawPointer, _ b: UnsafeRawPointer,
    _ count: Int, _ isScalar: Bool, _: T.Type
) {
    switch Operation.numbered(operation) {
    case .add: combine(target, a, b, count, isScalar) { (x: T, y: T) in x &+ y }
    case .subtract: combine(target, a, b, count, isScalar) { (x: T, y: T) in x &- y }
    case .multiply: combine(target, a, b, count, isScalar) { (x: T, y: T) in x &* y }
    case .minimum: combine(target, a, b, count, isScalar) { (x: T, y: T) in y < x ? y : x }
    case .maximum: combine(target, a, b, count, isScalar) { (x: T, y: T) in y > x ? y : x }
    case .divide, nil: break
    }
}

@inline(__always)
private func floats<T: BinaryFloatingPoint & BitwiseCopyable>(
    _ operation: Int32, _ target: UnsafeMutableRawPointer, _ a: UnsafeRawPointer, _ b: UnsafeRawPointer,
    _ count: Int, _ isScalar: Bool, _: T.Type
) {
    switch Operation.numbered(operation) {
    case .add: combine(target, a, b, count, isScalar) { (x: T, y: T) in x + y }
    case .subtract: combine(target, a, b, count, isScalar) { (x: T, y: T) in x - y }
    case .multiply: combine(target, a, b, count, isScalar) { (x: T, y: T) in x * y }
    case .divide: combine(target, a, b, count, isScalar) { (x: T, y: T) in x / y }
    // If either value is NaN, so is the result.
    case .minimum: combine(target, a, b, count, isScalar) { (x: T, y: T) in y < x || y != y ? y : x }
    case .maximum: combine(target, a, b, count, isScalar) { (x: T, y: T) in y > x || y != y ? y : x }
    case nil: break
    }
}

func combine(
    _ type: Int32, _ operation: Int32, _ target: UnsafeMutableRawPointer, _ a: UnsafeRawPointer,
    _ b: UnsafeRawPointer, _ count: Int, _ isScalar: Bool
) {
    switch Element.numbered(type) {
    case .u8: integers(operation, target, a, b, count, isScalar, UInt8.self)
    case .i8: integers(operation, target, a, b, count, isScalar, Int8.self)
    case .u16: integers(operation, target, a, b, count, isScalar, UInt16.self)
    case .i16: integers(operation, target, a, b, count, isScalar, Int16.self)
    case .u32: integers(operation, target, a, b, count, isScalar, UInt32.self)
    case .i32: integers(operation, target, a, b, count, isScalar, Int32.self)
    case .u64: integers(operation, target, a, b, count, isScalar, UInt64.self)
    case .i64: integers(operation, target, a, b, count, isScalar, Int64.self)
    case .f32: floats(operation, target, a, b, count, isScalar, Float.self)
    case .f64: floats(operation, target, a, b, count, isScalar, Double.self)
    case .f16, .bf16, nil: break
    }
}

/// Sums the lower and the upper halves of the 64-bit products separately, the upper one with its sign.
@inline(__always)
private func products<T: FixedWidthInteger & BitwiseCopyable>(
    _ a: UnsafeRawPointer, _ b: UnsafeRawPointer, _ count: Int, _ out: UnsafeMutablePointer<UInt64>, _: T.Type
) {
    var low: UInt64 = 0
    var high: Int64 = 0
    var i = 0
    while i < count {
        let x = a.loadUnaligned(fromByteOffset: i &* MemoryLayout<T>.stride, as: T.self)
        let y = b.loadUnaligned(fromByteOffset: i &* MemoryLayout<T>.stride, as: T.self)
        let product = UInt64(truncatingIfNeeded: x) &* UInt64(truncatingIfNeeded: y)
        low &+= product & 0xffff_ffff
        high &+= T.isSigned ? Int64(bitPattern: product) &>> 32 : Int64(bitPattern: product &>> 32)
        i &+= 1
    }
    var wide = Wide(low: low, high: 0)
    wide.add(UInt64(bitPattern: high) &<< 32, UInt64(bitPattern: high &>> 32))
    out[0] = wide.low
    out[1] = wide.high
}

func dotExact(
    _ type: Int32, _ a: UnsafeRawPointer, _ b: UnsafeRawPointer, _ count: Int,
    _ out: UnsafeMutablePointer<UInt64>
) {
    switch Element.numbered(type) {
    case .u8: products(a, b, count, out, UInt8.self)
    case .i8: products(a, b, count, out, Int8.self)
    case .u16: products(a, b, count, out, UInt16.self)
    case .i16: products(a, b, count, out, Int16.self)
    case .u32: products(a, b, count, out, UInt32.self)
    case .i32: products(a, b, count, out, Int32.self)
    case .u64, .i64, .f32, .f64, .f16, .bf16, nil: break
    }
}
