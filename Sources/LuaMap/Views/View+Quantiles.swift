internal import CLua
internal import CLuaMap
internal import CMemoryMap
internal import MemoryMap
internal import Vectors

/// `v:median(["skipnan"])`. [-0, +1, –] uses one slot; never raises.
@implementation @c
func lm_view_median(_ L: LuaState, _ outcome: Outcome) -> CInt {
    respond(outcome) { () throws(MapError) in
        _ = try Arguments(L).view(1)
        let words = try Arguments(L).words(2)
        let median = try work(L) { (elements, monitor) throws(MapError) in
            try elements.median(skippingNaN: words.skippingNaN, shouldContinue: monitor.shouldContinue)
        }
        push(median, L)
        return 1
    }
}

/// `v:quantile(q [, "skipnan"])`: see lm_view.h. [-0, +0, –] uses no slots; never raises.
@implementation @c
func lm_view_quantile(
    _ L: LuaState, _ outcome: Outcome, _ parts: UnsafeMutablePointer<Double>, _ count: Int
) -> CInt {
    respond(outcome) { () throws(MapError) in
        _ = try Arguments(L).view(1)
        let words = try Arguments(L).words(3, last: 3)
        for i in 0..<count where !(parts[i] >= 0 && parts[i] <= 1) {
            let error = MapError(
                .valueOutOfRange, "part %f is out of range (0 to 1)",
                Int(bitPattern: UInt(parts[i].bitPattern)))
            throw lua_type(L, 2) == LUA_TTABLE
                ? MapError(error, element: i &+ 1, argument: 2) : MapError(error, argument: 2)
        }
        let quantiles = try work(L) { (elements, monitor) throws(MapError) in
            try requireHeap(count &* 128)
            return try elements.quantiles(
                Array(UnsafeBufferPointer(start: parts, count: count)), skippingNaN: words.skippingNaN,
                shouldContinue: monitor.shouldContinue)
        }
        guard let quantiles else { return 0 }
        for i in 0..<count { parts[i] = quantiles[i] }
        return 1
    }
}
