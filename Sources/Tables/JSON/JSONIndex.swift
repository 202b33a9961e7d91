internal import CMemoryMap
internal import CSimdjson
internal import Glibc
internal import MemoryMap

/// The positions of the tokens of JSON text, as simdjson finds them.
package final class JSONIndex {
    private let index: OpaquePointer
    /// For texts of so many bytes there is memory.
    private var capacity = 0
    /// In the text, and ascending. After them comes the length of the text.
    private(set) var positions: UnsafePointer<UInt32>
    private(set) var count = 0
    private var counted = 0
    nonisolated(unsafe) private static let none: UnsafePointer<UInt32> = {
        let none = UnsafeMutablePointer<UInt32>.allocate(capacity: 1)
        none.pointee = 0
        return UnsafePointer(none)
    }()

    package init() throws(TableError) {
        guard let index = sj_index_make() else { throw JSONIndex.shortage(0) }
        self.index = index
        positions = JSONIndex.none
    }

    deinit {
        sj_index_free(index)
        mm_budget_give(counted)
    }

    private static func shortage(_ bytes: Int) -> TableError {
        do { try requireRoom(bytes) } catch { return .map(error, path: nil) }
        return TableError(MapError(.mmap, errno: ENOMEM, "no memory is left to read JSON of %1 bytes", bytes))
    }

    private func grow(_ length: Int) throws(TableError) {
        guard length <= SJ_LONGEST_TEXT else {
            throw TableError(
                "JSON text of \(length) bytes without an end: at most \(SJ_LONGEST_TEXT) bytes are read at once"
            )
        }
        let wanted = min(max(length, capacity &* 2, 4096), SJ_LONGEST_TEXT)
        let bytes = sj_index_memory(wanted)
        guard mm_budget_take(bytes) else { throw JSONIndex.shortage(bytes) }
        mm_budget_give(counted)
        (counted, capacity, count) = (bytes, 0, 0)
        guard sj_index_reserve(index, wanted) else { throw JSONIndex.shortage(bytes) }
        capacity = wanted
    }

    /// Finds the tokens. False if the text is no UTF-8, or has a string that is not closed or a control character in a
    /// string.
    ///
    /// - Parameter text: Private memory.
    package func find(_ text: UnsafePointer<UInt8>, _ length: Int) throws(TableError) -> Bool {
        if length > capacity { try grow(length) }
        var found: UnsafePointer<UInt32>?
        let isGood = sj_index_find(index, text, length, &found, &count)
        positions = found ?? JSONIndex.none
        return isGood
    }
}
