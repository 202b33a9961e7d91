/// The time-critical loops, compiled once per instruction set. The program selects a set when it starts.
///
/// The fields are pointers to C functions, so that code for different processors shares no Swift functions. Pointers to
/// elements need no alignment; numbers are in the machine's byte order. These functions do not allocate, call back, or
/// keep state. If the memory turns into zeros while a function reads it, the function ends, and its result is
/// meaningless.
public struct Vectors: Sendable {
    /// Result of a search without a match.
    public static let none = -1
    /// Result of a search for a long needle that gave up after too many comparisons: memmem(3), which is linear, is
    /// faster.
    public static let gaveUp = -2

    /// The instruction set's name.
    public var name: StaticString

    /// The number of occurrences of a byte.
    public var countByte: @convention(c) (_ bytes: UnsafeRawPointer, _ count: Int, _ byte: UInt8) -> Int

    /// The first of `positions` offsets where the `Needle` at `needle` matches; `none` or `gaveUp` without one.
    /// `positions - 1 + needle.count` bytes must be readable.
    public var find:
        @convention(c) (_ bytes: UnsafeRawPointer, _ positions: Int, _ needle: UnsafeRawPointer) -> Int

    /// The last of `positions` offsets where the needle matches; `none` or `gaveUp` without one.
    public var findLast:
        @convention(c) (_ bytes: UnsafeRawPointer, _ positions: Int, _ needle: UnsafeRawPointer) -> Int

    /// The number of matches at `positions` offsets that do not overlap, counted from the front, or `gaveUp`. `from` is
    /// the first offset to count; on return, the first offset to count in the next piece, whose beginning the last
    /// match may cover.
    public var count:
        @convention(c) (
            _ bytes: UnsafeRawPointer, _ positions: Int, _ needle: UnsafeRawPointer,
            _ from: UnsafeMutablePointer<Int>
        ) -> Int

    /// Stores the exact sum of integers in `sum`: 128 bits, the lower half first. At most 2^31 elements.
    public var sum:
        @convention(c) (
            _ type: Int32, _ elements: UnsafeRawPointer, _ count: Int, _ sum: UnsafeMutablePointer<UInt64>
        ) -> Void

    /// Stores the least and the greatest element, as two Int64 or UInt64. At least one element, of an integer type.
    public var extremes:
        @convention(c) (
            _ type: Int32, _ elements: UnsafeRawPointer, _ count: Int, _ extremes: UnsafeMutableRawPointer
        ) -> Void

    /// Stores the sum, the least and the greatest of doubles, as three doubles. A NaN affects only the sum; with NaNs
    /// only, the extremes are infinity and -infinity. All instruction sets add in the same order.
    public var summary:
        @convention(c) (_ doubles: UnsafeRawPointer, _ count: Int, _ results: UnsafeMutablePointer<Double>) ->
            Void

    /// Converts elements to doubles.
    public var convert:
        @convention(c) (
            _ type: Int32, _ elements: UnsafeRawPointer, _ count: Int, _ target: UnsafeMutablePointer<Double>
        ) -> Void

    /// Doubles as the nearest floats of a type, of two the even one; too large ones are infinite.
    public var narrow:
        @convention(c) (
            _ type: Int32, _ doubles: UnsafeRawPointer, _ count: Int, _ target: UnsafeMutableRawPointer
        ) -> Void

    /// Stores the sum of `x - mean` and the sum of its square for doubles `x`, as two doubles.
    public var deviations:
        @convention(c) (
            _ doubles: UnsafeRawPointer, _ count: Int, _ mean: Double, _ results: UnsafeMutablePointer<Double>
        ) -> Void

    /// The sum of products of doubles.
    public var dot: @convention(c) (_ a: UnsafeRawPointer, _ b: UnsafeRawPointer, _ count: Int) -> Double

