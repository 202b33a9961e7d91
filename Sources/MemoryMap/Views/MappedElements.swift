package import CMemoryMap

/// Numbers of one type in a mapping, at a fixed distance from each other: an array, or a column.
///
/// A handle like `MappedBytes`: it can be copied freely, may outlive its mapping, and every access is
/// checked. Indexes count elements from 0. Alignment never matters.
public struct MappedElements: @unchecked Sendable {
    package var elements: mm_elements

    package init(_ elements: mm_elements) { self.elements = elements }

    public var type: ElementType { ElementType(code: elements.type) }

    /// The number of elements; it does not change, even when the mapping is gone.
    public var count: Int { elements.count }

    /// The distance between elements in bytes, at least 1.
    public var stride: Int { elements.stride }

    /// The memory from the first byte of the first element to the last byte of the last.
    package var bytes: MappedBytes { MappedBytes(elements.region) }

    /// Updates the handle after its mapping was moved or resized.
    ///
    /// - Throws: As `MappedBytes.refresh`.
    @inline(__always)
    package mutating func refresh() throws(MapError) {
        var bytes = MappedBytes(elements.region)
        try bytes.refresh()
        elements.region = bytes.region
    }

    /// Throws if any page that was accessed so far was gone.
    @inline(__always)
    package func checkIntact() throws(MapError) { try bytes.checkIntact() }

    /// A handle on a part of the elements.
    ///
    /// - Parameters:
    ///   - index: `0 ... count`.
    ///   - count: In elements, `0 ... count - index`; nil means to the end.
    /// - Throws: `offsetOutOfRange`, `lengthOutOfRange`, `closed`, `lost`.
    public func slice(_ index: Int, _ count: Int? = nil) throws(MapError) -> MappedElements {
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
        var result = self
        try result.refresh()
        let place = index < whole ? index &* stride : elements.region.length
        result.elements.region.base = result.elements.region.base?.advanced(by: place)
        result.elements.region.offset &+= place
        result.elements.region.length = wanted == 0 ? 0 : (wanted &- 1) &* stride &+ type.byteCount
        result.elements.region.isWhole = false
        result.elements.count = wanted
        return result
    }

    /// Updates the handle, checks that it is readable, and returns a part of it. `elements.region.base` is
    /// the address of the first element, not nil if there is one.
    ///
    /// - Throws: As `slice`, and `notReadable`. Call `checkIntact` after reading the elements.
    package func readable(_ index: Int = 0, _ count: Int? = nil) throws(MapError) -> MappedElements {
        var part = try slice(index, count)
        guard mm_is_readable(&part.elements.region) else { throw .notReadable }
        return part
    }

    /// Updates the handle, checks that it is writable, and returns a part of it.
    ///
    /// - Throws: As `slice`, `notWritable`, and `misuse` if the elements overlap: the result of a bulk
    ///   operation would depend on its order. Call `checkIntact` after writing the elements.
    package func writable(_ index: Int = 0, _ count: Int? = nil) throws(MapError) -> MappedElements {
        var part = try slice(index, count)
        guard mm_is_writable(&part.elements.region) else { throw .notWritable }
        guard !mm_overlap(&part.elements) else {
            throw MapError(
                .misuse,
                "the elements overlap (stride %1, size %2): such a view cannot be written",
                stride, type.byteCount)
        }
        return part
    }

    /// Reads one element.
    ///
    /// - Parameter index: `0 ..< count`.
    /// - Throws: `offsetOutOfRange`, `closed`, `lost`, `notReadable`.
    public func load(at index: Int) throws(MapError) -> Number {
        try checkElement(index)
        let part = try readable(index, 1)
        guard let place = part.elements.region.base else { throw MapError(.closed) }
        let bits = mm_load_number(place, elements.type)
        try part.checkIntact()
        return Number(bits: bits, type)
    }

    /// Writes one element.
    ///
    /// - Parameters:
    ///   - value: An integer type accepts floats with an exact integer value; a float type accepts integers
    ///     and rounds them.
    ///   - index: `0 ..< count`.
    /// - Throws: `offsetOutOfRange`, `valueOutOfRange`, `closed`, `lost`, `notWritable`, `misuse` if the
    ///   elements overlap.
    public func store(_ value: Number, at index: Int) throws(MapError) {
        try checkElement(index)
        let part = try writable(index, 1)
        let bits = try type.bits(of: value)
        guard let place = part.elements.region.base else { throw MapError(.closed) }
        mm_store_number(place, elements.type, bits)
        try part.checkIntact()
    }

    private func checkElement(_ index: Int) throws(MapError) {
        if index >= 0 && index < count { return }
        if count == 0 {
            throw MapError(.offsetOutOfRange, "index %1 is out of range: the view is empty", index)
        }
        throw MapError(.offsetOutOfRange, "index %1 is out of range (0 to %2)", index, count &- 1)
    }
}
