internal import Glibc

/// The size of a page in bytes, as sysconf(3) reports it.
public let pageSize = Int(sysconf(CInt(_SC_PAGESIZE)))

extension Int {
    /// The nearest multiple of `page` (a power of two) at or below.
    func roundedDown(toPage page: Int) -> Int { self & ~(page &- 1) }

    /// The nearest multiple of `page` (a power of two) at or above, or nil if that overflows.
    func roundedUp(toPage page: Int) -> Int? {
        let (sum, overflow) = addingReportingOverflow(page &- 1)
        return overflow ? nil : sum & ~(page &- 1)
    }
}

/// Checks a range of a sequence of `count` bytes. Never adds numbers of the caller, so nothing can overflow.
///
/// - Parameters:
///   - offset: In bytes, `0 ... count`.
///   - length: In bytes, `0 ... count - offset`; nil means to the end.
/// - Returns: The length.
/// - Throws: `MapError` of kind `offsetOutOfRange` or `lengthOutOfRange`.
package func checkedLength(
    offset: Int, length: Int?, count: Int
) throws(MapError) -> Int {
    guard offset >= 0, offset <= count else {
        throw MapError(.offsetOutOfRange, "offset %1 is out of range (0 to %2)", offset, count)
    }
    guard let length else { return count &- offset }
    guard length >= 0, length <= count &- offset else {
        throw MapError(
            .lengthOutOfRange, "length %1 is out of range (0 to %2 at offset %3)", length, count &- offset,
            offset)
    }
    return length
}

/// Checks the index of a byte, `0 ..< count`.
package func checkIndex(_ index: Int, count: Int) throws(MapError) {
    if index >= 0 && index < count { return }
    if count == 0 {
        throw MapError(.offsetOutOfRange, "offset %1 is out of range: the buffer is empty", index)
    }
    throw MapError(.offsetOutOfRange, "offset %1 is out of range (0 to %2)", index, count &- 1)
}
