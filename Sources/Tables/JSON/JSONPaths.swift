internal import CSimdjson
internal import Glibc

/// The keys that lead to a column.
package struct JSONPath: Sendable {
    /// All readings of a name, best first: `a.b.c` is the key "a.b.c", "a.b" and in it "c", "a" and in it "b.c", or "a",
    /// "b", and "c".
    let readings: [[[UInt8]]]

    /// The path in a column's name, with dots between keys.
    package init(_ name: [UInt8]) {
        let keys = name.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false).map {
            Array($0)
        }
        // Their number doubles with each dot.
        readings = keys.count <= 7 ? JSONPath.readings(keys[...]) : [[name], keys]
    }

    /// A path that was found in the data.
    init(keys: [[UInt8]]) { readings = [keys] }

    private static func readings(_ keys: ArraySlice<[UInt8]>) -> [[[UInt8]]] {
        var result: [[[UInt8]]] = []
        for count in stride(from: keys.count, through: 1, by: -1) {
            let first = Array(keys.prefix(count).joined(separator: [UInt8(ascii: ".")]))
            if count == keys.count {
                result.append([first])
            } else {
                result += readings(keys.dropFirst(count)).map { [first] + $0 }
            }
        }
        return result
    }
}

/// A value of a column in a row: where it is in the text.
struct JSONToken {
    /// In the block.
    var start: UInt32
    var count: UInt32
    var kind: sj_kind
    /// Which reading of the path led to it; `missing` if none did.
    var rank: UInt8

    static var missing: JSONToken { JSONToken(start: 0, count: 0, kind: SJ_NULL, rank: .max) }
}

/// The paths of some columns, as a tree of keys, and where a row has their values.
///
/// A column's number is its place in the list of paths.
struct JSONPaths {
    /// A key of an object.
    private struct Edge {
        /// In `names`.
        var start: Int32
        var count: Int32
        /// The column whose value the key has, or -1.
        var column: Int32
        var rank: UInt8
        /// The object that the key has, or -1.
        var branch: Int32
        /// The next edge of the same place in the branch's table, or -1.
        var other: Int32
    }

    /// An object whose keys are looked for.
    private struct Branch {
        var firstEdge: Int32
        var edges: Int32
        /// In `table`: the first edge of each place.
        var firstPlace: Int32
        var mask: Int32
        /// Bit `n % 64` is set if a key has `n` bytes.
        var lengths: UInt64
        /// The edge that is expected next: keys come in the same order in most rows.
        var expected: Int32
        /// The row that had it last.
        var row: Int
    }

    private let names: List<UInt8>
    private let edges: List<Edge>
    private let branches: List<Branch>
    private let table: List<Int32>
    /// For keys with escapes.
    private let scratch: Memory
    /// The number of rows so far.
    private var rows = 0

    init(_ paths: [JSONPath]) throws(TableError) {
        /// The tree while it grows.
        final class Node {
            var keys: [[UInt8]] = []
            var places: [[UInt8]: Int] = [:]
            var columns: [(column: Int, rank: Int)?] = []
            var nodes: [Node?] = []

            func key(_ name: [UInt8]) -> Int {
                if let place = places[name] { return place }
                places[name] = keys.count
                keys.append(name)
                columns.append(nil)
                nodes.append(nil)
                return keys.count - 1
            }
        }
        let root = Node()
        for (column, path) in paths.enumerated() {
            for (rank, keys) in path.readings.enumerated() {
                var node = root
                for key in keys.dropLast() {
                    let place = node.key(key)
                    let next = node.nodes[place] ?? Node()
                    node.nodes[place] = next
                    node = next
                }
                guard let last = keys.last else { continue }
                let place = node.key(last)
                if node.columns[place] == nil { node.columns[place] = (column, min(rank, 254)) }
            }
        }
        var (names, edges) = (try List<UInt8>(), try List<Edge>())
        var (branches, table) = (try List<Branch>(), try List<Int32>())
        var waiting = [root]
        var next = 0
        while next < waiting.count {
            let node = waiting[next]
            next += 1
            var size = 4
            while size < node.keys.count * 2 { size *= 2 }
            var branch = Branch(
                firstEdge: Int32(edges.count), edges: Int32(node.keys.count), firstPlace: Int32(table.count),
                mask: Int32(size - 1), lengths: 0, expected: Int32(edges.count), row: -1)
            try table.extend(size).update(repeating: -1, count: size)
            for place in node.keys.indices {
                let key = node.keys[place]
                let start = names.count
                let target = try names.extend(key.count)
                for (i, byte) in key.enumerated() { target[i] = byte }
                branch.lengths |= 1 &<< UInt64(key.count & 63)
                let slot = Int(branch.firstPlace) + JSONPaths.hash(target, key.count) & (size - 1)
                var edge = Edge(
                    start: Int32(start), count: Int32(key.count), column: -1, rank: 0, branch: -1,
                    other: table[slot])
                if let (column, rank) = node.columns[place] {
                    (edge.column, edge.rank) = (Int32(column), UInt8(rank))
                }
                if let child = node.nodes[place] {
                    edge.branch = Int32(waiting.count)
                    waiting.append(child)
                }
                table[slot] = Int32(edges.count)
                try edges.append(edge)
            }
            try branches.append(branch)
        }
        (self.names, self.edges, self.branches, self.table) = (names, edges, branches, table)
        scratch = try Memory(256)
    }

