internal import CLua
internal import CLuaMap
internal import CMemoryMap
internal import Glibc
internal import MemoryMap
internal import Tables

// Results of tables. The bodies get the index of the Lua table of what the plan keeps: its functions.

/// What a userdata of rows holds.
private final class FrameHolder {
    private let frame: Frame?
    let text: [UInt8]
    let columns: [Column]
    let vectors: UnsafeMutableBufferPointer<lm_vector>
    private let memory: [Memory]

    private init(
        _ frame: Frame?, _ columns: [Column], _ vectors: [lm_vector], text: [UInt8] = [],
        memory: [Memory] = []
    ) {
        (self.frame, self.columns, self.text, self.memory) = (frame, columns, text, memory)
        self.vectors = .allocate(capacity: vectors.count)
        _ = self.vectors.initialize(from: vectors)
    }

    deinit { vectors.deallocate() }

    /// Some columns of a frame; of all its rows.
    convenience init(_ frame: Frame, _ chosen: [Int]) {
        var vectors: [lm_vector] = []
        for index in chosen {
            // A frame without rows may have no values either.
            let none = Vector(UnsafeMutableRawPointer(bitPattern: 16).unsafelyUnwrapped)
            vectors.append(lm_vector(frame.vector(index) ?? none, frame.columns[index].type))
        }
        self.init(frame, chosen.map { frame.columns[$0] }, vectors)
    }

    convenience init(text: [UInt8]) { self.init(nil, [], [], text: text) }

    /// Cells of any types; strings are copied.
    convenience init(cells: [Table.Value?]) throws(TableError) {
        let memory = try Memory(cells.count &* MemoryLayout<Text>.stride &+ 1)
        let arena = try Memory(
            cells.reduce(1) { size, cell in
                if case .string(let bytes) = cell { size &+ bytes.count } else { size }
            })
        let places = memory.bound(to: Text.self)
        var strings = arena.bound(to: UInt8.self)
        var vectors: [lm_vector] = []
        for (index, cell) in cells.enumerated() {
            let place = UnsafeMutableRawPointer(places + index)
            let word = place.assumingMemoryBound(to: UInt64.self)
            var type = ColumnType.integer
            switch cell {
            case .string(let bytes):
                for i in bytes.indices { strings[i] = bytes[i] }
                places[index] = Text(strings, bytes.count)
                strings += bytes.count
                type = .string
            case .number(let value): (word.pointee, type) = (value.bitPattern, .number)
            case .integer(let value): word.pointee = UInt64(bitPattern: value)
            case .u64(let value): word.pointee = value
            case .boolean(let value): (word.pointee, type) = (value ? 1 : 0, .boolean)
            case nil: word.pointee = 0
            }
            var vector = lm_vector(Vector(place), type)
            if cell == nil { vector.kind = Int32(LM_CELL_NIL) }
            vectors.append(vector)
        }
        self.init(nil, [], vectors, memory: [memory, arena])
    }

    /// Puts the rows into the userdata.
    func fill(_ target: FramePointer, count: Int, columns: Int) {
        target.pointee.object = Unmanaged.passRetained(self).toOpaque()
        target.pointee.vectors = UnsafePointer(vectors.baseAddress)
        target.pointee.count = count
        target.pointee.columns = Int32(truncatingIfNeeded: columns)
    }
}

/// The frame at an index. A function of the script may have modified the stack.
private func frame(_ L: LuaState, _ index: CInt) throws(TableError) -> FramePointer {
    guard let frame = lm_frame_at(L, index), frame.pointee.object == nil else {
        throw TableError("a function modified the stack")
    }
    return frame
}

/// [-0, +0, –] uses no slots; never raises.
@implementation @c
func lm_frame_release(_ frame: FramePointer) {
    guard let object = frame.pointee.object else { return }
    (frame.pointee.object, frame.pointee.vectors, frame.pointee.count, frame.pointee.columns) = (
        nil, nil, 0, 0
    )
    Unmanaged<FrameHolder>.fromOpaque(object).release()
}

/// A column's name and type. [-0, +0, –] uses no slots; never raises.
@implementation @c
func lm_frame_column_at(
    _ frame: UnsafePointer<lm_frame>, _ column: Int32, _ found: UnsafeMutablePointer<lm_column>
) -> Bool {
    guard let object = frame.pointee.object else { return false }
    return Unmanaged<FrameHolder>.fromOpaque(object).takeUnretainedValue().columns.describe(column, found)
}

/// [-0, +0, –] uses no slots; never raises.
@implementation @c
func lm_frame_text(
    _ frame: UnsafePointer<lm_frame>, _ bytes: UnsafeMutablePointer<UnsafePointer<CChar>?>,
    _ count: UnsafeMutablePointer<Int>
) -> Bool {
    guard let object = frame.pointee.object else { return false }
    Unmanaged<FrameHolder>.fromOpaque(object).takeUnretainedValue().text.withUnsafeBytes { text in
        bytes.pointee = text.bindMemory(to: CChar.self).baseAddress
        count.pointee = text.count
    }
    return bytes.pointee != nil
}

/// `t:totable()`; with the index of a column's name, `t:list(name)`. The frame is above what the plan keeps.
/// [-0, +(0|1), –] never raises; after an error of a function it is on top.
@implementation @c
func lm_table_collect(
    _ L: LuaState, _ outcome: Outcome, _ keep: CInt, _ name: CInt, _ target: FramePointer
) -> CInt {
    respondTable(outcome) { () throws(TableError) in
        let arguments = TableArguments(L)
        let table = try arguments.table(1)
        var chosen = Array(table.columns.indices)
        if name > 0 { chosen = [try arguments.column(name, of: table)] }
        let rows = try LuaRun.answer(L, keep: keep) { (run) throws(TableError) in
            try table.collect(run, wanted: table.wanting(chosen))
        }
        FrameHolder(rows, chosen).fill(try frame(L, keep &+ 1), count: rows.count, columns: chosen.count)
        return 0
    }
}

