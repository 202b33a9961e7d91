import CCompression
import CMemoryMap
import Glibc
import MemoryMap
import Testing

@testable import Tables

/// Compresses in members or frames of so many bytes.
func compressed(_ bytes: [UInt8], _ format: CompressedFormat, part: Int = .max) throws -> [UInt8] {
    var result: [UInt8] = []
    var place = 0
    repeat {
        let input = Array(bytes[place..<min(bytes.count, place + min(part, bytes.count - place))])
        var output = [UInt8](repeating: 0, count: input.count + input.count / 100 + 1000)
        let count: Int
        switch format {
        case .zstd: count = ZSTD_compress(&output, output.count, input, input.count, 1)
        case .gzip:
            var stream = z_stream()
            let size = CInt(MemoryLayout<z_stream>.size)
            try #require(
                deflateInit2_(&stream, 1, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY, ZLIB_VERSION, size)
                    == Z_OK)
            var copy = input
            count = copy.withUnsafeMutableBufferPointer { input in
                output.withUnsafeMutableBufferPointer { output in
                    (stream.next_in, stream.avail_in) = (input.baseAddress, uInt(input.count))
                    (stream.next_out, stream.avail_out) = (output.baseAddress, uInt(output.count))
                    deflate(&stream, Z_FINISH)
                    return output.count - Int(stream.avail_out)
                }
            }
            deflateEnd(&stream)
        }
        result += output[..<count]
        place += input.count
    } while place < bytes.count
    return result
}

@Suite("Compressed text")
struct CompressedTests {
    private let run = Run { _ in true }
    private let names = [ColumnRequest([97], .string), ColumnRequest([98], .string)]

    @Test(
        "The rows are those of the text, in blocks and members of any size",
        arguments: [CompressedFormat.gzip, .zstd])
    func rows(_ compression: CompressedFormat) throws {
        var random = TestRandom(compression == .gzip ? 1 : 2)
        let buffer = try TestBuffer(16 * pageSize)
        for _ in 0..<400 {
            var text: [UInt8] = Bool.random(using: &random) ? [0xEF, 0xBB, 0xBF] : []
            var format = DelimitedFormat(separator: [44])
            format.bad = [.error, .null, .skip].randomElement(using: &random) ?? .error
            let hasHeader = Bool.random(using: &random)
            format.hasHeader = hasHeader
            if hasHeader { text += Array("b,\"a\"\n".utf8) }
            for row in 0..<Int.random(in: 0..<200, using: &random) {
                text += Array("\"\(row)\n\",".utf8)
                if Int.random(in: 0..<150, using: &random) == 0 { text += Array("x,".utf8) }
                text += [UInt8](repeating: 120, count: Int.random(in: 0..<40, using: &random)) + [10]
            }
            let plain = try DelimitedSource([try buffer.file(text)], format, names, run)
            let expected = readStrings(plain)
            let packed = try compressed(text, compression, part: Int.random(in: 1..<2000, using: &random))
            let file = TextFile(try buffer.file(packed).region, compression)
            let source = try DelimitedSource([file], format, names, run)
            source.blockSize = Int.random(in: 1..<1000, using: &random)
            let found = readStrings(source)
            #expect(found.rows == expected.rows)
            #expect(message(found.error) == message(expected.error))
            #expect(source.skipped == plain.skipped)
            let lines = try LinesSource(
                [try buffer.file(text)], DelimitedFormat(separator: []), nil, nil, run)
            let all = readStrings(lines).rows
            let packedLines = TextFile(try buffer.file(packed).region, compression)
            let unpacked = try LinesSource([packedLines], DelimitedFormat(separator: []), nil, nil, run)
            unpacked.blockSize = Int.random(in: 1..<1000, using: &random)
            #expect(readStrings(unpacked).rows == all)
        }
    }

