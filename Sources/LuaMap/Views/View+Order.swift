internal import CLua
internal import CLuaMap
internal import CMemoryMap
internal import MemoryMap

// Sorting, quantiles, and running computations (cumsum, diff, rolling).

/// `v:sort(["desc"])`: the view itself. [-0, +1, –] uses one slot; never raises.
@implementation @c
func lm_view_sort(_ L: LuaState, _ outcome: Outcome) -> CInt {
    respond(outcome) { () throws(MapError) in
        _ = try Arguments(L).view(1)
        let isDescending = try Arguments(L).isDescending(2)
        try work(L) { (elements, monitor) throws(MapError) in
            try elements.sort(isDescending: isDescending, shouldContinue: monitor.shouldContinue)
        }
        lua_pushvalue(L, 1)
        return 1
    }
}

/// `v:dedup()`. [-0, +1, –] uses one slot; never raises.
@implementation @c
func lm_view_dedup(_ L: LuaState, _ outcome: Outcome) -> CInt {
    respond(outcome) { () throws(MapError) in
        _ = try Arguments(L).view(1)
        let left = try work(L) { (elements, monitor) throws(MapError) in
            try elements.removeDuplicates(shouldContinue: monitor.shouldContinue)
        }
        lua_pushinteger(L, lua_Integer(left))
        return 1
    }
}

/// `v:gather(order, source)`: the view itself. [-0, +1, –] uses one slot; never raises.
@implementation @c
func lm_view_gather(_ L: LuaState, _ outcome: Outcome) -> CInt {
    respond(outcome) { () throws(MapError) in
        let arguments = Arguments(L)
        let elements = try arguments.elements(1)
        let order = try arguments.elements(2)
        let source = try arguments.elements(3)
        let monitor = try Monitor(L, total: elements.count)
        do throws(MapError) {
            try elements.gather(order, source, shouldContinue: monitor.shouldContinue)
        } catch { throw gatherFailure(error) }
        lua_pushvalue(L, 1)
        return 1
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

/// The error of an index that is out of range names its element in the order.
private func gatherFailure(_ error: MapError) -> MapError {
    error.kind == .valueOutOfRange ? MapError(error, element: error.values.1, argument: 2) : error
}

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

/// `v:quantile(q [, "skipnan"])`: see lm_reduce.h. [-0, +0, –] uses no slots; never raises.
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

/// Makes elements in new, zeroed memory, and stores them in the new buffer and the new view.
private func makeElements(
    _ type: ElementType, _ count: Int, _ buffer: BufferPointer, _ target: ViewPointer
) throws(MapError) -> MappedElements {
    let (bytes, isOverflow) = count.multipliedReportingOverflow(by: type.byteCount)
    buffer.pointee.region = try mapRegion(
        length: isOverflow ? Int.max : max(1, bytes), protection: [.read, .write],
        flags: [.anonymous, .private], descriptor: -1, offset: 0)
    let elements = try MappedBytes(buffer.pointee.region).elements(type, 0, count: count)
    target.pointee.elements = elements.elements
    return elements
}

/// Runs work on new memory, and unmaps it at once if the work fails. [-0, +0, –] uses no slots; never raises.
private func filling(
    _ buffer: BufferPointer, _ target: ViewPointer, _ body: () throws(MapError) -> Void
) throws(MapError) {
    do throws(MapError) { try body() } catch {
        let region = buffer.pointee.region
        (buffer.pointee.region, target.pointee.elements.region) = (.closed, .closed)
        if region.isWhole { unmapRegion(region) }
        throw error
    }
}

/// `v:argsort(["desc"])`. [-0, +0, –] uses no slots; never raises. The new view is on top.
@implementation @c
func lm_view_argsort(
    _ L: LuaState, _ outcome: Outcome, _ buffer: BufferPointer, _ target: ViewPointer
) -> CInt {
    respond(outcome) { () throws(MapError) in
        _ = try Arguments(L).view(1)
        let isDescending = try Arguments(L).isDescending(2)
        try filling(buffer, target) { () throws(MapError) in
            try work(L) { (elements, monitor) throws(MapError) in
                let result = try makeElements(.uint64, elements.count, buffer, target)
                guard elements.count > 0, let base = result.elements.region.base else { return }
                let order = UnsafeMutableRawPointer(base).bindMemory(
                    to: UInt64.self, capacity: elements.count)
                try elements.argsort(
                    into: order, isDescending: isDescending, shouldContinue: monitor.shouldContinue)
                try result.checkIntact()
            }
        }
        return 1
    }
}

extension Arguments {
    /// The operation, `cumsum`, `diff`, or `rolling`, and the argument number of its target.
    fileprivate func running(_ operation: CInt) throws(MapError) -> (operation: RunningOperation, into: Int32)
    {
        switch operation {
        case CInt(LM_CUMSUM): return (.sums, 2)
        case CInt(LM_DIFF): return (.differences, 2)
        default:
            guard let name = string(2) else { throw MapError(type: "string", argument: 2) }
            let rolling: RollingOperation
            if name.elementsEqual("sum".utf8) {
                rolling = .sum
            } else if name.elementsEqual("mean".utf8) {
                rolling = .mean
            } else if name.elementsEqual("min".utf8) {
                rolling = .least
            } else if name.elementsEqual("max".utf8) {
                rolling = .greatest
            } else {
                throw MapError("not one of sum mean min max", argument: 2)
            }
            return (.rolling(rolling, try integer(3)), 4)
        }
    }

    fileprivate func resultCount(_ operation: RunningOperation) throws(MapError) -> Int {
        let count = try elements(1).count
        return try about(3) { () throws(MapError) in try operation.resultCount(count) }
    }
}

/// [-0, +0, –] uses no slots; never raises.
private func run(_ L: LuaState, _ operation: RunningOperation, _ target: MappedElements) throws(MapError) {
    let elements = try Arguments(L).elements(1)
    let monitor = try Monitor(L, total: elements.count)
    do throws(MapError) {
        try elements.run(operation, into: target, shouldContinue: monitor.shouldContinue)
    } catch {
        throw error.kind == .valueOutOfRange ? MapError(error, element: error.values.1) : error
    }
}

/// `v:cumsum(into)` and its like: the target. [-0, +1, –] uses one slot; never raises.
@implementation @c
func lm_view_run_into(_ L: LuaState, _ outcome: Outcome, _ operation: CInt) -> CInt {
    respond(outcome) { () throws(MapError) in
        let arguments = Arguments(L)
        let (operation, into) = try arguments.running(operation)
        let target = try arguments.elements(into)
        _ = try arguments.resultCount(operation)
        try run(L, operation, target)
        lua_pushvalue(L, into)
        return 1
    }
}

/// `v:cumsum()` and its like. [-0, +0, –] uses no slots; never raises. The new view is on top.
@implementation @c
func lm_view_run(
    _ L: LuaState, _ outcome: Outcome, _ operation: CInt, _ buffer: BufferPointer,
    _ target: ViewPointer
) -> CInt {
    respond(outcome) { () throws(MapError) in
        let arguments = Arguments(L)
        let (operation, _) = try arguments.running(operation)
        var elements = try arguments.elements(1)
        try elements.refresh()
        let count = try arguments.resultCount(operation)
        try filling(buffer, target) { () throws(MapError) in
            let result = try makeElements(operation.resultType(elements.type), count, buffer, target)
            try run(L, operation, result)
        }
        return 1
    }
}

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