    @inline(__always)
    private static func hash(_ name: UnsafePointer<UInt8>, _ count: Int) -> Int {
        var hash = UInt64(truncatingIfNeeded: count)
        if count >= 8 {
            let bytes = UnsafeRawPointer(name)
            hash ^= bytes.loadUnaligned(as: UInt64.self)
            hash =
                hash &* 0x9E37_79B9_7F4A_7C15
                ^ bytes.loadUnaligned(fromByteOffset: count &- 8, as: UInt64.self)
        } else {
            for i in 0..<count { hash = hash &<< 8 ^ UInt64(name[i]) ^ hash &>> 56 }
        }
        hash = hash &* 0x9E37_79B9_7F4A_7C15
        return Int(truncatingIfNeeded: hash &>> 40)
    }

    /// Finds the columns' values in a row.
    ///
    /// The last of equal keys counts, as in Python and JavaScript.
    ///
    /// - Parameters:
    ///   - nodes: Of the row; the first is its object.
    ///   - base: The place of `text` in the block.
    ///   - tokens: For each column `stride` tokens, of which those of the row, `row`, are missing.
    @inline(__always)
    mutating func find(
        _ text: UnsafePointer<UInt8>, _ nodes: UnsafePointer<sj_node>, base: UInt32,
        _ tokens: UnsafeMutablePointer<JSONToken>, stride: Int, row: Int
    ) throws(TableError) {
        rows &+= 1
        try walk(text, nodes, 0, 0, base, tokens + row, stride)
    }

    private func walk(
        _ text: UnsafePointer<UInt8>, _ nodes: UnsafePointer<sj_node>, _ object: Int, _ branch: Int,
        _ base: UInt32,
        _ tokens: UnsafeMutablePointer<JSONToken>, _ stride: Int
    ) throws(TableError) {
        let lengths = branches[branch].lengths
        let end = Int(nodes[object].next)
        var node = object &+ 1
        while node < end {
            let key = nodes[node]
            let value = node &+ 1
            node = Int(nodes[value].next)
            var (name, count) = (text + Int(key.start), Int(key.count))
            if key.kind == SJ_ESCAPED { (name, count) = try unescaped(name, count) }
            if lengths & 1 &<< UInt64(count & 63) == 0 { continue }
            guard let edge = find(branch, name, count) else { continue }
            let found = nodes[value]
            if edge.column >= 0 {
                let token = tokens + Int(edge.column) &* stride
                if edge.rank <= token.pointee.rank {
                    token.pointee = JSONToken(
                        start: base &+ found.start, count: found.count, kind: found.kind, rank: edge.rank)
                }
            }
            if edge.branch >= 0 {
                let child = Int(edge.branch)
                if branches[child].row == rows { clear(child, tokens, stride) }
                branches.base[child].row = rows
                if found.kind == SJ_OBJECT { try walk(text, nodes, value, child, base, tokens, stride) }
            }
        }
    }

    @inline(__always)
    private func find(_ branch: Int, _ name: UnsafePointer<UInt8>, _ count: Int) -> Edge? {
        let here = branches.base + branch
        let expected = Int(here.pointee.expected)
        var found = -1
        if matches(edges[expected], name, count) {
            found = expected
        } else {
            let place = Int(here.pointee.firstPlace) &+ JSONPaths.hash(name, count) & Int(here.pointee.mask)
            var next = Int(table[place])
            while next >= 0 {
                if matches(edges[next], name, count) {
                    found = next
                    break
                }
                next = Int(edges[next].other)
            }
        }
        if found < 0 { return nil }
        let after = found &+ 1 &- Int(here.pointee.firstEdge)
        here.pointee.expected =
            here.pointee.firstEdge &+ (after < Int(here.pointee.edges) ? Int32(truncatingIfNeeded: after) : 0)
        return edges[found]
    }

    @inline(__always)
    private func matches(_ edge: Edge, _ name: UnsafePointer<UInt8>, _ count: Int) -> Bool {
        Int(edge.count) == count && memcmp(names.base + Int(edge.start), name, count) == 0
    }

    /// Forgets what was found in a former object of the same key.
    @inline(never)
    private func clear(_ branch: Int, _ tokens: UnsafeMutablePointer<JSONToken>, _ stride: Int) {
        let first = Int(branches[branch].firstEdge)
        for index in first..<first &+ Int(branches[branch].edges) {
            let edge = edges[index]
            if edge.column >= 0 {
                let token = tokens + Int(edge.column) &* stride
                if token.pointee.rank == edge.rank { token.pointee = .missing }
            }
            if edge.branch >= 0 { clear(Int(edge.branch), tokens, stride) }
        }
    }

    @inline(never)
    private func unescaped(
        _ name: UnsafePointer<UInt8>, _ count: Int
    ) throws(TableError) -> (UnsafePointer<UInt8>, Int) {
        try scratch.reserve(count)
        let target = scratch.bound(to: UInt8.self)
        return (UnsafePointer(target), unescape(name, count, target))
    }
}
