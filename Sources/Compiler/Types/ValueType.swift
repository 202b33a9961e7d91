/// What is known of a value where it is used. Code exists once for each combination of types.
enum ValueType: Hashable {
    case `nil`, `false`, `true`, boolean, integer, float
    /// A constant of the function, a string.
    case constant(Int)
    /// An input that is no number: a buffer, a view, a function, or what the compiler does not know.
    case input(Int)
    /// A method of an input, by the constant of its name.
    case method(Int, Int)
    /// A record of an input; the value is its index.
    case record(Int)

    var isNumber: Bool { self == .integer || self == .float }
    /// Whether there is a value at run time.
    var hasValue: Bool {
        if case .record = self { return true }
        return isNumber || self == .boolean
    }
}
