internal import CMemoryMap
internal import Glibc

/// Working memory, counted in the budget.
struct WorkMemory {
    let base: UnsafeMutableRawPointer
    private let bytes: Int

    /// From this size in bytes on, free memory is checked first: the kernel overcommits, and kills a process
    /// that uses too much.
    private static var large: Int { 1 << 30 }

    /// Memory for `count` values; nil if there is not enough, or the limit of the budget is reached.
    init?<Value>(_: Value.Type, _ count: Int) {
        let (bytes, isOverflow) = count.multipliedReportingOverflow(by: MemoryLayout<Value>.stride)
        if isOverflow || bytes >= Self.large && bytes > systemFreeMemory() || !mm_budget_take(bytes) {
            return nil
        }
        guard let base = malloc(max(bytes, 1)) else {
            mm_budget_give(bytes)
            return nil
        }
        (self.base, self.bytes) = (base, bytes)
        advise()
    }

    /// The same, or an error with the size that was needed.
    static func required<Value>(_ type: Value.Type, _ count: Int) throws(MapError) -> WorkMemory {
        if let scratch = WorkMemory(type, count) { return scratch }
        let (bytes, isOverflow) = count.multipliedReportingOverflow(by: MemoryLayout<Value>.stride)
        if !isOverflow { try requireRoom(bytes) }
        throw MapError(.mmap, errno: ENOMEM, "not enough memory to work on %1 elements", count)
    }

    /// Large pages, because the processor's TLB has few entries and the memory is written at scattered
    /// addresses.
    private func advise() {
        let page = 2 << 20
        guard bytes >= 4 &* page else { return }
        let skipped = (page &- Int(bitPattern: base) & (page &- 1)) & (page &- 1)
        madvise(base + skipped, (bytes &- skipped) & ~(page &- 1), MADV_HUGEPAGE)
    }

    func free() {
        Glibc.free(base)
        mm_budget_give(bytes)
    }
}
