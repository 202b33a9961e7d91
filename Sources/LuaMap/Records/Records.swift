internal import CLua
internal import CLuaMap
internal import CMemoryMap
internal import MemoryMap

// Arrays of records: making them, `r[i]`, `#r`, columns.

/// `b:records(layout [, offset [, count [, stride]]])`. [-0, +0, –] uses no slots; never raises. The new
/// records are on top.
@implementation @c
func lm_buffer_records(_ L: LuaState, _ outcome: Outcome, _ size: Int, _ target: RecordsPointer) -> CInt {
    respond(outcome) { () throws(MapError) in
        let arguments = Arguments(L)
        let bytes = try arguments.bytes(1)
        let (offset, count) = try arguments.range(3)
        let stride = try arguments.optionalInteger(5)
        if let stride, stride < size {
            throw MapError(
                "stride %1 is out of range: a record has %2 bytes", argument: 5, stride, size)
        }
        target.pointee.records = try about(3) { () throws(MapError) in
            try bytes.records(size: size, offset, count: count, stride: stride)
        }.records
        return 1
    }
}

/// `r:slice([i [, n]])`. [-0, +0, –] uses no slots; never raises. The new records are on top.
@implementation @c
func lm_records_slice(_ L: LuaState, _ outcome: Outcome, _ target: RecordsPointer) -> CInt {
    guard let records = lm_records_at(L, 1) else { return notRecords(outcome) }
    return respond(outcome) { () throws(MapError) in
        let arguments = Arguments(L)
        let (index, count) = try arguments.range(2)
        target.pointee.records = try about(2) { () throws(MapError) in
            try MappedRecords(records.pointee.records).slice(index, count)
        }.records
        return 1
    }
}

/// `r[i]`. [-0, +0, –] uses no slots; never raises. The new record is on top. A hot path, under the rules of
/// Buffer+Index.swift.
@implementation @c
func lm_records_get(_ L: LuaState, _ outcome: Outcome, _ target: RecordPointer) -> CInt {
    guard let records = lm_records_at(L, 1) else { return notRecords(outcome) }
    if lua_isinteger(L, 2) != 0 {
        let index = UInt64(bitPattern: lua_tointegerx(L, 2, nil))
        let region = mm_record_at(&records.pointee.records, index)
        if region.base != nil {
            target.pointee.region = region
            return 1
        }
    }
    return slowRecord(L, outcome, records, target)
}

@inline(never)
private func slowRecord(
    _ L: LuaState, _ outcome: Outcome, _ records: RecordsPointer, _ target: RecordPointer
) -> CInt {
    respond(outcome) { () throws(MapError) in
        let current = try catchUp(records)
        let index = try Arguments(L).index(
            orElse: "an index of records is an integer or the name of a method",
            "an index of records must have an exact integer value")
        target.pointee.region = try current.record(at: index).region
        return 1
    }
}

/// Updates the records' own handle, so that the next access takes the hot path again.
private func catchUp(_ records: RecordsPointer) throws(MapError) -> MappedRecords {
    var current = MappedRecords(records.pointee.records)
    try current.refresh()
    records.pointee.records = current.records
    return current
}

/// `#r`. [-0, +1, –] uses one slot; never raises.
@implementation @c
func lm_records_len(_ L: LuaState, _ outcome: Outcome) -> CInt {
    guard let records = lm_records_at(L, 1) else { return notRecords(outcome) }
    if mm_is_current(&records.pointee.records.region) {
        lua_pushinteger(L, lua_Integer(truncatingIfNeeded: records.pointee.records.count))
        return 1
    }
    return slowCount(L, outcome, records)
}

@inline(never)
private func notRecords(_ outcome: Outcome) -> CInt {
    outcome.fill(MapError(type: "mmap.records", argument: 1))
    return CInt(LM_FAILED)
}

@inline(never)
private func slowCount(_ L: LuaState, _ outcome: Outcome, _ records: RecordsPointer) -> CInt {
    respond(outcome) { () throws(MapError) in
        lua_pushinteger(L, lua_Integer(try catchUp(records).count))
        return 1
    }
}

/// Makes a view of one number of all records. [-0, +0, –] never raises. The new view is on top.
@implementation @c
func lm_records_column(
    _ outcome: Outcome, _ records: UnsafePointer<mm_records>, _ field: mm_field, _ target: ViewPointer
) -> CInt {
    respond(outcome) { () throws(MapError) in
        target.pointee.elements = try MappedRecords(records.pointee).column(
            ElementType(code: mm_field_type(field)), at: mm_field_offset(field)
        ).elements
        return 1
    }
}

/// Makes records of one inner record of all records. [-0, +0, –] never raises. The new records are on top.
@implementation @c
func lm_records_inner(
    _ outcome: Outcome, _ records: UnsafePointer<mm_records>, _ offset: Int, _ size: Int,
    _ target: RecordsPointer
) -> CInt {
    respond(outcome) { () throws(MapError) in
        target.pointee.records = try MappedRecords(records.pointee).column(offset, size).records
        return 1
    }
}

/// Describes records, or one record, in any state, also closed or lost.
@implementation @c
func lm_describe_records(
    _ region: UnsafePointer<mm_region>, _ description: UnsafeMutablePointer<lm_description>
) {
    description.pointee = describe(region.pointee)
}
