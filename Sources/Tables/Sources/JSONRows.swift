internal import CMemoryMap
internal import CSimdjson
internal import Glibc
internal import MemoryMap

/// Reads blocks of whole lines, a JSON object each. One thread at a time uses it.
package final class JSONRows {
    private let plan: JSONPlan
    private let filters: [(slot: Int, filter: Filter)]
    private let index: JSONIndex
    private var reader: JSONReader
    private var paths: JSONPaths
    /// For each needed column, a token for each row of the batch.
    private let tokens: UnsafeMutablePointer<JSONToken>
    /// For each row of the batch the text of the value of one column, and two masks.
    private let texts: UnsafeMutablePointer<Text>
    private let kept: UnsafeMutablePointer<UInt8>
    private let misfits: UnsafeMutablePointer<UInt8>
    private let memory: [Memory]

    /// The block, in private memory. Its strings may be in batches.
    private var text: UnsafeMutablePointer<UInt8>
    private var count = 0
    private var place = 0
    /// The lines whose tokens are in the index: `start ..< end` of the block.
    private var start = 0
    private var end = 0
    /// The next token.
    private var token = 0
    /// One of these lines is such that simdjson refuses all: they are given to it one by one.
    private var isBroken = false

    /// The rows that were left out.
    private var skipped = 0
    /// What is wrong with the row after those of the last batch.
    private var failure: TableError?
    /// Makes an error about a place in the block.
    private var complain: (_ place: Int, _ problem: Message) -> TableError

    /// simdjson gets so many bytes at once: they and the positions of their tokens fit into the processor's cache.
    private static var step: Int { 64 << 10 }

    package init(_ plan: JSONPlan) throws(TableError) {
        self.plan = plan
        complain = { _, problem in TableError(problem) }
        var filters: [(slot: Int, filter: Filter)] = []
        for predicate in plan.filters {
            guard let slot = plan.needed.firstIndex(of: predicate.column) else { continue }
            filters.append((slot, try Filter(predicate, plan.columns[predicate.column].type)))
        }
        self.filters = filters
        index = try JSONIndex()
        reader = try JSONReader()
        paths = try JSONPaths(plan.paths)
        let capacity = Batch.capacity
        memory = [
            try Memory(capacity &* MemoryLayout<JSONToken>.stride &* plan.needed.count),
            try Memory(capacity &* MemoryLayout<Text>.stride), try Memory(capacity), try Memory(capacity),
        ]
        tokens = memory[0].bound(to: JSONToken.self)
        texts = memory[1].bound(to: Text.self)
        kept = memory[2].bound(to: UInt8.self)
        misfits = memory[3].bound(to: UInt8.self)
        text = misfits
    }

    /// Begins with a block.
    ///
    /// - Parameters:
    ///   - text: Private memory of less than 4 GiB, which stays as it is as long as batches of it are used.
    ///   - complain: Makes an error about a place in the block.
    func begin(
        _ text: UnsafeMutablePointer<UInt8>, _ count: Int,
        complain: @escaping (_ place: Int, _ problem: Message) -> TableError
    ) {
        (self.text, self.count, self.complain) = (text, count, complain)
        (place, start, end, token, isBroken, failure) = (0, 0, 0, 0, false, nil)
    }

    /// The next rows, which may be none; false at the end of the block.
    package func next(_ batch: Batch) throws(TableError) -> Bool {
        if let failure { throw failure }
        batch.arena.removeAll()
        for column in batch.vectors.indices { batch.vectors[column] = nil }
        batch.count = 0
        var rows = 0
        while rows < Batch.capacity {
            guard let isRow = try nextLine(rows), failure == nil else { break }
            if isRow { rows &+= 1 }
        }
        if rows == 0 {
            if let failure { throw failure }
            return false
        }
        batch.count = rows
        try fill(batch)
        return true
    }

    /// The number of rows that were left out since it was asked last.
    func takeSkipped() -> Int {
        defer { skipped = 0 }
        return skipped
    }

    // MARK: - Lines

    /// Reads a line. False: it is not a row; nil: there is none.
    @inline(__always)
    private func nextLine(_ row: Int) throws(TableError) -> Bool? {
        if place >= count { return nil }
        if place >= end { try findTokens() }
        let line = place
        let newline = memchr(text + line, 10, end &- line)
        let stop = newline.map { UnsafeRawPointer($0) - UnsafeRawPointer(text) } ?? end
        place = min(stop &+ 1, count)
        if isBroken {
            (start, token) = (line, 0)
            guard try index.find(text + line, stop &- line) else {
                let fault = JSONFault(in: text + line, stop &- line)
                return try misfit(row, line &+ fault.offset, fault)
            }
        }
        let base = text + start
        let lineEnd = stop &- start
        for column in 0..<plan.needed.count { tokens[column &* Batch.capacity &+ row] = .missing }
        guard token < index.count, Int(index.positions[token]) < lineEnd else { return false }
        if base[Int(index.positions[token])] != UInt8(ascii: "{") {
            return try notAnObject(row, base, lineEnd)
        }
        var fault = try paths.read(
            base, end: lineEnd, index, &token, base: UInt32(truncatingIfNeeded: start), tokens,
            stride: Batch.capacity, row: row)
        if fault == nil && token < index.count && Int(index.positions[token]) < lineEnd {
            fault = JSONFault(.rest, Int(index.positions[token]))
        }
        if let fault {
            skipTokens(lineEnd)
            return try misfit(row, start &+ fault.offset, fault)
        }
        return true
    }

    private func skipTokens(_ end: Int) {
        while token < index.count && Int(index.positions[token]) < end { token &+= 1 }
    }

    /// Finds the tokens of some more lines.
    private func findTokens() throws(TableError) {
        start = place
        let goal = min(JSONRows.step, count &- start)
        if start &+ goal == count {
            end = count
        } else if let newline = mm_find_last(text + start, 10, goal) {
            end = UnsafeRawPointer(newline) - UnsafeRawPointer(text) &+ 1
        } else {
            let rest = start &+ goal
            let newline = memchr(text + rest, 10, count &- rest)
            end = newline.map { UnsafeRawPointer($0) - UnsafeRawPointer(text) &+ 1 } ?? count
        }
        token = 0
        isBroken = try !index.find(text + start, end &- start)
    }

    /// A line that is not as it should be. True: it is a row of nulls.
    @inline(never)
    private func misfit(_ row: Int, _ place: Int, _ fault: JSONFault) throws(TableError) -> Bool {
        switch plan.bad {
        case .error:
            var message = Message()
            message.put(fault.message)
            message.put("; bad = \"skip\" leaves such lines out")
            failure = complain(place, message)
            return false
        case .skip:
            skipped &+= 1
            return false
        case .null:
            for column in 0..<plan.needed.count { tokens[column &* Batch.capacity &+ row] = .missing }
            return true
        }
    }

    @inline(never)
    private func notAnObject(
        _ row: Int, _ base: UnsafePointer<UInt8>, _ lineEnd: Int
    ) throws(TableError) -> Bool {
        let offset = Int(index.positions[token])
        var fault = try reader.read(base, end: lineEnd, index, &token)
        if fault == nil && token < index.count && Int(index.positions[token]) < lineEnd {
            fault = JSONFault(.rest, Int(index.positions[token]))
        }
        skipTokens(lineEnd)
        if let fault { return try misfit(row, start &+ fault.offset, fault) }
        return try misfit(row, start &+ offset, JSONFault(.object, offset))
    }

    static func name(_ kind: sj_kind) -> StaticString {
        switch kind {
        case SJ_NULL: "null"
        case SJ_FALSE, SJ_TRUE: "a boolean"
        case SJ_INTEGER, SJ_FLOAT: "a number"
        case SJ_STRING, SJ_ESCAPED: "a string"
        case SJ_ARRAY: "an array"
        default: "an object"
        }
    }

    // MARK: - Columns

    /// Makes vectors of the tokens: first those that filters ask for.
    private func fill(_ batch: Batch) throws(TableError) {
        kept.update(repeating: 1, count: batch.count)
        for slot in 0..<plan.filtered { try fill(slot, batch) }
        for (slot, filter) in filters {
            if let vector = batch.vectors[plan.needed[slot]] { try filter.apply(vector, batch.count, kept) }
        }
        if plan.filtered > 0 { try keep(batch, plan.filtered) }
        for slot in plan.filtered..<plan.needed.count { try fill(slot, batch) }
        if plan.bad == .skip { try keep(batch, plan.needed.count) }
    }

    /// Leaves out rows; the tokens of the slots from `first` on follow.
    private func keep(_ batch: Batch, _ first: Int) throws(TableError) {
        for slot in 0..<plan.filtered where !plan.wanted[plan.needed[slot]] {
            batch.vectors[plan.needed[slot]] = nil
        }
        let rows = batch.count
        try batch.keep(kept, plan.columns)
        if batch.count == rows { return }
        for slot in first..<plan.needed.count {
            let tokens = tokens + slot &* Batch.capacity
            var to = 0
            for row in 0..<rows where kept[row] != 0 {
                tokens[to] = tokens[row]
                to &+= 1
            }
        }
        kept.update(repeating: 1, count: batch.count)
    }

    /// Makes the vector of a column. Where a value does not fit, the batch ends before it.
    private func fill(_ slot: Int, _ batch: Batch) throws(TableError) {
        let column = plan.needed[slot]
        let type = plan.columns[column].type
        var vector = try batch.room(column, type)
        let tokens = UnsafePointer(tokens + slot &* Batch.capacity)
        var marks = Marks(vector.nulls, batch.count)
        switch type {
        case .string: try fillStrings(tokens, batch, vector.texts, &marks)
        case .boolean:
            for row in 0..<batch.count {
                let kind = tokens[row].kind
                vector.words[row] = kind == SJ_TRUE ? 1 : 0
                if kind == SJ_TRUE || kind == SJ_FALSE { continue }
                if kind != SJ_NULL && misfit(slot, row, batch) { break }
                marks.set(row)
            }
        case .number, .integer, .u64, .time:
            try fillParsed(slot, tokens, type == .time, batch)
            if plan.bad == .skip { misfits.update(repeating: 0, count: batch.count) }
            let row = try plan.parsers[slot].parse(texts, count: batch.count, into: &vector, skipped: misfits)
            if let row { fail(slot, row, batch) }
            if plan.bad == .skip { for row in 0..<batch.count where misfits[row] != 0 { skip(row) } }
            if vector.nulls != nil { marks.isEmpty = false }
            if type == .number { requireFinite(slot, vector.doubles, &marks, batch) }
        }
        batch.vectors[column] = Vector(vector.values, nulls: marks.isEmpty ? nil : marks.marks)
    }

    /// The texts of the values; of a null an empty one, which the parser takes for null.
    @inline(__always)
    private func fillParsed(
        _ slot: Int, _ tokens: UnsafePointer<JSONToken>, _ isTime: Bool, _ batch: Batch
    ) throws(TableError) {
        for row in 0..<batch.count {
            let token = tokens[row]
            let isString = token.kind == SJ_STRING || token.kind == SJ_ESCAPED
            let isNumber = token.kind == SJ_INTEGER || token.kind == SJ_FLOAT
            if isTime ? isString : isNumber {
                texts[row] =
                    token.kind == SJ_ESCAPED
                    ? try unescaped(token, batch.arena) : Text(text + Int(token.start), Int(token.count))
            } else {
                if token.kind != SJ_NULL && misfit(slot, row, batch) { break }
                texts[row] = Text(text, 0)
            }
        }
    }

    /// Any value fits a column of strings: what is none is taken as it is written.
    @inline(__always)
    private func fillStrings(
        _ tokens: UnsafePointer<JSONToken>, _ batch: Batch, _ target: UnsafeMutablePointer<Text>,
        _ marks: inout Marks
    ) throws(TableError) {
        for row in 0..<batch.count {
            let token = tokens[row]
            target[row] = Text(text + Int(token.start), Int(token.count))
            if token.kind == SJ_ESCAPED {
                target[row] = try unescaped(token, batch.arena)
            } else if token.kind == SJ_NULL {
                target[row].count = 0
                marks.set(row)
            }
        }
    }

    @inline(never)
    private func unescaped(_ token: JSONToken, _ arena: Arena) throws(TableError) -> Text {
        let target = try arena.allocate(Int(token.count))
        return Text(target, unescape(text + Int(token.start), Int(token.count), target))
    }

    /// A number of 400 digits, or 1e400, is none of a float.
    private func requireFinite(
        _ slot: Int, _ values: UnsafeMutablePointer<Double>, _ marks: inout Marks, _ batch: Batch
    ) {
        var isFinite = true
        for row in 0..<batch.count { isFinite = isFinite && values[row].magnitude < .infinity }
        if isFinite { return }
        for row in 0..<batch.count where !values[row].isFinite {
            if misfit(slot, row, batch) { break }
            marks.set(row)
            values[row] = 0
        }
    }

    // MARK: - Values that do not fit

    /// A value that is none of the column's type: the row is left out, or the value is a null; or, if true, it is an
    /// error, and the batch ends before the row.
    @inline(never)
    private func misfit(_ slot: Int, _ row: Int, _ batch: Batch) -> Bool {
        if isNull(tokens[slot &* Batch.capacity &+ row]) { return false }
        switch plan.bad {
        case .error:
            fail(slot, row, batch)
            return true
        case .skip: skip(row)
        case .null: break
        }
        return false
    }

    private func skip(_ row: Int) {
        if kept[row] == 0 { return }
        kept[row] = 0
        skipped &+= 1
    }

    /// Whether a string is one of those that mean null.
    private func isNull(_ token: JSONToken) -> Bool {
        if token.kind != SJ_STRING { return false }
        let bytes = UnsafeBufferPointer(start: text + Int(token.start), count: Int(token.count))
        return plan.nulls.contains { $0.elementsEqual(bytes) }
    }

    @inline(never)
    private func fail(_ slot: Int, _ row: Int, _ batch: Batch) {
        let token = tokens[slot &* Batch.capacity &+ row]
        let column = plan.columns[plan.needed[slot]]
        let isString = token.kind == SJ_STRING || token.kind == SJ_ESCAPED
        let isNumber = token.kind == SJ_INTEGER || token.kind == SJ_FLOAT
        var message = Message()
        message.put("column '")
        message.show(column.name, atMost: 100)
        message.put("' is ")
        message.put(column.type.name)
        message.put(", and here is ")
        message.put(JSONRows.name(token.kind))
        message.put(", ")
        if isString { message.put("\"") }
        message.show(
            UnsafeRawBufferPointer(start: text + Int(token.start), count: Int(token.count)), atMost: 40)
        if isString { message.put("\"") }
        message.put("; write \"")
        message.show(column.name, atMost: 100)
        message.put(isNumber && column.type != .number ? " number" : " string")
        message.put("\", or bad = \"nil\" or \"skip\"")
        failure = complain(Int(token.start) &- (isString ? 1 : 0), message)
        batch.count = row
    }
}

/// Nulls of a vector, which are cleared before the first is set.
private struct Marks {
    let marks: UnsafeMutablePointer<UInt8>?
    private let count: Int
    var isEmpty = true

    init(_ marks: UnsafeMutablePointer<UInt8>?, _ count: Int) { (self.marks, self.count) = (marks, count) }

    @inline(__always)
    mutating func set(_ row: Int) {
        guard let marks else { return }
        if isEmpty {
            marks.update(repeating: 0, count: count)
            isEmpty = false
        }
        marks[row] = 1
    }
}
