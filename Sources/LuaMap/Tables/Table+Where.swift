internal import CLua
internal import CLuaMap
internal import MemoryMap
internal import Tables

/// `t:where(column, op, value)`, `t:where(f, columns…)`. After a regex, its pattern and flags are at 5 and 6.
/// [-0, +0, –] never raises.
@implementation @c
func lm_table_where(_ L: LuaState, _ outcome: Outcome, _ count: CInt, _ target: CInt, _ function: Int64)
    -> CInt
{
    respondTable(outcome) { () throws(TableError) in
        let arguments = TableArguments(L)
        let table = try arguments.table(1)
        let result: Table
        if function != 0 {
            result = table.filtered(function: Int(function), try arguments.columns(3, count, of: table))
        } else {
            let column = try arguments.column(2, of: table)
            result = table.filtered(Predicate(column: column, try arguments.test(table.columns[column])))
        }
        try fill(L, target, result)
        return 1
    }
}

extension TableArguments {
    /// The operator at 3 and the value at 4.
    fileprivate func test(_ column: Column) throws(TableError) -> Predicate.Test {
        let word = String(decoding: try bytes(3), as: UTF8.self)
        switch word {
        case "isnull", "notnull":
            if !isAbsent(4) { throw TableError(MapError("this operator takes no value", argument: 4)) }
            return word == "isnull" ? .isNull : .isNotNull
        case "in":
            guard lua_type(state, 4) == LUA_TTABLE else {
                throw TableError(MapError(type: "table", argument: 4))
            }
            let values = try ValueSet(column.type) { (insert) throws(TableError) in
                var count = 0
                try forEach(4) { (_) throws(TableError) in
                    if count & 0xFFFF == 0 && lm_is_interrupted() { throw .interrupted }
                    count &+= 1
                    // A number that the column cannot hold is equal to none.
                    if let value = try value(-1, for: column, argument: 4) { try insert(value) }
                }
            }
            return .among(values)
        case "matches": return .matches(try matcher(column))
        default:
            guard let comparison = Predicate.Comparison(word) else {
                throw TableError(
                    MapError(
                        unknown: "%s is not one of", of: "== ~= < <= > >= in matches isnull notnull",
                        argument: 3))
            }
            return try compare(comparison, column)
        }
    }

    private func compare(
        _ comparison: Predicate.Comparison, _ column: Column
    ) throws(TableError) -> Predicate.Test {
        if isAbsent(4) {
            throw TableError(
                MapError("nil is equal to nothing; use \"isnull\" or \"notnull\"", argument: 4))
        }
        if column.type == .boolean && comparison != .equal && comparison != .notEqual {
            throw TableError(MapError("booleans have no order: use == or ~=", argument: 3))
        }
        if let value = try value(4, for: column, argument: 4) { return .compare(comparison, value) }
        if column.type == .number || column.type == .time {
            return .init(comparison, lua_tointegerx(state, 4, nil))
        }
        return column.type == .u64
            ? .init(comparison, lua_tonumberx(state, 4, nil), UInt64.self) { .u64($0) }
            : .init(comparison, lua_tonumberx(state, 4, nil), Int64.self) { .integer($0) }
    }

    private func matcher(_ column: Column) throws(TableError) -> any Matcher {
        guard column.type == .string else {
            throw TableError(
                "column '\(shown(column.name))' is \(column.type.name), and only strings match a regular expression"
            )
        }
        if let pattern = optionalBytes(4) { return try RegexMatcher(pattern, flags: []) }
        guard let regex = lm_regex_at(state, 4), let pattern = optionalBytes(5) else {
            throw TableError(MapError(type: "string or mmap.regex", argument: 4))
        }
        let limit = regex.pointee.pattern
        return try RegexMatcher(
            pattern, flags: optionalBytes(6) ?? [], steps: limit.has_steps ? limit.steps : nil)
    }

    /// A value for a column, which must be able to hold it.
    func constant(_ index: CInt, for column: Column, argument: CInt) throws(TableError) -> Predicate.Constant
    {
        if let value = try value(index, for: column, argument: argument) { return value }
        let why =
            column.type == .number || column.type == .time
            ? "no float is equal to the integer" : "the number is no \(column.type.name)"
        throw TableError("column '\(shown(column.name))' is \(column.type.name), and \(why)")
    }

