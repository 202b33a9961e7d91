internal import CSimdjson
internal import Glibc

/// The paths of some columns, as a tree of keys, and where a row has their values.
///
/// A column's number is its place in the list of paths.
struct JSONPaths {
    /// A key of an object.
    fileprivate struct Edge {
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
    fileprivate struct Branch {
        var firstEdge: Int32
        var edges: Int32
        /// In `table`: the first edge of each place.
        var firstPlace: Int32
        var mask: Int32
        /// Bit `n % 64` is set if a key has `n` bytes.
        var lengths: UInt64
        /// In `shapes`: the keys of the last such object, in order.
        var firstSeen: Int32
        /// The row that had it last.
        var row: Int
    }

    /// A key that an object of a branch had at a place: most have the same keys in the same order.
    fileprivate struct Seen {
        /// The first and the last eight bytes, which are all; a key of fewer has zeros after them.
        var first: UInt64 = 0
        var last: UInt64 = 0
        /// 0 for none.
        var count: Int32 = 0
        /// The edge, or -1.
        var edge: Int32 = -1

        @inline(__always)
        static func words(_ name: UnsafePointer<UInt8>, _ length: Int) -> (first: UInt64, last: UInt64) {
            let bytes = UnsafeRawPointer(name)
            let first = bytes.loadUnaligned(as: UInt64.self).littleEndian
            if length < 8 { return (first & ~(UInt64.max &<< UInt64(truncatingIfNeeded: length &* 8)), 0) }
            return (first, bytes.loadUnaligned(fromByteOffset: length &- 8, as: UInt64.self))
        }
    }

    /// An array or object that is open, and what was before it.
    fileprivate struct Open {
        var branch: Int32
        var seen: Int32
        /// Which column's value it is, or -1.
        var column: Int32
        var rank: UInt8
        var kind: sj_kind
        var start: UInt32
    }

    /// The tree, and what is noted while a row is read: in memory that `JSONPaths` keeps.
    fileprivate struct Tree: BitwiseCopyable {
        let names: UnsafeMutablePointer<UInt8>
        let edges: UnsafeMutablePointer<Edge>
        let branches: UnsafeMutablePointer<Branch>
        let table: UnsafeMutablePointer<Int32>
        let shapes: UnsafeMutablePointer<Seen>
        /// One more than can be open.
        let opens: UnsafeMutablePointer<Open>
        /// For keys with escapes.
        let scratch: Unmanaged<Memory>
        let run: Unmanaged<Run>
        /// The number of rows so far.
        var rows = 0
    }

    private var tree: Tree
    private let memory: [Memory]
    private let run: Run

    /// Keys of an object that are remembered.
    private static var shape: Int { 64 }

    init(_ paths: [JSONPath], _ run: Run) throws(TableError) {
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
        var (branches, table, shapes) = (try List<Branch>(), try List<Int32>(), try List<Seen>())
        var waiting = [root]
        var next = 0
        while next < waiting.count {
            let node = waiting[next]
            next += 1
            var size = 4
            while size < node.keys.count * 2 { size *= 2 }
            var branch = Branch(
                firstEdge: Int32(edges.count), edges: Int32(node.keys.count), firstPlace: Int32(table.count),
                mask: Int32(size - 1), lengths: 0, firstSeen: Int32(shapes.count), row: -1)
            try shapes.extend(JSONPaths.shape).update(repeating: Seen(), count: JSONPaths.shape)
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
        let opens = try Memory((JSONReader.maximumDepth &+ 1) &* MemoryLayout<Open>.stride)
        let scratch = try Memory(256)
        tree = Tree(
            names: names.base, edges: edges.base, branches: branches.base, table: table.base,
            shapes: shapes.base, opens: opens.bound(to: Open.self), scratch: .passUnretained(scratch),
            run: .passUnretained(run))
        self.run = run
        memory = [
            names.memory, edges.memory, branches.memory, table.memory, shapes.memory, opens, scratch,
        ]
    }

    @inline(__always)
    fileprivate static func hash(_ name: UnsafePointer<UInt8>, _ count: Int) -> Int {
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

    /// Reads a row, an object, and finds the columns' values in it.
    ///
    /// The last of equal keys counts, as in Python and JavaScript.
    ///
    /// - Parameters:
    ///   - text: As for `JSONScan`; so are `end` and `token`.
    ///   - base: The place of `text` in the block.
    ///   - tokens: For each column `stride` tokens, of which those of the row, `row`, are missing.
    /// - Returns: What is wrong with it; then any tokens may be set.
    @inline(__always)
    mutating func read(
        _ text: UnsafePointer<UInt8>, end: Int, _ index: JSONIndex, _ token: inout Int, base: UInt32,
        _ tokens: UnsafeMutablePointer<JSONToken>, stride: Int, row: Int
    ) throws(TableError) -> JSONFault? {
        tree.rows &+= 1
        let finder = Finder(tree, text, base, tokens + row, stride)
        var scan = JSONScan(text, end: end, index, token: token, finder)
        let fault = try scan.run()
        token = scan.token
        return fault
    }

    /// Finds values while a row is read.
    private struct Finder: JSONSink {
        private let tree: Tree
        private let text: UnsafePointer<UInt8>
        private let base: UInt32
        private let tokens: UnsafeMutablePointer<JSONToken>
        private let stride: Int
        /// The innermost array or object; at first there is none.
        private var open: UnsafeMutablePointer<Open>
        /// Its branch, or -1 if no column is in it, and its next key in `shapes`.
        private var branch = -1
        private var seen = 0
        private var lastSeen = 0
        /// What the next value is: a column's, or -1, and an object with keys that are looked for, or -1.
        private var column = -1
        private var rank: UInt8 = 0
        /// The row itself is one.
        private var child = 0

        init(
            _ tree: Tree, _ text: UnsafePointer<UInt8>, _ base: UInt32,
            _ tokens: UnsafeMutablePointer<JSONToken>, _ stride: Int
        ) {
            (self.tree, self.text, self.base, self.tokens, self.stride) = (tree, text, base, tokens, stride)
            open = tree.opens
        }

        func poll() throws(TableError) { try tree.poll() }

        @inline(__always)
        func expectedKey(_ start: Int, room: Int) -> Int {
            if branch < 0 || seen >= lastSeen { return -1 }
            let known = tree.shapes + seen
            let length = Int(known.pointee.count)
            if length == 0 || length > room { return -1 }
            let (first, last) = Seen.words(text + start, length)
            return known.pointee.first == first && known.pointee.last == last ? length : -1
        }

        @inline(__always)
        mutating func takeExpectedKey() {
            let edge = Int(tree.shapes[seen].edge)
            seen &+= 1
            enter(edge)
        }

        @inline(__always)
        mutating func key(_ start: Int, _ length: Int, _ kind: sj_kind) throws(TableError) {
            if branch < 0 { return }
            let edge: Int
            let name = text + start
            if kind == SJ_STRING {
                edge = tree.find(branch, name, length)
            } else {
                let (plain, count) = try tree.unescaped(name, length)
                edge = tree.find(branch, plain, count)
            }
            if seen < lastSeen {
                if kind == SJ_STRING && length <= 16 {
                    let (first, last) = Seen.words(name, length)
                    tree.shapes[seen] = Seen(
                        first: first, last: last, count: Int32(truncatingIfNeeded: length),
                        edge: Int32(truncatingIfNeeded: edge))
                }
                seen &+= 1
            }
            enter(edge)
        }

        /// The value of an edge's key, if there is one, is next.
        @inline(__always)
        private mutating func enter(_ edge: Int) {
            if edge < 0 { return }
            let found = tree.edges[edge]
            (column, rank, child) = (Int(found.column), found.rank, Int(found.branch))
            if child >= 0 {
                if tree.branches[child].row == tree.rows { tree.clear(child, tokens, stride) }
                tree.branches[child].row = tree.rows
            }
        }

        @inline(__always)
        mutating func value(_ start: Int, _ length: Int, _ kind: sj_kind) {
            if column >= 0 { put(start, length, kind, column, rank) }
            (column, child) = (-1, -1)
        }

        @inline(__always)
        private func put(_ start: Int, _ length: Int, _ kind: sj_kind, _ column: Int, _ rank: UInt8) {
            let token = tokens + column &* stride
            if rank <= token.pointee.rank {
                token.pointee = JSONToken(
                    start: base &+ UInt32(truncatingIfNeeded: start),
                    count: UInt32(truncatingIfNeeded: length), kind: kind, rank: rank)
            }
        }

        @inline(__always)
        mutating func begin(_ start: Int, _ kind: sj_kind) {
            open += 1
            open.pointee = Open(
                branch: Int32(truncatingIfNeeded: branch), seen: Int32(truncatingIfNeeded: seen),
                column: Int32(truncatingIfNeeded: column), rank: rank, kind: kind,
                start: UInt32(truncatingIfNeeded: start))
            branch = kind == SJ_OBJECT ? child : -1
            if branch >= 0 { expect(Int(tree.branches[branch].firstSeen)) }
            (column, child) = (-1, -1)
        }

        @inline(__always)
        private mutating func expect(_ first: Int) { (seen, lastSeen) = (first, first &+ JSONPaths.shape) }

        @inline(__always)
        mutating func finish(_ end: Int) -> Bool {
            let ended = open.pointee
            if ended.column >= 0 {
                put(Int(ended.start), end &- Int(ended.start), ended.kind, Int(ended.column), ended.rank)
            }
            (branch, seen) = (Int(ended.branch), Int(ended.seen))
            if branch >= 0 { lastSeen = Int(tree.branches[branch].firstSeen) &+ JSONPaths.shape }
            open -= 1
            return open > tree.opens && open.pointee.kind == SJ_OBJECT
        }
    }
}

extension JSONPaths.Tree {
    /// The edge of a key, or -1.
    fileprivate func find(_ branch: Int, _ name: UnsafePointer<UInt8>, _ count: Int) -> Int {
        let here = branches + branch
        if here.pointee.lengths & 1 &<< UInt64(count & 63) == 0 { return -1 }
        let place = Int(here.pointee.firstPlace) &+ JSONPaths.hash(name, count) & Int(here.pointee.mask)
        var next = Int(table[place])
        while next >= 0 && !matches(edges[next], name, count) { next = Int(edges[next].other) }
        return next
    }

    private func matches(_ edge: JSONPaths.Edge, _ name: UnsafePointer<UInt8>, _ count: Int) -> Bool {
        Int(edge.count) == count && memcmp(names + Int(edge.start), name, count) == 0
    }

    /// Forgets what was found in a former object of the same key.
    @inline(never)
    fileprivate func clear(_ branch: Int, _ tokens: UnsafeMutablePointer<JSONToken>, _ stride: Int) {
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
    fileprivate func poll() throws(TableError) { try run.takeUnretainedValue().poll() }

    @inline(never)
    fileprivate func unescaped(
        _ name: UnsafePointer<UInt8>, _ count: Int
    ) throws(TableError) -> (UnsafePointer<UInt8>, Int) {
        let scratch = scratch.takeUnretainedValue()
        try scratch.reserve(count)
        let target = scratch.bound(to: UInt8.self)
        return (
            UnsafePointer(target), try unescape(name, count, target) { () throws(TableError) in try poll() }
        )
    }
}
