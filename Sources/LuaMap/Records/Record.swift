internal import CLua
internal import CLuaMap
internal import CMemoryMap
internal import MemoryMap

// The fields of one record, by name. A table, which is an upvalue of the metamethod, maps each name to its
// field as one integer, so that an access costs one look-up. A hot path, under the rules of
// Buffer+Index.swift.

/// `r[i].name`. [-0, +1, –] uses one slot; never raises. LM_BYTES for a string, LM_PART for an array or a
/// record.
@implementation @c
func lm_record_index(_ L: LuaState, _ outcome: Outcome) -> CInt {
    guard let record = lm_record_at(L, 1) else { return notARecord(outcome) }
    // debug.setupvalue can replace the upvalue, so its type is checked.
    guard lua_type(L, 2) == LUA_TSTRING, lua_type(L, CInt(LM_UPVALUE_1)) == LUA_TTABLE else {
        return notAName(outcome)
    }
    lua_pushvalue(L, 2)
    let meaning = lua_rawget(L, CInt(LM_UPVALUE_1))
    if meaning == LUA_TNUMBER {
        let field = mm_field(bitPattern: lua_tointegerx(L, -1, nil))
        if let place = mm_place_of_field(&record.pointee.region, field),
            mm_is_readable(&record.pointee.region)
        {
            let type = mm_field_type(field)
            let bits = mm_load_number(place, type)
            if mm_was_intact(&record.pointee.region) {
                push(bits, type, L)
                return 1
            }
        }
        return slowField(L, outcome, record, field)
    }
    return meaning == LUA_TNIL ? CInt(LM_NO_FIELD) : 1
}

/// `r[i].name = value`. [-0, +1, –] uses one slot; never raises. LM_PART for an array or a record.
@implementation @c
func lm_record_newindex(_ L: LuaState, _ outcome: Outcome) -> CInt {
    guard let record = lm_record_at(L, 1) else { return notARecord(outcome) }
    guard lua_type(L, 2) == LUA_TSTRING, lua_type(L, CInt(LM_UPVALUE_1)) == LUA_TTABLE else {
        return notAName(outcome)
    }
    lua_pushvalue(L, 2)
    guard lua_rawget(L, CInt(LM_UPVALUE_1)) == LUA_TNUMBER else { return CInt(LM_NO_FIELD) }
    let field = mm_field(bitPattern: lua_tointegerx(L, -1, nil))
    if lua_type(L, 3) == LUA_TNUMBER, let place = mm_place_of_field(&record.pointee.region, field),
        mm_is_writable(&record.pointee.region)
    {
        let type = mm_field_type(field)
        let isFloat = type & Int32(MM_FLOAT) != 0
        if isFloat || lua_isinteger(L, 3) != 0 {
            let bits =
                isFloat
                ? lua_tonumberx(L, 3, nil).bitPattern : UInt64(bitPattern: lua_tointegerx(L, 3, nil))
            if mm_fits(type, bits) {
                mm_store_number(place, type, bits)
                if mm_was_intact(&record.pointee.region) { return 0 }
            }
        }
    }
    return slowAssignField(L, outcome, record, field)
}

// The slow path: the field is not a number, the handle is not current and needs an update, or the access is
// an error.

@inline(never)
private func notARecord(_ outcome: Outcome) -> CInt {
    outcome.fill(MapError(type: "mmap.record", argument: 1))
    return CInt(LM_FAILED)
}

@inline(never)
private func notAName(_ outcome: Outcome) -> CInt {
    outcome.fill(MapError(misuse: "a field of a record is accessed by its name, a string"))
    return CInt(LM_FAILED)
}

/// Whether a field is an array or a record, which only the trampoline can make or assign.
private func isComposed(_ field: mm_field) -> Bool { mm_field_kind(field) >= Int32(MM_NUMBERS) }

private func catchUp(_ record: RecordPointer) throws(MapError) -> MappedBytes {
    var bytes = MappedBytes(record.pointee.region)
    try bytes.refresh()
    record.pointee.region = bytes.region
    return bytes
}

@inline(never)
private func slowField(_ L: LuaState, _ outcome: Outcome, _ record: RecordPointer, _ field: mm_field) -> CInt
{
    respond(outcome) { () throws(MapError) in
        let bytes = try catchUp(record)
        if isComposed(field) {
            outcome.pointee.values.0 = Int64(bitPattern: field)
            return CInt(LM_PART)
        }
        return try load(L, outcome, bytes, mm_field_offset(field), field)
    }
}

