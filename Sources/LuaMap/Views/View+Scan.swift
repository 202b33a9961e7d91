internal import CLua
internal import CLuaMap
internal import CMemoryMap
internal import Vectors
internal import MemoryMap

// Scans, order and arithmetic of views.

extension Arguments {
    /// The operator at an argument: `==`, `~=`, `<`, `<=`, `>`, or `>=`.
    fileprivate func comparison(_ index: Int32) throws(MapError) -> Comparison {
        guard let text = string(index) else { throw MapError(type: "string", argument: index) }
        let isLong = text.count == 2 && text[1] == UInt8(ascii: "=")
        switch (text.first ?? 0, text.count) {
        case (UInt8(ascii: "="), 2) where isLong: return .equal
        case (UInt8(ascii: "~"), 2) where isLong: return .notEqual
        case (UInt8(ascii: "<"), 2) where isLong: return .lessOrEqual
        case (UInt8(ascii: ">"), 2) where isLong: return .greaterOrEqual
        case (UInt8(ascii: "<"), 1): return .less
        case (UInt8(ascii: ">"), 1): return .greater
        default:
            throw MapError(
                unknown: "%s is not one of == ~= < <= > >=", of: "== ~= < <= > >=", argument: index)
        }
    }

    fileprivate func requiredNumber(_ index: Int32) throws(MapError) -> Number {
        guard let number = number(index) else { throw MapError(type: "number", argument: index) }
        return number
    }
}

/// `v:count(op, x)`. [-0, +1, –] uses one slot; never raises.
@implementation @c
func lm_view_count(_ L: LuaState, _ outcome: Outcome) -> CInt {
    respond(outcome) { () throws(MapError) in
        _ = try Arguments(L).view(1)
        let comparison = try Arguments(L).comparison(2)
        let number = try Arguments(L).requiredNumber(3)
        let count = try work(L) { (elements, monitor) throws(MapError) in
            try elements.count(comparison, number, shouldContinue: monitor.shouldContinue)
        }
        lua_pushinteger(L, lua_Integer(count))
        return 1
    }
}

/// `v:find(op, x [, from])`. [-0, +1, –] uses one slot; never raises.
@implementation @c
func lm_view_find(_ L: LuaState, _ outcome: Outcome) -> CInt {
    respond(outcome) { () throws(MapError) in
        let arguments = Arguments(L)
        let elements = try arguments.elements(1)
        let comparison = try arguments.comparison(2)
        let number = try arguments.requiredNumber(3)
        let from = try arguments.integer(4, default: 0)
        let monitor = try Monitor(L, total: elements.count &- from)
        let place = try about(4) { () throws(MapError) in
            try elements.find(comparison, number, from: from, shouldContinue: monitor.shouldContinue)
        }
        push(place, L)
        return 1
    }
}

/// `v:sorted()`. [-0, +1, –] uses one slot; never raises.
@implementation @c
func lm_view_sorted(_ L: LuaState, _ outcome: Outcome) -> CInt {
    respond(outcome) { () throws(MapError) in
        let isSorted = try work(L) { (elements, monitor) throws(MapError) in
            try elements.isSorted(shouldContinue: monitor.shouldContinue)
        }
        lua_pushboolean(L, isSorted ? 1 : 0)
        return 1
    }
}

/// `v:unique()`. [-0, +1, –] uses one slot; never raises.
@implementation @c
func lm_view_unique(_ L: LuaState, _ outcome: Outcome) -> CInt {
    respond(outcome) { () throws(MapError) in
        let count = try work(L) { (elements, monitor) throws(MapError) in
            try elements.uniqueCount(shouldContinue: monitor.shouldContinue)
        }
        lua_pushinteger(L, lua_Integer(count))
        return 1
    }
}

/// [-0, +1, –] uses one slot; never raises.
@inline(__always)
private func bound(_ L: LuaState, _ outcome: Outcome, isUpper: Bool) -> CInt {
    respond(outcome) { () throws(MapError) in
        let elements = try Arguments(L).elements(1)
        let number = try Arguments(L).requiredNumber(2)
        let place = try elements.bound(number, isUpper: isUpper)
        lua_pushinteger(L, lua_Integer(place))
        return 1
    }
}

