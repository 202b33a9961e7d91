internal import CLua
internal import CLuaMap
internal import MemoryMap
internal import Tables

// Verbs: a table gives another one. Each body is [-0, +0, –] and never raises; it fills in the new table at `target`.

/// [-0, +0, –] never raises.
private func verb(
    _ L: LuaState, _ outcome: Outcome, _ target: CInt,
    _ body: (TableArguments, Table) throws(TableError) -> Table
) -> CInt {
    respondTable(outcome) { () throws(TableError) in
        let arguments = TableArguments(L)
        try fill(L, target, try body(arguments, try arguments.table(1)))
        return 1
    }
}

/// `t:with(name, f, columns…)`. [-0, +(0|1), –] never raises; after an error of the function it is on top.
@implementation @c
func lm_table_with(_ L: LuaState, _ outcome: Outcome, _ count: CInt, _ target: CInt, _ function: Int64)
    -> CInt
{
    verb(L, outcome, target) { (arguments, table) throws(TableError) in
        let name = try arguments.bytes(2)
        let columns = try arguments.columns(4, count, of: table)
        let (run, _) = LuaRun.make(L, keep: target &- 1)
        return try table.computed(name, function: Int(function), columns, run)
    }
}

/// `t:select(columns…)`. [-0, +0, –] never raises.
@implementation @c
func lm_table_select(_ L: LuaState, _ outcome: Outcome, _ count: CInt, _ target: CInt, _ function: Int64)
    -> CInt
{
    verb(L, outcome, target) { (arguments, table) throws(TableError) in
        let columns = try arguments.columns(2, count, of: table, orList: true)
        if columns.isEmpty {
            throw TableError(
                arguments.isAbsent(2)
                    ? MapError(type: "string or table", argument: 2)
                    : MapError("no column is named", argument: 2))
        }
        return try table.selecting(distinct: columns)
    }
}

extension Table {
    /// - Throws: If a column is named twice.
    fileprivate func selecting(distinct chosen: [Int]) throws(TableError) -> Table {
        var seen: Set<Int> = []
        for column in chosen where !seen.insert(column).inserted {
            throw TableError("column '\(shown(columns[column].name))' is named twice")
        }
        return selecting(chosen)
    }
}

/// `t:distinct(columns…)`; without names all columns. [-0, +0, –] never raises.
@implementation @c
func lm_table_distinct(
    _ L: LuaState, _ outcome: Outcome, _ count: CInt, _ target: CInt, _ function: Int64
) -> CInt {
    verb(L, outcome, target) { (arguments, table) throws(TableError) in
        let columns = try arguments.columns(2, count, of: table, orList: true)
        let chosen = columns.isEmpty ? Array(table.columns.indices) : columns
        return table.distinct(
            Array(chosen.indices.filter { chosen.firstIndex(of: chosen[$0]) == $0 }.map { chosen[$0] }))
    }
}

/// `t:rename(old, new)`. [-0, +0, –] never raises.
@implementation @c
func lm_table_rename(_ L: LuaState, _ outcome: Outcome, _ count: CInt, _ target: CInt, _ function: Int64)
    -> CInt
{
    verb(L, outcome, target) { (arguments, table) throws(TableError) in
        let column = try arguments.column(2, of: table)
        return try table.renaming(column, to: try arguments.bytes(3))
    }
}

/// `t:fill(column, value)`. [-0, +0, –] never raises.
@implementation @c
func lm_table_fill(_ L: LuaState, _ outcome: Outcome, _ count: CInt, _ target: CInt, _ function: Int64)
    -> CInt
{
    verb(L, outcome, target) { (arguments, table) throws(TableError) in
        let column = try arguments.column(2, of: table)
        return table.filling(column, try arguments.constant(3, for: table.columns[column], argument: 3))
    }
}

/// `t:sort(column [, "desc"])`, `t:sort { "a", "-b" }`. [-0, +0, –] never raises.
@implementation @c
func lm_table_sort(_ L: LuaState, _ outcome: Outcome, _ count: CInt, _ target: CInt, _ function: Int64)
    -> CInt
{
    verb(L, outcome, target) { (arguments, table) throws(TableError) in
        if let names = try arguments.list(2) {
            if !arguments.isAbsent(3) {
                throw TableError(
                    MapError("a list has '-' in front of each column that is to be descending", argument: 3))
            }
            if names.isEmpty { throw TableError(MapError("the list of columns is empty", argument: 2)) }
            return table.sorted(try table.sortKeys(names))
        }
        guard let name = arguments.optionalBytes(2) else {
            throw TableError(MapError(type: "string or table", argument: 2))
        }
        var keys = try table.sortKeys([name])
        if !arguments.isAbsent(3) {
            guard try arguments.bytes(3).elementsEqual("desc".utf8) else {
                throw TableError(MapError(unknown: "%s is not one of", of: "desc", argument: 3))
            }
            keys[0].isDescending = true
        }
        return table.sorted(keys)
    }
}

