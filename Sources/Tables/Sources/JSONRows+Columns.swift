internal import CSimdjson
internal import MemoryMap

extension JSONRows {
    /// Makes vectors of the tokens: first those that filters ask for.
    func fill(_ batch: Batch) throws(TableError) {
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
        let count = try unescape(text + Int(token.start), Int(token.count), target) { () throws(TableError) in
            try run.poll()
        }
        return Text(target, count)
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
