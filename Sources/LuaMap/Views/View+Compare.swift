internal import CLua
internal import CLuaMap
internal import CMemoryMap
internal import MemoryMap
internal import Vectors

// Comparisons with a number, and the places of the extremes.

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

/// [-0, +1, –] uses one slot; never raises.
@inline(__always)
private func place(_ L: LuaState, _ outcome: Outcome, ofGreatest isGreatest: Bool) -> CInt {
    respond(outcome) { () throws(MapError) in
        let words = try Arguments(L).words(2)
        let place = try work(L) { (elements, monitor) throws(MapError) in
            try elements.place(
                ofGreatest: isGreatest, skippingNaN: words.skippingNaN, shouldContinue: monitor.shouldContinue
            )
        }
        push(place, L)
        return 1
    }
}

/// `v:argmin(["skipnan"])`. [-0, +1, –] uses one slot; never raises.
@implementation @c
func lm_view_argmin(_ L: LuaState, _ outcome: Outcome) -> CInt { place(L, outcome, ofGreatest: false) }

/// `v:argmax(["skipnan"])`. [-0, +1, –] uses one slot; never raises.
@implementation @c
func lm_view_argmax(_ L: LuaState, _ outcome: Outcome) -> CInt { place(L, outcome, ofGreatest: true) }
