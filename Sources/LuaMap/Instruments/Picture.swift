internal import CLua
internal import CLuaMap
internal import CMemoryMap
internal import Glibc
internal import MemoryMap
internal import Pictures

// `b:show` and `b:watch`.

/// The style of a picture: the options of the script, else what the terminal can show, else plain text.
private func style(_ picture: UnsafePointer<lm_picture>, on descriptor: CInt) -> PictureStyle {
    let columns = Int(mm_terminal_columns(descriptor))
    let isTerminal = isatty(descriptor) == 1
    let isColorless = variable("NO_COLOR") != nil
    var style = PictureStyle()
    style.columns = columns >= 20 ? min(columns, 512) : 80
    if picture.pointee.columns != 0 { style.columns = Int(picture.pointee.columns) }
    if picture.pointee.rows != 0 { style.rows = Int(picture.pointee.rows) }
    style.isColored = isTerminal && !isColorless && !isDumb()
    style.isPlain = !isTerminal || isColorless || !isUnicode()
    if picture.pointee.has_color { style.isColored = picture.pointee.color }
    if picture.pointee.has_ascii { style.isPlain = picture.pointee.ascii }
    return style
}

/// The value of an environment variable; nil if it is unset or empty.
private func variable(_ name: StaticString) -> UnsafePointer<CChar>? {
    guard let value = getenv(name.cString), value[0] != 0 else { return nil }
    return UnsafePointer(value)
}

private func isDumb() -> Bool { variable("TERM").map { strcmp($0, "dumb") == 0 } ?? true }

private func isUnicode() -> Bool {
    guard let locale = variable("LC_ALL") ?? variable("LC_CTYPE") ?? variable("LANG") else { return false }
    return strstr(locale, "UTF-8") != nil || strstr(locale, "utf8") != nil || strstr(locale, "utf-8") != nil
}

private let watched = STDERR_FILENO

/// Checks the options and computes the size of the picture's memory. [-0, +0, –] uses no slots; never raises.
@implementation @c
func lm_picture_plan(_ L: LuaState, _ outcome: Outcome, _ picture: UnsafeMutablePointer<lm_picture>) -> CInt {
    respond(outcome) { () throws(MapError) in
        let bytes = try Arguments(L).bytes(1)
        let (columns, rows) = (Int(picture.pointee.columns), Int(picture.pointee.rows))
        guard columns == 0 || (20...512).contains(columns) else {
            throw MapError("option 'width': %1 is out of range (20 to 512)", argument: 2, columns)
        }
        guard rows == 0 || (1...64).contains(rows) else {
            throw MapError("option 'rows': %1 is out of range (1 to 64)", argument: 2, rows)
        }
        let span = try bytes.pageSpan(0, nil)
        if let since = picture.pointee.since,
            since.pointee.count != Int64(span.count) || since.pointee.offset != Int64(span.range.offset)
        {
            throw MapError(
                "option 'since': its %1 pages are not those of the buffer (%2 pages)", argument: 2,
                Int(since.pointee.count), span.count)
        }
        picture.pointee.pages = Int64(span.count)
        // The memory must suffice for a drawing on either descriptor.
        var larger = style(picture, on: STDOUT_FILENO)
        larger.columns = max(larger.columns, style(picture, on: watched).columns)
        picture.pointee.size =
            Watch.size &+ 3 &* PageBits.words(for: span.count) &* 8 &+ larger.capacity
        return 0
    }
}

/// The parts of a picture's memory.
private struct PictureMemory {
    /// The pages that were resident at the start of a watch.
    let before: PageBits
    let picture: Picture
    let text: UnsafeMutableBufferPointer<UInt8>

    init(
        _ plan: UnsafePointer<lm_picture>, _ bytes: MappedBytes, on descriptor: CInt, isWatched: Bool = false
    ) {
        let memory = UnsafeMutableRawPointer(plan.pointee.memory)
        let pages = Int(plan.pointee.pages)
        let words = PageBits.words(for: pages)
        // The state of a watch comes first.
        let first = memory + Watch.size
        let end = 3 &* words &* 8
        text = UnsafeMutableBufferPointer(
            start: (first + end).assumingMemoryBound(to: UInt8.self),
            count: plan.pointee.size &- Watch.size &- end)
        before = PageBits((first + 2 &* words &* 8).assumingMemoryBound(to: UInt64.self), count: pages)
        picture = Picture(
            bytes, style(plan, on: descriptor),
            resident: PageBits(first.assumingMemoryBound(to: UInt64.self), count: pages),
            copied: PageBits((first + words &* 8).assumingMemoryBound(to: UInt64.self), count: pages),
            before: isWatched ? before : plan.pointee.since?.bits)
    }
}

/// `b:show([options])`. [-0, +0, –] uses no slots; never raises.
@implementation @c
func lm_picture_draw(
    _ L: LuaState, _ outcome: Outcome, _ plan: UnsafePointer<lm_picture>,
    _ text: UnsafeMutablePointer<UnsafePointer<UInt8>?>
) -> CInt {
    respond(outcome) { () throws(MapError) in
        let memory = PictureMemory(plan, try Arguments(L).bytes(1), on: STDOUT_FILENO)
        let monitor = try Monitor(L)
        let drawn = try memory.picture.draw(title: plan.pointee.title, into: memory.text, ending: "\n") {
            monitor.shouldContinue($0)
        }
        text.pointee = UnsafePointer(memory.text.baseAddress)
        // Without the last newline, because print adds one.
        return CInt(truncatingIfNeeded: max(drawn.count &- 1, 0))
    }
}

@implementation @c
func lm_watch_is_seen() -> Bool { isatty(watched) == 1 && !isDumb() }

/// The start of `b:watch(fn)`. [-0, +0, –] uses no slots; never raises.
@implementation @c
func lm_watch_start(_ L: LuaState, _ outcome: Outcome, _ plan: UnsafePointer<lm_picture>) -> CInt {
    respond(outcome) { () throws(MapError) in
        let bytes = try Arguments(L).bytes(1)
        let memory = PictureMemory(plan, bytes, on: watched, isWatched: true)
        let monitor = try Monitor(L)
        try bytes.residency(0, nil, into: memory.before) { monitor.shouldContinue($0) }
        try Watch.start(
            memory.picture, title: plan.pointee.title, into: memory.text, at: plan.pointee.memory
        ) { monitor.shouldContinue($0) }
        return 0
    }
}

@implementation @c
func lm_watch_stop(_ memory: UnsafeMutablePointer<UInt8>) {
    Watch(at: memory).stop()
}
