import Glibc
import Testing

/// The lessons as a student runs them, and whether their claims can fail.
@Suite struct LessonTests {
    private static let folder = "\(packageRoot)/examples/lessons"

    /// The names, in order, from the output of `--lessons`: a number, the name, and the topic.
    private static let names: [String] = {
        let lines = (try? Program.mmaplua.run(["--lessons"]).output.split(separator: "\n")) ?? []
        return lines.compactMap { line in
            let words = line.split(separator: " ")
            return words.count > 2 && Int(words[0]) != nil ? String(words[1]) : nil
        }
    }()

    /// A folder on a disk and one in memory, if they exist.
    private static let places: [String] = ["/tmp", "/dev/shm"].filter { access($0, W_OK) == 0 }

    /// Seconds for a lesson that takes one second; enough for a busy machine.
    private static let patience = 300.0

    private static func files() throws -> [String] {
        try Program(path: "/bin/ls").run([folder]).output.split(separator: "\n").map(String.init)
            .filter { $0.hasSuffix(".lua") }
    }

    @Test func theyAreListedInOrder() throws {
        let outcome = try Program.mmaplua.run(["--lessons"])
        #expect(outcome.ending == .status(0))
        #expect(outcome.errors == "")
        let files = try Self.files()
        #expect(Self.names.count == files.count && files.count >= 13)
        for (line, file) in zip(outcome.output.split(separator: "\n"), files) {
            let first = try #require(TemporaryFolder.contents(path: "\(Self.folder)/\(file)"))
                .split(separator: "\n")[0]
            #expect(line.hasSuffix(first.split(separator: " - ", maxSplits: 1)[1]), "\(file)")
            #expect(line.utf8.count <= 80, "\(line)")
        }
    }

    @Test(arguments: names, places) func itsClaimsHold(_ name: String, _ place: String) throws {
        let scratch = try TemporaryFolder(in: place)
        let outcome = try Program.mmaplua.run(
            ["--lesson", name, "--check"], environment: ["TMPDIR": scratch.path], timeout: Self.patience)
        #expect(outcome.ending == .status(0), "\(outcome.output)")
        #expect(outcome.errors == "")
        for part in ["\nok ", "\n? ", "\nWhat to try next\n", " | "] {
            #expect(outcome.output.contains(part), "\(part)")
        }
        // All output of the lesson fits; mmaplua's own may be longer.
        for line in outcome.output.split(separator: "\n") where line.contains(" | ") || line.hasPrefix("ok") {
            #expect(line.count <= 80, "\(line)")
        }
        #expect(try Program(path: "/bin/ls").run(["-A", scratch.path]).output == "")
    }

    struct Breach: CustomTestStringConvertible {
        let lesson: String
        let changes: KeyValuePairs<String, String>
        var testDescription: String { lesson }
    }

    /// For each lesson a change that makes a claim false, on a disk and in memory.
    private static let breaches = [
        Breach(
            lesson: "demand-paging", changes: ["b.fill, b, 1, 0, 1000 * PAGE": "b.fill, b, 1, 0, 1001 * PAGE"]
        ),
        Breach(lesson: "page-cache", changes: ["a:copy(0, \"from the": "a:copy(1, \"from the"]),
        Breach(lesson: "readahead", changes: ["touch(PLACE * PAGE, 1)": "touch(0, 1)"]),
        Breach(lesson: "copy-on-write", changes: ["b[40 * PAGE] = 66": "b[41 * PAGE] = 66"]),
        Breach(lesson: "sync", changes: ["b:sync(true)": "b:sync(false)", "evicted == 0": "evicted > 0"]),
        Breach(lesson: "end-of-file", changes: ["b[SIZE] = 65": "os.execute \"truncate -s +1 short.bin\""]),
        Breach(lesson: "protection", changes: ["open(\"file.bin\", \"r+\")": "open(\"file.bin\", \"c\")"]),
        Breach(lesson: "dontneed", changes: ["anonymous(size, { shared = true })": "anonymous(size)"]),
        Breach(lesson: "holes", changes: ["for _, place in ipairs(places) do b[place]": "do b[places[1]]"]),
        Breach(lesson: "shared-memory", changes: ["do number:add(1) end": "do end number:add(1)"]),
        Breach(lesson: "huge-pages", changes: ["b.fill, b, 1)": "b.fill, b, 1, 0, PAGE)"]),
        Breach(lesson: "mincore", changes: ["a:fill(1, 0, 10 * PAGE)": "a:fill(1, 0, 11 * PAGE)"]),
        Breach(lesson: "mmap-or-read", changes: ["    word:count(b)\n": ""]),
    ]

