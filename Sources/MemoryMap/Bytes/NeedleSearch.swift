internal import CMemoryMap
internal import Vectors

// Searches with vector code. Partial matches slow it down; after too many it gives up, and memmem(3),
// which stays linear, continues.

/// The number of occurrences of a byte.
package func occurrences(of byte: UInt8, _ start: UnsafeRawPointer, _ count: Int) -> Int {
    activeVectors.countByte(start, count, byte)
}

/// The first position of the needle, or `Vectors.none`.
func firstPlace(of needle: UnsafePointer<Needle>, _ start: UnsafeRawPointer, _ positions: Int) -> Int {
    let place = activeVectors.find(start, positions, needle)
    return place == Vectors.gaveUp ? plainPlace(of: needle, start, positions) : place
}

/// The last position of the needle, or `Vectors.none`.
func lastPlace(of needle: UnsafePointer<Needle>, _ start: UnsafeRawPointer, _ positions: Int) -> Int {
    let place = activeVectors.findLast(start, positions, needle)
    guard place == Vectors.gaveUp else { return place }
    var last = Vectors.none
    var (low, high) = (0, positions)
    while low < high {
        let middle = low &+ (high &- low) / 2
        let place = plainPlace(of: needle, start + middle, high &- middle)
        if place == Vectors.none {
            high = middle
        } else {
            last = middle &+ place
            low = last &+ 1
        }
    }
    return last
}

/// As `Vectors.count`.
func countPlaces(
    of needle: UnsafePointer<Needle>, _ start: UnsafeRawPointer, _ positions: Int, _ from: inout Int
) -> Int {
    let count = activeVectors.count(start, positions, needle, &from)
    guard count == Vectors.gaveUp else { return count }
    var (total, next) = (0, from)
    while next < positions {
        let place = plainPlace(of: needle, start + next, positions &- next)
        if place == Vectors.none { break }
        total &+= 1
        next &+= place &+ needle.pointee.count
    }
    from = max(0, next &- positions)
    return total
}

private func plainPlace(of needle: UnsafePointer<Needle>, _ start: UnsafeRawPointer, _ positions: Int) -> Int
{
    let needle = needle.pointee
    guard let found = mm_find(start, positions &- 1 &+ needle.count, needle.start, needle.count) else {
        return Vectors.none
    }
    return UnsafeRawPointer(found) - start
}
