internal import CLua
internal import CLuaMap
internal import MemoryMap

// Sets of pages, as `b:pages()` returns them.

extension UnsafePointer<lm_pages> {
    /// The bits, for reading only.
    var bits: PageBits { UnsafeMutablePointer(mutating: self).bits }
}

extension UnsafeMutablePointer<lm_pages> {
    var bits: PageBits {
        let words = UnsafeMutableRawPointer(self) + MemoryLayout<lm_pages>.size
        return PageBits(words.assumingMemoryBound(to: UInt64.self), count: Int(pointee.count))
    }
}

extension Arguments {
    func pages(_ index: Int32) throws(MapError) -> UnsafeMutablePointer<lm_pages> {
        guard let pages = lm_pages_at(state, index) else {
            throw MapError(type: "mmap.pages", argument: index)
        }
        return pages
    }
}

/// `p[key]`. [-0, +1, –] uses one slot; never raises.
@implementation @c
func lm_pages_index(_ L: LuaState, _ outcome: Outcome) -> CInt {
    respond(outcome) { () throws(MapError) in
        let arguments = Arguments(L)
        let bits = try arguments.pages(1).bits
        if lua_type(L, 2) == LUA_TSTRING {
            lua_pushvalue(L, 2)
            lua_rawget(L, CInt(LM_UPVALUE_1))
            return 1
        }
        let page = try arguments.index(
            orElse: "the index of a page is an integer or the name of a method",
            "the index of a page must have an exact integer value")
        guard page >= 0, page < bits.count else {
            throw bits.count > 0
                ? MapError(misuse: "page %1 is out of range (0 to %2)", page, bits.count &- 1)
                : MapError(misuse: "page %1 is out of range: the set is empty", page)
        }
        lua_pushboolean(L, bits[page] ? 1 : 0)
        return 1
    }
}

/// `#p`. [-0, +1, –] uses one slot; never raises.
@implementation @c
func lm_pages_len(_ L: LuaState, _ outcome: Outcome) -> CInt {
    respond(outcome) { () throws(MapError) in
        lua_pushinteger(L, lua_Integer(try Arguments(L).pages(1).pointee.count))
        return 1
    }
}

/// `p:count([page [, n]])`. [-0, +1, –] uses one slot; never raises.
@implementation @c
func lm_pages_count(_ L: LuaState, _ outcome: Outcome) -> CInt {
    respond(outcome) { () throws(MapError) in
        let arguments = Arguments(L)
        let bits = try arguments.pages(1).bits
        let (first, wanted) = try arguments.range(2)
        guard first >= 0, first <= bits.count else {
            throw MapError("page %1 is out of range (0 to %2)", argument: 2, first, bits.count)
        }
        let count = wanted ?? (bits.count &- first)
        guard count >= 0, count <= bits.count &- first else {
            throw MapError("%1 pages are out of range (0 to %2)", argument: 3, count, bits.count &- first)
        }
        lua_pushinteger(L, lua_Integer(bits.count(in: first..<first &+ count)))
        return 1
    }
}

/// A step of `for first, n in p:ranges() do`: the run after the one at `first`, or the first run.
/// [-0, +2, –] uses two slots; never raises.
@implementation @c
func lm_pages_next(_ L: LuaState, _ outcome: Outcome) -> CInt {
    respond(outcome) { () throws(MapError) in
        let arguments = Arguments(L)
        let bits = try arguments.pages(1).bits
        var from = 0
        if let last = try arguments.optionalInteger(2) {
            guard last >= 0, last < bits.count else {
                throw MapError("page %1 is out of range (0 to %2)", argument: 2, last, bits.count &- 1)
            }
            from = bits.run(from: last)?.upperBound ?? bits.count
        }
        guard let run = bits.run(from: from) else {
            lua_pushnil(L)
            return 1
        }
        return push(run.lowerBound, run.count, L)
    }
}

/// `p:offset(page)`. [-0, +1, –] uses one slot; never raises.
@implementation @c
func lm_pages_offset(_ L: LuaState, _ outcome: Outcome) -> CInt {
    respond(outcome) { () throws(MapError) in
        let arguments = Arguments(L)
        let pages = try arguments.pages(1)
        let page = try arguments.integer(2)
        guard page >= 0, page <= Int(pages.pointee.count) else {
            throw MapError("page %1 is out of range (0 to %2)", argument: 2, page, Int(pages.pointee.count))
        }
        // The first page may begin before the buffer; then the offset is 0.
        lua_pushinteger(L, max(lua_Integer(pages.pointee.offset) &+ lua_Integer(page &* pageSize), 0))
        return 1
    }
}

/// The first run of pages at or after page `from`; false if there is none.
@implementation @c
func lm_pages_run(
    _ pages: UnsafePointer<lm_pages>, _ from: Int64, _ first: UnsafeMutablePointer<Int64>,
    _ count: UnsafeMutablePointer<Int64>
) -> Bool {
    guard let run = pages.bits.run(from: Int(from)) else { return false }
    first.pointee = Int64(run.lowerBound)
    count.pointee = Int64(run.count)
    return true
}

@implementation @c
func lm_pages_total(_ pages: UnsafePointer<lm_pages>) -> Int64 {
    let bits = pages.bits
    return Int64(bits.count(in: 0..<bits.count))
}

@implementation @c
func lm_pages_subtract(
    _ from: UnsafePointer<lm_pages>, _ what: UnsafePointer<lm_pages>, _ result: UnsafeMutablePointer<lm_pages>
) {
    from.bits.subtract(what.bits, into: result.bits)
}

/// The range `(b [, offset [, length]])` in pages. [-0, +0, –] uses no slots; never raises.
@implementation @c
func lm_pages_span(
    _ L: LuaState, _ outcome: Outcome, _ count: UnsafeMutablePointer<Int64>,
    _ offset: UnsafeMutablePointer<Int64>
) -> CInt {
    respond(outcome) { () throws(MapError) in
        let arguments = Arguments(L)
        let bytes = try arguments.bytes(1)
        let (first, length) = try arguments.range(2)
        let span = try about(2) { () throws(MapError) in try bytes.pageSpan(first, length) }
        count.pointee = Int64(span.count)
        offset.pointee = Int64(span.range.offset)
        return 0
    }
}

/// `b:pages([offset [, length]])`. [-0, +0, –] uses no slots; never raises. The new set is on top.
@implementation @c
func lm_pages_fill(_ L: LuaState, _ outcome: Outcome, _ pages: UnsafeMutablePointer<lm_pages>) -> CInt {
    respond(outcome) { () throws(MapError) in
        let arguments = Arguments(L)
        let bytes = try arguments.bytes(1)
        let (offset, length) = try arguments.range(2)
        let monitor = try Monitor(L)
        try about(2) { () throws(MapError) in
            try bytes.residency(offset, length, into: pages.bits) { monitor.shouldContinue($0) }
        }
        return 1
    }
}
