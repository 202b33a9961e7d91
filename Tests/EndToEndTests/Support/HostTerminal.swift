import Glibc

/// A program on a pseudo-terminal: types input and reads the screen.
final class Terminal {
    private let master: CInt
    let child: pid_t
    private var ended = false
    private var unread: [UInt8] = []
    /// Everything shown so far, without the escape sequences.
    private(set) var shown = ""
    /// Whether the program has set a color.
    private(set) var isColored = false

    init(_ program: Program, _ arguments: [String] = [], environment: [String: String] = [:]) throws {
        var master: CInt = -1
        var slave: CInt = -1
        var size = winsize(ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0)
        var name = [CChar](repeating: 0, count: 256)
        guard openpty(&master, &slave, &name, nil, &size) == 0 else { throw SystemFailure("openpty") }
        _ = fcntl(master, F_SETFD, FD_CLOEXEC)
        _ = fcntl(slave, F_SETFD, FD_CLOEXEC)
        // After setsid the first terminal that is opened becomes the controlling one.
        child = try program.spawn(
            arguments, name: nil, environment: ["TERM": "xterm"].merging(environment) { $1 },
            newSession: true
        ) { actions in
            posix_spawn_file_actions_addopen(&actions, 0, name, O_RDWR, 0)
            posix_spawn_file_actions_adddup2(&actions, 0, 1)
            posix_spawn_file_actions_adddup2(&actions, 0, 2)
        }
        close(slave)
        self.master = master
    }

    deinit {
        if !ended {
            kill(child, SIGKILL)
            _ = wait(for: child, until: now() + 5)
        }
        close(master)
    }

    func type(_ keys: String) {
        let bytes = Array(keys.utf8)
        _ = write(master, bytes, bytes.count)
    }

    /// Waits until `text` is shown, after what earlier calls have found.
    func sees(_ text: String, within seconds: Double = 60) -> Bool {
        let deadline = now() + seconds
        while true {
            if let range = find(text, in: shown) {
                shown = String(shown[range...])
                return true
            }
            guard now() < deadline, read(for: 100) else { return false }
        }
    }

    /// Waits for the program's end.
    func end(within seconds: Double = 60) -> Ending {
        let deadline = now() + seconds
        while now() < deadline, read(for: 100) {}
        ended = true
        return wait(for: child, until: deadline)
    }

    private func find(_ text: String, in shown: String) -> String.Index? {
        let (haystack, needle) = (Array(shown.utf8), Array(text.utf8))
        guard !needle.isEmpty, haystack.count >= needle.count else { return nil }
        for start in 0...(haystack.count - needle.count)
        where haystack[start..<(start + needle.count)].elementsEqual(needle) {
            return shown.utf8.index(shown.startIndex, offsetBy: start + needle.count)
        }
        return nil
    }

    /// Returns false at the end of the terminal.
    private func read(for milliseconds: CInt) -> Bool {
        var source = pollfd(fd: master, events: Int16(POLLIN), revents: 0)
        guard poll(&source, 1, milliseconds) > 0 else { return true }
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = Glibc.read(master, &buffer, buffer.count)
        guard count > 0 else { return false }
        unread.append(contentsOf: buffer.prefix(count))
        takePlainText()
        return true
    }

    /// Moves complete text from `unread` to `shown`, dropping `ESC [ … letter` and carriage returns.
    private func takePlainText() {
        var text: [UInt8] = []
        var index = 0
        while index < unread.count {
            if unread[index] != 0x1B {
                if unread[index] != 0x0D { text.append(unread[index]) }
                index += 1
                continue
            }
            var last = index + 2
            while last < unread.count, !(0x40...0x7E).contains(unread[last]) { last += 1 }
            guard last < unread.count else { break }
            isColored = isColored || unread[last] == UInt8(ascii: "m")
            index = unread[index + 1] == UInt8(ascii: "[") ? last + 1 : index + 2
        }
        unread.removeFirst(index)
        shown += String(decoding: text, as: UTF8.self)
    }
}
