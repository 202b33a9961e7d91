internal import CHost
internal import CLuaMap
internal import Glibc

func defaultName() -> UnsafePointer<CChar> { pointer("mmaplua") }

/// The address of a string literal, which is fixed, so C may keep it. The literal ends with a zero byte.
private func pointer(_ text: StaticString) -> UnsafePointer<CChar> {
    UnsafeRawPointer(text.utf8Start).assumingMemoryBound(to: CChar.self)
}

func versionText() -> String {
    "mmaplua \(LM_VERSION) (\(String(cString: host_lua_release())))\n"
}

/// The usage, for `--help` and after a wrong option.
private func usageText(_ name: String) -> String {
    """
    usage: \(name) [options] [script [args]]
    Available options are:
      -e stat   execute string 'stat'
      -i        enter interactive mode after executing 'script'
      -l mod    require library 'mod' into global 'mod'
      -l g=mod  require library 'mod' into global 'g'
      -v        show version information
      -E        ignore environment variables
      -W        turn warnings on
      --        stop handling options
      -         stop handling options and execute stdin
      --lessons list the lessons about mmap and exit; with --check after it,
                run them all and report whether their claims hold here
      --lesson NAME [--check]
                run a lesson, by its name, number, or path; with --check,
                without pauses
      --faults  report page faults at exit
      --trace   report each system call of the library on standard error,
                with the line of the script
      --no-compile      make no machine code (mmap.compile)
      --compile-report  list at exit what was compiled, and what was not and why
      --help    show help and exit
      --version show the version of mmaplua and exit
    For scripts that you do not trust:
      --memory=SIZE        limit the memory that the process alone holds, Lua's
                           and the library's: 64M, 1G
      --mapped=SIZE        limit the files that are mapped
      --time=TIME          limit the running time: 10s, 0.5, 500ms, 2m
      --sandbox            allow nothing but computing, and standard input
                           and output
      --allow-read=PATH    in the sandbox: read this file, or the files below
                           this folder; may be given several times
      --allow-write=PATH   write, create, rename, and remove there
      --allow-env          read environment variables
      --allow-run          run programs, which are not confined
      --allow-compile      make machine code (mmap.compile)

    """
}

func helpText() -> String {
    usageText("mmaplua") + """

        A Lua 5.4 interpreter, in place of lua5.4, with memory-mapped files: the
        global mmap, which require "mmap" returns too. Options are handled in the
        order given. Without a script it runs standard input or, on a terminal, is
        interactive.

        Environment:
          LUA_INIT, LUA_INIT_5_4     run before everything else; @name runs a file
          LUA_PATH, LUA_PATH_5_4     where require finds Lua modules
          LUA_CPATH, LUA_CPATH_5_4   where require finds C modules
          TMPDIR                     where lessons create their files, instead of
                                     the current folder
          PAGER                      shows help that is longer than the screen;
                                     default: less; empty: none
          MMAPLUA_HISTORY            file of the interactive history; default:
                                     ~/.local/state/mmaplua/history; empty: none
          MMAPLUA_MALLOC             if set, all memory of Lua is from malloc(3),
                                     for tools that watch it

        Exit status: 0; 1 after an error, or if a claim of a lesson does not hold;
        123 if --memory or --mapped was exceeded, 124 if --time was. A script may
        set another with os.exit.

        Example:
          mmaplua -e 'print(mmap.open("/etc/passwd"):count "\\n")'

        """
}

/// Writes what is wrong with an argument, in the words of lua(1), and the usage.
func complain(about argument: UnsafePointer<CChar>, name: UnsafePointer<CChar>) {
    let name = String(cString: name)
    let option = String(cString: argument)
    let wantsValue = option.utf8.dropFirst().first.map { $0 == UInt8(ascii: "e") || $0 == UInt8(ascii: "l") }
    let problem =
        wantsValue == true
        ? "'\(option)' needs argument" : problem(with: option) ?? "unrecognized option '\(option)'"
    host_write(terminal_errors(), "\(name): \(problem)\n\(usageText(name))")
}

/// The error message for an option that lua(1) does not have; nil for an unknown option.
private func problem(with option: String) -> String? {
    func begins(with name: String) -> Bool { option == name || option.hasPrefix(name + "=") }
    if begins(with: "--memory") { return "'\(option)' needs a size, for example --memory=64M" }
    if begins(with: "--mapped") { return "'\(option)' needs a size, for example --mapped=1G" }
    if begins(with: "--time") { return "'\(option)' needs a time, for example --time=10s" }
    for name in ["--allow-read", "--allow-write"] where begins(with: name) {
        let hasPath = option.utf8.count > name.utf8.count + 1
        return hasPath ? "'\(option)' needs --sandbox" : "'\(option)' needs a path, for example \(name)=data"
    }
    if begins(with: "--lesson") { return "'--lesson' needs a name; mmaplua --lessons lists them" }
    if option == "--lessons" { return "'--lessons' accepts only --check; use --lesson NAME to run one" }
    return ["--allow-env", "--allow-run", "--allow-compile"].contains(option)
        ? "'\(option)' needs --sandbox" : nil
}

/// Writes the system error of an option.
func complain(about argument: UnsafePointer<CChar>, errno: CInt, name: UnsafePointer<CChar>) {
    let text =
        "\(String(cString: name)): '\(String(cString: argument))': \(String(cString: strerror(errno)))\n"
    host_write(terminal_errors(), text)
}
