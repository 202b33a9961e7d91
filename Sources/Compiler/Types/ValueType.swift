/// What is known of a value where it is used. Code exists once for each combination of types.
enum ValueType: Hashable {
    case `nil`, `false`, `true`, boolean, integer, float
    /// One of those six, which only the run tells: the value of a table.
    case any
    /// A table that the function has made.
    case table
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
        return isPlain && self != .nil && self != .false && self != .true || self == .table
    }
    /// Whether `any` may be it.
    var isPlain: Bool {
        switch self {
        case .nil, .false, .true, .boolean, .integer, .float, .any: true
        default: false
        }
    }
}
