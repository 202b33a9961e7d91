package import CMemoryMap
internal import Glibc

/// Records of one size in a mapping, at a fixed distance from each other.
///
/// A handle like `MappedBytes`: it can be copied freely, may outlive its mapping, and every access is
/// checked. Indexes count records from 0.
public struct MappedRecords: @unchecked Sendable {
    package var records: mm_records

    package init(_ records: mm_records) { self.records = records }

    /// The number of records; it does not change, even when the mapping is gone.
    public var count: Int { records.count }

    /// The distance between records in bytes.
    public var stride: Int { records.stride }

    /// The bytes of a record.
    public var size: Int { records.size }

    /// Updates the handle after its mapping was moved or resized.
    ///
    /// - Throws: As `MappedBytes.refresh`.
    package mutating func refresh() throws(MapError) {
        var bytes = MappedBytes(records.region)
        try bytes.refresh()
        records.region = bytes.region
    }

    /// A handle on a part of the records.
    ///
    /// - Parameters:
    ///   - index: `0 ... count`.
    ///   - count: In records, `0 ... count - index`; nil means to the end.
    /// - Throws: `offsetOutOfRange`, `lengthOutOfRange`, `closed`, `lost`.
    public func slice(_ index: Int, _ count: Int? = nil) throws(MapError) -> MappedRecords {
        let whole = self.count
        guard index >= 0, index <= whole else {
            throw MapError(.offsetOutOfRange, "index %1 is out of range (0 to %2)", index, whole)
        }
        let wanted = count ?? whole &- index
        guard wanted >= 0, wanted <= whole &- index else {
            throw MapError(
                .lengthOutOfRange, "count %1 is out of range (0 to %2 at index %3)", wanted, whole &- index,
                index)
        }
        let place = index < whole ? index &* stride : records.region.length
        let length = wanted == 0 ? 0 : (wanted &- 1) &* stride &+ size
        var result = self
        result.records.region = try MappedBytes(records.region).slice(place, length).region
        result.records.count = wanted
        return result
    }

    /// The bytes of one record.
    ///
    /// - Parameter index: `0 ..< count`.
    /// - Throws: `offsetOutOfRange`, `closed`, `lost`.
    public func record(at index: Int) throws(MapError) -> MappedBytes {
        var current = self
        try current.refresh()
        guard index >= 0, index < count else {
            if count == 0 {
                throw MapError(.offsetOutOfRange, "index %1 is out of range: there are no records", index)
            }
            throw MapError(.offsetOutOfRange, "index %1 is out of range (0 to %2)", index, count &- 1)
        }
        return MappedBytes(mm_record_at(&current.records, UInt64(bitPattern: Int64(index))))
    }

    /// The numbers at the same offset in each record.
    ///
    /// - Parameter offset: In a record, in bytes: from 0 to `size` minus the size of a number.
    /// - Throws: `offsetOutOfRange`, `closed`, `lost`.
    public func column(_ type: ElementType, at offset: Int) throws(MapError) -> MappedElements {
        let part = try column(offset, type.byteCount)
        return MappedElements(
            mm_elements(region: part.records.region, count: count, stride: stride, type: type.code))
    }

    /// The inner records at the same offset in each record.
    ///
    /// - Parameters:
    ///   - offset: In a record, in bytes.
    ///   - size: The size of an inner record in bytes, `1 ... self.size - offset`.
    /// - Throws: `offsetOutOfRange`, `closed`, `lost`.
    public func column(_ offset: Int, _ size: Int) throws(MapError) -> MappedRecords {
        guard size >= 1, size <= self.size, offset >= 0, offset <= self.size &- size else {
            throw MapError(
                .offsetOutOfRange, "offset %1 is out of range in a record of %2 bytes", offset, self.size)
        }
        let length = count == 0 ? 0 : (count &- 1) &* stride &+ size
        let region = try MappedBytes(records.region).slice(count == 0 ? 0 : offset, length).region
        return MappedRecords(mm_records(region: region, count: count, stride: stride, size: size))
    }
}

extension MappedBytes {
    /// A view of this memory as records of one size.
    ///
    /// - Parameters:
    ///   - size: The bytes of a record, at least 1.
    ///   - offset: The start of the first record in bytes, `0 ... self.count`; any alignment.
    ///   - count: In records; nil means as many as fit.
    ///   - stride: The distance between records in bytes, at least `size`; nil means without gaps.
    /// - Throws: `offsetOutOfRange`, `lengthOutOfRange`, `misuse` for size and stride, `closed`, `lost`.
    public func records(
        size: Int, _ offset: Int = 0, count: Int? = nil, stride: Int? = nil
    ) throws(MapError) -> MappedRecords {
        guard size >= 1 else { throw MapError(.misuse, "size %1 is out of range: it is at least 1", size) }
        let stride = stride ?? size
        guard stride >= size else {
            throw MapError(.misuse, "stride %1 is out of range: a record has %2 bytes", stride, size)
        }
        var current = self
        try current.refresh()
        let rest = try checkedLength(offset: offset, length: nil, count: current.region.length)
        let most = rest < size ? 0 : (rest &- size) / stride &+ 1
        let wanted = count ?? most
        guard wanted >= 0, wanted <= most else {
            throw MapError(
                .lengthOutOfRange, "count %1 is out of range (0 to %2 at offset %3)", wanted, most, offset)
        }
        let part = try current.slice(offset, wanted == 0 ? 0 : (wanted &- 1) &* stride &+ size)
        return MappedRecords(mm_records(region: part.region, count: wanted, stride: stride, size: size))
    }

    /// Writes a string into a field of fixed size.
    ///
    /// - Parameters:
    ///   - text: At most `size` bytes; the rest of the field is filled with zeros.
    ///   - offset: The start of the field, in bytes.
    ///   - size: The size of the field, in bytes.
    /// - Throws: `valueOutOfRange` if the text is too long, `offsetOutOfRange`, `lengthOutOfRange`, `closed`,
    ///   `lost`, `notWritable`.
    package func store(
        _ text: UnsafeRawBufferPointer, at offset: Int, size: Int
    ) throws(MapError) {
        let (current, field) = try writable(offset, size)
        guard text.count <= size else {
            throw MapError(.valueOutOfRange, "a string of %1 bytes does not fit into %2", text.count, size)
        }
        if let target = field.baseAddress {
            if text.count > 0, let source = text.baseAddress { memcpy(target, source, text.count) }
            memset(target + text.count, 0, size &- text.count)
        }
        try current.checkIntact()
    }
}

/// The number of bytes in a range without the zero bytes at its end.
package func countWithoutZeros(_ bytes: UnsafeRawBufferPointer) -> Int {
    var count = bytes.count
    while count > 0 && bytes[count &- 1] == 0 { count &-= 1 }
    return count
}
