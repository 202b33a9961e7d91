internal import CHost
internal import Glibc

private typealias Library = UnsafePointer<editline_library>

/// Line editing by libedit, which is loaded when an interactive session begins and may be missing.
///
/// The state is global because libedit's callbacks are plain C functions. Only the thread that runs the script uses it.
private struct LineEditor {
    let library: Library
    let handle: OpaquePointer
    let history: OpaquePointer?
    let state: OpaquePointer
    let signals: CInt
    var prompt: UnsafeMutablePointer<CChar>?
    var interrupted = false
}

nonisolated(unsafe) private var editor: LineEditor?

func lineEditor(_ completion: UnsafeBufferPointer<CChar>) -> host_editor {
    host_editor(
        open: openEditor, read: readLine, remember: rememberEntry,
        completion: completion.baseAddress ?? defaultName(), completion_length: completion.count)
}

private func openEditor(_ state: OpaquePointer) -> Bool {
    guard terminalCanEdit(), let library = loadLibrary() else { return false }
    terminal_locale_enter()
    defer { terminal_locale_leave() }
    guard let handle = editline_start(library, defaultName()) else { return false }
    let signals = terminal_signals_open()
    guard signals >= 0 else { return false }
    configure(handle, library)
    let history = library.pointee.initialize_history()
    if let history { attach(history, to: handle, library) }
    editor = LineEditor(
        library: library, handle: handle, history: history, state: state, signals: signals)
    return true
}

private func terminalCanEdit() -> Bool {
    guard let terminal = getenv("TERM") else { return false }
    return terminal[0] != 0 && strcmp(terminal, "dumb") != 0
}

private func loadLibrary() -> Library? {
    guard let handle = dlopen("libedit.so.2", RTLD_NOW) ?? dlopen("libedit.so.0", RTLD_NOW) else {
        return nil
    }
    return editline_find(handle)
}

private func configure(_ handle: OpaquePointer, _ library: Library) {
    // libedit's own signal handlers would send Ctrl-C to the whole process group.
    editline_set_number(library, handle, EDITLINE_SIGNALS, 0)
    editline_set_text(library, handle, EDITLINE_EDITOR, "emacs")
    editline_set_prompt(library, handle, currentPrompt, 1)
    editline_set_reader(library, handle, readCharacter)
    editline_add(library, handle, "lua-complete", "Completes a name", complete)
    let keys: [(String, String)] = [
        ("^I", "lua-complete"), ("^R", "em-inc-search-prev"),
        ("\\e[3~", "ed-delete-next-char"),
        ("\\e[H", "ed-move-to-beg"), ("\\eOH", "ed-move-to-beg"), ("\\e[1~", "ed-move-to-beg"),
        ("\\e[F", "ed-move-to-end"), ("\\eOF", "ed-move-to-end"), ("\\e[4~", "ed-move-to-end"),
        ("\\e[1;5D", "ed-prev-word"), ("\\e[1;5C", "em-next-word"),
    ]
    for (key, command) in keys {
        editline_bind(library, handle, key, command)
    }
    sourceBindings(handle, library)
}

/// Reads the user's key bindings, $EDITRC or ~/.editrc as in libedit. Opened here, because libedit would also open a
/// pipe or device.
private func sourceBindings(_ handle: OpaquePointer, _ library: Library) {
    let home = getenv("HOME").map { String(cString: $0) + "/.editrc" }
    guard let path = getenv("EDITRC").map({ String(cString: $0) }) ?? home, !path.isEmpty else { return }
    switch openPlain(path, O_RDONLY) {
    case .success(let file):
        _ = library.pointee.source(handle, "/proc/self/fd/\(file)")
        close(file)
    case .failure(let problem):
        if problem.isWorthSaying { warn("cannot read key bindings: \(path): \(problem)") }
    }
}

private func warn(_ text: String) { host_write(terminal_errors(), text + "\n") }

private func attach(_ history: OpaquePointer, to handle: OpaquePointer, _ library: Library) {
    edit_history_set(library, history, CInt(EDIT_HISTORY_SIZE), CInt(History.limit))
    edit_history_set(library, history, CInt(EDIT_HISTORY_UNIQUE), 1)
    editline_set_history(library, handle, history)
    for entry in History.load(complain: warn) {
        edit_history_enter(library, history, entry)
    }
}

