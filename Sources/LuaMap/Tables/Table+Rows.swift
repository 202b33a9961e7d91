internal import CLua
internal import CLuaMap
internal import MemoryMap
internal import Tables

/// The rows of `t:rows()`, and what is read of them.
private final class OpenRows {
    private let run: Run
    private let lua: LuaRun
    private let reader: RowReader
    let vectors: UnsafeMutableBufferPointer<lm_vector>

    init(_ table: Table, _ L: LuaState, keep: CInt) throws(TableError) {
        (run, lua) = LuaRun.make(L, keep: keep)
        reader = try table.rows(run)
        vectors = .allocate(capacity: table.columns.count)
    }

    deinit { vectors.deallocate() }

    /// The number of rows of the next batch; 0 at the end.
    func next(_ L: LuaState, keep: CInt) throws(TableError) -> Int {
        lua.resume(L, keep: keep)
        guard let batch = try reader.next(run) else { return 0 }
        for (index, column) in reader.columns.enumerated() {
            guard let vector = batch.vectors[index] else { throw TableError("a column was not read") }
            vectors[index] = lm_vector(vector, column.type)
        }
        return batch.count
    }
}

/// `t:rows()`. [-0, +(0|1), –] never raises; after an error of a function it is on top.
@implementation @c
func lm_table_begin(_ L: LuaState, _ outcome: Outcome, _ keep: CInt, _ target: RowsPointer) -> CInt {
    respondTable(outcome) { () throws(TableError) in
        let rows = try OpenRows(try TableArguments(L).table(1), L, keep: keep)
        guard let place = lm_rows_at(L, keep &+ 1), place.pointee.object == nil else {
            throw TableError("a function modified the stack")
        }
        place.pointee.columns = Int32(truncatingIfNeeded: rows.vectors.count)
        place.pointee.vectors = UnsafePointer(rows.vectors.baseAddress)
        place.pointee.object = Unmanaged.passRetained(rows).toOpaque()
        return 0
    }
}

/// The next batch: 1, or 0 at the end. [-0, +(0|1), –] never raises; after an error of a function it is on top.
@implementation @c
func lm_rows_next(_ L: LuaState, _ outcome: Outcome, _ keep: CInt, _ index: CInt) -> CInt {
    guard let object = lm_rows_at(L, index)?.pointee.object else { return 0 }
    let rows = Unmanaged<OpenRows>.fromOpaque(object).takeUnretainedValue()
    return respondTable(outcome) { () throws(TableError) in
        var count = 0
        var failure: TableError?
        do throws(TableError) { count = try rows.next(L, keep: keep) } catch { failure = error }
        // A function of the script may have closed the rows, or modified the stack.
        if let place = lm_rows_at(L, index), place.pointee.object == object {
            (place.pointee.place, place.pointee.count) = (0, UInt32(truncatingIfNeeded: count))
            // After the end, and after an error, there are no more.
            if count == 0 { lm_rows_release(place) }
        } else {
            count = 0
        }
        if let failure { throw failure }
        return count > 0 ? 1 : 0
    }
}

/// [-0, +0, –] uses no slots; never raises.
@implementation @c
func lm_rows_release(_ rows: RowsPointer) {
    guard let object = rows.pointee.object else { return }
    (rows.pointee.object, rows.pointee.vectors, rows.pointee.place, rows.pointee.count) = (nil, nil, 0, 0)
    Unmanaged<OpenRows>.fromOpaque(object).release()
}
