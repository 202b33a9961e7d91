/// A comparison of a column with a constant: `t:where(column, op, value)`. A null passes only `isNull`.
package struct Predicate {
    package enum Comparison: UInt8, Sendable {
        case equal, notEqual, less, lessOrEqual, greater, greaterOrEqual
    }

    package enum Test {
        case compare(Comparison, Constant)
        case among(ValueSet)
        /// No value passes.
        case nothing
        case matches(any Matcher)
        case isNull
        case isNotNull
    }

    /// A value that a script gives, of the kind that the column's type asks for.
    package enum Constant {
        case string([UInt8])
        case number(Double)
        case integer(Int64)
        case u64(UInt64)
        case boolean(Bool)
    }

    package let column: Int
    package let test: Test

    package init(column: Int, _ test: Test) { (self.column, self.test) = (column, test) }
}

/// A regular expression, of which each thread gets one of its own.
package protocol Matcher: Sendable {
    /// Whether the string matches. The bytes may be in a mapping that others write.
    func matches(_ text: Text) throws(TableError) -> Bool
    /// What is used by another thread at the same time.
    func copy() throws(TableError) -> any Matcher
}