extension Table {
    fileprivate func wanting(_ chosen: [Int]) -> [Bool] {
        var wanted = Array(repeating: false, count: columns.count)
        for column in chosen { wanted[column] = true }
        return wanted
    }
}

/// `t:describe()`: for each column its name and nine values. [-0, +(0|1), –] never raises; after an error of a function
/// it is on top.
@implementation @c
func lm_table_describe(_ L: LuaState, _ outcome: Outcome, _ keep: CInt, _ target: FramePointer) -> CInt {
    respondTable(outcome) { () throws(TableError) in
        let table = try TableArguments(L).table(1)
        var cells: [Table.Value?] = []
        let description = try LuaRun.answer(L, keep: keep) { (run) throws(TableError) in
            try table.description(run)
        }
        for column in description {
            cells += [
                .string(column.column.name), .string(Array("\(column.column.type.name)".utf8)),
                .integer(Int64(column.count)), .integer(Int64(column.nulls)), column.min, column.max,
                column.mean.map { .number($0) }, column.stddev.map { .number($0) },
                column.median.map { .number($0) }, .integer(Int64(column.distinct)),
            ]
        }
        try FrameHolder(cells: cells).fill(try frame(L, keep &+ 1), count: 1, columns: cells.count)
        return 0
    }
}

/// `t:count()`. [-0, +1, –] never raises; after an error of a function it is on top.
@implementation @c
func lm_table_count_rows(_ L: LuaState, _ outcome: Outcome, _ keep: CInt) -> CInt {
    respondTable(outcome) { () throws(TableError) in
        let table = try TableArguments(L).table(1)
        let count = try LuaRun.answer(L, keep: keep) { (run) throws(TableError) in try table.count(run) }
        lua_pushinteger(L, lua_Integer(count))
        return 1
    }
}

/// `t:skipped()`. [-0, +1, –] never raises.
@implementation @c
func lm_table_skipped_rows(_ L: LuaState, _ outcome: Outcome) -> CInt {
    respondTable(outcome) { () throws(TableError) in
        lua_pushinteger(L, lua_Integer(try TableArguments(L).table(1).skipped))
        return 1
    }
}

/// `t:explain()`. [-0, +0, –] never raises.
@implementation @c
func lm_table_explanation(_ L: LuaState, _ outcome: Outcome, _ target: FramePointer) -> CInt {
    respondTable(outcome) { () throws(TableError) in
        let text = try TableArguments(L).table(1).explanation()
        FrameHolder(text: text).fill(target, count: 0, columns: 0)
        return 0
    }
}

/// `t:column(name)`. [-0, +0, –] never raises; after an error of a function it is on top. The new view is on top, and the
/// buffer that owns its memory below it.
@implementation @c
func lm_table_make_column(
    _ L: LuaState, _ outcome: Outcome, _ keep: CInt, _ buffer: BufferPointer, _ target: ViewPointer
) -> CInt {
    respondTable(outcome) { () throws(TableError) in
        let arguments = TableArguments(L)
        let table = try arguments.table(1)
        let index = try arguments.column(2, of: table)
        let column = table.columns[index]
        let type: ElementType
        switch column.type {
        case .string:
            throw TableError(
                "column '\(shown(column.name))' is string, and a view has numbers; t:list gives strings")
        case .number, .time: type = .float64
        case .integer, .boolean: type = .int64
        case .u64: type = .uint64
        }
        let rows = try LuaRun.answer(L, keep: keep) { (run) throws(TableError) in
            try table.collect(run, wanted: table.wanting([index]))
        }
        let vector = rows.vector(index)
        if let nulls = vector?.nulls, type != .float64 {
            for row in 0..<rows.count where nulls[row] != 0 {
                throw TableError(
                    "column '\(shown(column.name))' is null in row \(row), and integers have no null; use t:fill, or the type number"
                )
            }
        }
        // A function of the script may have modified the stack.
        guard lm_view_at(L, -1) == target, lm_buffer_at(L, -2) == buffer else {
            throw TableError("a function modified the stack")
        }
        try mapped { () throws(MapError) in
            try filling(buffer, target) { () throws(MapError) in
                let elements = try makeElements(type, rows.count, buffer, target)
                guard let vector, let base = elements.elements.region.base, rows.count > 0 else { return }
                memcpy(base, vector.values, rows.count &* 8)
                guard let nulls = vector.nulls else { return }
                let values = UnsafeMutableRawPointer(base).bindMemory(to: Double.self, capacity: rows.count)
                for row in 0..<rows.count where nulls[row] != 0 { values[row] = .nan }
            }
        }
        return 1
    }
}

/// The text of `tostring(t)`. [-0, +(0|1), –] never raises; after an error of a function it is on top.
@implementation @c
func lm_table_text(
    _ L: LuaState, _ outcome: Outcome, _ keep: CInt, _ columns: CInt, _ is_unicode: Bool,
    _ target: FramePointer
) -> CInt {
    respondTable(outcome) { () throws(TableError) in
        let table = try TableArguments(L).table(1)
        let (rows, total, source) = try LuaRun.answer(L, keep: keep) { (run) throws(TableError) in
            try table.preview(run, limit: 20)
        }
        let text = AlignedText(table.columns, width: columns > 0 ? Int(columns) : nil, isUnicode: is_unicode)
        let bytes = try text.bytes(rows, total: total, hasMore: total == nil)
        withExtendedLifetime(source) {}
        FrameHolder(text: bytes).fill(try frame(L, keep &+ 1), count: 0, columns: 0)
        return 0
    }
}
