internal import Glibc

/// The expected use of a range: `MADV_*` of madvise(2).
public struct Advice: RawRepresentable, Hashable, Sendable {
    public let rawValue: Int

    public init(rawValue: Int) { self.rawValue = rawValue }

    public static let normal = Advice(rawValue: 0)
    public static let random = Advice(rawValue: 1)
    public static let sequential = Advice(rawValue: 2)
    public static let willNeed = Advice(rawValue: 3)
    public static let dontNeed = Advice(rawValue: 4)
    public static let free = Advice(rawValue: 8)
    public static let remove = Advice(rawValue: 9)
    static let cold = Advice(rawValue: 20)
    static let pageout = Advice(rawValue: 21)
    static let populateRead = Advice(rawValue: 22)
    static let populateWrite = Advice(rawValue: 23)
    static let dontNeedLocked = Advice(rawValue: 24)
    static let collapse = Advice(rawValue: 25)
    static let hardwarePoison = Advice(rawValue: 100)
    static let softOffline = Advice(rawValue: 101)
    static let guardInstall = Advice(rawValue: 102)
    static let guardRemove = Advice(rawValue: 103)

    /// Every advice of Linux up to 6.18 by its name in the manual, in lower case without `MADV_`.
    package static let names: [(name: StaticString, advice: Advice)] = [
        ("normal", .normal), ("random", .random), ("sequential", .sequential), ("willneed", .willNeed),
        ("dontneed", .dontNeed), ("free", .free), ("remove", .remove), ("dontfork", Advice(rawValue: 10)),
        ("dofork", Advice(rawValue: 11)), ("mergeable", Advice(rawValue: 12)),
        ("unmergeable", Advice(rawValue: 13)), ("hugepage", Advice(rawValue: 14)),
        ("nohugepage", Advice(rawValue: 15)), ("dontdump", Advice(rawValue: 16)),
        ("dodump", Advice(rawValue: 17)), ("wipeonfork", Advice(rawValue: 18)),
        ("keeponfork", Advice(rawValue: 19)), ("cold", .cold),
        ("pageout", .pageout), ("populate_read", .populateRead),
        ("populate_write", .populateWrite), ("dontneed_locked", .dontNeedLocked), ("collapse", .collapse),
        ("hwpoison", .hardwarePoison), ("soft_offline", .softOffline), ("guard_install", .guardInstall),
        ("guard_remove", .guardRemove),
    ]

    /// Whether the running kernel supports the advice. For an empty range madvise(2) only checks the advice
    /// (ERRORS), so this has no effect on memory.
    package var isKnown: Bool {
        guard let value = CInt(exactly: rawValue) else { return false }
        return madvise(nil, 0, value) == 0
    }

    /// Whether the kernel walks the pages of the range; otherwise it only sets a property of the whole range.
    var walksPages: Bool {
        switch self {
        case .willNeed, .dontNeed, .dontNeedLocked, .free, .remove, .cold, .pageout, .populateRead,
            .populateWrite, .collapse, .hardwarePoison, .softOffline, .guardInstall, .guardRemove:
            true
        default: false
        }
    }

    /// Whether it destroys data in a mapping of this kind: then rounding a range to whole pages would destroy
    /// adjacent data.
    func destroysData(shared: Bool, anonymous: Bool) -> Bool {
        switch self {
        case .dontNeed, .dontNeedLocked: !shared || anonymous
        case .free, .remove, .hardwarePoison, .guardInstall: true
        default: false
        }
    }
}
