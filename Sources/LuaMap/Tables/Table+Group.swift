internal import CLua
internal import CLuaMap
internal import Glibc
internal import MemoryMap
internal import Tables

/// `t:group(keys, aggregates)`. [-0, +0, –] never raises.
@implementation @c
func lm_table_group(_ L: LuaState, _ outcome: Outcome, _ count: CInt, _ target: CInt, _ function: Int64)
    -> CInt
{
    respondTable(outcome) { () throws(TableError) in
        let arguments = TableArguments(L)
        let table = try arguments.table(1)
        var keys: [Grouping.Key] = []
        if let names = try arguments.list(2) {
            for name in names { keys.append(try table.key(name)) }
        } else {
            guard let name = arguments.optionalBytes(2) else {
                throw TableError(MapError(type: "string or table", argument: 2))
            }
            keys = [try table.key(name)]
        }
        let aggregates = try arguments.aggregates(3, of: table)
        if keys.isEmpty && aggregates.isEmpty {
            throw TableError(MapError("there are neither keys nor aggregates", argument: 3))
        }
        try fill(L, target, try table.grouped(Grouping(keys: keys, aggregates: aggregates)))
        return 1
    }
}

extension Table {
    /// A column, or one of times that are rounded down: `"hour ts"`.
    fileprivate func key(_ name: [UInt8]) throws(TableError) -> Grouping.Key {
        if let index = columns.firstIndex(where: { $0.name == name }) {
            return Grouping.Key(index, name: name)
        }
        let units: [(StaticString, TimeUnit)] = [
            ("hour ", .hour), ("day ", .day), ("month ", .month), ("year ", .year),
        ]
        for (word, unit) in units where name.starts(with: word) {
            return Grouping.Key(
                try column(Array(name.dropFirst(word.utf8CodeUnitCount))), unit: unit, name: name)
        }
        return Grouping.Key(try column(name), name: name)
    }
}

extension [UInt8] {
    func starts(with word: StaticString) -> Bool {
        count >= word.utf8CodeUnitCount
            && (0..<word.utf8CodeUnitCount).allSatisfy { self[$0] == word.utf8Start[$0] }
    }

    /// The part before the last blank, and the one after it.
    var cutAtLastBlank: (head: [UInt8], tail: [UInt8])? {
        guard let blank = lastIndex(of: 32) else { return nil }
        return (Array(self[..<blank]).trimmed, Array(self[(blank + 1)...]))
    }

    /// Without blanks at its ends.
    var trimmed: [UInt8] {
        guard let first = firstIndex(where: { $0 != 32 }), let last = lastIndex(where: { $0 != 32 }) else {
            return []
        }
        return Array(self[first...last])
    }
}

extension Aggregate.Function {
    fileprivate init?(word: some Sequence<UInt8>) {
        // `nulls` is for t:describe.
        let known = Self.allCases.first { $0 != .nulls && word.elementsEqual("\($0)".utf8) }
        guard let known else { return nil }
        self = known
    }

    fileprivate static func named(_ word: [UInt8]) throws(TableError) -> Aggregate.Function {
        if let function = Aggregate.Function(word: word) { return function }
        let names = allCases.filter { $0 != .nulls }.map { "\($0)" }
        throw TableError("'\(shown(word))' is no aggregate; they are " + names.joined(separator: " "))
    }
}

extension TableArguments {
    /// The aggregates at an argument: a list of strings and tables, or one string.
    fileprivate func aggregates(_ index: CInt, of table: Table) throws(TableError) -> [Aggregate] {
        if let text = optionalBytes(index) { return [try aggregate(text, of: table)] }
        guard lua_type(state, index) == LUA_TTABLE else {
            throw TableError(MapError(type: "string or table", argument: index))
        }
        var aggregates: [Aggregate] = []
        try forEach(index) { (element) throws(TableError) in
            if let text = optionalBytes(-1) {
                aggregates.append(try aggregate(text, of: table))
            } else if lua_type(state, -1) == LUA_TTABLE {
                aggregates.append(try aggregateInParts(lua_gettop(state), of: table))
            } else {
                throw wrong("an aggregate, such as \"sum x\",", element, index)
            }
        }
        return aggregates
    }

