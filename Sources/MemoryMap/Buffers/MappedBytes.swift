package import CMemoryMap
internal import Glibc

/// A range of the bytes of a mapping: all of it or a slice.
///
/// It is a handle, not an owner: it can be copied freely and may outlive its `MappedRegion`; then every use
/// throws `MapError.Kind.closed`. Every access is checked. An access to pages that are gone (the file was
/// truncated, the disk is full) throws `MapError.Kind.lost`; with a plain pointer, SIGBUS would end the
/// process.
///
/// Offsets and lengths are in bytes, offsets count from 0.
public struct MappedBytes: @unchecked Sendable {
    package var region: mm_region

    package init(_ region: mm_region) { self.region = region }

    /// The number of bytes. 0 after the mapping was unmapped.
    public var count: Int {
        var current = self
        do { try current.refresh() } catch { return 0 }
        return current.region.length
    }

    /// Updates the handle after its mapping was moved or resized.
    ///
    /// - Throws: `closed` and `lost`; `misuse` if the mapping was resized and no longer reaches the end of
    ///   this slice.
    @inline(__always)
    package mutating func refresh() throws(MapError) {
        if mm_is_current(&region) { return }
        try catchUp()
    }

    @inline(never)
    private mutating func catchUp() throws(MapError) {
        let slot = region.slot
        if mm_is_closed(&region) { throw MapError(.closed) }
        if mm_is_lost(&region) { throw lossError() }
        if region.isWhole {
            region.length = slot.pointee.length
        } else if region.offset > slot.pointee.length
            || region.length > slot.pointee.length &- region.offset
        {
            throw MapError(
                .misuse, "this slice ends at byte %1 and its mapping now has %2 bytes",
                region.offset &+ region.length, slot.pointee.length)
        }
        region.base = slot.pointee.base?.advanced(by: region.offset)
        region.stamp = slot.pointee.stamp
    }

    /// Throws if any page that was accessed so far was gone.
    @inline(__always)
    package func checkIntact() throws(MapError) {
        var region = region
        if mm_was_intact(&region) { return }
        throw lossError()
    }

    /// Whether `checkIntact` would not throw. Long operations that write check this between parts: writing
    /// after a page was lost allocates memory.
    var isIntact: Bool {
        var region = region
        return mm_was_intact(&region)
    }

    /// The error for an operation that `isIntact` may have stopped: `lost` if it has, else `error`.
    func cause(_ error: MapError) -> MapError { isIntact ? error : lossError() }

    /// The error for pages that are gone. Its values are the offset in the mapping, the size of the file when
    /// it was mapped (both in bytes), and the signal.
    package func lossError() -> MapError {
        var region = region
        if mm_is_closed(&region) { return MapError(.closed) }
        let slot = region.slot.pointee
        let place = Int(slot.fault_address) &- Int(slot.start) &- slot.pagePadding
        return MapError(
            .lost,
            slot.fault_signal != SIGBUS
                ? "the page at offset %1 cannot be accessed: it is a guard page, or other code changed its protection"
                : slot.kind == MM_FILE && Int64(place) &+ slot.file_offset >= slot.file_size
                    ? "the page at offset %1 is past the end of the file"
                    : "the page at offset %1 is gone: the file was truncated, or the disk is full or failed",
            place, Int(slot.file_size), Int(slot.fault_signal))
    }

    /// Updates the handle, checks that it is readable, and checks a range.
    @inline(__always)
    package func readable(
        _ offset: Int, _ length: Int?
    ) throws(MapError) -> (bytes: MappedBytes, range: UnsafeRawBufferPointer) {
        var current = self
        try current.refresh()
        let count = try checkedLength(offset: offset, length: length, count: current.region.length)
        guard mm_is_readable(&current.region) else { throw .notReadable }
        return (
            current, UnsafeRawBufferPointer(start: current.region.base?.advanced(by: offset), count: count)
        )
    }

    /// Updates the handle, checks that it is writable, and checks a range.
    @inline(__always)
    package func writable(
        _ offset: Int, _ length: Int?
    ) throws(MapError) -> (bytes: MappedBytes, range: UnsafeMutableRawBufferPointer) {
        var current = self
        try current.refresh()
        let count = try checkedLength(offset: offset, length: length, count: current.region.length)
        guard mm_is_writable(&current.region) else { throw .notWritable }
        return (
            current,
            UnsafeMutableRawBufferPointer(start: current.region.base?.advanced(by: offset), count: count)
        )
    }

    /// A smaller handle on the same memory.
    ///
    /// - Parameters:
    ///   - offset: In bytes, `0 ... count`.
    ///   - length: In bytes, `0 ... count - offset`; nil means to the end.
    /// - Throws: `offsetOutOfRange`, `lengthOutOfRange`, `closed`, `lost`.
    public func slice(_ offset: Int, _ length: Int? = nil) throws(MapError) -> MappedBytes {
        var result = self
        try result.refresh()
        let count = try checkedLength(offset: offset, length: length, count: result.region.length)
        result.region.base = result.region.base?.advanced(by: offset)
        result.region.length = count
        result.region.offset &+= offset
        result.region.isWhole = false
        return result
    }

    /// The byte at an offset.
    ///
    /// - Parameter offset: In bytes, `0 ..< count`.
    /// - Throws: `offsetOutOfRange`, `closed`, `lost`, `notReadable`.
    public func load(at offset: Int) throws(MapError) -> UInt8 {
        var current = self
        try current.refresh()
        try checkIndex(offset, count: current.region.length)
        guard mm_is_readable(&current.region) else { throw .notReadable }
        let value = mm_load_byte(&current.region, UInt64(bitPattern: Int64(offset)))
        if value < 0 { throw lossError() }
        return UInt8(truncatingIfNeeded: value)
    }

    /// Writes one byte.
    ///
    /// - Parameter offset: In bytes, `0 ..< count`.
    /// - Throws: `offsetOutOfRange`, `closed`, `lost`, `notWritable`.
    public func store(_ value: UInt8, at offset: Int) throws(MapError) {
        var current = self
        try current.refresh()
        try checkIndex(offset, count: current.region.length)
        guard mm_is_writable(&current.region) else { throw .notWritable }
        if !mm_store_byte(&current.region, UInt64(bitPattern: Int64(offset)), value) { throw lossError() }
    }
}

extension MapError {
    package static var notReadable: MapError {
        MapError(.notReadable, "the mapping's protection does not allow reading (PROT_READ)")
    }

    package static var notWritable: MapError {
        MapError(
            .notWritable,
            "the mapping is read-only; open it with \"r+\" (shared) or \"c\" (a private copy), or protect it with PROT_WRITE"
        )
    }
}
