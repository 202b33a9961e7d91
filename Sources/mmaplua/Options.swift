internal import CHost
internal import Glibc

typealias Arguments = UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>

/// The command line, parsed by the rules of lua(1). The arguments stay C strings: they live as long as the process,
/// and a script sees them unchanged in `arg`.
struct Options {
    enum Request {
        case run(Options)
        case help
        case version
        case lessons
        case checkOfLessons
        case noLesson(UnsafePointer<CChar>)
        /// `--lesson` together with `--sandbox`.
        case lessonInSandbox
        case misuse(UnsafePointer<CChar>)
        /// A path of the sandbox policy that cannot be used.
        case failure(UnsafePointer<CChar>, errno: CInt)
    }

    private enum Ending {
        case script(at: Int)
        case noScript
        case help
        case version
        case lesson(at: Int)
        case lessons(at: Int)
        case misuse(at: Int)
    }

    private let arguments: Arguments
    private let count: CInt
    private(set) var script = 0
    private var steps: [host_step] = []
    private var interactive = false
    private var showsVersion = false
    private var ignoresEnvironment = false
    private var runsText = false
    private var bounds = Bounds()
    private var countsFaults = false
    private var traces = false
    private var compiles = true
    private var reportsCompiler = false
    /// In a child of `mmap.spawn`, the descriptor to read its task from; else -1.
    private var child: CInt = -1

    private init(_ arguments: Arguments, count: CInt) {
        self.arguments = arguments
        self.count = count
    }

    static func parse(_ arguments: Arguments, count: CInt) -> Request {
        var options = Options(arguments, count: count)
        switch options.takeApart() {
        case .help: return .help
        case .version: return .version
        case .misuse(let index): return misuse(of: arguments[index])
        case .lessons(let index):
            guard index < Int(count), let argument = arguments[index] else { return .lessons }
            let isCheck = strcmp(argument, "--check") == 0 && index + 1 == Int(count)
            return isCheck ? .checkOfLessons : misuse(of: arguments[index - 1])
        case .lesson(let index):
            if options.bounds.isSandbox { return .lessonInSandbox }
            guard let path = options.lesson(at: index) else {
                return .noLesson(options.lessonName(at: index))
            }
            // Never freed: like the other arguments, it must live as long as the process.
            arguments[index] = strdup(path)
            options.script = index
        case .script(let index): options.script = index
        case .noScript: options.script = Int(count)
        }
        if let lone = options.bounds.needsSandbox { return .misuse(lone) }
        let script = arguments[options.script].map { UnsafePointer($0) }
        if let (argument, errno) = options.bounds.enter(script) { return .failure(argument, errno: errno) }
        return .run(options)
    }

    private static func misuse(of argument: UnsafeMutablePointer<CChar>?) -> Request {
        argument.map { .misuse(UnsafePointer($0)) } ?? .help
    }

    /// Parses options up to the script's name.
    private mutating func takeApart() -> Ending {
        var index = 1
        while index < Int(count), let argument = arguments[index] {
            guard argument[0] == Character.dash else { return .script(at: index) }
            switch argument[1] {
            case Character.end: return .script(at: index)
            case Character.dash:
                if argument[2] == Character.end { return after(index) }
                if let ending = long(argument, at: index) { return ending }
                guard note(long: argument) || bounds.note(UnsafePointer(argument)) else {
                    return .misuse(at: index)
                }
            case Character.e, Character.l:
                let failed = index
                guard let text = value(of: argument, at: &index) else { return .misuse(at: failed) }
                note(argument[1], text)
            default:
                guard argument[2] == Character.end, note(argument[1]) else { return .misuse(at: index) }
            }
            index += 1
        }
        return .noScript
    }

    private func after(_ index: Int) -> Ending {
        index + 1 < Int(count) ? .script(at: index + 1) : .noScript
    }

    private func long(_ argument: UnsafeMutablePointer<CChar>, at index: Int) -> Ending? {
        if strcmp(argument, "--help") == 0 { return .help }
        if strcmp(argument, "--version") == 0 { return .version }
        if strcmp(argument, "--lessons") == 0 { return .lessons(at: index + 1) }
        if strncmp(argument, lessonOption, strlen(lessonOption)) == 0 {
            return argument[strlen(lessonOption)] == Character.end ? .misuse(at: index) : .lesson(at: index)
        }
        guard strcmp(argument, "--lesson") == 0 else { return nil }
        guard index + 1 < Int(count), arguments[index + 1]?[0] != Character.dash else {
            return .misuse(at: index)
        }
        return .lesson(at: index + 1)
    }

