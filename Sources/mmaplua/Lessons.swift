internal import CHost
internal import Glibc

/// A lesson: a Lua file in the source tree or, once installed, below the program's prefix.
struct Lesson {
    /// The name of the file without the leading number and the extension.
    let name: String
    let number: Int?
    let path: String

    init?(_ file: String, in folder: String) {
        guard file.hasSuffix(".lua"), !file.hasPrefix(".") else { return nil }
        let stem = file.dropLast(4)
        let digits = stem.prefix { $0.isASCII && $0.isNumber }
        let isNumbered = !digits.isEmpty && stem.dropFirst(digits.count).first == "-"
        number = isNumbered ? Int(digits) : nil
        name = String(isNumbered ? stem.dropFirst(digits.count + 1) : stem)
        path = folder + "/" + file
    }

    /// Whether the path is a regular file.
    var isFile: Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
    }

    /// The title, from the first line of the file: `-- name.lua - title`.
    var title: String {
        guard case .success(let file) = openPlain(path, O_RDONLY) else { return "" }
        defer { close(file) }
        var bytes = [UInt8](repeating: 0, count: 256)
        let count = read(file, &bytes, bytes.count)
        let line = bytes.prefix(max(count, 0)).prefix { $0 != 0 && $0 != UInt8(ascii: "\n") }
        let text = String(decoding: line, as: UTF8.self)
        guard text.hasPrefix("--"), let dash = text.firstRange(of: " - ") else { return "" }
        return String(text[dash.upperBound...])
    }
}

enum Lessons {
    /// The folders of lessons, relative to that of the program.
    private static let places = ["/../share/mmaplua/lessons", "/../../../examples/lessons"]

    /// The folder of the program, with symbolic links resolved.
    private static var programFolder: String {
        guard let path = realpath("/proc/self/exe", nil) else { return "." }
        defer { free(path) }
        return String(cString: dirname(path))
    }

    /// The lessons in the first folder that has any, sorted by file name.
    static func all() -> [Lesson] {
        for place in places.map({ programFolder + $0 }) {
            guard let folder = realpath(place, nil) else { continue }
            defer { free(folder) }
            let found = files(in: String(cString: folder))
            if !found.isEmpty { return found }
        }
        return []
    }

    private static func files(in folder: String) -> [Lesson] {
        guard let stream = opendir(folder) else { return [] }
        defer { closedir(stream) }
        var files: [String] = []
        while let entry = readdir(stream) {
            withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { files.append(String(cString: $0)) }
            }
        }
        return files.sorted().compactMap { Lesson($0, in: folder) }.filter(\.isFile)
    }

    /// The file of a lesson, given by its path (contains a slash or ends with .lua), name or number.
    static func path(of wanted: String) -> String? {
        if wanted.contains("/") || wanted.hasSuffix(".lua") { return wanted }
        return all().first { $0.name == wanted || $0.number.map(String.init) == wanted }?.path
    }

    /// `--lessons`: one line per lesson.
    static func list(_ name: UnsafePointer<CChar>) -> CInt {
        let lessons = all()
        if lessons.isEmpty { return complainAboutPlace(name) }
        let width = lessons.map(\.name.count).max() ?? 0
        for lesson in lessons {
            let number = lesson.number.map(String.init) ?? ""
            let gap = String(repeating: " ", count: width - lesson.name.count)
            let margin = String(repeating: " ", count: max(0, 2 - number.count))
            show("\(margin)\(number)  \(lesson.name)\(gap)  \(lesson.title)")
        }
        show(
            "\nmmaplua --lesson NAME runs one, by its name or number; with --check after it, without pauses."
        )
        return EXIT_SUCCESS
    }

    static func complainAboutPlace(_ name: UnsafePointer<CChar>) -> CInt {
        let looked = places.map { programFolder + $0 }.joined(separator: " nor in ")
        say("the lessons are not in \(looked); give the path of a lesson", name)
        return EXIT_FAILURE
    }

    /// `--lessons --check`: runs each lesson in a separate process. Shows the output of those that fail.
    static func checkAll(_ name: UnsafePointer<CChar>) -> CInt {
        let lessons = all()
        if lessons.isEmpty { return complainAboutPlace(name) }
        let width = lessons.map(\.name.count).max() ?? 0
        var failed = 0
        for lesson in lessons {
            guard let outcome = Check.run(lesson) else {
                say("\(lesson.name): \(String(cString: strerror(errno)))", name)
                return EXIT_FAILURE
            }
            let gap = String(repeating: " ", count: width - lesson.name.count)
            if outcome.holds {
                show("ok      \(lesson.name)\(gap)  \(outcome.lastLine)")
            } else {
                failed += 1
                show("FAILED  \(lesson.name)\(gap)  \(outcome.ending)")
                show(outcome.text.split(separator: "\n").map { "        " + $0 }.joined(separator: "\n"))
            }
            fflush(terminal_output())
        }
        show("lessons: \(lessons.count - failed) passed, \(failed) failed")
        return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE
    }
}

