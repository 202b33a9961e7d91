internal import CLua
internal import CLuaMap
internal import CMemoryMap
internal import MemoryMap

// `totable`, and `copy` from a table. The trampolines transfer the values in rows of up to 256.

/// Checks the range `(v [, i [, n]])` of `totable`. [-0, +0, –] uses no slots; never raises.
@implementation @c
func lm_view_range(_ L: LuaState, _ outcome: Outcome, _ range: UnsafeMutablePointer<lm_view_rows>) -> CInt {
    respond(outcome) { () throws(MapError) in
        let arguments = Arguments(L)
        let elements = try arguments.elements(1)
        let (index, count) = try arguments.range(2)
        let part = try about(2) { () throws(MapError) in try elements.readable(index, count) }
        range.pointee.index = index
        range.pointee.count = part.count
        range.pointee.type = part.elements.type
        return 0
    }
}

/// Loads some elements as bits. [-0, +0, –] uses no slots; never raises.
@implementation @c
func lm_view_load(
    _ L: LuaState, _ outcome: Outcome, _ index: Int, _ bits: UnsafeMutablePointer<UInt64>, _ count: Int
) -> CInt {
    respond(outcome) { () throws(MapError) in
        let elements = try Arguments(L).elements(1)
        try elements.loadBits(index, into: UnsafeMutableBufferPointer(start: bits, count: count))
        if lm_is_interrupted() { throw MapError(.interrupted) }
        return 0
    }
}

/// Checks that `rows.count` elements can be written from index `i` on. [-0, +0, –] uses no slots; never
/// raises.
@implementation @c
func lm_view_room(_ L: LuaState, _ outcome: Outcome, _ rows: UnsafeMutablePointer<lm_view_rows>) -> CInt {
    respond(outcome) { () throws(MapError) in
        let arguments = Arguments(L)
        let elements = try arguments.elements(1)
        rows.pointee.index = try arguments.integer(2)
        rows.pointee.saturates = try arguments.saturates(4)
        _ = try arguments.room(elements, rows.pointee.index, rows.pointee.count)
        return 0
    }
}

/// Stores values of a table, from the k-th on, in the elements from `index + k - 1` on. The first pass over
/// the table only checks, so that nothing is written unless all values fit. [-0, +0, –] uses no slots; never
/// raises.
@implementation @c
func lm_view_put(
    _ L: LuaState, _ outcome: Outcome, _ rows: UnsafePointer<lm_view_rows>,
    _ values: UnsafePointer<lm_table_value>,
    _ k: Int, _ count: Int
) -> CInt {
    respond(outcome) { () throws(MapError) in
        let rows = rows.pointee
        let elements = try Arguments(L).elements(1)
        let part = try elements.writable(rows.index &+ k &- 1, count)
        guard let base = part.elements.region.base else { return 0 }
        var i = 0
        while i < count {
            let bits = try storable(values[i], part.type, k &+ i, rows.saturates)
            if rows.writes { mm_store_number(base + i &* part.stride, part.elements.type, bits) }
            i &+= 1
        }
        try part.checkIntact()
        if lm_is_interrupted() { throw MapError(.interrupted) }
        return 0
    }
}

/// The k-th value of a table, as bits for mm_store_number.
private func storable(
    _ value: lm_table_value, _ type: ElementType, _ k: Int, _ saturates: Bool
) throws(MapError) -> UInt64 {
    let number: Number
    switch value.kind {
    case Int32(LM_VALUE_INTEGER): number = .integer(Int64(bitPattern: value.bits))
    case Int32(LM_VALUE_FLOAT): number = .float(Double(bitPattern: value.bits))
    default: throw MapError("element %1: not a number", argument: 3, k)
    }
    if saturates { return type.saturatedBits(of: number) }
    do throws(MapError) { return try type.bits(of: number) } catch {
        throw MapError(error, element: k, argument: 3)
    }
}
