internal import Glibc

/// A predicate prepared for many batches, by one thread at a time.
package final class Filter {
    package let predicate: Predicate
    private let type: ColumnType
    private let room: ValueSet.Room?
    private let matcher: (any Matcher)?

    /// - Parameter type: Of the predicate's column.
    package init(_ predicate: Predicate, _ type: ColumnType) throws(TableError) {
        (self.predicate, self.type) = (predicate, type)
        if case .among = predicate.test { room = try ValueSet.Room() } else { room = nil }
        if case .matches(let matcher) = predicate.test {
            self.matcher = try matcher.copy()
        } else {
            matcher = nil
        }
    }

    /// Sets to 0 the bytes of rows that do not pass.
    ///
    /// - Parameter mask: A byte for each row. Rows with 0 are not looked at.
    package func apply(
        _ vector: Vector, _ count: Int, _ mask: UnsafeMutablePointer<UInt8>
    ) throws(TableError) {
        if case .isNull = predicate.test {
            for row in 0..<count { mask[row] &= vector.nulls.map { $0[row] } ?? 0 }
            return
        }
        if let nulls = vector.nulls { for row in 0..<count { mask[row] &= nulls[row] ^ 1 } }
        switch predicate.test {
        case .isNull, .isNotNull: break
        case .nothing: mask.update(repeating: 0, count: count)
        case .compare(let comparison, let constant): compare(vector, count, comparison, constant, mask)
        case .among(let values): if let room { try values.apply(vector, type, count, mask, room) }
        case .matches:
            guard let matcher, type == .string else { return }
            for row in 0..<count where mask[row] != 0 {
                if try !matcher.matches(vector.texts[row]) { mask[row] = 0 }
            }
        }
    }

    private func compare(
        _ vector: Vector, _ count: Int, _ comparison: Predicate.Comparison, _ constant: Predicate.Constant,
        _ mask: UnsafeMutablePointer<UInt8>
    ) {
        switch (type, constant) {
        case (.string, .string(let bytes)): compareTexts(vector.texts, count, comparison, bytes, mask)
        case (.number, .number(let value)), (.time, .number(let value)):
            each(vector.doubles, count, comparison, value, mask)
        case (.integer, .integer(let value)): each(vector.integers, count, comparison, value, mask)
        case (.u64, .u64(let value)): each(vector.words, count, comparison, value, mask)
        case (.boolean, .boolean(let value)): each(vector.words, count, comparison, value ? 1 : 0, mask)
        default:
            for row in 0..<count where mask[row] != 0 {
                mask[row] = comparison.holds(ordered(vector, row, type, constant)) ? 1 : 0
            }
        }
    }

    private func compareTexts(
        _ texts: UnsafeMutablePointer<Text>, _ count: Int, _ comparison: Predicate.Comparison,
        _ bytes: [UInt8], _ mask: UnsafeMutablePointer<UInt8>
    ) {
        bytes.withUnsafeBufferPointer { bytes in
            var nothing: UInt8 = 0
            withUnsafePointer(to: &nothing) { nothing in
                let other = Text(bytes.baseAddress ?? nothing, bytes.count)
                switch comparison {
                case .equal:
                    for row in 0..<count { mask[row] &= texts[row] == other ? 1 : 0 }
                case .notEqual:
                    for row in 0..<count { mask[row] &= texts[row] == other ? 0 : 1 }
                default:
                    for row in 0..<count where mask[row] != 0 {
                        let order = texts[row].order(other)
                        mask[row] =
                            comparison.holds(order < 0 ? .less : order > 0 ? .greater : .equal) ? 1 : 0
                    }
                }
            }
        }
    }

    @inline(__always)
    private func each<Value: Comparable & BitwiseCopyable>(
        _ values: UnsafeMutablePointer<Value>, _ count: Int, _ comparison: Predicate.Comparison,
        _ other: Value, _ mask: UnsafeMutablePointer<UInt8>
    ) {
        switch comparison {
        case .equal: for row in 0..<count { mask[row] &= values[row] == other ? 1 : 0 }
        case .notEqual: for row in 0..<count { mask[row] &= values[row] != other ? 1 : 0 }
        case .less: for row in 0..<count { mask[row] &= values[row] < other ? 1 : 0 }
        case .lessOrEqual: for row in 0..<count { mask[row] &= values[row] <= other ? 1 : 0 }
        case .greater: for row in 0..<count { mask[row] &= values[row] > other ? 1 : 0 }
        case .greaterOrEqual: for row in 0..<count { mask[row] &= values[row] >= other ? 1 : 0 }
        }
    }
}

/// How a value is ordered to a constant; `none`: one of them is NaN.
private enum Order { case less, equal, greater, none }

extension Predicate.Comparison {
    fileprivate func holds(_ order: Order) -> Bool {
        switch self {
        case .equal: order == .equal
        case .notEqual: order != .equal
        case .less: order == .less
        case .lessOrEqual: order == .less || order == .equal
        case .greater: order == .greater
        case .greaterOrEqual: order == .greater || order == .equal
        }
    }
}

/// The order of values of different types, which is exact.
private func ordered(_ vector: Vector, _ row: Int, _ type: ColumnType, _ constant: Predicate.Constant)
    -> Order
{
    switch type {
    case .string: return .none
    case .number, .time:
        let value = vector.doubles[row]
        switch constant {
        case .number(let other): return order(value, other)
        case .integer(let other): return order(other, toFloat: value).reversed
        case .u64(let other): return order(other, toFloat: value).reversed
        case .string, .boolean: return .none
        }
    case .integer:
        let value = vector.integers[row]
        switch constant {
        case .number(let other): return order(value, toFloat: other)
        case .integer(let other): return order(value, other)
        case .u64(let other): return value < 0 ? .less : order(UInt64(value), other)
        case .string, .boolean: return .none
        }
    case .u64, .boolean:
        let value = vector.words[row]
        switch constant {
        case .number(let other): return order(value, toFloat: other)
        case .integer(let other): return other < 0 ? .greater : order(value, UInt64(other))
        case .u64(let other): return order(value, other)
        case .boolean(let other): return order(value, other ? 1 : 0)
        case .string: return .none
        }
    }
}

private func order<Value: Comparable>(_ value: Value, _ other: Value) -> Order {
    value < other ? .less : value > other ? .greater : value == other ? .equal : .none
}

private func order<Value: FixedWidthInteger>(_ value: Value, toFloat other: Double) -> Order {
    if other.isNaN { return .none }
    let whole = other.rounded(.down)
    guard let integer = Value(exactly: whole) else { return other < 0 ? .greater : .less }
    return value == integer && other > whole ? .less : order(value, integer)
}

extension Order {
    fileprivate var reversed: Order { self == .less ? .greater : self == .greater ? .less : self }
}
