internal import CMemoryMap
internal import CSimdjson
internal import Glibc
internal import MemoryMap

/// Reads blocks of whole lines, a JSON object each. One thread at a time uses it.
package final class JSONRows {
    let plan: JSONPlan
    let run: Run
    let filters: [(slot: Int, filter: Filter)]
    private let index: JSONIndex
    private var reader: JSONReader
    private var paths: JSONPaths
    /// For each needed column, a token for each row of the batch.
    let tokens: UnsafeMutablePointer<JSONToken>
    /// For each row of the batch the text of the value of one column, and two masks.
    let texts: UnsafeMutablePointer<Text>
    let kept: UnsafeMutablePointer<UInt8>
    let misfits: UnsafeMutablePointer<UInt8>
    private let memory: [Memory]

    /// The block, in private memory. Its strings may be in batches.
    private(set) var text: UnsafeMutablePointer<UInt8>
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
    var skipped = 0
    /// What is wrong with the row after those of the last batch.
    var failure: TableError?
    /// Makes an error about a place in the block.
    private(set) var complain: (_ place: Int, _ problem: Message) -> TableError

    /// simdjson gets so many bytes at once: they and the positions of their tokens fit into the processor's cache.
    private static var step: Int { 64 << 10 }

    package init(_ plan: JSONPlan, _ run: Run) throws(TableError) {
        (self.plan, self.run) = (plan, run)
        complain = { _, problem in TableError(problem) }
        var filters: [(slot: Int, filter: Filter)] = []
        for predicate in plan.filters {
            guard let slot = plan.needed.firstIndex(of: predicate.column) else { continue }
            filters.append((slot, try Filter(predicate, plan.columns[predicate.column].type)))
        }
        self.filters = filters
        index = try JSONIndex()
        reader = try JSONReader()
        paths = try JSONPaths(plan.paths, run)
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
}