@inline(never)
private func slowAssignField(
    _ L: LuaState, _ outcome: Outcome, _ record: RecordPointer, _ field: mm_field
) -> CInt {
    respond(outcome) { () throws(MapError) in
        let bytes = try catchUp(record)
        if isComposed(field) {
            outcome.pointee.values.0 = Int64(bitPattern: field)
            return CInt(LM_PART)
        }
        try store(L, bytes, mm_field_offset(field), field, 3)
        return 0
    }
}

/// Pushes a number, or returns LM_BYTES for a string. [-0, +1, –] uses one slot; never raises.
private func load(
    _ L: LuaState, _ outcome: Outcome, _ bytes: MappedBytes, _ offset: Int, _ field: mm_field
) throws(MapError) -> CInt {
    if mm_field_kind(field) == Int32(MM_NUMBER) {
        let type = ElementType(code: mm_field_type(field))
        push(try bytes.load(type, at: offset), L)
        return 1
    }
    let (current, range) = try bytes.readable(offset, mm_field_count(field))
    outcome.pointee.bytes = range.baseAddress?.assumingMemoryBound(to: UInt8.self)
    outcome.pointee.count = mm_field_kind(field) == Int32(MM_BYTES) ? range.count : countWithoutZeros(range)
    outcome.pointee.source = current.region
    return CInt(LM_BYTES)
}

/// Writes the number or string at an index. [-0, +0, –] uses no slots; never raises.
private func store(
    _ L: LuaState, _ bytes: MappedBytes, _ offset: Int, _ field: mm_field, _ index: Int32
) throws(MapError) {
    let arguments = Arguments(L)
    if mm_field_kind(field) == Int32(MM_NUMBER) {
        guard let value = arguments.number(index) else { throw MapError(misuse: "number expected") }
        let type = ElementType(code: mm_field_type(field))
        try bytes.store(value, as: type, at: offset)
        return
    }
    guard let text = arguments.string(index) else { throw MapError(misuse: "string expected") }
    let size = mm_field_count(field)
    if mm_field_kind(field) == Int32(MM_BYTES) && text.count != size {
        throw MapError(misuse: "string of %1 bytes expected, got %2 bytes", size, text.count)
    }
    try bytes.store(text, at: offset, size: size)
}

/// See lm_record.h. [-0, +1, –] uses one slot; never raises.
@implementation @c
func lm_field_load(
    _ L: LuaState, _ outcome: Outcome, _ record: UnsafePointer<mm_region>, _ offset: Int, _ field: mm_field
) -> CInt {
    respond(outcome) { () throws(MapError) in
        try load(L, outcome, MappedBytes(record.pointee), offset &+ mm_field_offset(field), field)
    }
}

/// See lm_record.h. [-0, +0, –] uses no slots; never raises.
@implementation @c
func lm_field_store(
    _ L: LuaState, _ outcome: Outcome, _ record: UnsafePointer<mm_region>, _ offset: Int, _ field: mm_field,
    _ value: CInt
) -> CInt {
    respond(outcome) { () throws(MapError) in
        try store(L, MappedBytes(record.pointee), offset &+ mm_field_offset(field), field, value)
        return 0
    }
}

/// Makes a view of a field that is an array of numbers. [-0, +0, –] never raises. The new view is on top.
@implementation @c
func lm_record_view(
    _ outcome: Outcome, _ record: UnsafePointer<mm_region>, _ field: mm_field, _ target: ViewPointer
) -> CInt {
    respond(outcome) { () throws(MapError) in
        target.pointee.elements = try MappedBytes(record.pointee).elements(
            ElementType(code: mm_field_type(field)), mm_field_offset(field), count: mm_field_count(field)
        ).elements
        return 1
    }
}

/// Makes a record of a field that is a record. [-0, +0, –] never raises. The new record is on top.
@implementation @c
func lm_record_inner(
    _ outcome: Outcome, _ record: UnsafePointer<mm_region>, _ field: mm_field, _ size: Int,
    _ target: RecordPointer
) -> CInt {
    respond(outcome) { () throws(MapError) in
        target.pointee.region = try MappedBytes(record.pointee).slice(mm_field_offset(field), size).region
        return 1
    }
}

/// Makes records of a field that is an array of records. [-0, +0, –] never raises. The new records are on
/// top.
@implementation @c
func lm_record_records(
    _ outcome: Outcome, _ record: UnsafePointer<mm_region>, _ field: mm_field, _ size: Int,
    _ target: RecordsPointer
) -> CInt {
    respond(outcome) { () throws(MapError) in
        target.pointee.records = try MappedBytes(record.pointee).records(
            size: size, mm_field_offset(field), count: mm_field_count(field)
        ).records
        return 1
    }
}
