import Foundation

/// Random numbers from a seed (SplitMix64).
struct Seeded: RandomNumberGenerator {
    /// The variable MMAPLUA_SEED, or 1, so that a failure comes again.
    static let first = ProcessInfo.processInfo.environment["MMAPLUA_SEED"].flatMap { UInt64($0) } ?? 1

    let seed: UInt64
    private var state: UInt64

    init(seed: UInt64 = Self.first) {
        self.seed = seed
        state = seed
    }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }
}
