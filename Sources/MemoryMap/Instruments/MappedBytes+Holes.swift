package import CMemoryMap
internal import Glibc

/// A part of a file with data blocks, or a hole: a part without blocks that reads as zeros.
package struct FileExtent: Sendable {
    /// In bytes, of the buffer.
    package var offset: Int
    package var length: Int
    package var isData: Bool
}

extension MappedBytes {
    /// Finds the parts of the mapped file with data and the holes: `SEEK_DATA` and `SEEK_HOLE` of lseek(2).
    /// The part of the range past the end of the file is neither. On a file system that does not report
    /// holes, everything is data.
    ///
    /// - Parameters:
    ///   - offset: In bytes of the buffer; checked, as `length` is.
    ///   - body: Called for each part in order; returns false to stop.
    /// - Throws: `systemCall` of lseek(2) or open(2), `closed`, `lost`.
    package func extents(
        _ offset: Int, _ length: Int?, _ body: (FileExtent) -> Bool
    ) throws(MapError) {
        var current = self
        try current.refresh()
        let length = try checkedLength(offset: offset, length: length, count: current.region.length)
        if current.region.length == 0 { return }
        let descriptor = try current.openFile(for: .lseek)
        defer { systemClose(descriptor) }
        let origin = Int(current.region.slot.pointee.file_offset) &+ current.region.offset
        let size = try systemEnd(descriptor)
        let end = min(origin &+ offset &+ length, size)
        var place = origin &+ offset
        while place < end {
            let data = try systemSeek(descriptor, place, toData: true) ?? size
            let next: Int
            if data > place {
                next = min(data, end)
            } else {
                next = min(try systemSeek(descriptor, place, toData: false) ?? size, end)
            }
            // The loop must end even if the file changes meanwhile.
            if next <= place { break }
            let extent = FileExtent(offset: place &- origin, length: next &- place, isData: data == place)
            if !body(extent) { break }
            place = next
        }
    }
}

/// Creates a file of a given size without data blocks and maps it, shared and writable.
///
/// - Parameter size: In bytes, 0 or more.
/// - Throws: `systemCall` (`EEXIST`: nothing is overwritten; `EFBIG` …), `misuse`.
package func sparseRegion(_ path: UnsafePointer<CChar>, _ size: Int) throws(MapError) -> mm_region {
    guard size >= 0 else {
        throw MapError(.misuse, "size %1 is out of range: it must not be negative", size)
    }
    let descriptor: Descriptor
    do { descriptor = try systemOpen(path, O_RDWR | O_CREAT | O_EXCL) } catch {
        throw error.errno == EEXIST
            ? error.hinting("an existing file is not overwritten; remove it first") : error
    }
    defer { systemClose(descriptor) }
    do {
        try systemTruncate(descriptor, to: size)
        if size == 0 {
            return try emptyRegion(
                protection: [.read, .write], flags: .shared, descriptor: descriptor, offset: 0)
        }
        return try mapRegion(
            length: size, protection: [.read, .write], flags: .shared, descriptor: descriptor, offset: 0)
    } catch {
        systemUnlink(path)
        throw error
    }
}
