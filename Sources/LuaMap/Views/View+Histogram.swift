internal import CLua
internal import CLuaMap
internal import CMemoryMap
internal import MemoryMap
internal import Vectors

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