private func rememberEntry(_ entry: UnsafePointer<CChar>) {
    guard let library = editor?.library, let history = editor?.history else { return }
    terminal_locale_enter()
    edit_history_enter(library, history, entry)
    terminal_locale_leave()
    History.append(String(cString: entry))
}

private func readLine(
    _ prompt: UnsafePointer<CChar>, _ line: UnsafeMutablePointer<UnsafePointer<CChar>?>,
    _ length: UnsafeMutablePointer<Int>
) -> host_input {
    guard let handle = editor?.handle, let library = editor?.library else { return HOST_END }
    setPrompt(prompt)
    editor?.interrupted = false
    terminal_signals_block(true)
    terminal_locale_enter()
    // Raw mode before the prompt. libedit shows the prompt first, and the terminal would handle a key typed in
    // between.
    editline_set_number(library, handle, EDITLINE_TERMINAL_MODE, 1)
    var count: CInt = 0
    let text = library.pointee.get(handle, &count)
    terminal_locale_leave()
    terminal_signals_block(false)
    if editor?.interrupted == true {
        terminal_write("^C\n")
        return HOST_INTERRUPTED
    }
    guard let text, count > 0 else { return HOST_END }
    var bytes = strlen(text)
    if bytes > 0, text[bytes - 1] == CChar(truncatingIfNeeded: UInt8(ascii: "\n")) { bytes -= 1 }
    line.pointee = text
    length.pointee = bytes
    return HOST_LINE
}

/// Converts the marks around invisible text, such as colors: prompts made for readline have byte 1 before and byte 2
/// after it; libedit wants the same byte on both sides.
private func setPrompt(_ prompt: UnsafePointer<CChar>) {
    free(editor?.prompt)
    let copy = strdup(prompt)
    editor?.prompt = copy
    guard let copy else { return }
    var index = 0
    while copy[index] != 0 {
        if copy[index] == 2 { copy[index] = 1 }
        index += 1
    }
}

private func currentPrompt(_ handle: OpaquePointer) -> UnsafeMutablePointer<CChar>? { editor?.prompt }

private func readCharacter(_ handle: OpaquePointer, _ character: UnsafeMutablePointer<Int32>) -> CInt {
    guard let signals = editor?.signals else { return -1 }
    var keyboard = KeyboardInput(signals: signals)
    switch keyboard.next(answering: { answer($0, handle) }) {
    case .character(let value):
        character.pointee = value
        return 1
    case .end: return 0
    case .interrupt:
        editor?.interrupted = true
        return -1
    }
}

/// Handles a signal that arrives during line editing. Returns false if it ends the editing.
private func answer(_ number: CInt, _ handle: OpaquePointer) -> Bool {
    guard let library = editor?.library else { return false }
    switch number {
    case SIGINT: return false
    case SIGWINCH: library.pointee.resize(handle)
    case SIGCONT: editline_set_number(library, handle, EDITLINE_TERMINAL_MODE, 1)
    default:
        // Restore the terminal first: the signal may end the process, or stop it and return to the shell.
        editline_set_number(library, handle, EDITLINE_TERMINAL_MODE, 0)
        terminal_signals_deliver(number)
        editline_set_number(library, handle, EDITLINE_TERMINAL_MODE, 1)
    }
    // libedit redraws at the cursor and assumes that it is at the beginning of an empty line.
    terminal_write("\r\u{1B}[K")
    editline_refresh(library, handle)
    return true
}

private func complete(_ handle: OpaquePointer, _ key: CInt) -> UInt8 {
    guard let library = editor?.library, let state = editor?.state else { return UInt8(EDITLINE_FAILED) }
    let text = library.pointee.text(handle).pointee
    // Completion may call metamethods of the script, which must run in the script's locale.
    terminal_locale_leave()
    let found = host_complete(state, text.buffer, text.cursor - text.buffer, terminal_columns())
    terminal_locale_enter()
    if let insertion = found.insertion {
        return UInt8(library.pointee.insert(handle, insertion) == 0 ? EDITLINE_REFRESH_LINE : EDITLINE_FAILED)
    }
    guard let listing = found.listing else { return UInt8(EDITLINE_FAILED) }
    terminal_write("\n")
    terminal_write(listing)
    terminal_write("\n")
    return UInt8(EDITLINE_REDISPLAY)
}
