internal import CMemoryMap
internal import Glibc

/// Memory to work in, counted by the budget.
struct WorkMemory {
    let base: UnsafeMutableRawPointer
    private let bytes: Int

    /// From this many bytes on the system is asked what is free: it promises more than there is, and ends who uses it.
    private static var large: Int { 1 << 30 }

    /// Memory for `count` values; nil where there is not so much, or the limit leaves none.
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

    /// The same, or an error that says how much is missing.
    static func required<Value>(_ type: Value.Type, _ count: Int) throws(MapError) -> WorkMemory {
        if let scratch = WorkMemory(type, count) { return scratch }
        let (bytes, isOverflow) = count.multipliedReportingOverflow(by: MemoryLayout<Value>.stride)
        if !isOverflow { try requireRoom(bytes) }
        throw MapError(.mmap, errno: ENOMEM, "there is no memory to work on %1 elements in", count)
    }

    /// Large pages: a table of the processor's has room for few addresses, and much of it is written here and there.
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
