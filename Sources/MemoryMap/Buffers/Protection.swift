internal import Glibc

/// The access to the pages of a mapping: `PROT_*` of mmap(2).
public struct Protection: OptionSet, Sendable {
    public let rawValue: CInt

    public init(rawValue: CInt) { self.rawValue = rawValue }

    public static let read = Protection(rawValue: PROT_READ)
    /// On Linux this implies reading (mprotect(2), NOTES).
    public static let write = Protection(rawValue: PROT_WRITE)
    public static let execute = Protection(rawValue: PROT_EXEC)
}

/// The flags of a mapping: `MAP_*` of mmap(2).
public struct MapFlags: OptionSet, Sendable {
    public let rawValue: CInt

    public init(rawValue: CInt) { self.rawValue = rawValue }

    public static let shared = MapFlags(rawValue: 0x01)
    public static let `private` = MapFlags(rawValue: 0x02)
    public static let fixed = MapFlags(rawValue: 0x10)
    public static let anonymous = MapFlags(rawValue: 0x20)
    public static let growsDown = MapFlags(rawValue: 0x0100)
    public static let locked = MapFlags(rawValue: 0x2000)
    public static let noReserve = MapFlags(rawValue: 0x4000)
    public static let populate = MapFlags(rawValue: 0x8000)
    public static let nonBlock = MapFlags(rawValue: 0x10000)
    public static let stack = MapFlags(rawValue: 0x20000)
    public static let hugeTLB = MapFlags(rawValue: 0x40000)
    public static let sync = MapFlags(rawValue: 0x80000)
    public static let fixedNoReplace = MapFlags(rawValue: 0x100000)

    /// Both bits together are `MAP_SHARED_VALIDATE`, which is shared too.
    package var isShared: Bool { contains(.shared) }
}
