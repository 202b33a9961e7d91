internal import CLua
internal import CLuaMap
internal import CMemoryMap
internal import MemoryMap
internal import Vectors

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
