internal import CLua
internal import CLuaMap
internal import CMemoryMap
internal import MemoryMap
internal import Vectors

// Sums, extremes, mean, and variance.

/// `v:sum(["wrap"] [, "skipnan"])`. [-0, +1, –] uses one slot; never raises.
@implementation @c
func lm_view_sum(_ L: LuaState, _ outcome: Outcome) -> CInt {
    respond(outcome) { () throws(MapError) in
        let isUnsigned = try Arguments(L).elements(1).type.isUnsigned64
        let words = try Arguments(L).words(2, wrap: true)
        let summary = try work(L) { (elements, monitor) throws(MapError) in
            try elements.summary(
                extremes: false, skippingNaN: words.skippingNaN, shouldContinue: monitor.shouldContinue)
        }
        let sum = try summary.sum.bits(isUnsigned: isUnsigned, isWrapping: words.isWrapping)
        push(summary.isNothing ? nil : sum, L)
        return 1
    }
}

extension Summary {
    /// Whether there are elements, and all of them were skipped.
    fileprivate var isNothing: Bool { count == 0 && skipped > 0 }
}

/// The summary of the view; argument 2 may be `"skipnan"`. [-0, +0, –] uses no slots; never raises.
private func summary(_ L: LuaState, extremes: Bool = true) throws(MapError) -> Summary {
    let words = try Arguments(L).words(2)
    return try work(L) { (elements, monitor) throws(MapError) in
        try elements.summary(
            extremes: extremes, skippingNaN: words.skippingNaN, shouldContinue: monitor.shouldContinue)
    }
}

/// `v:min(["skipnan"])`. [-0, +1, –] uses one slot; never raises.
@implementation @c
func lm_view_min(_ L: LuaState, _ outcome: Outcome) -> CInt {
    respond(outcome) { () throws(MapError) in
        push(try summary(L).least, L)
        return 1
    }
}

/// `v:max(["skipnan"])`. [-0, +1, –] uses one slot; never raises.
@implementation @c
func lm_view_max(_ L: LuaState, _ outcome: Outcome) -> CInt {
    respond(outcome) { () throws(MapError) in
        push(try summary(L).greatest, L)
        return 1
    }
}

/// `v:minmax(["skipnan"])`. [-0, +2, –] uses two slots; never raises.
@implementation @c
func lm_view_minmax(_ L: LuaState, _ outcome: Outcome) -> CInt {
    respond(outcome) { () throws(MapError) in
        let summary = try summary(L)
        push(summary.least, L)
        push(summary.greatest, L)
        return 2
    }
}

/// `v:mean(["skipnan"])`. [-0, +1, –] uses one slot; never raises.
@implementation @c
func lm_view_mean(_ L: LuaState, _ outcome: Outcome) -> CInt {
    respond(outcome) { () throws(MapError) in
        push(try summary(L, extremes: false).mean, L)
        return 1
    }
}

/// `v:variance([missing] [, "skipnan"])`. [-0, +1, –] uses one slot; never raises.
@implementation @c
func lm_view_variance(_ L: LuaState, _ outcome: Outcome) -> CInt {
    respond(outcome) { () throws(MapError) in
        let isWord = lua_type(L, 2) == LUA_TSTRING
        let missing = isWord ? 0 : try Arguments(L).integer(2, default: 0)
        guard missing == 0 || missing == 1 else {
            throw MapError(
                "value %1 is out of range (0: population, 1: sample)", argument: 2, missing)
        }
        let words = try Arguments(L).words(isWord ? 2 : 3)
        let variance = try work(L) { (elements, monitor) throws(MapError) in
            try elements.variance(
                missing: missing, skippingNaN: words.skippingNaN, shouldContinue: monitor.shouldContinue)
        }
        push(variance, L)
        return 1
    }
}

/// `v:stats(["wrap"] [, "skipnan"])`. [-0, +0, –] uses no slots; never raises.
@implementation @c
func lm_view_stats(_ L: LuaState, _ outcome: Outcome, _ stats: UnsafeMutablePointer<lm_stats>) -> CInt {
    respond(outcome) { () throws(MapError) in
        let type = try Arguments(L).elements(1).type
        let words = try Arguments(L).words(2, wrap: true)
        let summary = try work(L) { (elements, monitor) throws(MapError) in
            try elements.summary(
                extremes: true, skippingNaN: words.skippingNaN, shouldContinue: monitor.shouldContinue)
        }
        stats.pointee = lm_stats()
        stats.pointee.count = Int64(summary.count)
        stats.pointee.is_nothing = summary.isNothing
        stats.pointee.is_float = type.isFloat
        switch summary.sum {
        case .float(let sum): (stats.pointee.sum, stats.pointee.is_float_sum) = (sum.bitPattern, true)
        case .exact(let sum):
            let fits = type.isUnsigned64 ? UInt64(exactly: sum) != nil : Int64(exactly: sum) != nil
            stats.pointee.is_exact = fits
            stats.pointee.is_float_sum = !fits && !words.isWrapping
            stats.pointee.sum =
                stats.pointee.is_float_sum ? Double(sum).bitPattern : UInt64(truncatingIfNeeded: sum)
        }
        if let least = summary.least { stats.pointee.least = bits(least) }
        if let greatest = summary.greatest { stats.pointee.greatest = bits(greatest) }
        stats.pointee.mean = summary.mean ?? 0
        return 0
    }
}

private func bits(_ number: Number) -> UInt64 {
    switch number {
    case .integer(let value): UInt64(bitPattern: value)
    case .float(let value): value.bitPattern
    }
}
