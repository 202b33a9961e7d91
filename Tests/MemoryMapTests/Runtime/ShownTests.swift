import CMemoryMap
import Testing

@testable import MemoryMap

/// Which bytes of foreign text a terminal gets.
@Suite struct ShownTests {
    private func shown(_ bytes: [UInt8]) -> Int {
        bytes.withUnsafeBytes { raw in
            guard let start = raw.bindMemory(to: CChar.self).baseAddress else { return 0 }
            return Int(mm_shown(start, raw.count))
        }
    }

    @Test func printableBytesAreShown() {
        for byte in UInt8.min...UInt8.max {
            #expect(shown([byte]) == ((0x20...0x7E).contains(byte) ? 1 : 0), "\(byte)")

        }
    }

    /// All characters, complete and incomplete, against Swift's own encoder.
    @Test func charactersAreShownUnlessControls() {
        var wrong: [UInt32] = []
        for value in UInt32(0)...0x10FFFF {
            guard let scalar = Unicode.Scalar(value) else { continue }
            let bytes = Array(Unicode.UTF8.encode(scalar).unsafelyUnwrapped)
            let isControl = value < 0x20 || (0x7F..<0xA0).contains(value)
            if shown(bytes + [0x80]) != (isControl ? 0 : bytes.count) { wrong.append(value) }
            if bytes.count > 1, shown(Array(bytes.dropLast())) != 0 { wrong.append(value) }
            if bytes.count > 1, shown(Array(bytes.dropLast()) + [0x41]) != 0 { wrong.append(value) }
        }
        #expect(wrong == [])
    }

    /// Two, three, and four invalid bytes: overlong, surrogates, past the last character, no continuation.
    @Test func invalidUTF8IsNotShown() {
        var wrong: [[UInt8]] = []
        let edges: [UInt8] = [0x00, 0x20, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xFF]
        for first in UInt8(0x80)...0xFF {
            for second in edges {
                for third in edges {
                    for fourth in edges {
                        let bytes = [first, second, third, fourth]
                        var decoder = Unicode.UTF8.ForwardParser()
                        var input = bytes.makeIterator()
                        var count = 0
                        if case .valid(let encoded) = decoder.parseScalar(from: &input) {
                            count = encoded.count
                            if Unicode.UTF8.decode(encoded).value < 0xA0 { count = 0 }
                        }
                        if shown(bytes) != count { wrong.append(bytes) }
                    }
                }
            }
        }
        #expect(wrong.prefix(5) == [])
    }

    @Test func hiddenBytesAreShownAsCodes() {
        let bytes: [UInt8] = Array("a\u{1B}[2Jé\u{9B}\u{7F}\"\\".utf8) + [0xFF, 0x0A]
        for (quoting, expected) in [
            (false, "a\\x1b[2Jé\\xc2\\x9b\\x7f\"\\\\xff\\x0a"),
            (true, "a\\x1b[2Jé\\xc2\\x9b\\x7f\\\"\\\\\\xff\\x0a"),
        ] {
            var memory = [UInt8](repeating: 0, count: 200)
            let count = memory.withUnsafeMutableBufferPointer { target in
                var text = FixedText(target)
                bytes.withUnsafeBytes { raw in
                    if let start = raw.bindMemory(to: CChar.self).baseAddress {
                        text.shown(start, count: raw.count, quoting: quoting)
                    }
                }
                return text.count
            }
            #expect(String(decoding: memory.prefix(count), as: UTF8.self) == expected)
        }
    }
}