    /// The name of a lesson, from `--lesson NAME` or `--lesson=NAME`.
    private func lessonName(at index: Int) -> UnsafePointer<CChar> {
        guard let word = arguments[index] else { return defaultName() }
        let isJoined = strncmp(word, lessonOption, strlen(lessonOption)) == 0
        return UnsafePointer(isJoined ? word + strlen(lessonOption) : word)
    }

    private func lesson(at index: Int) -> String? {
        Lessons.path(of: String(cString: lessonName(at: index)))
    }

    private mutating func note(long argument: UnsafeMutablePointer<CChar>) -> Bool {
        if strcmp(argument, "--faults") == 0 {
            countsFaults = true
        } else if strcmp(argument, "--trace") == 0 {
            traces = true
        } else if strcmp(argument, "--no-compile") == 0 {
            compiles = false
        } else if strcmp(argument, "--compile-report") == 0 {
            reportsCompiler = true
        } else if strncmp(argument, "--child=", 8) == 0,
            let descriptor = CInt(String(cString: argument + 8)), descriptor >= 0
        {
            child = descriptor
        } else {
            return false
        }
        return true
    }

    /// The value of an option: the rest of its argument or, if empty, the next argument, which must not begin with a
    /// dash.
    private func value(of argument: UnsafeMutablePointer<CChar>, at index: inout Int) -> UnsafePointer<CChar>?
    {
        if argument[2] != Character.end { return UnsafePointer(argument + 2) }
        index += 1
        guard index < Int(count), let next = arguments[index], next[0] != Character.dash else { return nil }
        return UnsafePointer(next)
    }

    private mutating func note(_ letter: CChar, _ text: UnsafePointer<CChar>) {
        let isText = letter == Character.e
        if isText { runsText = true }
        steps.append(host_step(kind: isText ? HOST_RUN_TEXT : HOST_REQUIRE, text: text))
    }

    private mutating func note(_ letter: CChar) -> Bool {
        switch letter {
        case Character.i:
            interactive = true
            showsVersion = true
        case Character.v: showsVersion = true
        case Character.E: ignoresEnvironment = true
        case Character.W: steps.append(host_step(kind: HOST_WARNINGS_ON, text: nil))
        default: return false
        }
        return true
    }

    private var ending: host_ending {
        if interactive { return HOST_THEN_PROMPT }
        let nothingElse = script == Int(count) && !runsText && !showsVersion
        return nothingElse ? HOST_THEN_STDIN_OR_PROMPT : HOST_THEN_LEAVE
    }

    func run(name: UnsafePointer<CChar>) -> CInt {
        steps.withUnsafeBufferPointer { steps in
            withText(PackageResources.completion_lua) { completion in
                withText(PackageResources.lesson_lua) { lesson in
                    var plan = host_plan(
                        argc: count, argv: arguments, script: CInt(truncatingIfNeeded: script), child: child,
                        steps: steps.baseAddress, step_count: steps.count, ending: ending,
                        show_version: showsVersion, ignore_environment: ignoresEnvironment,
                        counts_faults: countsFaults, traces: traces, compiles: compiles,
                        reports_compiler: reportsCompiler,
                        name: name, editor: lineEditor(completion),
                        lesson: lesson.baseAddress ?? defaultName(), lesson_length: lesson.count,
                        bounds: bounds.forHost)
                    return host_main(&plan)
                }
            }
        }
    }

    private func withText(_ source: [UInt8], _ body: (UnsafeBufferPointer<CChar>) -> CInt) -> CInt {
        source.withUnsafeBufferPointer { $0.withMemoryRebound(to: CChar.self, body) }
    }
}

/// `--lesson` with the name in the same argument.
private let lessonOption = "--lesson="

/// Characters of options, as C chars.
private enum Character {
    static let end: CChar = 0
    static let dash = CChar(truncatingIfNeeded: UInt8(ascii: "-"))
    static let e = CChar(truncatingIfNeeded: UInt8(ascii: "e"))
    static let i = CChar(truncatingIfNeeded: UInt8(ascii: "i"))
    static let l = CChar(truncatingIfNeeded: UInt8(ascii: "l"))
    static let v = CChar(truncatingIfNeeded: UInt8(ascii: "v"))
    static let E = CChar(truncatingIfNeeded: UInt8(ascii: "E"))
    static let W = CChar(truncatingIfNeeded: UInt8(ascii: "W"))
}
