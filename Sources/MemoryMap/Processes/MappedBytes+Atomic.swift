internal import CMemoryMap
internal import Glibc

extension MappedBytes {
    /// The bytes of an integer that several processes may change concurrently.
    ///
    /// - Parameters:
    ///   - type: An integer in the machine's byte order.
    ///   - offset: In bytes. The address there must be a multiple of the type's size.
    /// - Throws: `misuse` for the type or the alignment, `offsetOutOfRange`, `closed`, `lost`.
    package func atomic(_ type: ElementType, at offset: Int) throws(MapError) -> MappedBytes {
        if type.isFloat {
            throw MapError(.misuse, "an atomic is an integer: u8 i8 u16 i16 u32 i32 u64 i64")
        }
        if type.isSwapped {
            throw MapError(.misuse, "an atomic has the machine's byte order: leave out 'le' and 'be'")
        }
        let size = type.byteCount
        let (current, place) = try self.place(of: size, at: offset)
        let rest = Int(bitPattern: place) & (size &- 1)
        guard rest == 0 else {
            if rest > offset {
                throw MapError(
                    .offsetOutOfRange,
                    "offset %1 is not aligned to %2 bytes in memory: the mapping does not start at an aligned address",
                    offset, size)
            }
            throw MapError(
                .offsetOutOfRange,
                "offset %1 is not aligned to %2 bytes in memory; the nearest one below is %3",
                offset, size, offset &- rest)
        }
        return try current.slice(offset, size)
    }

    /// Sleeps while the bytes, those of a 32-bit integer, equal `value`: FUTEX_WAIT of futex(2).
    ///
    /// - Parameter nanoseconds: The longest time to wait.
    /// - Returns: True if it was woken or the value differs; false after the time is over or a signal
    ///   arrived.
    package func wait(while value: UInt32, nanoseconds: Int64) throws(MapError) -> Bool {
        guard let place = region.base else { throw MapError(.closed) }
        do { return try systemWait(place, while: value, nanoseconds).isOver } catch {
            // If the page is gone, futex(2) returns an error and causes no fault. A load causes one, so that
            // the guard records it.
            _ = mm_atomic_load(place, Int32(MM_U32))
            try checkIntact()
            throw error
        }
    }

    /// Wakes waiters: FUTEX_WAKE of futex(2).
    ///
    /// - Returns: The number of waiters that were woken.
    package func wake(_ count: CInt) throws(MapError) -> Int {
        guard let place = region.base else { throw MapError(.closed) }
        do { return try systemWake(place, count) } catch {
            _ = mm_atomic_load(place, Int32(MM_U32))
            try checkIntact()
            throw error
        }
    }
}

extension Waking {
    fileprivate var isOver: Bool { self == .woken || self == .changed }
}
