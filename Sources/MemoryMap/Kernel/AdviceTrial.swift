internal import CMemoryMap
internal import Glibc

/// The kinds of mapping for which an advice is tested.
package enum MappingKind: Int, CaseIterable, Sendable {
    case privateAnonymous, sharedAnonymous, privateFile, sharedFile
}

/// The result of giving an advice to a scratch mapping.
package struct AdviceTrial: Equatable, Sendable {
    /// 0 if the advice succeeded; nil if it was not tried, because it takes memory out of service.
    package var errno: CInt?
    /// Whether the advice destroyed data.
    package var destroys = false
}

extension Advice {
    /// Whether it may be tried: the two that simulate broken memory take a page out of service permanently.
    package var isHarmless: Bool { self != .hardwarePoison && self != .softOffline }

    /// Gives the advice to a scratch mapping and checks whether its data remains.
    ///
    /// - Throws: `systemCall` if the scratch mapping cannot be created.
    package func attempt(on kind: MappingKind) throws(MapError) -> AdviceTrial {
        guard isHarmless else { return AdviceTrial(errno: nil) }
        // Large enough for an aligned huge page.
        let size = self == .collapse ? 4 << 20 : 16 &* pageSize
        let map = MappedRegion(adopting: try scratchRegion(kind, size))
        try map.bytes.fill(0x55)
        do { try map.bytes.advise(self) } catch { return AdviceTrial(errno: error.errno) }
        // Memory with `MADV_FREE` keeps its data until the kernel needs the memory. `MADV_PAGEOUT` frees it
        // now.
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
    /// Whether each page begins with `byte`; false if a page cannot be read.
    fileprivate func isFilled(with byte: UInt8) -> Bool {
        for place in stride(from: 0, to: count, by: pageSize) {
            guard let found = try? load(at: place), found == byte else { return false }
        }
        return true
    }
}
