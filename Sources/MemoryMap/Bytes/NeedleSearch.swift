internal import CMemoryMap
internal import Kernels

// Searches with the kernels. Partial matches slow these down; after too many they give up, and memmem(3),
// which stays linear, continues.

/// The first position of the needle, or `Kernels.none`.
func firstPlace(of needle: UnsafePointer<Needle>, _ start: UnsafeRawPointer, _ positions: Int) -> Int {
    let place = activeKernels.find(start, positions, needle)
    return place == Kernels.toil ? plainPlace(of: needle, start, positions) : place
}

/// The last position of the needle, or `Kernels.none`.
func lastPlace(of needle: UnsafePointer<Needle>, _ start: UnsafeRawPointer, _ positions: Int) -> Int {
    let place = activeKernels.findLast(start, positions, needle)
    guard place == Kernels.toil else { return place }
    var last = Kernels.none
    var (low, high) = (0, positions)
    while low < high {
        let middle = low &+ (high &- low) / 2
        let place = plainPlace(of: needle, start + middle, high &- middle)
        if place == Kernels.none {
            high = middle
        } else {
            last = middle &+ place
            low = last &+ 1
        }
    }
    return last
}

/// As `Kernels.count`.
func countPlaces(
    of needle: UnsafePointer<Needle>, _ start: UnsafeRawPointer, _ positions: Int, _ from: inout Int
) -> Int {
    let count = activeKernels.count(start, positions, needle, &from)
    guard count == Kernels.toil else { return count }
    var (total, next) = (0, from)
    while next < positions {
        let place = plainPlace(of: needle, start + next, positions &- next)
        if place == Kernels.none { break }
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
        return Kernels.none
    }
    return UnsafeRawPointer(found) - start
}
