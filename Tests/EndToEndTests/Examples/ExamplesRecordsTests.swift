import Glibc
import Testing

private let examples = "\(packageRoot)/examples/"

private func run(_ name: String, _ arguments: [String]) throws -> Outcome {
    try Program.mmaplua.run([examples + name + ".lua"] + arguments, environment: ["LC_ALL": "C"])
}

private func lines(_ text: String) -> [String] { text.split(separator: "\n").map { String($0) } }

private let nm = Program(path: "/usr/bin/nm")
private let readelf = "/usr/bin/readelf"

extension TemporaryFolder {
    fileprivate func file(_ name: String, bytes: [UInt8]) throws -> String {
        let full = try file(name, "")
        guard let file = fopen(full, "w") else { throw SystemFailure("fopen") }
        defer { fclose(file) }
        guard fwrite(bytes, 1, bytes.count, file) == bytes.count else { throw SystemFailure("fwrite") }
        return full
    }
}

private func little(_ value: Int, _ count: Int) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
}

@Suite
struct SymbolsTests {
    /// `nm -S` prints "value size type name".
    @Test(.enabled(if: nm.exists))
    func `the symbols are those of nm`() throws {
        let compare: [(path: String, options: [String])] = [
            (readelf, ["-D", "--without-symbol-versions"]), (Program.mmaplua.path, []),
        ]
        for (path, options) in compare where access(path, R_OK) == 0 {
            let listed = try nm.run(["-S", "--defined-only"] + options + [path])
            var wanted: [String] = []
            for line in lines(listed.output) {
                let words = line.split(separator: " ", maxSplits: 3)
                if words.count == 4, words[1].count == 16, let size = Int(words[1], radix: 16) {
                    wanted.append("\(words[0]) \(size) \(words[3])")
                }
            }
            let outcome = try run("elfsyms", [path, "all"])
            #expect(outcome.ending == .status(0), "\(outcome.errors)")
            var found: [String] = []
            var last = Int.max
            for line in lines(outcome.output).dropFirst() {
                let words = line.split(separator: " ", maxSplits: 4)
                let size = try #require(Int(words[0]))
                #expect(size <= last)
                last = size
                found.append("\(words[1]) \(size) \(words[4].drop { $0 == " " })")
            }
            #expect(!wanted.isEmpty)
            #expect(Set(wanted).subtracting(found) == [])
        }
    }

    @Test func `a file without symbols, and an invalid one`() throws {
        let folder = try TemporaryFolder()
        let none = try run("elfsyms", [examples + "elfsyms.lua"])
        #expect(none.ending == .status(1))
        #expect(none.errors == "elfsyms.lua: \(examples)elfsyms.lua: not an ELF file\n")
        var header: [UInt8] = [0x7f, 0x45, 0x4c, 0x46, 2, 1, 1] + [UInt8](repeating: 0, count: 57)
        for (at, value, problem) in [
            (40, 0, "there are no sections"), (40, 1 << 62, "is out of range"), (40, 60, "is out of range"),
            (40, 64, "is out of range"),
        ] {
            header.replaceSubrange(at..<at + 8, with: little(value, 8))
            header.replaceSubrange(58..<62, with: [64, 0, 1, 0])
            let outcome = try run("elfsyms", [try folder.file("f", bytes: header)])
            #expect(outcome.ending == .status(1))
            #expect(outcome.errors.contains(problem), "\(outcome.errors)")
            #expect(lines(outcome.errors).count == 1)
        }
    }
}

@Suite
struct WaveTests {
    /// A file with one channel of each sample format; the loudest sample is half of full scale.
    private func wave(_ tag: Int, _ bits: Int, _ samples: [[UInt8]], extensible: Bool = false) -> [UInt8] {
        let data = samples.flatMap { $0 }
        var format =
            little(extensible ? 0xfffe : tag, 2) + little(1, 2) + little(8000, 4)
            + little(8000 * bits / 8, 4) + little(bits / 8, 2) + little(bits, 2)
        if extensible {
            format += little(22, 2) + little(bits, 2) + little(4, 4) + little(tag, 2)
            format += [UInt8](repeating: 0, count: 14)
        }
        let chunks =
            Array("WAVEfmt ".utf8) + little(format.count, 4) + format + Array("data".utf8)
            + little(data.count, 4) + data
        return Array("RIFF".utf8) + little(chunks.count, 4) + chunks
    }

