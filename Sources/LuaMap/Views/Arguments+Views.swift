internal import CLua
internal import CLuaMap
internal import CMemoryMap
internal import MemoryMap
internal import Vectors

// What the methods of views share: the work on the view, option words, and results. Elements of u64 from 2^63 on appear
// in Lua as the negative integers with the same bits; so does their sum.

/// Runs long work on the view at argument 1. [-0, +0, –] uses no slots; never raises.
@inline(__always)
func work<Answer>(
    _ L: LuaState, _ body: (MappedElements, Monitor) throws(MapError) -> Answer
) throws(MapError) -> Answer {
    let elements = try Arguments(L).elements(1)
    let monitor = try Monitor(L, total: elements.count)
    return try body(elements, monitor)
}

/// Option words after the other arguments of a method.
struct Words {
    var isWrapping = false
    var skippingNaN = false
}

extension Arguments {
    /// Whether the option `"wrap"` is given.
    func isWrapping(_ index: Int32) throws(MapError) -> Bool {
        if isAbsent(index) { return false }
        guard let option = string(index) else { throw MapError(type: "string", argument: index) }
        guard option.elementsEqual("wrap".utf8) else {
            throw MapError(unknown: "%s: the only option is \"wrap\"", of: "wrap", argument: index)
        }
        return true
    }

    /// Reads `"skipnan"` and, if `wrap`, `"wrap"`, in any order, from an argument to the last one.
    func words(_ first: Int32, wrap: Bool = false, last: Int32? = nil) throws(MapError) -> Words {
        var words = Words()
        var index = first
        while index <= last ?? lua_gettop(state) {
            defer { index &+= 1 }
            if isAbsent(index) { continue }
            guard let word = string(index) else { throw MapError(type: "string", argument: index) }
            if !words.skippingNaN && word.elementsEqual("skipnan".utf8) {
                words.skippingNaN = true
            } else if wrap && !words.isWrapping && word.elementsEqual("wrap".utf8) {
                words.isWrapping = true
            } else {
                throw MapError(
                    wrap
                        ? "the options are \"wrap\" and \"skipnan\", once each"
                        : "the only option is \"skipnan\", once", argument: index)
            }
        }
        return words
    }

    /// Whether the word `"desc"` is given.
    func isDescending(_ index: Int32) throws(MapError) -> Bool {
        if isAbsent(index) { return false }
        guard let word = string(index) else { throw MapError(type: "string", argument: index) }
        guard word.elementsEqual("desc".utf8) else {
            throw MapError("the only option is \"desc\"", argument: index)
        }
        return true
    }

    func requiredNumber(_ index: Int32) throws(MapError) -> Number {
        guard let number = number(index) else { throw MapError(type: "number", argument: index) }
        return number
    }
}

extension Summary.Sum {
    /// The sum as a number of Lua.
    ///
    /// - Throws: `misuse` if an exact sum does not fit into 64 bits, unless `isWrapping`.
    func bits(isUnsigned: Bool, isWrapping: Bool) throws(MapError) -> Number {
        switch self {
        case .float(let value): return .float(value)
        case .exact(let value):
            let fits = isUnsigned ? UInt64(exactly: value) != nil : Int64(exactly: value) != nil
            guard fits || isWrapping else {
                throw MapError(
                    misuse: isUnsigned
                        ? "the sum does not fit into an unsigned 64-bit integer; with \"wrap\" it wraps around"
                        : "the sum does not fit into a signed 64-bit integer; with \"wrap\" it wraps around"
                )
            }
            return .integer(Int64(truncatingIfNeeded: value))
        }
    }
}

extension ElementType {
    var isUnsigned64: Bool { kind == Int32(MM_U64) }
    /// Only for an integer type.
    var isSigned: Bool { kind & 1 != 0 }
    var isUnsigned: Bool { !isFloat && !isSigned }
}

/// Pushes a number or nil. [-0, +1, –] uses one slot; never raises.
func push(_ number: Number?, _ state: LuaState) {
    if let number { push(number, state) } else { lua_pushnil(state) }
}

/// Pushes a number or nil. [-0, +1, –] uses one slot; never raises.
func push(_ number: Double?, _ state: LuaState) {
    if let number { lua_pushnumber(state, number) } else { lua_pushnil(state) }
}
