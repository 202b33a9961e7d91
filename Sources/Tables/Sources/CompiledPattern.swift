internal import CMemoryMap
internal import Glibc
package import MemoryMap

/// A compiled regular expression, counted in the budget. One thread at a time uses it.
package final class CompiledPattern {
    package let pointer: PatternPointer
    private let size: Int

    /// - Parameter refusal: The error for a pattern that is none.
    /// - Throws: Also if there is no memory for it.
    package init(
        _ source: [UInt8], _ options: PatternOptions, steps: UInt32? = nil,
        refusal: (PatternError) -> TableError
    ) throws(TableError) {
        let shortage = TableError(MapError(.mmap, errno: ENOMEM, "no memory is left for a pattern"))
        let result = source.withUnsafeBytes { bytes -> Result<mm_pattern, PatternError> in
            do throws(PatternError) { return .success(try mm_pattern(bytes, options, steps: steps)) } catch {
                return .failure(error)
            }
        }
        switch result {
        case .success(var pattern):
            size = pattern.size
            guard mm_budget_take(size) else {
                pattern.free()
                throw shortage
            }
            pointer = .allocate(capacity: 1)
            pointer.initialize(to: pattern)
        case .failure(let error): throw error.isShortage ? shortage : refusal(error)
        }
    }

    deinit {
        pointer.pointee.free()
        pointer.deallocate()
        mm_budget_give(size)
    }
}
