internal import CLua
internal import CLuaMap
internal import CMemoryMap
internal import MemoryMap
internal import Vectors

/// `r:sort(…)`; the trampoline has read the fields. [-0, +0, –] uses no slots; never raises.
@implementation @c
func lm_records_sort(
    _ L: LuaState, _ outcome: Outcome, _ fields: UnsafePointer<lm_sort_field>, _ count: Int
) -> CInt {
    respond(outcome) { () throws(MapError) in
        guard let target = lm_records_at(L, 1) else { throw MapError(type: "mmap.records", argument: 1) }
        let records = MappedRecords(target.pointee.records)
        let monitor = try Monitor(L, total: records.count)
        try records.sort(
            (0..<count).map { i in
                let field = fields[i].field
                return SortField(
                    mm_field_kind(field) == Int32(MM_NUMBER)
                        ? .number(ElementType(code: mm_field_type(field)))
                        : .characters(mm_field_count(field)),
                    at: mm_field_offset(field), isDescending: fields[i].is_descending)
            }, shouldContinue: monitor.shouldContinue)
        return 0
    }
}

/// `r:gather(order, source)`. [-0, +0, –] uses no slots; never raises. The trampoline has compared the
/// layouts.
@implementation @c
func lm_records_gather(_ L: LuaState, _ outcome: Outcome) -> CInt {
    respond(outcome) { () throws(MapError) in
        guard let target = lm_records_at(L, 1) else { throw MapError(type: "mmap.records", argument: 1) }
        guard let source = lm_records_at(L, 3) else { throw MapError(type: "mmap.records", argument: 3) }
        let order = try Arguments(L).elements(2)
        let records = MappedRecords(target.pointee.records)
        let monitor = try Monitor(L, total: records.count)
        do throws(MapError) {
            try records.gather(
                order, MappedRecords(source.pointee.records), shouldContinue: monitor.shouldContinue)
        } catch { throw gatherFailure(error) }
        return 0
    }
}
