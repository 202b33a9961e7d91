internal import CMemoryMap
internal import Glibc

/// The kinds of mapping that an advice may suit or not.
package enum MappingKind: Int, CaseIterable, Sendable {
    case privateAnonymous, sharedAnonymous, privateFile, sharedFile
}

/// What came of an advice that was given to memory nobody needs.
package struct AdviceTrial: Equatable, Sendable {
    /// 0 where it was taken; nil where it was not tried, because it takes memory from the machine.
    package var errno: CInt?
    /// Whether bytes that had been written are gone.
    package var destroys = false
}

extension Advice {
    /// Whether it is tried: the two that simulate broken memory take a page from the machine for good.
    package var isHarmless: Bool { self != .hardwarePoison && self != .softOffline }

    /// Gives the advice to a scratch mapping and looks whether what was written there remains.
    ///
    /// - Throws: `systemCall` where the scratch mapping cannot be made.
    package func attempt(on kind: MappingKind) throws(MapError) -> AdviceTrial {
        guard isHarmless else { return AdviceTrial(errno: nil) }
        // A huge page has to fit in.
        let size = self == .collapse ? 4 << 20 : 16 &* pageSize
        let map = MappedRegion(adopting: try scratchRegion(kind, size))
        try map.bytes.fill(0x55)
        do { try map.bytes.advise(self) } catch { return AdviceTrial(errno: error.errno) }
        // Freed memory keeps its bytes until the kernel wants it. Now it does.
        if self == .free { _ = try? map.bytes.advise(.pageout) }
        return AdviceTrial(errno: 0, destroys: !map.bytes.isFilled(with: 0x55))
    }

    private func scratchRegion(_ kind: MappingKind, _ size: Int) throws(MapError) -> mm_region {
        let isPrivate = kind == .privateAnonymous || kind == .privateFile
        if kind == .privateAnonymous || kind == .sharedAnonymous {
            return try mapRegion(
                length: size, protection: [.read, .write],
                flags: [.anonymous, isPrivate ? .private : .shared], descriptor: -1, offset: 0)
        }
        let descriptor = try systemMemoryFile("mmaplua")
        defer { systemClose(descriptor) }
        try systemTruncate(descriptor, to: size)
        return try mapRegion(
            length: size, protection: [.read, .write], flags: isPrivate ? .private : .shared,
            descriptor: descriptor, offset: 0)
    }
}

extension MappedBytes {
    /// Whether each page begins with a byte. A page that cannot be read does not.
    fileprivate func isFilled(with byte: UInt8) -> Bool {
        for place in stride(from: 0, to: count, by: pageSize) {
            guard let found = try? load(at: place), found == byte else { return false }
        }
        return true
    }
}