    @Test(
        "Cut or damaged data are an error, with the file and the offset",
        arguments: [CompressedFormat.gzip, .zstd])
    func damage(_ compression: CompressedFormat) throws {
        var text: [UInt8] = []
        for i in 0..<300 { text += Array("\(i &* 7919 % 1000),\(i)\n".utf8) }
        let packed = try compressed(text, compression)
        let whole = readStrings(try source(packed, compression)).rows
        for length in 0..<packed.count {
            do throws(TableError) {
                let (rows, error) = readStrings(try source(Array(packed[..<length]), compression))
                check(error, length)
                #expect(rows.count <= whole.count)
            } catch { check(error, length) }
        }
        // The checksums see whatever the formats themselves do not; Zstandard has one on request only.
        if compression == .zstd { return }
        for place in 10..<packed.count {
            var changed = packed
            changed[place] ^= 1 << UInt8(place & 7)
            // Some bits are of no use.
            do throws(TableError) {
                let (rows, error) = readStrings(try source(changed, compression))
                if rows != whole { check(error, packed.count) }
            } catch { check(error, packed.count) }
        }
    }

    private func source(_ bytes: [UInt8], _ compression: CompressedFormat) throws(TableError)
        -> DelimitedSource
    {
        guard let test = try? TestFile(bytes) else { throw TableError("no file") }
        defer { withExtendedLifetime(test) {} }
        return try DelimitedSource(
            [try TextFile(path: test.path, compression)], DelimitedFormat(separator: [44]), names, run)
    }

    private func check(_ error: TableError?, _ size: Int) {
        guard case .map(let cause, let path) = error else {
            Issue.record("no error at \(size): \(message(error))")
            return
        }
        #expect(
            cause.errno == EBADMSG && cause.values.0 <= size
                && path?.starts(with: Array("/tmp/tables-".utf8)) == true)
    }

    @Test("Rows of 12 MB, and memory that does not grow", arguments: [CompressedFormat.gzip, .zstd])
    func long(_ compression: CompressedFormat) throws {
        var text: [UInt8] = []
        for i in 0..<2_000_000 {
            text += Array("\(i),abc\n".utf8)
            if i == 1_000_000 { text += [34] + [UInt8](repeating: 10, count: 12_000_000) + [34, 44, 10] }
        }
        let file = try TestFile(try compressed(text, compression, part: 5_000_000))
        let source = try DelimitedSource(
            [try TextFile(path: file.path, compression)], DelimitedFormat(separator: [44]), names, run)
        let stream = try source.open(run, wanted: [true, true], filters: [])
        var (rows, longest, last) = (0, 0, "")
        while let piece = try stream.pull() {
            while let batch = try piece.cursor.pull() {
                guard let texts = batch.vectors[0]?.texts else { continue }
                rows += batch.count
                for row in 0..<batch.count { longest = max(longest, texts[row].count) }
                if batch.count > 0 { last = String(decoding: texts[batch.count - 1].buffer, as: UTF8.self) }
            }
        }
        #expect((rows, longest, last) == (2_000_001, 12_000_000, "1999999"))
        let unpacked = try UnpackedText(
            try TextFile(path: file.path, compression), .lines, run, size: 1 << 20, start: 0)
        var bytes = 0
        while let block = try unpacked.next() {
            bytes += block.range.count
            #expect(unpacked.pool.count <= 3)
        }
        #expect(bytes == text.count)
    }

    @Test("Compressed files are not cut into pieces, but each is in one of them")
    func pieces() throws {
        let texts: [[UInt8]] = [Array("1,a\n2,b\n".utf8), Array("3,c\n".utf8), Array("4,d\n5,e\n6,f\n".utf8)]
        var files: [TestFile] = []
        for (i, text) in texts.enumerated() {
            files.append(try TestFile(i == 1 ? text : try compressed(text, i == 0 ? .gzip : .zstd)))
        }
        let mapped = try files.enumerated().map {
            try TextFile(path: $1.path, $0 == 1 ? nil : $0 == 0 ? .gzip : .zstd)
        }
        let source = try DelimitedSource(mapped, DelimitedFormat(separator: [44]), names, run)
        let all = readStrings(source).rows
        #expect(all.count == 6)
        for n in 1...7 {
            var rows: [[[UInt8]?]] = []
            for k in 1...n { rows += readStrings(try source.piece(k, of: n)).rows }
            #expect(rows == all)
        }
        withExtendedLifetime(files) {}
    }
}
