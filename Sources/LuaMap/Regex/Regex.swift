internal import CLua
internal import CLuaMap
internal import CMemoryMap
internal import MemoryMap

// Compiled patterns as objects: `mmap.regex`, and the translations of Lua's patterns.

typealias RegexPointer = UnsafeMutablePointer<lm_regex>

extension Arguments {
    /// The regex at an argument; throws if it is closed.
    func regex(_ index: Int32) throws(MapError) -> RegexPointer {
        guard let regex = lm_regex_at(state, index) else {
            throw MapError(type: "mmap.regex", argument: index)
        }
        if regex.pointee.pattern.code == nil { throw MapError(misuse: "attempt to use a closed regex") }
        return regex
    }

    /// The flags at an argument, one letter each. Ignores other letters, which the trampoline refuses.
    fileprivate func patternOptions(_ index: Int32) -> PatternOptions {
        var options: PatternOptions = []
        guard let letters = string(index) else { return options }
        for letter in letters {
            switch letter {
            case UInt8(ascii: "i"): options.insert(.ignoreCase)
            case UInt8(ascii: "m"): options.insert(.multiline)
            case UInt8(ascii: "s"): options.insert(.dotMatchesAll)
            case UInt8(ascii: "x"): options.insert(.extended)
            case UInt8(ascii: "u"): options.insert(.unicode)
            default: break
            }
        }
        return options
    }
}

private func compile(
    _ text: UnsafeRawBufferPointer, _ options: PatternOptions, steps: UInt32? = nil, _ target: RegexPointer,
    _ reason: UnsafeMutablePointer<lm_pattern_error>
) -> CInt {
    do throws(PatternError) {
        target.pointee.pattern = try mm_pattern(text, options, steps: steps)
        target.pointee.captures = target.pointee.pattern.captures
        return 1
    } catch {
        reason.pointee = lm_pattern_error(code: error.code, offset: Int64(error.offset))
        return CInt(LM_FAILED)
    }
}

/// `mmap.regex(pattern [, flags [, options]])`. [-0, +0, –] uses no slots; never raises.
@implementation @c
func lm_regex_compile(
    _ L: LuaState, _ target: RegexPointer, _ options: UnsafePointer<lm_regex_options>,
    _ error: UnsafeMutablePointer<lm_pattern_error>
) -> CInt {
    let arguments = Arguments(L)
    let text = arguments.string(1) ?? UnsafeRawBufferPointer(start: nil, count: 0)
    let steps = options.pointee.has_steps ? UInt32(exactly: options.pointee.steps) : nil
    return compile(text, arguments.patternOptions(2), steps: steps, target, error)
}

/// Translates the Lua pattern at an index. [-0, +0, –] uses no slots; never raises.
@implementation @c
func lm_regex_translate(
    _ L: LuaState, _ target: RegexPointer, _ index: CInt, _ error: UnsafeMutablePointer<lm_pattern_error>
) -> CInt {
    let text = Arguments(L).string(index) ?? UnsafeRawBufferPointer(start: nil, count: 0)
    // A compiled item has two bytes or more, and a compiled pattern 64 KiB at most.
    guard text.count <= 1 << 16 else {
        error.pointee = .tooLong
        return CInt(LM_FAILED)
    }
    guard (try? requireHeap(64 &* text.count)) != nil else {
        error.pointee = .noMemory
        return CInt(LM_FAILED)
    }
    let pattern = LuaPattern(text)
    var options: PatternOptions = [.dotMatchesAll, .translated]
    if pattern.isAnchored { options.insert(.anchored) }
    if let mistake = pattern.mistake {
        options.insert(.stopsAtMark)
        target.pointee.mistake = mistake.message.cString
        target.pointee.mistaken = Int64(mistake.value)
    }
    let code = pattern.text.withUnsafeBytes { compile($0, options, target, error) }
    target.pointee.captures = UInt32(truncatingIfNeeded: pattern.captures)
    target.pointee.positions = pattern.positions
    return code
}

extension lm_pattern_error {
    /// "pattern string is longer than the limit".
    fileprivate static var tooLong: lm_pattern_error { lm_pattern_error(code: 188, offset: 0) }

    /// PCRE2_ERROR_NOMEMORY.
    fileprivate static var noMemory: lm_pattern_error { lm_pattern_error(code: -48, offset: 0) }
}

/// A name for `re:names()`: 1, or 0 after the last one. [-0, +0, –] uses no slots; never raises.
@implementation @c
func lm_regex_name(
    _ L: LuaState, _ outcome: Outcome, _ index: Int64, _ group: UnsafeMutablePointer<lm_group>
) -> CInt {
    respond(outcome) { () throws(MapError) in
        let pattern = lm_regex_pattern(try Arguments(L).regex(1))
        guard index >= 0, index < pattern.pointee.names, let (name, number) = pattern.pointee.name(Int(index))
        else {
            return 0
        }
        group.pointee.name = UnsafeRawPointer(name).assumingMemoryBound(to: CChar.self)
        group.pointee.number = Int64(number)
        return 1
    }
}

/// `re:close()`, `__gc`, `__close`. [-0, +0, –] uses no slots; never raises.
@implementation @c
func lm_regex_close(_ L: LuaState, _ outcome: Outcome) -> CInt {
    respond(outcome) { () throws(MapError) in
        guard let regex = lm_regex_at(L, 1) else { throw MapError(type: "mmap.regex", argument: 1) }
        regex.pointee.pattern.free()
        return 0
    }
}

/// The memory that a pattern takes, in bytes. [-0, +0, –] uses no slots; never raises.
@implementation @c
func lm_regex_size(_ regex: UnsafePointer<lm_regex>) -> Int { regex.pointee.pattern.size }
