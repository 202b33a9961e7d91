/// Finds the type of a column from its first values.
///
/// Plain decimal numbers only: a text such as `0x10` is a string. Integers that do not fit a `u64` are strings too, as long
/// as no number has a point or an exponent, because they are names and not amounts: a float would not tell them apart.
package struct TypeInference {
    private struct Kinds: OptionSet {
        let rawValue: UInt8
        static let integer = Kinds(rawValue: 1)
        static let u64 = Kinds(rawValue: 2)
        static let number = Kinds(rawValue: 4)
        static let boolean = Kinds(rawValue: 8)
        static let time = Kinds(rawValue: 16)
    }

    private let point: UInt8
    private let nulls: NullTexts
    private var kinds: Kinds = [.integer, .u64, .number, .boolean, .time]
    private var isEmpty = true
    private var hasLong = false
    private var hasFraction = false
    /// Whether there are digits; words such as `NaN` are numbers among those that have some.
    private var hasDigits = false

    package init(decimal: UInt8 = UInt8(ascii: "."), nulls: [[UInt8]] = [[]]) {
        point = decimal
        self.nulls = NullTexts(nulls)
    }

    /// Looks at a value of the column. Texts of any length cost little, as their first bytes tell most.
    package mutating func note(_ text: Text) {
        if kinds.isEmpty || nulls.contain(text) { return }
        isEmpty = false
        kinds.formIntersection(kindsOfText(text))
    }

    /// The narrowest type of all values; a string if there is none.
    package var type: ColumnType {
        if isEmpty { return .string }
        if kinds.contains(.integer) { return .integer }
        if kinds.contains(.u64) { return .u64 }
        if kinds.contains(.number) { return hasLong && !hasFraction || !hasDigits ? .string : .number }
        if kinds.contains(.boolean) { return .boolean }
        return kinds.contains(.time) ? .time : .string
    }

    private mutating func kindsOfText(_ text: Text) -> Kinds {
        if Double(notFinite: text) != nil { return .number }
        var place = 0
        var end = text.count
        while place < end, isBlank(text.start[place]) { place &+= 1 }
        while place < end, isBlank(text.start[end &- 1]) { end &-= 1 }
        func byte() -> UInt8 { place < end ? text.start[place] : 0 }
        let isNegative = byte() == UInt8(ascii: "-")
        if isNegative || byte() == UInt8(ascii: "+") { place &+= 1 }
        var value: UInt64 = 0
        var isLong = false
        var digits = 0
        while byte() &- 48 <= 9 {
            let (product, overflow) = value.multipliedReportingOverflow(by: 10)
            let (sum, carry) = product.addingReportingOverflow(UInt64(byte() &- 48))
            if overflow || carry { isLong = true }
            (value, digits, place) = (sum, digits &+ 1, place &+ 1)
        }
        if digits > 0 { hasDigits = true }
        if place == end && digits > 0 {
            if isLong {
                hasLong = true
                return .number
            }
            if isNegative { return value <= 1 << 63 ? [.integer, .number] : .number }
            return value <= UInt64(Int64.max) ? [.integer, .u64, .number] : [.u64, .number]
        }
        if byte() == point {
            place &+= 1
            while byte() &- 48 <= 9 { (digits, place) = (digits &+ 1, place &+ 1) }
        }
        if digits > 0 && byte() | 0x20 == UInt8(ascii: "e") {
            place &+= 1
            if byte() == UInt8(ascii: "-") || byte() == UInt8(ascii: "+") { place &+= 1 }
            digits = 0
            while byte() &- 48 <= 9 { (digits, place) = (digits &+ 1, place &+ 1) }
        }
        if digits > 0 && place == end {
            (hasFraction, hasDigits) = (true, true)
            return .number
        }
        if Bool(text) != nil { return .boolean }
        return Double(iso: text) != nil ? .time : []
    }
}
