internal import CLua
internal import CLuaMap
internal import Glibc
internal import MemoryMap

/// Interrupts and progress of long work: stops the work at Ctrl-C, and draws a progress bar on a terminal if
/// the script turned it on and the work takes more than a second.
///
/// Every function here is [-0, +0, –]: it uses no stack slots and never raises.
struct Monitor {
    private let state: LuaState
    private let hooks: CInt
    private let total: Int
    /// Erased from the terminal when the monitor is released.
    private let bar: ProgressBar?

    /// - Parameter total: The amount of work, in the unit of `shouldContinue`; 0 if unknown.
    /// - Throws: If there is not enough memory for the work.
    init(_ state: LuaState, total: Int = 0) throws(MapError) {
        try requireHeap()
        self.init(state, total)
    }

    /// For work that allocates no memory.
    init(frugal state: LuaState) { self.init(state, 0) }

    private init(_ state: LuaState, _ total: Int) {
        self.state = state
        // A stock interpreter does not set lm_interrupt; its SIGINT handler sets a hook.
        self.hooks = lua_gethookmask(state)
        self.total = total
        self.bar = total > 0 && ProgressBar.isWanted ? ProgressBar() : nil
    }

    /// Whether the work should continue; draws the bar. Call it only on the thread that runs Lua.
    func shouldContinue(_ done: Int) -> Bool {
        bar?.show(done, of: total)
        return !lm_is_interrupted() && lua_gethookmask(state) == hooks
    }
}

/// A bar on the terminal's last line.
final class ProgressBar {
    /// The setting of `mmap.progress`.
    nonisolated(unsafe) static var isOn = false

    static var isWanted: Bool { isOn && isatty(STDERR_FILENO) == 1 }

    private let started = now()
    /// The time of the last drawing; nil before the first.
    private var drawn: Double?

    private static func now() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
    }

    /// Draws the bar, at most ten times a second, and not in the first second.
    func show(_ done: Int, of total: Int) {
        let now = Self.now()
        guard now - (drawn ?? (started + 0.9)) >= 0.1 else { return }
        drawn = now
        let part = min(1, max(0, Double(done) / Double(total)))
        draw(part, seconds: part > 0.001 ? (now - started) * (1 - part) / part : nil)
    }

    /// "\r[#####.....]  50 %  12 s left", and the rest of the line cleared; 60 columns at most.
    private func draw(_ part: Double, seconds: Double?) {
        let cells = 32
        let full = min(cells, Int(part * Double(cells)))
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 128) { text in
            var count = 0
            func put(_ byte: UInt8) {
                if count < text.count { text[count] = byte }
                count &+= 1
            }
            func put(_ string: StaticString) {
                for i in 0..<string.utf8CodeUnitCount { put(string.utf8Start[i]) }
            }
            func put(_ number: Int, width: Int) {
                var unit = 1
                var digits = 1
                while number / unit >= 10 && digits < 18 {
                    unit &*= 10
                    digits &+= 1
                }
                if digits < width { for _ in digits..<width { put(UInt8(ascii: " ")) } }
                while unit > 0 {
                    put(UInt8(ascii: "0") &+ UInt8(truncatingIfNeeded: number / unit % 10))
                    unit /= 10
                }
            }
            put("\r[")
            for cell in 0..<cells { put(UInt8(ascii: cell < full ? "#" : ".")) }
            put("] ")
            put(Int(part * 100), width: 3)
            put(" %")
            if let seconds, seconds < 1e9 {
                put("  ")
                put(Int(seconds + 0.5), width: 1)
                put(" s left")
            }
            put("\u{1B}[K")
            _ = write(STDERR_FILENO, text.baseAddress, min(count, text.count))
        }
    }

    deinit {
        if drawn != nil { _ = write(STDERR_FILENO, "\r\u{1B}[K", 4) }
    }
}