/// `v:lowerbound(x)`. [-0, +1, –] uses one slot; never raises.
@implementation @c
func lm_view_lowerbound(_ L: LuaState, _ outcome: Outcome) -> CInt { bound(L, outcome, isUpper: false) }

/// `v:upperbound(x)`. [-0, +1, –] uses one slot; never raises.
@implementation @c
func lm_view_upperbound(_ L: LuaState, _ outcome: Outcome) -> CInt { bound(L, outcome, isUpper: true) }

/// `v:dot(other [, "wrap"])`. [-0, +1, –] uses one slot; never raises.
@implementation @c
func lm_view_dot(_ L: LuaState, _ outcome: Outcome) -> CInt {
    respond(outcome) { () throws(MapError) in
        let arguments = Arguments(L)
        let type = try arguments.elements(1).type
        let other = try arguments.elements(2)
        let isWrapping = try arguments.isWrapping(3)
        let sum = try work(L) { (elements, monitor) throws(MapError) in
            try elements.dot(other, isWrapping: isWrapping, shouldContinue: monitor.shouldContinue)
        }
        let isUnsigned =
            type.isUnsigned && other.type.isUnsigned && (type.isUnsigned64 || other.type.isUnsigned64)
        push(try sum.bits(isUnsigned: isUnsigned, isWrapping: isWrapping), L)
        return 1
    }
}

/// Arithmetic with the arguments `(x [, into] [, "wrap"])`: pushes the target. [-0, +1, –] uses one slot;
/// never raises.
@inline(__always)
private func combine(_ L: LuaState, _ outcome: Outcome, _ operation: Operation) -> CInt {
    respond(outcome) { () throws(MapError) in
        let arguments = Arguments(L)
        let elements = try arguments.elements(1)
        let operand: Operand
        if let number = arguments.number(2) {
            operand = .number(number)
        } else {
            guard let view = lm_view_at(L, 2) else {
                throw MapError(type: "number or mmap.view", argument: 2)
            }
            operand = .elements(MappedElements(view.pointee.elements))
        }
        let hasTarget = lua_type(L, 3) > LUA_TNIL && lua_type(L, 3) != LUA_TSTRING
        let target = hasTarget ? try arguments.elements(3) : elements
        let place: Int32 = hasTarget || arguments.isAbsent(3) ? 4 : 3
        let isWrapping = try arguments.isWrapping(place)
        if isWrapping && operation == .divide {
            throw MapError("division does not wrap: only floats can be divided", argument: place)
        }
        try work(L) { (elements, monitor) throws(MapError) in
            try elements.combine(operation, operand, into: target, isWrapping: isWrapping) {
                monitor.shouldContinue($0)
            }
        }
        lua_pushvalue(L, hasTarget ? 3 : 1)
        return 1
    }
}

/// `v:add(x [, into] [, "wrap"])`. [-0, +1, –] uses one slot; never raises.
@implementation @c
func lm_view_add(_ L: LuaState, _ outcome: Outcome) -> CInt { combine(L, outcome, .add) }

/// `v:sub(x [, into] [, "wrap"])`. [-0, +1, –] uses one slot; never raises.
@implementation @c
func lm_view_sub(_ L: LuaState, _ outcome: Outcome) -> CInt { combine(L, outcome, .subtract) }

/// `v:mul(x [, into] [, "wrap"])`. [-0, +1, –] uses one slot; never raises.
@implementation @c
func lm_view_mul(_ L: LuaState, _ outcome: Outcome) -> CInt { combine(L, outcome, .multiply) }

/// `v:div(x [, into])`. [-0, +1, –] uses one slot; never raises.
@implementation @c
func lm_view_div(_ L: LuaState, _ outcome: Outcome) -> CInt { combine(L, outcome, .divide) }