extension Table {
    /// Columns by their names; with `-` in front they are descending, unless a column's own name begins with it.
    fileprivate func sortKeys(_ names: [[UInt8]]) throws(TableError) -> [SortKey] {
        var keys: [SortKey] = []
        for name in names {
            let isPlain = columns.contains { $0.name == name } || name.first != UInt8(ascii: "-")
            keys.append(SortKey(try column(isPlain ? name : Array(name.dropFirst())), isDescending: !isPlain))
        }
        return keys
    }
}

extension TableArguments {
    /// A number of rows.
    fileprivate func count(_ index: CInt) throws(TableError) -> Int {
        let count = try integer(index)
        if count < 0 { throw TableError(MapError("%1 rows: the number is negative", argument: index, count)) }
        return count
    }
}

/// [-0, +0, –] never raises.
private func most(_ L: LuaState, _ outcome: Outcome, _ target: CInt, isDescending: Bool) -> CInt {
    verb(L, outcome, target) { (arguments, table) throws(TableError) in
        let count = try arguments.count(2)
        return table.top(count, SortKey(try arguments.column(3, of: table), isDescending: isDescending))
    }
}

/// `t:top(n, column)`. [-0, +0, –] never raises.
@implementation @c
func lm_table_top(_ L: LuaState, _ outcome: Outcome, _ count: CInt, _ target: CInt, _ function: Int64) -> CInt
{
    most(L, outcome, target, isDescending: true)
}

/// `t:bottom(n, column)`. [-0, +0, –] never raises.
@implementation @c
func lm_table_bottom(_ L: LuaState, _ outcome: Outcome, _ count: CInt, _ target: CInt, _ function: Int64)
    -> CInt
{
    most(L, outcome, target, isDescending: false)
}

/// `t:head(n)`. [-0, +0, –] never raises.
@implementation @c
func lm_table_head(_ L: LuaState, _ outcome: Outcome, _ count: CInt, _ target: CInt, _ function: Int64)
    -> CInt
{
    verb(L, outcome, target) { (arguments, table) throws(TableError) in table.head(try arguments.count(2)) }
}

/// `t:piece(k, n)`. [-0, +0, –] never raises.
@implementation @c
func lm_table_piece(_ L: LuaState, _ outcome: Outcome, _ count: CInt, _ target: CInt, _ function: Int64)
    -> CInt
{
    verb(L, outcome, target) { (arguments, table) throws(TableError) in
        let (k, n) = (try arguments.integer(2), try arguments.integer(3))
        if n < 1 {
            throw TableError(MapError("%1 pieces are out of range: there is one at least", argument: 3, n))
        }
        if k < 1 || k > n {
            throw TableError(MapError("piece %1 is out of range (1 to %2)", argument: 2, k, n))
        }
        return try table.piece(k, of: n)
    }
}

/// `t:append(other)`. [-0, +0, –] never raises.
@implementation @c
func lm_table_append(_ L: LuaState, _ outcome: Outcome, _ count: CInt, _ target: CInt, _ function: Int64)
    -> CInt
{
    verb(L, outcome, target) { (arguments, table) throws(TableError) in
        try table.appending(try arguments.table(2))
    }
}

/// `t:join(other, on [, kind])`; the trampoline has made `on` a name, or a list of pairs of names. [-0, +0, –] never
/// raises.
@implementation @c
func lm_table_join(_ L: LuaState, _ outcome: Outcome, _ count: CInt, _ target: CInt, _ function: Int64)
    -> CInt
{
    verb(L, outcome, target) { (arguments, table) throws(TableError) in
        let other = try arguments.table(2)
        var pairs: [(left: [UInt8], right: [UInt8])] = []
        if let names = try arguments.list(3) {
            for i in stride(from: 0, to: names.count &- 1, by: 2) { pairs.append((names[i], names[i &+ 1])) }
            // Pairs of a Lua table come in any order.
            pairs.sort { $0.left.lexicographicallyPrecedes($1.left) }
        } else {
            let name = try arguments.bytes(3)
            pairs = [(name, name)]
        }
        if pairs.isEmpty { throw TableError(MapError("there is no column to join on", argument: 3)) }
        var on: [(left: Int, right: Int)] = []
        for pair in pairs { on.append((try table.column(pair.left), try other.column(pair.right))) }
        var keepsLeft = false
        if !arguments.isAbsent(4) {
            let kind = try arguments.bytes(4)
            keepsLeft = kind.elementsEqual("left".utf8)
            if !keepsLeft && !kind.elementsEqual("inner".utf8) {
                throw TableError(MapError(unknown: "%s is not one of", of: "inner left", argument: 4))
            }
        }
        return try table.joined(other, on: on, keepsLeft: keepsLeft)
    }
}
