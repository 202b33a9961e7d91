package import CMemoryMap

/// The type of a field: a number, or a string of fixed size.
package enum FieldType {
    case number(ElementType)
    /// A string padded with zero bytes, as in C, except that a full one has no zero byte.
    case characters(Int)
    /// A string of exactly this many bytes.
    case bytes(Int)

    /// The type with a name: `"u32le"`, `"char"`, `"char[16]"`, `"bytes[32]"`; nil if there is none.
    package init?(name: UnsafeRawBufferPointer) {
        if let type = ElementType(name: name) {
            self = .number(type)
        } else if let count = Self.count(name, after: "char") {
            self = .characters(count)
        } else if let count = Self.count(name, after: "bytes") {
            self = .bytes(count)
        } else {
            return nil
        }
    }

    /// The number in brackets after a word, 1 or more; 1 if there are no brackets.
    private static func count(_ name: UnsafeRawBufferPointer, after word: StaticString) -> Int? {
        let digits = word.utf8CodeUnitCount &+ 1
        guard name.count >= digits &- 1 else { return nil }
        for index in 0..<digits &- 1 where name[index] != word.utf8Start[index] { return nil }
        if name.count == digits &- 1 { return 1 }
        guard name.count >= digits &+ 2, name.count <= digits &+ 10, name[digits &- 1] == UInt8(ascii: "["),
            name[name.count &- 1] == UInt8(ascii: "]")
        else { return nil }
        var count = 0
        for index in digits..<name.count &- 1 {
            let digit = name[index] &- UInt8(ascii: "0")
            guard digit <= 9 else { return nil }
            count = count &* 10 &+ Int(digit)
        }
        return count > 0 ? count : nil
    }
}

/// Places the fields of a record one after the other.
///
/// Sizes, offsets and alignments are in bytes. No record is larger than `MM_LARGEST_RECORD`.
package struct LayoutRuler {
    package var ruler: mm_ruler

    package init(_ ruler: mm_ruler) { self.ruler = ruler }

    /// - Parameter limit: The largest alignment of a field; 1 packs the fields.
    package init(limit: Int) { self.ruler = mm_ruler(limit: limit, next: 0, end: 0, alignment: 1) }

    /// The alignment of the record itself.
    package var alignment: Int { ruler.alignment }

    /// The offset of the next field.
    ///
    /// - Parameters:
    ///   - size: The size of one element, at least 1.
    ///   - count: The number of elements, at least 1.
    ///   - alignment: The alignment in C.
    ///   - offset: The required offset, regardless of the alignment; nil means after the previous field.
    /// - Throws: `misuse` if the record becomes too large.
    package mutating func place(
        size: Int, count: Int, alignment: Int, at offset: Int?
    ) throws(MapError) -> Int {
        let most = Int(MM_LARGEST_RECORD)
        let alignment = min(alignment, ruler.limit)
        let start = offset ?? rounded(ruler.next, to: alignment)
        guard start >= 0, start <= most else {
            throw MapError(.misuse, "offset %1 is out of range (0 to %2)", start, most)
        }
        guard size >= 1, count >= 1, count <= (most &- start) / size else {
            throw MapError(.misuse, "the record would be larger than %1 bytes", most)
        }
        ruler.next = start &+ size &* count
        ruler.end = max(ruler.end, ruler.next)
        ruler.alignment = max(ruler.alignment, alignment)
        return start
    }

    /// The size of the record.
    ///
    /// - Parameter size: The required size; nil means up to the end of the last field, rounded up to the
    ///   alignment so that the next record is aligned too.
    /// - Throws: `misuse` if the fields do not fit, or the record is empty or too large.
    package func finish(size: Int?) throws(MapError) -> Int {
        let most = Int(MM_LARGEST_RECORD)
        let end = ruler.end
        let wanted = size ?? rounded(end, to: alignment)
        guard wanted >= 1 || size != nil else { throw MapError(.misuse, "a layout has at least one field") }
        guard wanted >= max(end, 1), wanted <= most else {
            throw MapError(.misuse, "size %1 is out of range (%2 to %3)", wanted, max(end, 1), most)
        }
        return wanted
    }

    private func rounded(_ offset: Int, to alignment: Int) -> Int {
        (offset &+ alignment &- 1) / alignment &* alignment
    }
}
