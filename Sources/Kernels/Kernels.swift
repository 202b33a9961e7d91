/// The loops that the time goes into, compiled once for every instruction set that matters; which of
/// them are used is decided when the program starts.
///
/// The fields are pointers to C functions: they can be called from any module without anything of
/// Swift's being shared between code for different processors. Pointers need no alignment; numbers
/// are in the machine's byte order. No kernel allocates, calls back or keeps state. What a kernel
/// reads may turn into zeros while it runs: it ends all the same, with a result of no meaning.
public struct Kernels: Sendable {
    /// Where something was not found.
    public static let none = -1
    /// Where a search for a long needle has compared so much in vain that memmem(3), which never compares a byte twice,
    /// is quicker.
    public static let toil = -2

    /// The instruction set's name.
    public var name: StaticString

    /// How often a byte occurs.
    public var countByte: @convention(c) (_ bytes: UnsafeRawPointer, _ count: Int, _ byte: UInt8) -> Int

    /// The first of `positions` where the `Needle` stands that `needle` points to, or `toil`. All of
    /// `positions - 1 + needle.count` bytes can be read.
    public var find:
        @convention(c) (_ bytes: UnsafeRawPointer, _ positions: Int, _ needle: UnsafeRawPointer) -> Int

    /// The last of `positions` where the needle stands, or `toil`.
    public var findLast:
        @convention(c) (_ bytes: UnsafeRawPointer, _ positions: Int, _ needle: UnsafeRawPointer) -> Int

    /// How often the needle stands at `positions` without overlapping itself, from the first on, or `toil`.
    /// `from` is the first position that counts, and on return where the next piece is to start:
    /// how many of its positions are covered by a needle found here.
    public var count:
        @convention(c) (
            _ bytes: UnsafeRawPointer, _ positions: Int, _ needle: UnsafeRawPointer,
            _ from: UnsafeMutablePointer<Int>
        ) -> Int

    /// The exact sum of integers, into `sum`: 128 bits, the lower half first. At most 2^31 elements.
    public var sum:
        @convention(c) (
            _ type: Int32, _ elements: UnsafeRawPointer, _ count: Int, _ sum: UnsafeMutablePointer<UInt64>
        ) -> Void

    /// The least and the greatest element, 8 bytes each: an Int64 or a UInt64. At least one
    /// element, of an integer type.
    public var extremes:
        @convention(c) (
            _ type: Int32, _ elements: UnsafeRawPointer, _ count: Int, _ extremes: UnsafeMutableRawPointer
        ) -> Void

    /// The sum, the least and the greatest of doubles: three doubles. A NaN is seen in the sum only; of
    /// nothing but NaNs the extremes are infinity and -infinity. The order in which they are added
    /// is the same for all instruction sets.
    public var summary:
        @convention(c) (_ doubles: UnsafeRawPointer, _ count: Int, _ results: UnsafeMutablePointer<Double>) ->
            Void

    /// The elements as doubles.
    public var convert:
        @convention(c) (
            _ type: Int32, _ elements: UnsafeRawPointer, _ count: Int, _ target: UnsafeMutablePointer<Double>
        ) -> Void

    /// Of doubles the sum of `x - mean` and of its square: two doubles.
    public var deviations:
        @convention(c) (
            _ doubles: UnsafeRawPointer, _ count: Int, _ mean: Double, _ results: UnsafeMutablePointer<Double>
        ) -> Void

    /// The sum of products of doubles.
    public var dot: @convention(c) (_ a: UnsafeRawPointer, _ b: UnsafeRawPointer, _ count: Int) -> Double

    /// How many elements compare as asked with the value of their own type at `value`.
    public var countWhere:
        @convention(c) (
            _ type: Int32, _ comparison: Int32, _ elements: UnsafeRawPointer, _ count: Int,
            _ value: UnsafeRawPointer
        ) -> Int

    /// The index of the first such element.
    public var findWhere:
        @convention(c) (
            _ type: Int32, _ comparison: Int32, _ elements: UnsafeRawPointer, _ count: Int,
            _ value: UnsafeRawPointer
        ) -> Int

    /// The exact sum of products of integers up to 32 bits, as `sum` gives it.
    public var dotExact:
        @convention(c) (
            _ type: Int32, _ a: UnsafeRawPointer, _ b: UnsafeRawPointer, _ count: Int,
            _ sum: UnsafeMutablePointer<UInt64>
        ) -> Void

    /// `target[i] = a[i] op b[i]`, or `a[i] op b[0]` where `isScalar`. The target may be `a` or `b`.
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
        self.deviations = deviations
        self.dot = dot
        self.dotExact = dotExact
        self.countWhere = countWhere
        self.findWhere = findWhere
        self.combine = combine
    }
}