    @Test func eachLessonHasBreach() {
        #expect(Self.breaches.map(\.lesson) == Self.names)
    }

    @Test(arguments: breaches, places) func falseClaimFails(_ breach: Breach, _ place: String) throws {
        let path = try #require(try Self.files().first { $0.hasSuffix("-\(breach.lesson).lua") })
        var text = try #require(TemporaryFolder.contents(path: "\(Self.folder)/\(path)"))
        for (what, with) in breach.changes {
            try #require(text.contains(what), "\(what)")
            text.replace(what, with: with)
        }
        let scratch = try TemporaryFolder(in: place)
        let copy = try scratch.file("broken.lua", text)
        for arguments in [["--lesson", copy, "--check"], [copy]] {
            let outcome = try Program.mmaplua.run(
                arguments, environment: ["TMPDIR": scratch.path], timeout: Self.patience)
            #expect(outcome.ending == .status(1), "\(outcome.output)")
            #expect(outcome.output.contains("This does not hold here."), "\(outcome)")
            #expect(outcome.output.split(separator: "\n").last?.contains(" not hold here") == true)
        }
        #expect(try Program(path: "/bin/ls").run([scratch.path]).output == "broken.lua\n")
    }

    /// An installed program has its lessons beside it. All are run, and the output of one that fails is shown.
    @Test func installedLessonsAreChecked() throws {
        let prefix = try TemporaryFolder()
        let lessons = "\(prefix.path)/share/mmaplua/lessons"
        _ = try Program(path: "/bin/mkdir").run(["-p", lessons, "\(prefix.path)/bin"])
        _ = try Program(path: "/bin/cp").run([Program.mmaplua.path, "\(prefix.path)/bin/mmaplua"])
        let installed = Program(path: "\(prefix.path)/bin/mmaplua")
        for arguments in [["--lessons"], ["--lessons", "--check"], ["--lesson", "1"]] {
            let none = try installed.run(arguments)
            #expect(none.ending == .status(1) && none.errors.contains("/share/mmaplua/lessons"))
        }

        func lesson(_ claim: String) -> String {
            "-- x.lua - about x\nlocal lesson <close> = require \"mmap.lesson\"\nlesson.claim(\(claim), 'a claim')\n"
        }
        try prefix.file("share/mmaplua/lessons/01-good.lua", lesson("true"))
        #expect(try installed.run(["--lessons"]).output.contains("\n\n") && Self.names.count > 1)
        let good = try installed.run(["--lessons", "--check"])
        #expect(good.ending == .status(0))
        #expect(good.output.hasSuffix("lessons: 1 passed, 0 failed\n"))

        try prefix.file("share/mmaplua/lessons/02-bad.lua", lesson("false"))
        try prefix.file("share/mmaplua/lessons/03-dead.lua", lesson("os.execute 'kill -9 $PPID'"))
        let bad = try installed.run(["--lessons", "--check"])
        #expect(bad.ending == .status(1))
        #expect(bad.output.contains("ok      good  1 claim holds"))
        #expect(
            bad.output.contains("FAILED  bad   exit status 1") && bad.output.contains("        NO a claim"))
        #expect(bad.output.contains("FAILED  dead  Killed"))
        #expect(bad.output.hasSuffix("lessons: 1 passed, 2 failed\n"))
        #expect(try installed.run(["--lesson", "2"]).ending == .status(1))
    }

    @Test func lessonWithoutClaimFails() throws {
        let folder = try TemporaryFolder()
        let path = try folder.file("x.lua", "local lesson <close> = require 'mmap.lesson'\n")
        let outcome = try Program.mmaplua.run([path], environment: ["TMPDIR": folder.path])
        #expect(outcome.ending == .status(1))
        #expect(outcome.errors.contains("a lesson needs at least one claim"))
    }

    @Test(arguments: [
        (["--lesson", "synk"], "there is no lesson 'synk'; did you mean sync?"),
        (["--lesson", "paging"], "there is no lesson 'paging'; did you mean demand-paging?"),
        (["--lesson", "pages"], "there is no lesson 'pages'; did you mean "),
        (["--lesson", "99"], "there is no lesson '99'\n"),
        (["--lesson=qqqqqqq"], "there is no lesson 'qqqqqqq'\n"),
        (["--lesson"], "'--lesson' needs a name"),
        (["--lesson", "--check"], "'--lesson' needs a name"),
        (["--lesson="], "'--lesson' needs a name"),
        (["--lessons", "sync"], "'--lessons' accepts only --check; use --lesson NAME to run one"),
        (["--lesson", "sync", "--chek"], "a lesson accepts only --check"),
        (["--lesson", "./none.lua"], "cannot open ./none.lua"),
        (["-e", "require 'mmap.lesson'"], "mmap.lesson works only in the file of a lesson"),
        (["--sandbox", "--lesson", "sync"], "run it without --sandbox"),
        (["--sandbox", "-e", "require 'mmap.lesson'"], "module 'mmap.lesson' not found"),
    ])
    func wrongLessonArgumentsAreErrors(_ arguments: [String], _ message: String) throws {
        let outcome = try Program.mmaplua.run(arguments)
        #expect(outcome.ending == .status(1))
        #expect(outcome.errors.contains(message), "\(outcome.errors)")
    }

    private func terminal(_ scratch: TemporaryFolder, _ arguments: [String]) throws -> Terminal {
        try Terminal(.mmaplua, arguments, environment: ["TMPDIR": scratch.path])
    }
    private func isEmpty(_ scratch: TemporaryFolder) throws -> Bool {
        try Program(path: "/bin/ls").run(["-A", scratch.path]).output == ""
    }

    @Test func lessonWaitsOnTerminal() throws {
        let scratch = try TemporaryFolder()
        let reader = try terminal(scratch, ["--lesson", "dontneed"])
        #expect(reader.sees("Four kinds of memory") && reader.sees("Think, then press Return"))
        #expect(!reader.shown.contains("page table after"))
        #expect(try !isEmpty(scratch))
        for _ in 1...8 { reader.type("\r") }
        #expect(reader.sees("What to try next") && reader.sees("claims hold"))
        #expect(reader.end() == .status(0))
        #expect(try isEmpty(scratch))

        let checker = try terminal(scratch, ["--lesson", "dontneed", "--check"])
        #expect(checker.sees("claims hold"))
        #expect(checker.end() == .status(0))
    }

    @Test(arguments: [("q\r", CInt(0)), ("\u{04}", 0), ("\u{03}", 130)])
    func lessonCanBeLeft(_ keys: String, _ status: CInt) throws {
        let scratch = try TemporaryFolder()
        let reader = try terminal(scratch, ["--lesson", "sync"])
        #expect(reader.sees("Return continues, q quits"))
        reader.type(keys)
        #expect(reader.end() == .status(status))
        #expect(!reader.shown.contains("traceback") && !reader.shown.contains("Dirty pages"))
        #expect(try isEmpty(scratch))
    }

    @Test func ctrlCWorksAtFirstPrompt() throws {
        let scratch = try TemporaryFolder()
        let lesson = try scratch.file(
            "x.lua",
            """
            -- x.lua - a short one
            local lesson <close> = require "mmap.lesson"
            lesson.ask "Really?"
            """)
        for number in 1...100 {
            let reader = try terminal(scratch, ["--lesson", lesson])
            try #require(reader.sees("Think, then press Return "))
            reader.type("\u{03}")
            try #require(reader.end() == .status(130), "the \(number). of 100: \(reader.shown)")
        }
    }

    private static let endless = """
        -- x.lua - an endless one
        local lesson <close> = require "mmap.lesson"
        io.open("file", "w"):close()
        print "ready"
        io.flush()
        while true do local _ = 1 end
        """

    @Test func ctrlCRemovesFiles() throws {
        let scratch = try TemporaryFolder()
        let lesson = try scratch.file("x.lua", Self.endless)
        let reader = try terminal(scratch, ["--lesson", lesson])
        #expect(reader.sees("ready"))
        reader.type("\u{03}")
        #expect(reader.end() == .status(1))
        #expect(try Program(path: "/bin/ls").run([scratch.path]).output == "x.lua\n")
    }

    /// After a signal that the lesson does not handle, another process removes its files a moment later.
    @Test(arguments: [SIGKILL, SIGHUP, SIGTERM]) func signalsRemoveFiles(_ signal: CInt) throws {
        let scratch = try TemporaryFolder()
        let lesson = try scratch.file("x.lua", Self.endless)
        let reader = try terminal(scratch, ["--lesson", lesson])
        #expect(reader.sees("ready"))
        kill(reader.child, signal)
        #expect(reader.end() == .signal(signal))
        let deadline = now() + 60
        while now() < deadline, try Program(path: "/bin/ls").run([scratch.path]).output != "x.lua\n" {
            usleep(10000)
        }
        #expect(try Program(path: "/bin/ls").run([scratch.path]).output == "x.lua\n")
    }
}