    @Test func `peaks and drawings of every kind of sample`() throws {
        let folder = try TemporaryFolder()
        let drawing = """

            Channel 1: peak -6.0 dB, mean square -11.1 dB


                #
              _##_____
                  ##
                   #



            """
        let levels = [0, 0.25, 0.5, 0, -0.25, -0.5, 0, 0]
        let kinds: [(Int, Int, (Double) -> [UInt8])] = [
            (1, 8, { [UInt8(128 + $0 * 128)] }), (1, 16, { little(Int($0 * 32768), 2) }),
            (1, 32, { little(Int($0 * 2_147_483_648), 4) }),
            (3, 32, { little(Int(Float($0).bitPattern), 4) }),
            (3, 64, { little(Int(bitPattern: UInt($0.bitPattern)), 8) }),
        ]
        for (tag, bits, encode) in kinds {
            for extensible in [false, true] {
                let bytes = wave(tag, bits, levels.map(encode), extensible: extensible)
                let path = try folder.file("f", bytes: bytes)
                let outcome = try run("wav", [path])
                #expect(outcome.errors == "")
                #expect(outcome.output.hasSuffix(drawing), "\(tag) \(bits): \(outcome.output)")
                #expect(outcome.output.hasPrefix("\(path): 8000 Hz, \(bits) bits, 1 channel, 0.00 seconds\n"))
            }
        }
    }

    @Test func `files that are not WAV`() throws {
        let folder = try TemporaryFolder()
        let good = wave(1, 16, [[0, 0]])
        let short = Array(good.prefix(20))
        for (bytes, problem) in [
            ([], "not a WAV file"), (Array("RIFFxxxxWAVX".utf8), "not a WAV file"),
            (Array(good.prefix(12)), "there is no format"), (short, "there is no format"),
            (Array(good.prefix(36)), "there are no samples"),
            (wave(2, 4, []), "samples of 4 bits in format 2"),
            (wave(1, 24, []), "samples of 24 bits in format 1"),
        ] {
            let outcome = try run("wav", [try folder.file("f", bytes: bytes)])
            #expect(outcome.ending == .status(1))
            #expect(outcome.errors.hasPrefix("wav.lua: \(folder.path)/f: \(problem)"), "\(outcome.errors)")
        }
        let empty = try run("wav", [try folder.file("f", bytes: wave(1, 16, []))])
        #expect(empty.ending == .status(0))
        // A size that is too large is reduced to the rest of the file.
        var cut = good
        cut.replaceSubrange(40..<44, with: [255, 255, 255, 255])
        #expect(try run("wav", [try folder.file("f", bytes: cut)]).ending == .status(0))
    }
}

@Suite
struct SortColumnTests {
    @Test func `the output is sorted and the file unchanged`() throws {
        let folder = try TemporaryFolder()
        let values = (0..<5000).map { $0 * 7919 % 2001 - 1000 }
        var bytes: [UInt8] = []
        for value in values { bytes += little(value &* 3, 3) + little(value, 4) + [0xff] }
        let path = try folder.file("f", bytes: bytes + [1, 2, 3])
        let outcome = try run("sortcolumn", [path, "a:bytes[3],x:i32le,b:u8", "x", folder.path + "/out"])
        #expect(outcome.ending == .status(0), "\(outcome.errors)")
        let sorted = values.sorted()
        #expect(outcome.output.hasPrefix("5000 records of 8 bytes; "))
        #expect(outcome.output.contains(": \(Set(values).count) different values\n"))
        for (percent, index) in [(0, 0), (25, 1249), (50, 2499), (90, 4499), (100, 4999)] {
            #expect(
                lines(outcome.output).contains {
                    $0.split(separator: " ") == ["\(percent)", "%", "\(sorted[index])"]
                })
        }
        let cmp = Program(path: "/usr/bin/cmp")
        let same = try folder.file("same", bytes: bytes + [1, 2, 3])
        #expect(try cmp.run([path, same]).ending == .status(0))
        var expected: [UInt8] = []
        for value in sorted { expected += little(value, 4) }
        let wanted = try folder.file("wanted", bytes: expected)
        #expect(try cmp.run([folder.path + "/out", wanted]).ending == .status(0))
    }

    @Test func `messages name the mistake`() throws {
        let folder = try TemporaryFolder()
        let path = try folder.file("f", "12345678")
        for (layout, field, problem) in [
            ("x", "x", "'x' is not a field"), ("x:u9", "x", "field 'x': not a type"),
            ("x:u8", "y", "there is no field 'y'"), ("x:char[4]", "x", "field 'x' is a string"),
            ("", "x", "at least one field"),
        ] {
            let outcome = try run("sortcolumn", [path, layout, field])
            #expect(outcome.ending == .status(1))
            #expect(outcome.errors.contains(problem), "\(outcome.errors)")
            #expect(lines(outcome.errors).count == 1)
        }
        let empty = try run("sortcolumn", [try folder.file("e", ""), "x:u32", "x"])
        #expect(empty.ending == .status(0))
        #expect(empty.output.hasPrefix("0 records of 4 bytes"))
    }
}
