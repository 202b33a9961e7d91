internal import CSimdjson

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
