import Testing

@testable import MemoryMap

/// Every offset and length of every small buffer, against the same operation on an array.
@Suite struct BoundsTests {
    /// Values near the edges of a buffer of `count` bytes, and the edges of `Int`.
    private func edges(_ count: Int) -> [Int] {
        [Int.min, Int.min + 1, -count - 1, -1] + Array(0...count + 1) + [
            Int.max - count, Int.max - 1, Int.max,
        ]
    }

    /// Buffers of `count` bytes 1, 2, 3 …, as a whole mapping and as a slice of one, and the array of the same bytes.
    private func withEveryBuffer(
        _ body: (MappedBytes, [UInt8]) throws -> Void
    ) throws {
        for count in 0...5 {
            let model = (0..<count).map { UInt8($0 + 1) }
            let scratch = try Scratch()
            let path = try scratch.file("bytes", model)
            let file = try MappedRegion.open(path, .copyOnWrite)
            try body(file.bytes, model)
            let memory = try MappedRegion.anonymous(64)
            let slice = try memory.bytes.slice(7, count)
            try model.withUnsafeBytes { raw in try slice.copy(at: 0, from: raw) }
            try body(slice, model)
            #expect(try memory.bytes.load(at: 6) == 0)
            #expect(try memory.bytes.load(at: 7 + count) == 0, "a byte after the slice was written")
        }
    }

    /// The error that a range must throw in a buffer of `count` bytes.
    private func verdict(_ offset: Int, _ length: Int?, _ count: Int) -> MapError.Kind? {
        if offset < 0 || offset > count { return .offsetOutOfRange }
        guard let length else { return nil }
        return length < 0 || length > count - offset ? .lengthOutOfRange : nil
    }

    private func withEveryRange(
        _ count: Int,
        _ body: (_ offset: Int, _ length: Int?, _ range: Range<Int>?, MapError.Kind?) throws -> Void
    ) rethrows {
        for offset in edges(count) {
            for length in [nil] + edges(count).map(Optional.some) {
                let kind = verdict(offset, length, count)
                let range = kind == nil ? offset..<offset + (length ?? count - offset) : nil
                try body(offset, length, range, kind)
            }
        }
    }

    @Test func loadAndStoreAcceptExactlyTheIndexes() throws {
        try withEveryBuffer { bytes, model in
            for index in edges(model.count) {
                let isInside = index >= 0 && index < model.count
                var seen: UInt8?
                let refused = failure { () throws(MapError) in seen = try bytes.load(at: index) }
                #expect(seen == (isInside ? model[index] : nil))
                #expect(refused?.kind == (isInside ? nil : .offsetOutOfRange))
                let other = failure { () throws(MapError) in try bytes.store(seen ?? 9, at: index) }
                #expect(other?.kind == (isInside ? nil : .offsetOutOfRange))
            }
            #expect(bytes.array == model)
        }
    }

    @Test func slicesAreTheSameRangeOfTheArray() throws {
        try withEveryBuffer { bytes, model in
            withEveryRange(model.count) { offset, length, range, kind in
                var slice: MappedBytes?
                let refused = failure { () throws(MapError) in slice = try bytes.slice(offset, length) }
                #expect(refused?.kind == kind, "slice(\(offset), \(String(describing: length)))")
                #expect(slice?.array == range.map { Array(model[$0]) })
            }
        }
    }

    @Test func fillWritesItsRangeAndNothingElse() throws {
        try withEveryBuffer { bytes, model in
            for pattern in [[9], [7, 8], [4, 5, 6, 7, 8, 9, 10]] as [[UInt8]] {
                try withEveryRange(model.count) { offset, length, range, kind in
                    let refused = pattern.withUnsafeBytes { raw in
                        failure { () throws(MapError) in
                            if pattern.count == 1 {
                                try bytes.fill(pattern[0], offset, length)
                            } else {
                                try bytes.fill(repeating: raw, offset, length)
                            }
                        }
                    }
                    #expect(refused?.kind == kind)
                    var expected = model
                    for index in range ?? 0..<0 {
                        expected[index] = pattern[(index - offset) % pattern.count]
                    }
                    #expect(bytes.array == expected)
                    try model.withUnsafeBytes { raw in try bytes.copy(at: 0, from: raw) }
                }
            }
        }
    }

    @Test func copyMovesOverlappingBytesAsInArray() throws {
        try withEveryBuffer { bytes, model in
            for target in edges(model.count) {
                try withEveryRange(model.count) { offset, length, range, kind in
                    var copied: Int?
                    let refused = failure { () throws(MapError) in
                        copied = try bytes.copy(at: target, from: bytes, offset, length)
                    }
                    var expected = model
                    if let range, let kind = verdict(target, range.count, model.count) {
                        #expect(refused?.kind == kind)
                    } else if let range {
                        #expect(copied == range.count)
                        expected.replaceSubrange(target..<target + range.count, with: model[range])
                    } else {
                        #expect(refused?.kind == kind)
                    }
                    #expect(bytes.array == expected)
                    try model.withUnsafeBytes { raw in try bytes.copy(at: 0, from: raw) }
                }
            }
        }
    }

