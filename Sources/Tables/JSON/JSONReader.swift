package import CSimdjson
internal import Glibc

/// Makes the nodes of JSON values: all of the grammar is checked, no value is computed.
package struct JSONReader {
    /// The value and all that is in it, in the order of the text. A key is a node before its value.
    package private(set) var nodes: UnsafeMutablePointer<sj_node>
    package private(set) var count = 0
    private let memory: Memory

    /// Arrays and objects in each other.
    package static var maximumDepth: Int { 1024 }

    package init() throws(TableError) {
        memory = try Memory(4096)
        nodes = memory.bound(to: sj_node.self)
    }

    /// Reads the value that begins with a token.
    ///
    /// - Parameters:
    ///   - text: Private memory, in which `index` found the tokens, without a fault.
    ///   - end: The value's text is before it.
    ///   - token: The number of the first token; afterward, of the one after the value.
    ///   - poll: Called from time to time; throws to stop.
    package mutating func read(
        _ text: UnsafePointer<UInt8>, end: Int, _ index: JSONIndex, _ token: inout Int,
        poll: () throws(TableError) -> Void = {}
    ) throws(TableError) -> JSONFault? {
        try reserve(index, token, end)
        return try withoutActuallyEscaping(poll) { (poll) throws(TableError) in
            var scan = JSONScan(text, end: end, index, token: token, NodeMaker(nodes: nodes, ask: poll))
            let fault = try scan.run()
            (token, count) = (scan.token, scan.sink.count)
            return fault
        }
    }

    /// Room for a node for each token, as each makes at most one.
    @inline(__always)
    private mutating func reserve(_ index: JSONIndex, _ token: Int, _ end: Int) throws(TableError) {
        if (index.count &- token) &* MemoryLayout<sj_node>.stride <= memory.capacity { return }
        // Those before `end`: of a block of many lines these are few.
        var (low, high) = (token, index.count)
        while low < high {
            let middle = low &+ (high &- low) / 2
            if Int(index.positions[middle]) < end { low = middle &+ 1 } else { high = middle }
        }
        // At least for a block of usual size, so that there is no search for each line.
        try memory.reserve(
            max(low &- token, min(index.count &- token, 1 << 16)) &* MemoryLayout<sj_node>.stride)
        nodes = memory.bound(to: sj_node.self)
    }
}

/// Makes nodes.
private struct NodeMaker: JSONSink {
    let nodes: UnsafeMutablePointer<sj_node>
    private(set) var count = 0
    /// The innermost array or object; -1 for none. While it is open, its `next` is the one around it.
    private var open = -1
    private let ask: () throws(TableError) -> Void

    init(nodes: UnsafeMutablePointer<sj_node>, ask: @escaping () throws(TableError) -> Void) {
        (self.nodes, self.ask) = (nodes, ask)
    }

    func poll() throws(TableError) { try ask() }

    @inline(__always)
    func expectedKey(_ start: Int, room: Int) -> Int { -1 }

    @inline(__always)
    mutating func takeExpectedKey() {}

    @inline(__always)
    mutating func key(_ start: Int, _ length: Int, _ kind: sj_kind) { value(start, length, kind) }

    @inline(__always)
    mutating func value(_ start: Int, _ length: Int, _ kind: sj_kind) {
        nodes[count] = sj_node(
            start: UInt32(truncatingIfNeeded: start), count: UInt32(truncatingIfNeeded: length),
            next: UInt32(truncatingIfNeeded: count &+ 1), kind: kind)
        count &+= 1
    }

    @inline(__always)
    mutating func begin(_ start: Int, _ kind: sj_kind) {
        value(start, 0, kind)
        nodes[count &- 1].next = UInt32(truncatingIfNeeded: open)
        open = count &- 1
    }

    @inline(__always)
    mutating func finish(_ end: Int) -> Bool {
        let around = Int(Int32(bitPattern: nodes[open].next))
        nodes[open].next = UInt32(truncatingIfNeeded: count)
        nodes[open].count = UInt32(truncatingIfNeeded: end) &- nodes[open].start
        open = around
        return open >= 0 && nodes[open].kind == SJ_OBJECT
    }
}