    /// The number of elements for which the comparison with the element at `value` is true.
    public var countWhere:
        @convention(c) (
            _ type: Int32, _ comparison: Int32, _ elements: UnsafeRawPointer, _ count: Int,
            _ value: UnsafeRawPointer
        ) -> Int

    /// The index of the first element for which the comparison with the element at `value` is true, or `none`.
    public var findWhere:
        @convention(c) (
            _ type: Int32, _ comparison: Int32, _ elements: UnsafeRawPointer, _ count: Int,
            _ value: UnsafeRawPointer
        ) -> Int

    /// Stores the exact sum of products of integers up to 32 bits wide in `sum`: 128 bits, the lower half first.
    public var dotExact:
        @convention(c) (
            _ type: Int32, _ a: UnsafeRawPointer, _ b: UnsafeRawPointer, _ count: Int,
            _ sum: UnsafeMutablePointer<UInt64>
        ) -> Void

    /// `target[i] = a[i] op b[i]`, or `a[i] op b[0]` if `isScalar`. The target may be `a` or `b`.
    public var combine:
        @convention(c) (
            _ type: Int32, _ operation: Int32, _ target: UnsafeMutableRawPointer, _ a: UnsafeRawPointer,
            _ b: UnsafeRawPointer, _ count: Int, _ isScalar: Bool
        ) -> Void

    public init(
        name: StaticString,
        countByte: @escaping @convention(c) (UnsafeRawPointer, Int, UInt8) -> Int,
        find: @escaping @convention(c) (UnsafeRawPointer, Int, UnsafeRawPointer) -> Int,
        findLast: @escaping @convention(c) (UnsafeRawPointer, Int, UnsafeRawPointer) -> Int,
        count:
            @escaping @convention(c) (
                UnsafeRawPointer, Int, UnsafeRawPointer, UnsafeMutablePointer<Int>
            ) -> Int,
        sum: @escaping @convention(c) (Int32, UnsafeRawPointer, Int, UnsafeMutablePointer<UInt64>) -> Void,
        extremes: @escaping @convention(c) (Int32, UnsafeRawPointer, Int, UnsafeMutableRawPointer) -> Void,
        summary: @escaping @convention(c) (UnsafeRawPointer, Int, UnsafeMutablePointer<Double>) -> Void,
        convert:
            @escaping @convention(c) (Int32, UnsafeRawPointer, Int, UnsafeMutablePointer<Double>) -> Void,
        narrow: @escaping @convention(c) (Int32, UnsafeRawPointer, Int, UnsafeMutableRawPointer) -> Void,
        deviations:
            @escaping @convention(c) (
                UnsafeRawPointer, Int, Double, UnsafeMutablePointer<Double>
            ) -> Void,
        dot: @escaping @convention(c) (UnsafeRawPointer, UnsafeRawPointer, Int) -> Double,
        dotExact:
            @escaping @convention(c) (
                Int32, UnsafeRawPointer, UnsafeRawPointer, Int, UnsafeMutablePointer<UInt64>
            ) -> Void,
        countWhere: @escaping @convention(c) (Int32, Int32, UnsafeRawPointer, Int, UnsafeRawPointer) -> Int,
        findWhere: @escaping @convention(c) (Int32, Int32, UnsafeRawPointer, Int, UnsafeRawPointer) -> Int,
        combine:
            @escaping @convention(c) (
                Int32, Int32, UnsafeMutableRawPointer, UnsafeRawPointer, UnsafeRawPointer, Int, Bool
            ) -> Void
    ) {
        self.name = name
        self.countByte = countByte
        self.find = find
        self.findLast = findLast
        self.count = count
        self.sum = sum
        self.extremes = extremes
        self.summary = summary
        self.convert = convert
        self.narrow = narrow
        self.deviations = deviations
        self.dot = dot
        self.dotExact = dotExact
        self.countWhere = countWhere
        self.findWhere = findWhere
        self.combine = combine
    }
}
