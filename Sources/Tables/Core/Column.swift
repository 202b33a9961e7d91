/// What the values of a column are.
package enum ColumnType: UInt8, Sendable, CaseIterable {
    case string
    /// Floats.
    case number
    /// Integers of 64 bits with a sign.
    case integer
    /// Integers of 64 bits without a sign.
    case u64
    case boolean
    /// Seconds since 1970-01-01T00:00:00Z, as a float.
    case time

    package var name: StaticString {
        switch self {
        case .string: "string"
        case .number: "number"
        case .integer: "integer"
        case .u64: "u64"
        case .boolean: "boolean"
        case .time: "time"
        }
    }

    /// The bytes of a value in a vector.
    var width: Int { self == .string ? MemoryLayout<Text>.stride : 8 }

    /// Whether sums and the like are defined.
    package var isNumeric: Bool { self == .number || self == .integer || self == .u64 }
}

/// A column of a table: its name, as bytes, and its type.
package struct Column: Sendable {
    package var name: [UInt8]
    package var type: ColumnType
    /// Of a time: the format as in strptime(3); nil for ISO 8601.
    package var format: [UInt8]?

    package init(_ name: [UInt8], _ type: ColumnType, format: [UInt8]? = nil) {
        (self.name, self.type, self.format) = (name, type, format)
    }
}