    @Test func findAgreesWithSearchingByHand() throws {
        for count in 0...5 {
            // All strings of two letters, and all needles of up to three.
            for word in 0..<(1 << count) {
                let model = (0..<count).map { UInt8((word >> $0) & 1) }
                let memory = try MappedRegion.anonymous(64)
                try memory.bytes.fill(1)
                let bytes = try memory.bytes.slice(3, count)
                try model.withUnsafeBytes { raw in try bytes.copy(at: 0, from: raw) }
                for needleCount in 0...3 {
                    for needleWord in 0..<(1 << needleCount) {
                        let needle = (0..<needleCount).map { UInt8((needleWord >> $0) & 1) }
                        try checkFind(bytes, model, needle)
                    }
                }
            }
        }
    }

    private func checkFind(_ bytes: MappedBytes, _ model: [UInt8], _ needle: [UInt8]) throws {
        try withEveryRange(model.count) { offset, length, range, kind in
            try needle.withUnsafeBytes { raw in
                guard let range else {
                    #expect(
                        failure { () throws(MapError) in _ = try bytes.find(raw, offset, length) }?.kind
                            == kind)
                    #expect(
                        failure { () throws(MapError) in _ = try bytes.findLast(raw, offset, length) }?.kind
                            == kind)
                    return
                }
                let places = (range.lowerBound...range.upperBound).filter {
                    $0 + needle.count <= range.upperBound && Array(model[$0..<$0 + needle.count]) == needle
                }
                let (first, last) = (
                    try bytes.find(raw, offset, length), try bytes.findLast(raw, offset, length)
                )
                if first != places.first || last != places.last {
                    Issue.record(
                        "\(needle) in \(model)[\(range)]: \(String(describing: (first, last))), not \(places)"
                    )
                }
            }
        }
    }

    @Test func compareAndMismatchOrderBytesAndThenLengths() throws {
        let words: [[UInt8]] = [
            [], [0], [1], [255], [0, 0], [1, 0], [1, 255], [1, 2, 3], [1, 2, 4], [128],
        ]
        for left in words {
            let memory = try MappedRegion.anonymous(16)
            try left.withUnsafeBytes { raw in try memory.bytes.copy(at: 4, from: raw) }
            let bytes = try memory.bytes.slice(4, left.count)
            for right in words {
                let order = left == right ? 0 : (left.lexicographicallyPrecedes(right) ? -1 : 1)
                let shared = zip(left, right).prefix { $0 == $1 }.count
                try right.withUnsafeBytes { raw throws in
                    #expect(try bytes.compare(raw) == order, "\(left) <=> \(right)")
                    #expect(try bytes.mismatch(raw) == (left == right ? nil : shared), "\(left), \(right)")
                }
            }
        }
    }

    @Test func mismatchFindsTheByteInEveryBlock() throws {
        let size = 3 * 4096 + 5
        let memory = try MappedRegion.anonymous(size)
        var model = [UInt8](repeating: 0, count: size)
        for place in [0, 1, 4095, 4096, 4097, 8191, 8192, size - 1] {
            model[place] = 1
            try model.withUnsafeBytes { raw throws in
                #expect(try memory.bytes.mismatch(raw) == place)
                #expect(try memory.bytes.compare(raw) == -1)
            }
            model[place] = 0
        }
        try model.withUnsafeBytes { raw throws in #expect(try memory.bytes.mismatch(raw) == nil) }
    }

    @Test func readOnlyAndUnreadableMappingsRefuse() throws {
        let memory = try MappedRegion.anonymous(100)
        let bytes = memory.bytes
        try memory.protect(.read)
        let one: [UInt8] = [1]
        let refused = [
            failure { () throws(MapError) in try bytes.store(1, at: 0) },
            failure { () throws(MapError) in try bytes.fill(1) },
            failure { () throws(MapError) in
                try one.lend { r throws(MapError) in try bytes.fill(repeating: r) }
            },
            failure { () throws(MapError) in
                try one.lend { r throws(MapError) in try bytes.copy(at: 0, from: r) }
            },
        ]
        for refusal in refused { #expect(refusal?.kind == .notWritable) }
        try memory.protect([])
        #expect(failure { () throws(MapError) in _ = try bytes.load(at: 0) }?.kind == .notReadable)
        #expect(throws: MapError.self) { try bytes.copied() }
        #expect(throws: MapError.self) { try bytes.find(UnsafeRawBufferPointer(start: nil, count: 0)) }
        try memory.protect([.read, .write])
        #expect(try bytes.copied() == [UInt8](repeating: 0, count: 100))
    }
}
