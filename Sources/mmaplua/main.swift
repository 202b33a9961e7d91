internal import CHost
internal import Glibc
internal import LuaMap

let name = programName(CommandLine.unsafeArgv)

switch Options.parse(CommandLine.unsafeArgv, count: CommandLine.argc) {
case .help:
    host_watch_output(name)
    fputs(helpText(), terminal_output())
    exit(EXIT_SUCCESS)
case .version:
    host_watch_output(name)
    fputs(versionText(), terminal_output())
    exit(EXIT_SUCCESS)
case .lessons:
    host_watch_output(name)
    exit(Lessons.list(name))
case .checkOfLessons:
    host_watch_output(name)
    exit(Lessons.checkAll(name))
case .noLesson(let lesson):
    complain(aboutLesson: String(cString: lesson), name: name)
    exit(EXIT_FAILURE)
case .lessonInSandbox:
    say("a lesson creates files and starts programs: run it without --sandbox", name)
    exit(EXIT_FAILURE)
case .misuse(let argument):
    complain(about: argument, name: name)
    exit(EXIT_FAILURE)
case .failure(let argument, let code):
    complain(about: argument, errno: code, name: name)
    exit(EXIT_FAILURE)
case .run(let options):
    host_watch_output(name)
    exit(options.run(name: name))
}

/// The name by which the program was started, the prefix of messages as in lua(1).
func programName(_ arguments: Arguments) -> UnsafePointer<CChar> {
    if let first = arguments[0], first[0] != 0 { return UnsafePointer(first) }
    return defaultName()
}
