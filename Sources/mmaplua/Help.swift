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

let helpText = """
    usage: mmaplua [options] [script [args]]

    A Lua 5.4 interpreter, in place of lua5.4, with memory-mapped files: the
    global mmap, which require "mmap" returns too.

    Options, in the order in which they are given:
      -e stat     execute string 'stat'
      -i          enter interactive mode after executing 'script'
      -l mod      require library 'mod' into global 'mod'
      -l g=mod    require library 'mod' into global 'g'
      -v          show version information
      -E          ignore environment variables
      -W          turn warnings on
      --          stop handling options
      -           stop handling options and execute stdin
      --lessons   list the lessons about mmap and leave; with --check after
                  it, run them all and say whether their claims hold here
      --lesson NAME [--check]
                  run a lesson, by its name, its number or its path; with
                  --check without pauses
      --faults    say at the end how many page faults there were
      --trace     report each system call that the library makes, on standard
                  error, with the line of the script
      --help      show this help and leave
      --version   show the version of mmaplua and leave

    For scripts that you do not trust:
      --memory=SIZE        limit the memory that the process alone holds, Lua's
                           and the library's: 64M, 1G
      --mapped=SIZE        limit the files that are mapped
      --time=TIME          limit the running time: 10s, 0.5, 500ms, 2m
      --sandbox            allow nothing but computing, and standard input
                           and output
      --allow-read=PATH    in the sandbox: read this file, or what is below
                           this folder; may be given several times
      --allow-write=PATH   write, make, rename and remove there
      --allow-env          read variables of the environment
      --allow-run          run programs, which are not confined

    Without a script it runs standard input or, on a terminal, is interactive.

    Environment:
      LUA_INIT, LUA_INIT_5_4     run before everything else; @name runs a file
      LUA_PATH, LUA_PATH_5_4     where require finds Lua modules
      LUA_CPATH, LUA_CPATH_5_4   where require finds C modules
      TMPDIR                     where lessons make their files, instead of the
                                 current folder
      PAGER                      what shows help that is longer than the screen,
                                 less without it; empty for none
      MMAPLUA_HISTORY            the file of the interactive history; empty for
                                 none. Without it the file is
                                 ~/.local/state/mmaplua/history

    Exit status: 0, or 1 after an error and where a claim of a lesson does not
    hold; 123 if the error was that --memory or --mapped was reached, 124 if
    --time was; a script may set another with os.exit.

    Example:
      mmaplua -e 'print(mmap.open("/etc/passwd"):count "\\n")'

    """

/// Writes what is wrong with an argument, in the words of lua(1), and a list of options.
func complain(about argument: UnsafePointer<CChar>, name: UnsafePointer<CChar>) {
    let name = String(cString: name)
    let option = String(cString: argument)
    let wantsValue = option.utf8.dropFirst().first.map { $0 == UInt8(ascii: "e") || $0 == UInt8(ascii: "l") }
    let problem =
        wantsValue == true
        ? "'\(option)' needs argument" : problem(with: option) ?? "unrecognized option '\(option)'"
    host_write(
        terminal_errors(),
        """
        \(name): \(problem)
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
          --lessons, --lesson NAME: see --help
          --faults  say at the end how many page faults there were
          --trace   report the system calls of the library
          --help    show more than this and leave
          --version show the version of mmaplua and leave
          --memory=SIZE, --mapped=SIZE, --time=TIME, --sandbox: see --help

        """)
}

/// The error message for an option that lua(1) does not have; nil for an unknown option.
private func problem(with option: String) -> String? {
    func begins(with name: String) -> Bool { option == name || option.hasPrefix(name + "=") }
    if begins(with: "--memory") { return "'\(option)': a size is wanted, such as --memory=64M" }
    if begins(with: "--mapped") { return "'\(option)': a size is wanted, such as --mapped=1G" }
    if begins(with: "--time") { return "'\(option)': a time is wanted, such as --time=10s" }
    for name in ["--allow-read", "--allow-write"] where begins(with: name) {
        let hasPath = option.utf8.count > name.utf8.count + 1
        return hasPath ? "'\(option)' needs --sandbox" : "'\(option)': a path is wanted, such as \(name)=data"
    }
    if begins(with: "--lesson") { return "'--lesson' needs a name; mmaplua --lessons lists them" }
    if option == "--lessons" { return "'--lessons' takes nothing but --check; --lesson NAME runs one" }
    return option == "--allow-env" || option == "--allow-run" ? "'\(option)' needs --sandbox" : nil
}

/// Writes the system error of an option.
func complain(about argument: UnsafePointer<CChar>, errno: CInt, name: UnsafePointer<CChar>) {
    let text =
        "\(String(cString: name)): '\(String(cString: argument))': \(String(cString: strerror(errno)))\n"
    host_write(terminal_errors(), text)
}
