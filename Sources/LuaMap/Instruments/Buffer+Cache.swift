internal import CLua
internal import CLuaMap
internal import CMemoryMap
internal import MemoryMap

// The page cache and the page table: their contents, and methods that change them.

/// `b:cachestat([offset [, length]])`. [-0, +0, –] uses no slots; never raises.
@implementation @c
func lm_buffer_cachestat(_ L: LuaState, _ outcome: Outcome, _ state: UnsafeMutablePointer<lm_cache_state>)
    -> CInt
{
    respond(outcome) { () throws(MapError) in
        let arguments = Arguments(L)
        let bytes = try arguments.bytes(1)
        let (offset, length) = try arguments.range(2)
        let monitor = Monitor(frugal: L)
        let found = try about(2) { () throws(MapError) in
            try bytes.cacheState(offset, length) { monitor.shouldContinue($0) }
        }
        state.pointee = lm_cache_state(
            cached: Int64(found.cached), dirty: Int64(found.dirty), writeback: Int64(found.writeback),
            evicted: Int64(found.evicted), recently_evicted: Int64(found.recentlyEvicted))
        return 0
    }
}

/// `b:pagemap([offset [, length]])`. [-0, +0, –] uses no slots; never raises.
@implementation @c
func lm_page_table(
    _ L: LuaState, _ outcome: Outcome, _ sets: UnsafePointer<UnsafeMutablePointer<lm_pages>>
) -> CInt {
    respond(outcome) { () throws(MapError) in
        let arguments = Arguments(L)
        let bytes = try arguments.bytes(1)
        let (offset, length) = try arguments.range(2)
        let monitor = try Monitor(L)
        let table = PageTable(
            present: sets[Int(LM_PRESENT)].bits, swapped: sets[Int(LM_SWAPPED)].bits,
            file: sets[Int(LM_FILE)].bits, exclusive: sets[Int(LM_EXCLUSIVE)].bits,
            softDirty: sets[Int(LM_SOFT_DIRTY)].bits, diverged: sets[Int(LM_DIVERGED)].bits)
        try about(2) { () throws(MapError) in
            try bytes.pageTable(offset, length, into: table) { monitor.shouldContinue($0) }
        }
        return 0
    }
}

@implementation @c
func lm_keeps_soft_dirty() -> Bool { keepsSoftDirty() }

/// `b:touch([offset [, length [, stride]]])`. [-0, +1, –] uses one slot; never raises.
@implementation @c
func lm_buffer_touch(_ L: LuaState, _ outcome: Outcome) -> CInt {
    respond(outcome) { () throws(MapError) in
        let arguments = Arguments(L)
        let bytes = try arguments.bytes(1)
        let (offset, length) = try arguments.range(2)
        let stride = try arguments.integer(4, default: pageSize)
        guard stride > 0 else {
            throw MapError("stride %1 is out of range: it is at least 1 byte", argument: 4, stride)
        }
        let monitor = try Monitor(L)
        let count = try about(2) { () throws(MapError) in
            try bytes.touch(offset, length, stride: stride) { monitor.shouldContinue($0) }
        }
        lua_pushinteger(L, lua_Integer(count))
        return 1
    }
}

/// `b:populate([offset [, length]] [, how])`. [-0, +2, –] uses two slots; never raises.
@implementation @c
func lm_buffer_populate(_ L: LuaState, _ outcome: Outcome, _ isWriting: Bool) -> CInt {
    respond(outcome) { () throws(MapError) in
        let arguments = Arguments(L)
        let bytes = try arguments.bytes(1)
        let hasRange = lua_type(L, 2) != LUA_TSTRING
        let offset = hasRange ? try arguments.integer(2, default: 0) : 0
        let length = hasRange ? try arguments.optionalInteger(3) : nil
        let monitor = try Monitor(L)
        let range = try about(2) { () throws(MapError) in
            try bytes.populate(offset, length, writing: isWriting) { monitor.shouldContinue($0) }
        }
        return push(range.offset, range.length, L)
    }
}

/// `mmap.evict(b)`, `b:evict()`. [-0, +2, –] uses two slots; never raises.
@implementation @c
func lm_buffer_evict(_ L: LuaState, _ outcome: Outcome) -> CInt {
    respond(outcome) { () throws(MapError) in
        let bytes = try Arguments(L).bytes(1)
        let monitor = Monitor(frugal: L)
        return push(try bytes.evict { monitor.shouldContinue($0) }, L)
    }
}

/// `mmap.evict(path)`. [-0, +2, –] uses two slots; never raises.
@implementation @c
func lm_evict_path(_ L: LuaState, _ outcome: Outcome, _ path: UnsafePointer<CChar>) -> CInt {
    respond(outcome) { () throws(MapError) in
        let monitor = Monitor(frugal: L)
        return push(try evictFile(path) { monitor.shouldContinue($0) }, L)
    }
}

private func push(_ eviction: Eviction, _ L: LuaState) -> CInt {
    push(eviction.evicted, L)
    push(eviction.stayed, L)
    return 2
}

/// `mmap.sparse(path, size)`. [-0, +0, –] uses no slots; never raises. The new buffer is on top.
@implementation @c
func lm_sparse(
    _ L: LuaState, _ outcome: Outcome, _ target: BufferPointer, _ path: UnsafePointer<CChar>
) -> CInt {
    respond(outcome) { () throws(MapError) in
        let size = try Arguments(L).integer(2)
        target.pointee.region = try sparseRegion(path, size)
        return 1
    }
}

/// Reads and checks the range `(b [, offset [, length]])`. [-0, +0, –] uses no slots; never raises.
@implementation @c
func lm_range(
    _ L: LuaState, _ outcome: Outcome, _ offset: UnsafeMutablePointer<Int64>,
    _ length: UnsafeMutablePointer<Int64>
) -> CInt {
    respond(outcome) { () throws(MapError) in
        let arguments = Arguments(L)
        var bytes = try arguments.bytes(1)
        let (first, wanted) = try arguments.range(2)
        length.pointee = Int64(
            try about(2) { () throws(MapError) in
                try bytes.refresh()
                return try checkedLength(offset: first, length: wanted, count: bytes.region.length)
            })
        offset.pointee = Int64(first)
        return 0
    }
}

/// The next extents of `b:holes([offset [, length]])`. [-0, +0, –] uses no slots; never raises.
@implementation @c
func lm_extents(
    _ L: LuaState, _ outcome: Outcome, _ offset: Int64, _ length: Int64,
    _ extents: UnsafeMutablePointer<lm_extent>
) -> CInt {
    respond(outcome) { () throws(MapError) in
        let bytes = try Arguments(L).bytes(1)
        var count = 0
        try bytes.extents(Int(offset), Int(length)) { extent in
            extents[count] = lm_extent(
                offset: Int64(extent.offset), length: Int64(extent.length), is_data: extent.isData)
            count &+= 1
            return count < Int(LM_EXTENTS)
        }
        return CInt(truncatingIfNeeded: count)
    }
}
