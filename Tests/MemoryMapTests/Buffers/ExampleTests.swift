import Glibc
import MemoryMap
import Testing

/// The library in a Swift program, through its public interface alone.
@Suite struct ExampleTests {
    @Test func countsAndChangesWordsInAFile() throws {
        let scratch = try Scratch()
        let path = try scratch.file("data.bin", Array("one two one".utf8))

        let map = try MappedRegion.open(path, .readWrite)
        let bytes = map.bytes
        var places: [Int] = []
        try Array("one".utf8).withUnsafeBytes { word in
            var from = 0
            while let place = try bytes.find(word, from) {
                places.append(place)
                from = place + word.count
            }
        }
        for place in places { try bytes.store(UInt8(ascii: "O"), at: place) }
        try bytes.sync(blocking: true)
        map.unmap()

        #expect(places == [0, 8])
        #expect(contents(path) == Array("One two One".utf8))
        do throws(MapError) {
            _ = try bytes.load(at: 0)
            Issue.record("a handle outlived its mapping")
        } catch {
            #expect(error.kind == .closed)
        }
    }

    @Test func memoryIsSharedWithSlices() throws {
        let memory = try MappedRegion.anonymous(1 << 20)
        let header = try memory.bytes.slice(0, 16)
        try header.fill(0xff)
        try memory.resize(2 << 20)
        #expect(try header.load(at: 15) == 0xff)
        #expect(memory.count == 2 << 20)
    }
}
