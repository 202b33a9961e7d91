internal import CLua
internal import CLuaMap
internal import CMemoryMap
internal import MemoryMap
internal import Tables

typealias TablePointer = UnsafeMutablePointer<lm_table>
typealias FramePointer = UnsafeMutablePointer<lm_frame>
typealias RowsPointer = UnsafeMutablePointer<lm_rows>

/// As `respond`, for bodies of tables. Their errors may have texts, which the outcome cannot hold.
/// [-0, +n, –] uses no slots; never raises.
@inline(__always)
func respondTable(_ outcome: Outcome, _ body: () throws(TableError) -> CInt) -> CInt {
    do {
        try mapped { () throws(MapError) in try requireHeap() }
        return try body()
    } catch {
        outcome.fill(error)
        return CInt(LM_FAILED)
    }
}

extension UnsafeMutablePointer<lm_outcome> {
    /// [-0, +0, –] uses no slots; never raises.
    @inline(never)
    func fill(_ failure: TableError) {
        switch failure {
        case .map(let error, let path):
            fill(error)
            if let path { setPath(path) }
        case .data(let bytes):
            pointee = lm_outcome()
            pointee.kind = CInt(LM_MESSAGE)
            lm_error_message().pointee.set(bytes)
        case .groups(let error, let count):
            fill(error)
            if error.reason == .memoryLimit {
                pointee.text =
                    StaticString(
                        "%1 bytes more would be over the limit of --memory=%2; there are %3 groups so far: filter first, or group by fewer columns"
                    ).cString
                pointee.values.2 = Int64(count)
            } else {
                pointee.text =
                    StaticString(
                        "no memory is left; there are %1 groups so far: filter first, or group by fewer columns"
                    ).cString
                pointee.values.0 = Int64(count)
            }
        case .raised:
            pointee = lm_outcome()
            pointee.kind = CInt(LM_RAISED)
        // The interpreter needs no other.
        case .needsInterpreter: fill(TableError.interrupted)
        }
    }

    private func setPath(_ path: [UInt8]) {
        guard pointee.kind == LM_SYSTEM || pointee.kind == LM_LOST else { return }
        pointee.has_path = true
        lm_error_path().pointee.set(path)
    }
}

extension lm_error_text {
    fileprivate mutating func set(_ text: [UInt8]) {
        withUnsafeMutableBytes(of: &bytes) { room in
            count = Swift.min(text.count, room.count)
            for i in 0..<count { room[i] = text[i] }
        }
    }
}

/// The arguments of a call about tables. Every function here is [-0, +0, –]: it never raises, and leaves the stack as it
/// was; those that read lists use two slots, which the trampolines make sure of.
struct TableArguments {
    let state: LuaState

    init(_ state: LuaState) { self.state = state }

    private var plain: Arguments { Arguments(state) }

    /// The plan of the table at an argument.
    func table(_ index: CInt) throws(TableError) -> Table {
        guard let table = lm_table_at(state, index) else {
            throw TableError(MapError(type: "mmap.table", argument: index))
        }
        guard let object = table.pointee.object else { throw TableError("attempt to use a closed table") }
        return Unmanaged<Table>.fromOpaque(object).takeUnretainedValue()
    }

    func isAbsent(_ index: CInt) -> Bool { plain.isAbsent(index) }

    func integer(_ index: CInt) throws(TableError) -> Int {
        try mapped { () throws(MapError) in try plain.integer(index) }
    }

    /// The bytes of the string at an index; nil if it is none.
    func optionalBytes(_ index: CInt) -> [UInt8]? { plain.string(index).map { Array($0) } }

    func bytes(_ index: CInt) throws(TableError) -> [UInt8] {
        guard let bytes = optionalBytes(index) else {
            throw TableError(MapError(type: "string", argument: index))
        }
        return bytes
    }

    /// The number of the column whose name is at an argument.
    func column(_ index: CInt, of table: Table) throws(TableError) -> Int {
        try table.column(try bytes(index))
    }

