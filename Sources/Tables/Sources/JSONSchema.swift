internal import CSimdjson
internal import Glibc
internal import MemoryMap

/// The columns that some first rows of JSON lines have.
struct JSONSchema {
    /// A key that was found.
    private final class Found {
        let key: [UInt8]
        var kinds: Set<UInt8> = []
        /// Integers: the least, and the greatest; of those that fit.
        var hasNegative = false
        var hasLarge = false
        var hasHuge = false
        /// Strings: whether all are times.
        var isTime = true
        var keys: [Found] = []
        var places: [[UInt8]: Int] = [:]

        init(_ key: [UInt8]) { self.key = key }
    }

    private let root = Found([])
    private var count = 0
    private let index: JSONIndex
    private var reader: JSONReader
    private(set) var rows = 0

    /// More keys than that in the first rows are rather data.
    private static var mostKeys: Int { 4096 }

    init() throws(TableError) {
        index = try JSONIndex()
        reader = try JSONReader()
    }

    /// Looks at a line; nothing is learned from one that is blank or wrong, which is returned.
    ///
    /// - Parameter text: Private memory.
    mutating func learn(_ text: UnsafePointer<UInt8>, _ count: Int) throws(TableError) -> JSONFault? {
        guard try index.find(text, count) else { return JSONFault(in: text, count) }
        if index.count == 0 { return nil }
        var token = 0
        if let fault = try reader.read(text, end: count, index, &token) { return fault }
        if token < index.count { return JSONFault(.rest, Int(index.positions[token])) }
        let nodes = UnsafePointer(reader.nodes)
        if nodes[0].kind != SJ_OBJECT { return JSONFault(.object, Int(nodes[0].start)) }
        rows += 1
        try learn(text, nodes, 0, root)
        return nil
    }

    private mutating func learn(
        _ text: UnsafePointer<UInt8>, _ nodes: UnsafePointer<sj_node>, _ object: Int, _ found: Found
    ) throws(TableError) {
        var node = object + 1
        while node < Int(nodes[object].next) {
            let name = JSONSchema.string(text, nodes[node])
            let value = node + 1
            node = Int(nodes[value].next)
            let key: Found
            if let place = found.places[name] {
                key = found.keys[place]
            } else {
                count += 1
                if count > JSONSchema.mostKeys {
                    throw TableError(
                        "the first rows have more than \(JSONSchema.mostKeys) keys; say which are columns, as in columns = { \"id integer\", \"http.status integer\" }"
                    )
                }
                key = Found(name)
                found.places[name] = found.keys.count
                found.keys.append(key)
            }
            note(text, nodes[value], key)
            if nodes[value].kind == SJ_OBJECT { try learn(text, nodes, value, key) }
        }
    }

    private func note(_ text: UnsafePointer<UInt8>, _ node: sj_node, _ key: Found) {
        key.kinds.insert(
            (node.kind == SJ_ESCAPED ? SJ_STRING : node.kind == SJ_FALSE ? SJ_TRUE : node.kind).rawValue)
        switch node.kind {
        case SJ_INTEGER:
            let digits = UnsafeBufferPointer(start: text + Int(node.start), count: Int(node.count))
            if digits.first == UInt8(ascii: "-") { key.hasNegative = true }
            let number = String(decoding: digits, as: UTF8.self)
            if Int64(number) == nil {
                if UInt64(number) == nil { key.hasHuge = true } else { key.hasLarge = true }
            }
        case SJ_STRING where key.isTime:
            key.isTime = Double(iso: Text(text + Int(node.start), Int(node.count))) != nil
        case SJ_ESCAPED: key.isTime = false
        default: break
        }
    }

    private static func string(_ text: UnsafePointer<UInt8>, _ node: sj_node) -> [UInt8] {
        let start = text + Int(node.start)
        if node.kind != SJ_ESCAPED { return Array(UnsafeBufferPointer(start: start, count: Int(node.count))) }
        return Array(unsafeUninitializedCapacity: Int(node.count)) { room, count in
            count = room.baseAddress.map { unescape(start, Int(node.count), $0) {} } ?? 0
        }
    }

    /// The columns, in the order in which they came; those of nested objects in the place of the object. Two keys that give
    /// the same name are one column.
    var columns: [(column: Column, path: JSONPath)] {
        var result: [(column: Column, path: JSONPath)] = []
        var names: Set<[UInt8]> = []
        func add(_ found: Found, _ keys: [[UInt8]]) {
            for key in found.keys {
                let path = keys + [key.key]
                if key.kinds != [SJ_OBJECT.rawValue] || key.keys.isEmpty {
                    let others = key.kinds.subtracting([SJ_NULL.rawValue])
                    let name = Array(path.joined(separator: [UInt8(ascii: ".")]))
                    let isNested = others == [SJ_OBJECT.rawValue] && !key.keys.isEmpty
                    if !isNested && names.insert(name).inserted {
                        // A name of very many keys is not read in all ways.
                        let isLong = path.count > 7
                        result.append(
                            (Column(name, type(of: key)), isLong ? JSONPath(keys: path) : JSONPath(name)))
                    }
                }
                add(key, path)
            }
        }
        add(root, [])
        return result
    }

    private func type(of key: Found) -> ColumnType {
        switch key.kinds.subtracting([SJ_NULL.rawValue]) {
        case [SJ_TRUE.rawValue]: .boolean
        case [SJ_INTEGER.rawValue]:
            key.hasHuge || key.hasLarge && key.hasNegative ? .number : key.hasLarge ? .u64 : .integer
        case [SJ_FLOAT.rawValue], [SJ_FLOAT.rawValue, SJ_INTEGER.rawValue]: .number
        case [SJ_STRING.rawValue]: key.isTime ? .time : .string
        default: .string
        }
    }
}
