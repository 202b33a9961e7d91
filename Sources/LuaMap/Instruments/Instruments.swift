internal import CLua
internal import CLuaMap
internal import CMemoryMap
internal import Glibc
internal import MemoryMap

// Entries of /proc/self/maps, trials of advice, the cost of a call, and pictures.

/// The entries of a buffer in /proc/self/maps or smaps. [-0, +0, –] uses no slots; never raises.
@implementation @c
func lm_process_entries(
    _ L: LuaState, _ outcome: Outcome, _ isDetailed: Bool, _ target: UnsafeMutablePointer<CChar>,
    _ capacity: Int,
    _ needed: UnsafeMutablePointer<Int>
) -> CInt {
    respond(outcome) { () throws(MapError) in
        let bytes = try Arguments(L).bytes(1)
        let raw = UnsafeMutableRawBufferPointer(start: target, count: capacity)
        let monitor = Monitor(frugal: L)
        needed.pointee = try bytes.processEntries(
            of: isDetailed ? "/proc/self/smaps" : "/proc/self/maps", into: raw.bindMemory(to: UInt8.self)
        ) { monitor.shouldContinue($0) }
        return 0
    }
}

/// Pushes the kind of storage of a buffer's file: `MM_CACHE_*`. [-0, +1, –] uses one slot; never raises.
@implementation @c
func lm_buffer_storage(_ L: LuaState, _ outcome: Outcome) -> CInt {
    respond(outcome) { () throws(MapError) in
        let bytes = try Arguments(L).bytes(1)
        let kind = try bytes.storage()
        lua_pushinteger(L, lua_Integer(kind.rawValue))
        return 1
    }
}

@implementation @c
func lm_advice_trial(
    _ outcome: Outcome, _ i: CInt, _ kind: CInt, _ error: UnsafeMutablePointer<Int32>,
    _ destroys: UnsafeMutablePointer<Bool>
) -> CInt {
    respond(outcome) { () throws(MapError) in
        guard i >= 0, Int(i) < Advice.names.count, let kind = MappingKind(rawValue: Int(kind)) else {
            throw MapError(misuse: "there is no such advice")
        }
        let trial = try Advice.names[Int(i)].advice.attempt(on: kind)
        error.pointee = trial.errno ?? -1
        destroys.pointee = trial.destroys
        return 0
    }
}

// MARK: the cost of a call

@implementation @c
func lm_cost_size() -> Int {
    ResidencyCount.capacity() &* MemoryLayout<ResidencyEntry>.stride
        &+ MemoryLayout<ResidencyCount>.stride
}

/// The start of `mmap.faults(fn)`. [-0, +0, –] uses no slots; never raises.
@implementation @c
func lm_cost_start(
    _ L: LuaState, _ outcome: Outcome, _ cost: UnsafeMutablePointer<lm_cost>,
    _ memory: UnsafeMutableRawPointer,
    _ size: Int
) -> CInt {
    respond(outcome) { () throws(MapError) in
        let head = MemoryLayout<ResidencyCount>.stride
        let entries = (memory + head).assumingMemoryBound(to: ResidencyEntry.self)
        let count = max(size &- head, 0) / MemoryLayout<ResidencyEntry>.stride
        let monitor = Monitor(frugal: L)
        let pages = try ResidencyCount(UnsafeMutableBufferPointer(start: entries, count: count)) {
            monitor.shouldContinue($0)
        }
        memory.assumingMemoryBound(to: ResidencyCount.self).initialize(to: pages)
        cost.pointee.resident = Int64(residentSize())
        var usage = mm_usage()
        mm_read_usage(&usage)
        cost.pointee.note(usage, sign: -1)
        return 0
    }
}

/// The end of `mmap.faults(fn)`. [-0, +0, –] uses no slots; never raises.
@implementation @c
func lm_cost_end(
    _ L: LuaState, _ outcome: Outcome, _ cost: UnsafeMutablePointer<lm_cost>,
    _ memory: UnsafeMutableRawPointer
) -> CInt {
    respond(outcome) { () throws(MapError) in
        var usage = mm_usage()
        mm_read_usage(&usage)
        cost.pointee.note(usage, sign: 1)
        cost.pointee.resident = Int64(residentSize()) &- cost.pointee.resident
        let monitor = Monitor(frugal: L)
        cost.pointee.pages = Int64(
            try memory.assumingMemoryBound(to: ResidencyCount.self).pointee.growth {
                monitor.shouldContinue($0)
            })
        return 0
    }
}

extension lm_cost {
    fileprivate mutating func note(_ usage: mm_usage, sign: Int64) {
        if sign < 0 { (minor, major, read, seconds) = (0, 0, 0, 0) }
        minor &+= sign &* usage.minor_faults
        major &+= sign &* usage.major_faults
        read &+= sign &* usage.blocks_read &* 512
        seconds += Double(sign) * usage.seconds
    }
}

// MARK: pictures

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

/// Loads explain.lua, which turns the kernel's text into sentences. [-0, +1, –] uses one slot; never raises.
@implementation @c
func lm_load_explain(_ L: LuaState) -> CInt {
    PackageResources.explain_lua.withUnsafeBufferPointer { source in
        luaL_loadbufferx(
            L, UnsafeRawPointer(source.baseAddress)?.assumingMemoryBound(to: CChar.self), source.count,
            "=mmap", "t")
    }
}
