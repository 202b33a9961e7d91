internal import CLua
internal import CLuaMap
internal import CMemoryMap
internal import Vectors
internal import MemoryMap

// Reductions of views. As elsewhere, elements of u64 from 2^63 on appear in Lua as the negative integers
// with the same bits; so does their sum.

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

/// Pushes a number or nil. [-0, +1, –] uses one slot; never raises.
private func push(_ number: Number?, _ state: LuaState) {
    if let number { push(number, state) } else { lua_pushnil(state) }
}

/// Pushes a number or nil. [-0, +1, –] uses one slot; never raises.
func push(_ number: Double?, _ state: LuaState) {
    if let number { lua_pushnumber(state, number) } else { lua_pushnil(state) }
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

// The histogram, in three steps, because the trampoline allocates between them.

/// Reads the arguments of `v:histogram(bins [, lo, hi])`. [-0, +0, –] uses no slots; never raises.
@implementation @c
func lm_histogram_start(_ L: LuaState, _ outcome: Outcome, _ histogram: UnsafeMutablePointer<lm_histogram>)
    -> CInt
{
    respond(outcome) { () throws(MapError) in
        let arguments = Arguments(L)
        _ = try arguments.view(1)
        let bins = try arguments.integer(2)
        guard bins >= 1, bins <= 1 << 24 else {
            throw MapError("bins %1 is out of range (1 to %2)", argument: 2, bins, 1 << 24)
        }
        if arguments.isAbsent(3) && arguments.isAbsent(4) {
            histogram.pointee = lm_histogram(
                try work(L) { (elements, monitor) throws(MapError) in
                    try elements.histogramScale(bins, shouldContinue: monitor.shouldContinue)
                })
            return 0
        }
        guard let low = arguments.number(3) else { throw MapError(type: "number", argument: 3) }
        guard let high = arguments.number(4) else { throw MapError(type: "number", argument: 4) }
        let elements = try arguments.elements(1)
        guard
            let scale = try about(0, { () throws(MapError) in try elements.histogramScale(bins, low, high) })
        else {
            throw MapError("the range from lo to hi must be finite and not empty", argument: 4)
        }
        histogram.pointee = lm_histogram(scale)
        return 0
    }
}

extension lm_histogram {
    fileprivate init(_ scale: HistogramScale) {
        self.init()
        switch scale {
        case .floats(let edges):
            (bins, low, high) = (Int64(edges.bins), edges.low, edges.high)
        case .integers(let edges):
            (bins, first, width) = (Int64(edges.bins), edges.low, edges.width)
            (is_exact, is_signed) = (true, edges.isSigned)
        }
    }

    fileprivate var scale: HistogramScale {
        is_exact
            ? .integers(ExactEdges(bins: Int(bins), low: first, width: width, isSigned: is_signed))
            : .floats(Edges(low, high, Int(bins)))
    }
}

/// Counts the elements in each bin. [-0, +0, –] uses no slots; never raises.
@implementation @c
func lm_histogram_count(
    _ L: LuaState, _ outcome: Outcome, _ histogram: UnsafePointer<lm_histogram>,
    _ counters: UnsafeMutablePointer<Int64>
) -> CInt {
    respond(outcome) { () throws(MapError) in
        let bins = UnsafeMutableBufferPointer(start: counters, count: Int(histogram.pointee.bins))
        try work(L) { (elements, monitor) throws(MapError) in
            try elements.histogram(bins, histogram.pointee.scale, shouldContinue: monitor.shouldContinue)
        }
        return 0
    }
}

/// Pushes the i-th edge. [-0, +1, –] uses one slot; never raises.
@implementation @c
func lm_histogram_edge(_ L: LuaState, _ histogram: UnsafePointer<lm_histogram>, _ edge: Int64) {
    switch histogram.pointee.scale {
    case .floats(let edges): lua_pushnumber(L, edges.edge(Int(edge)))
    case .integers(let edges): lua_pushinteger(L, lua_Integer(edges.edge(Int(edge))))
    }
}
