internal import MemoryMap

/// Why a text is no JSON, and where: an offset in the text.
package struct JSONFault: Error, Equatable {
    package enum Kind: UInt8, CaseIterable, Sendable {
        case incomplete, value, key, colon, objectEnd, arrayEnd, number, word, escape, control, unclosed,
            encoding
        case depth, rest, empty, object
    }

    package let kind: Kind
    package let offset: Int

    package init(_ kind: Kind, _ offset: Int) { (self.kind, self.offset) = (kind, offset) }

    package var message: StaticString {
        switch kind {
        case .incomplete: "the text ends before the value does"
        case .value: "no value begins with this byte"
        case .key: "a key in double quotes is missing"
        case .colon: "a ':' after the key is missing"
        case .objectEnd: "',' or '}' is missing after the value"
        case .arrayEnd: "',' or ']' is missing after the value"
        case .number: "no JSON number"
        case .word: "an unknown word; JSON has true, false, and null"
        case .escape: "an unknown escape in a string, or half of a surrogate pair"
        case .control: "a control character in a string; JSON wants it as \\u00XX"
        case .unclosed: "a string is not closed"
        case .encoding: "no UTF-8"
        case .depth: "arrays and objects are nested more than 1024 levels deep"
        case .rest: "a second value, or something else, after the first"
        case .empty: "no value"
        case .object: "JSON lines have an object in each line, and this is none"
        }
    }
}

extension JSONFault {
    /// What simdjson did not say about a text that it refused: what is wrong, and where.
    ///
    /// - Parameter text: Private memory.
    init(in text: UnsafePointer<UInt8>, _ length: Int) {
        let bytes = UnsafeBufferPointer(start: text, count: length)
        let valid = validUTF8(bytes).count
        var quote: Int?
        var place = 0
        while place < valid {
            let byte = text[place]
            if quote == nil {
                if byte == UInt8(ascii: "\"") { quote = place }
            } else if byte == UInt8(ascii: "\\") {
                place &+= 1
            } else if byte == UInt8(ascii: "\"") {
                quote = nil
            } else if byte < 32 {
                self.init(.control, place)
                return
            }
            place &+= 1
        }
        if valid < length {
            self.init(.encoding, valid)
        } else {
            self.init(.unclosed, quote ?? length)
        }
    }
}