    /// The number at an index; nil for an integer that no float is equal to.
    private func number(_ index: CInt) -> Predicate.Constant? {
        let value = lua_tonumberx(state, index, nil)
        if lua_isinteger(state, index) != 0, Int64(exactly: value) != lua_tointegerx(state, index, nil) {
            return nil
        }
        return .number(value)
    }

    /// A value to compare a column with, of its type; nil for a number that the column cannot hold.
    private func value(_ index: CInt, for column: Column, argument: CInt) throws(TableError) -> Predicate
        .Constant?
    {
        let found = lua_type(state, index)
        switch column.type {
        case .string:
            if let bytes = optionalBytes(index) { return .string(bytes) }
        case .boolean:
            if found == LUA_TBOOLEAN { return .boolean(lua_toboolean(state, index) != 0) }
        case .number:
            if found == LUA_TNUMBER { return number(index) }
        case .time:
            if found == LUA_TNUMBER { return number(index) }
            if let text = Arguments(state).string(index) { return .number(try seconds(text)) }
        case .integer:
            if found == LUA_TNUMBER {
                var isInteger: CInt = 0
                let value = lua_tointegerx(state, index, &isInteger)
                return isInteger != 0 ? .integer(value) : nil
            }
        case .u64:
            if found == LUA_TNUMBER {
                if lua_isinteger(state, index) != 0 {
                    return .u64(UInt64(bitPattern: lua_tointegerx(state, index, nil)))
                }
                return UInt64(exactly: lua_tonumberx(state, index, nil)).map { .u64($0) }
            }
        }
        let expected: StaticString =
            switch column.type {
            case .string: "string"
            case .boolean: "boolean"
            case .time: "number or string"
            default: "number"
            }
        if index == argument { throw TableError(MapError(type: expected, argument: argument)) }
        throw TableError(
            "column '\(shown(column.name))' is \(column.type.name): the list has a value that is not")
    }

    private func seconds(_ text: UnsafeRawBufferPointer) throws(TableError) -> Double {
        let start = text.bindMemory(to: UInt8.self).baseAddress
        guard let start, let value = Double(iso: Text(start, text.count)) else {
            throw TableError("'\(shown(text))' is no time in ISO 8601, such as 2024-12-31T23:59:59Z")
        }
        return value
    }
}

extension Predicate.Comparison {
    fileprivate init?(_ word: String) {
        switch word {
        case "==": self = .equal
        case "~=": self = .notEqual
        case "<": self = .less
        case "<=": self = .lessOrEqual
        case ">": self = .greater
        case ">=": self = .greaterOrEqual
        default: return nil
        }
    }
}

extension Predicate.Test {
    /// A comparison of floats with an integer that none of them is equal to.
    fileprivate init(_ comparison: Predicate.Comparison, _ integer: Int64) {
        let nearest = Double(integer)
        let isAbove = Int64(exactly: nearest).map { $0 > integer } ?? true
        switch comparison {
        case .equal: self = .nothing
        case .notEqual: self = .isNotNull
        case .less, .lessOrEqual: self = .compare(isAbove ? .less : .lessOrEqual, .number(nearest))
        case .greater, .greaterOrEqual:
            self = .compare(isAbove ? .greaterOrEqual : .greater, .number(nearest))
        }
    }

    /// A comparison of integers with a number that is none.
    fileprivate init<Value: FixedWidthInteger>(
        _ comparison: Predicate.Comparison, _ number: Double, _: Value.Type,
        _ constant: (Value) -> Predicate.Constant
    ) {
        let all = Predicate.Test.isNotNull
        let none = Predicate.Test.nothing
        if number.isNaN {
            self = comparison == .notEqual ? all : none
            return
        }
        // The greatest integer below the number.
        let floor = number.rounded(.down)
        switch comparison {
        case .equal: self = none
        case .notEqual: self = all
        case .less, .lessOrEqual:
            if let value = Value(exactly: floor) {
                self = .compare(.lessOrEqual, constant(value))
            } else {
                self = floor > 0 ? all : none
            }
        case .greater, .greaterOrEqual:
            if let value = Value(exactly: floor) {
                self = .compare(.greater, constant(value))
            } else {
                self = floor > 0 ? none : all
            }
        }
    }
}