    /// The columns whose names are at the arguments from `first` to `last`; with `orList`, or in a list at the only one of
    /// them.
    func columns(_ first: CInt, _ last: CInt, of table: Table, orList: Bool = false) throws(TableError)
        -> [Int]
    {
        var last = last
        while last >= first && isAbsent(last) { last &-= 1 }
        var columns: [Int] = []
        if orList, last == first, let names = try list(first) {
            for name in names { columns.append(try table.column(name)) }
            return columns
        }
        if last < first { return [] }
        for index in first...last { columns.append(try column(index, of: table)) }
        return columns
    }

    /// The strings of the list at an argument; nil if it is no table.
    func list(_ index: CInt) throws(TableError) -> [[UInt8]]? {
        guard lua_type(state, index) == LUA_TTABLE else { return nil }
        var strings: [[UInt8]] = []
        try forEach(index) { (element) throws(TableError) in
            guard let string = optionalBytes(-1) else { throw wrong("string", element, index) }
            strings.append(string)
        }
        return strings
    }

    /// Calls `body` for each element of the list at an absolute index, which is on top of the stack then.
    func forEach(_ index: CInt, _ body: (_ element: Int) throws(TableError) -> Void) throws(TableError) {
        // A finalizer may have modified the stack.
        guard lua_type(state, index) == LUA_TTABLE else { return }
        let count = Int(clamping: lua_rawlen(state, index))
        if count == 0 { return }
        for element in 1...count {
            lua_rawgeti(state, index, lua_Integer(element))
            // Nothing on this stack is to be closed, so this cannot raise.
            defer { lua_settop(state, -2) }
            try body(element)
        }
    }

    /// The error about an element, on top of the stack, of the list at an argument.
    func wrong(_ expected: String, _ element: Int, _ index: CInt) -> TableError {
        let found =
            switch lua_type(state, -1) {
            case LUA_TNIL: "nil"
            case LUA_TBOOLEAN: "a boolean"
            case LUA_TNUMBER: "a number"
            case LUA_TSTRING: "a string"
            case LUA_TTABLE: "a table"
            case LUA_TFUNCTION: "a function"
            default: "another value"
            }
        return TableError("element \(element) of the list: \(expected) expected, got \(found)")
    }
}

/// Puts the plan into the new table at an index. [-0, +0, –] never raises.
func fill(_ L: LuaState, _ target: CInt, _ table: Table) throws(TableError) {
    try table.requireReasonable()
    // A function of the script may have modified the stack.
    guard let place = lm_table_at(L, target), place.pointee.object == nil else {
        throw TableError("a function modified the stack")
    }
    place.pointee.object = Unmanaged.passRetained(table).toOpaque()
}

/// [-0, +0, –] uses no slots; never raises.
@implementation @c
func lm_table_release(_ table: TablePointer) {
    guard let object = table.pointee.object else { return }
    table.pointee.object = nil
    Unmanaged<Table>.fromOpaque(object).release()
}

/// A column's name and type. [-0, +0, –] uses no slots; never raises.
@implementation @c
func lm_table_column_at(
    _ table: UnsafePointer<lm_table>, _ column: Int32, _ found: UnsafeMutablePointer<lm_column>
) -> Bool {
    guard let object = table.pointee.object else { return false }
    return Unmanaged<Table>.fromOpaque(object).takeUnretainedValue().columns.describe(column, found)
}

extension [Column] {
    /// The name is in the array's memory, which its owner keeps.
    func describe(_ column: Int32, _ found: UnsafeMutablePointer<lm_column>) -> Bool {
        guard indices.contains(Int(column)) else { return false }
        let column = self[Int(column)]
        column.name.withUnsafeBytes { name in
            found.pointee.name = name.bindMemory(to: CChar.self).baseAddress
            found.pointee.count = name.count
        }
        found.pointee.type = column.type.name.cString
        return true
    }
}
