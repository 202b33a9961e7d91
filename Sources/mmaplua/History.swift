internal import CHost
internal import Glibc

/// The entries of earlier sessions: a file with one entry per line, where `\n` stands for a newline and `\\` for a
/// backslash. Each entry is appended when it is typed, so that concurrent sessions all keep theirs. Errors are
/// ignored, except that a session reports at its start a path that is not a regular file.
enum History {
    static let limit = 1000

    private static func environment(_ name: String) -> String? {
        getenv(name).map { String(cString: $0) }
    }

    /// nil if the user disabled the history or has no home directory.
    private static func path() -> String? {
        if let chosen = environment("MMAPLUA_HISTORY") {
            return chosen.isEmpty || chosen == "/dev/null" ? nil : chosen
        }
        // The XDG Base Directory Specification: relative paths are ignored.
        if let state = environment("XDG_STATE_HOME"), state.utf8.first == UInt8(ascii: "/") {
            return state + "/mmaplua/history"
        }
        guard let home = environment("HOME"), !home.isEmpty else { return nil }
        return home + "/.local/state/mmaplua/history"
    }

    /// - Parameter complain: Called with a message if the history file cannot be used.
    static func load(complain: (String) -> Void) -> [String] {
        guard let path = path() else { return [] }
        let file: CInt
        switch openPlain(path, O_RDONLY) {
        case .success(let descriptor): file = descriptor
        case .failure(let problem):
            if problem.isWorthSaying { complain("history is disabled: \(path): \(problem)") }
            return []
        }
        defer { close(file) }
        let text = read(file)
        let lines = text.split(separator: "\n")
        let latest = lines.suffix(limit)
        if lines.count > 2 * limit { replace(path, with: latest) }
        return latest.map(decode)
    }

    static func append(_ entry: String) {
        guard let path = path() else { return }
        makeDirectories(above: path)
        guard case .success(let file) = openPlain(path, O_WRONLY | O_APPEND | O_CREAT) else { return }
        defer { close(file) }
        write(encode(entry) + "\n", to: file)
    }

    private static func read(_ file: CInt) -> String {
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65536)
        while bytes.count < 16 << 20 {
            let count = Glibc.read(file, &buffer, buffer.count)
            guard count > 0 else { break }
            bytes.append(contentsOf: buffer.prefix(count))
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Replaces the file by one with these lines. rename(2) is atomic: other sessions see the old file or the new
    /// one.
    private static func replace(_ path: String, with lines: ArraySlice<Substring>) {
        let fresh = "\(path).\(getpid())"
        let file = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard file >= 0 else { return }
        let complete = write(lines.joined(separator: "\n") + "\n", to: file)
        close(file)
        if !complete || rename(fresh, path) != 0 { unlink(fresh) }
    }

    @discardableResult
    private static func write(_ text: String, to file: CInt) -> Bool {
        let bytes = Array(text.utf8)
        return Glibc.write(file, bytes, bytes.count) == bytes.count
    }

    private static func makeDirectories(above path: String) {
        let parts = path.split(separator: "/", omittingEmptySubsequences: false).dropLast()
        var directory = ""
        for part in parts {
            directory += directory.isEmpty && part.isEmpty ? "" : String(part)
            if !directory.isEmpty, directory != "/" { mkdir(directory, 0o700) }
            directory += "/"
        }
    }

    private static func encode(_ entry: String) -> String {
        var coded = ""
        for character in entry.unicodeScalars {
            switch character {
            case "\\": coded += "\\\\"
            case "\n": coded += "\\n"
            default: coded.unicodeScalars.append(character)
            }
        }
        return coded
    }

    private static func decode(_ line: Substring) -> String {
        var entry = ""
        var escaped = false
        for character in line.unicodeScalars {
            if escaped {
                entry.unicodeScalars.append(character == "n" ? "\n" : character)
                escaped = false
            } else if character == "\\" {
                escaped = true
            } else {
                entry.unicodeScalars.append(character)
            }
        }
        return entry
    }
}
