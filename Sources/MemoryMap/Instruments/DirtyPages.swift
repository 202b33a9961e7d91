internal import CMemoryMap
internal import Glibc

/// Counts the dirty pages of parts of a mapping, if the kernel reports them.
package struct DirtyPages {
    private var descriptor: Descriptor = -1
    private var origin = 0
    package private(set) var total = 0

    /// - Throws: `interrupted`.
    package init(_ bytes: MappedBytes, _ shouldContinue: ShouldContinue) throws(MapError) {
        guard let (current, pages) = try? bytes.wholePages(0, nil), pages.extent > 0,
            current.region.slot.pointee.kind == MM_FILE,
            let descriptor = try? current.openFile(for: .cachestat)
        else { return }
        origin = current.filePlace(pages)
        do {
            total = try CacheState.of(descriptor, origin, pages.extent, shouldContinue: shouldContinue).dirty
        } catch {
            systemClose(descriptor)
            if error.kind == .interrupted { throw error }
            return
        }
        if total > 0 { self.descriptor = descriptor } else { systemClose(descriptor) }
    }

    /// The number of dirty pages in a range of the mapping's pages.
    package func count(_ range: Range<Int>) -> Int {
        guard descriptor >= 0 else { return 0 }
        let state = try? CacheState.of(
            descriptor, origin &+ range.lowerBound &* pageSize, range.count &* pageSize)
        return state?.dirty ?? 0
    }

    package func close() { if descriptor >= 0 { systemClose(descriptor) } }
}
