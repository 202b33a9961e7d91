internal import CHost
internal import Glibc

/// Reads characters from the terminal, and signals that arrive in the meantime.
struct KeyboardInput {
    enum Event {
        case character(Int32)
        case end
        case interrupt
    }

    let signals: CInt

    /// Waits for a character. Calls `answering` with the number of each signal; if it returns false, the result is
    /// `interrupt`.
    mutating func next(answering answer: (CInt) -> Bool) -> Event {
        while true {
            guard let lead = nextByte(answering: answer) else { return .interrupt }
            guard case .some(let lead) = lead else { return .end }
            let length = Self.length(lead)
            if length == 1 { return .character(Int32(lead)) }
            // Not the first byte of a UTF-8 character. libedit could not show it, so it is skipped.
            if length == 0 { continue }
            var value = Int32(lead) & (0x7F >> Int32(length))
            var complete = true
            for _ in 1..<length {
                guard let next = nextByte(answering: answer) else { return .interrupt }
                guard case .some(let byte) = next else { return .end }
                if byte & 0xC0 != 0x80 { complete = false }
                value = value << 6 | Int32(byte & 0x3F)
            }
            if complete { return .character(value) }
        }
    }

    /// The length in bytes of a UTF-8 character with the first byte `lead`; 0 if no character begins with it.
    private static func length(_ lead: UInt8) -> Int {
        switch lead {
        case 0..<0x80: return 1
        case 0xC2..<0xE0: return 2
        case 0xE0..<0xF0: return 3
        case 0xF0..<0xF5: return 4
        default: return 0
        }
    }

    /// A byte, `.some(nil)` at the end of the input, or nil for an interrupt.
    private func nextByte(answering answer: (CInt) -> Bool) -> UInt8?? {
        while true {
            var sources = [
                pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0),
                pollfd(fd: signals, events: Int16(POLLIN), revents: 0),
            ]
            if poll(&sources, 2, -1) < 0 {
                if errno == EINTR || errno == EAGAIN { continue }
                return .some(nil)
            }
            if sources[1].revents != 0 {
                let number = terminal_signals_next(signals)
                if number != 0, !answer(number) { return nil }
                continue
            }
            var byte: UInt8 = 0
            let count = read(STDIN_FILENO, &byte, 1)
            if count == 1 { return .some(byte) }
            if count < 0, errno == EINTR || errno == EAGAIN { continue }
            return .some(nil)
        }
    }
}