/// The result of a lesson run with `--check` in a separate process.
private struct Check {
    let status: CInt
    /// Its standard output and standard error.
    let text: String

    var holds: Bool { status == 0 }
    var ending: String {
        let signal = status & 0x7F
        return signal == 0 ? "exit status \((status >> 8) & 0xFF)" : String(cString: strsignal(signal))
    }
    var lastLine: Substring { text.split(separator: "\n").last ?? "" }

    /// nil with errno if the process cannot be started.
    static func run(_ lesson: Lesson) -> Check? {
        var ends: [CInt] = [-1, -1]
        guard pipe(&ends) == 0 else { return nil }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        defer { close(ends[0]) }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO)
        posix_spawn_file_actions_adddup2(&actions, ends[1], STDERR_FILENO)
        let arguments: [String] = ["mmaplua", "--lesson", lesson.path, "--check"]
        var words = arguments.map { strdup($0) } + [nil]
        defer { for word in words { free(word) } }
        var child = pid_t()
        let code = posix_spawn(&child, "/proc/self/exe", &actions, nil, &words, environ)
        close(ends[1])
        guard code == 0 else {
            errno = code
            return nil
        }
        let text = read(ends[0])
        var status: CInt = 0
        while waitpid(child, &status, 0) < 0, errno == EINTR {}
        return Check(status: status, text: text)
    }

    private static func read(_ descriptor: CInt) -> String {
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65536)
        while true {
            let count = Glibc.read(descriptor, &buffer, buffer.count)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { break }
            bytes.append(contentsOf: buffer.prefix(count))
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}

/// Writes a line to standard output.
private func show(_ line: String) { host_write(terminal_output(), line + "\n") }

func say(_ text: String, _ name: UnsafePointer<CChar>) {
    host_write(terminal_errors(), "\(String(cString: name)): \(text)\n")
}

/// Writes that there is no such lesson, with lessons of similar names.
func complain(aboutLesson wanted: String, name: UnsafePointer<CChar>) {
    let names = Lessons.all().map(\.name)
    if names.isEmpty {
        _ = Lessons.complainAboutPlace(name)
        return
    }
    let near = names.filter { isNear($0, wanted.lowercased()) }
    let hint = near.isEmpty ? "" : "; did you mean \(near.joined(separator: ", "))?"
    say("there is no lesson '\(wanted)'\(hint)", name)
    fputs("mmaplua --lessons lists them; give the path of a lesson of your own\n", terminal_errors())
}

/// Whether one name contains the other, or at most a third of the letters differ.
private func isNear(_ name: String, _ wanted: String) -> Bool {
    let shorter = min(name.count, wanted.count)
    if shorter == 0 { return false }
    if shorter >= 3, name.contains(wanted) || wanted.contains(name) { return true }
    return distance(Array(name), Array(wanted)) <= max(1, shorter / 3)
}

/// The Levenshtein distance.
private func distance(_ a: [Character], _ b: [Character]) -> Int {
    var row = Array(0...b.count)
    for (i, letter) in a.enumerated() {
        var diagonal = row[0]
        row[0] = i + 1
        for (j, other) in b.enumerated() {
            let change = diagonal + (letter == other ? 0 : 1)
            diagonal = row[j + 1]
            row[j + 1] = min(change, diagonal + 1, row[j] + 1)
        }
    }
    return row[b.count]
}