    /// `"count"`, `"sum x"`, `"quantile x 0.95"`, each perhaps with `" as name"`.
    private func aggregate(_ text: [UInt8], of table: Table) throws(TableError) -> Aggregate {
        let written = text.trimmed
        let end = written.firstIndex(of: 32) ?? written.endIndex
        let function = try Aggregate.Function.named(Array(written[..<end]))
        var rest = Array(written[end...]).trimmed
        var name = written
        // A column's own name wins over what looks like a part of the aggregate.
        let isWhole = function != .quantile && table.columns.contains { $0.name == rest }
        let mark = Array(" as ".utf8)
        if !isWhole, rest.count >= 3 {
            let padded = [32] + rest
            let places = (0...max(0, padded.count - 4)).filter {
                padded.count - $0 >= 4 && Array(padded[$0..<$0 + 4]) == mark
            }
            if let place = places.last {
                name = Array(padded[(place + 4)...]).trimmed
                rest = Array(padded[..<place]).trimmed
            }
        }
        if function == .count {
            if !rest.isEmpty { throw TableError("count counts rows and takes no column: \"count\"") }
            return Aggregate(.count, nil, name: name)
        }
        if rest.isEmpty { throw TableError("\(function) needs a column: \"\(function) x\"") }
        var q: Double?
        if function == .quantile {
            guard let (column, part) = rest.cutAtLastBlank,
                let value = Double(String(decoding: part, as: UTF8.self))
            else { throw TableError("quantile needs a column and a number from 0 to 1: \"quantile x 0.95\"") }
            (rest, q) = (column, try checked(value))
        }
        return Aggregate(function, try table.column(rest), q: q ?? 0.5, name: name)
    }

    private func checked(_ q: Double) throws(TableError) -> Double {
        guard q >= 0 && q <= 1 else { throw TableError("quantile \(q) is out of range (0 to 1)") }
        return q
    }

    /// `{ "sum", "First Name", as = "s" }`: the table at an absolute index.
    private func aggregateInParts(_ index: CInt, of table: Table) throws(TableError) -> Aggregate {
        var words: [[UInt8]] = []
        var q: Double?
        var numeral: [UInt8] = []
        try forEach(index) { (element) throws(TableError) in
            if element == 3, lua_type(state, -1) == LUA_TNUMBER {
                q = try checked(lua_tonumberx(state, -1, nil))
                numeral = q.map { digits($0) } ?? []
                return
            }
            guard element <= 2, let word = optionalBytes(-1) else {
                throw TableError(
                    "an aggregate in parts is { function, column }, or { \"quantile\", column, q }")
            }
            words.append(word)
        }
        guard let first = words.first else {
            throw TableError("an aggregate in parts begins with its function")
        }
        let function = try Aggregate.Function.named(first)
        if (function == .quantile) != (q != nil) {
            throw TableError("a quantile, and nothing else, has a number: { \"quantile\", column, 0.95 }")
        }
        if (function == .count) != (words.count == 1) {
            throw TableError(
                function == .count ? "count counts rows and takes no column" : "\(function) needs a column")
        }
        let column = words.count == 2 ? try table.column(words[1]) : nil
        let name = try givenName(index) ?? (words + (q == nil ? [] : [numeral])).joined(by: 32)
        return Aggregate(function, column, q: q ?? 0.5, name: name)
    }

    /// The field `as`, which is the only one with a name.
    private func givenName(_ index: CInt) throws(TableError) -> [UInt8]? {
        // The trampoline has pushed the key, which allocates.
        lua_pushvalue(state, 4)
        lua_rawget(state, index)
        defer { lua_settop(state, -2) }
        if lua_type(state, -1) <= LUA_TNIL { return nil }
        guard let name = optionalBytes(-1) else { throw TableError("the name after 'as' is a string") }
        return name
    }

    /// A number as Lua writes it.
    private func digits(_ value: Double) -> [UInt8] {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: 40) { room in
            let count = withVaList([value]) { vsnprintf(room.baseAddress, room.count, "%.14g", $0) }
            return room.prefix(max(0, Int(count))).map { UInt8(bitPattern: $0) }
        }
    }
}

extension [[UInt8]] {
    fileprivate func joined(by separator: UInt8) -> [UInt8] {
        var joined: [UInt8] = []
        for (index, word) in enumerated() { joined += index == 0 ? word : [separator] + word }
        return joined
    }
}
