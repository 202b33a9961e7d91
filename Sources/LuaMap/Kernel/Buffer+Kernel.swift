internal import CLua
internal import CLuaMap
internal import CMemoryMap
internal import Glibc
internal import MemoryMap

// madvise(2), msync(2), mincore(2), mprotect(2), mlock(2).

/// `advise(b, advice)` and `advise(b, offset, length, advice)`. [-0, +2, –] uses two slots; never
/// raises.
@implementation @c
func lm_buffer_advise(_ L: LuaState, _ outcome: Outcome) -> CInt {
    respond(outcome) { () throws(MapError) in
        let arguments = Arguments(L)
        let bytes = try arguments.bytes(1)
        let isWhole = arguments.isAbsent(3) && arguments.isAbsent(4)
        guard isWhole || arguments.string(2) == nil else {
            throw MapError(
                "offset expected: the arguments are (advice) or (offset, length, advice)", argument: 2)
        }
        let advice = try arguments.advice(isWhole ? 2 : 4)
        let offset = isWhole ? 0 : try arguments.integer(2, default: 0)
        let length = isWhole ? nil : try arguments.optionalInteger(3)
        let monitor = Monitor(frugal: L)
        let range = try about(2) { () throws(MapError) in
            try bytes.advise(advice, offset, length) { monitor.shouldContinue($0) }
        }
        return push(range.offset, range.length, L)
    }
}

/// `sync(b [, offset [, length]] [, blocking [, invalidate]])`. [-0, +2, –] uses two slots; never
/// raises.
@implementation @c
func lm_buffer_sync(_ L: LuaState, _ outcome: Outcome, _ path: UnsafePointer<CChar>?) -> CInt {
    respond(outcome) { () throws(MapError) in
        let arguments = Arguments(L)
        let bytes = try arguments.bytes(1)
        let hasRange = lua_type(L, 2) != LUA_TBOOLEAN
        let offset = hasRange ? try arguments.integer(2, default: 0) : 0
        let length = hasRange ? try arguments.optionalInteger(3) : nil
        let isBlocking = try arguments.boolean(hasRange ? 4 : 2, default: false)
        let invalidates = try arguments.boolean(hasRange ? 5 : 3, default: false)
        let monitor = Monitor(frugal: L)
        let range = try about(2) { () throws(MapError) in
            try bytes.sync(offset, length, blocking: isBlocking, invalidate: invalidates, path: path) {
                monitor.shouldContinue($0)
            }
        }
        return push(range.offset, range.length, L)
    }
}

/// `incore(b [, offset [, length]])`. [-0, +2, –] uses two slots; never raises.
@implementation @c
func lm_buffer_incore(_ L: LuaState, _ outcome: Outcome) -> CInt {
    respond(outcome) { () throws(MapError) in
        let arguments = Arguments(L)
        let bytes = try arguments.bytes(1)
        let (offset, length) = try arguments.range(2)
        let monitor = try Monitor(L)
        let pages = try about(2) { () throws(MapError) in
            try bytes.residency(offset, length) { monitor.shouldContinue($0) }
        }
        return push(pages.absent, pages.resident, L)
    }
}

/// `b:protect(protection)`. [-0, +0, –] uses no slots; never raises.
@implementation @c
func lm_buffer_protect(_ L: LuaState, _ outcome: Outcome) -> CInt {
    respond(outcome) { () throws(MapError) in
        let arguments = Arguments(L)
        let bytes = try arguments.bytes(1)
        let protection = try arguments.protection(2)
        try bytes.protect(protection)
        return 0
    }
}

/// `b:lock([offset [, length]])`. [-0, +0, –] uses no slots; never raises.
@implementation @c
func lm_buffer_lock(_ L: LuaState, _ outcome: Outcome, _ path: UnsafePointer<CChar>?) -> CInt {
    respond(outcome) { () throws(MapError) in
        let arguments = Arguments(L)
        let bytes = try arguments.bytes(1)
        let (offset, length) = try arguments.range(2)
        let monitor = Monitor(frugal: L)
        try about(2) { () throws(MapError) in
            try bytes.lock(offset, length, path: path) { monitor.shouldContinue($0) }
        }
        return 0
    }
}

/// `b:unlock([offset [, length]])`. [-0, +0, –] uses no slots; never raises.
@implementation @c
func lm_buffer_unlock(_ L: LuaState, _ outcome: Outcome) -> CInt {
    respond(outcome) { () throws(MapError) in
        let arguments = Arguments(L)
        let bytes = try arguments.bytes(1)
        let (offset, length) = try arguments.range(2)
        try about(2) { () throws(MapError) in try bytes.unlock(offset, length) }
        return 0
    }
}

extension Arguments {
    /// The advice at an argument, by its number or its name.
    func advice(_ index: Int32) throws(MapError) -> Advice {
        if let name = string(index) {
            guard let advice = Advice(named: name) else {
                throw MapError(unknown: "advice %s is not known", of: nil, argument: index)
            }
            return advice
        }
        guard lua_type(state, index) == LUA_TNUMBER else {
            throw MapError(type: "advice (number or name)", argument: index)
        }
        return Advice(rawValue: try integer(index))
    }

    /// The protection at an argument: `PROT_*` bits.
    func protection(_ index: Int32) throws(MapError) -> Protection {
        let bits = try integer(index)
        guard bits >= 0, bits <= 7 else {
            throw MapError(
                "protection %1 is not a combination of PROT_READ, PROT_WRITE and PROT_EXEC", argument: index,
                bits)
        }
        return Protection(rawValue: CInt(truncatingIfNeeded: bits))
    }
}

extension Advice {
    /// The advice with this name: as in madvise(2), in lower case and without `MADV_`.
    init?(named name: UnsafeRawBufferPointer) {
        for entry in Advice.names where entry.name.utf8CodeUnitCount == name.count {
            if memcmp(
                entry.name.utf8Start, name.baseAddress ?? UnsafeRawPointer(entry.name.utf8Start), name.count)
                == 0
            {
                self = entry.advice
                return
            }
        }
        return nil
    }
}

/// The number of the advice with this name, or -1.
@implementation @c
func lm_advice_named(_ name: UnsafePointer<CChar>, _ length: Int) -> Int64 {
    Int64(Advice(named: UnsafeRawBufferPointer(start: name, count: length))?.rawValue ?? -1)
}

/// The name of the i-th advice, its number, and whether the kernel knows it; nil after the last.
@implementation @c
func lm_advice_at(
    _ i: CInt, _ value: UnsafeMutablePointer<Int64>, _ isKnown: UnsafeMutablePointer<Bool>
) -> UnsafePointer<CChar>? {
    guard i >= 0, Int(i) < Advice.names.count else { return nil }
    let entry = Advice.names[Int(i)]
    value.pointee = Int64(entry.advice.rawValue)
    isKnown.pointee = entry.advice.isKnown
    return entry.name.cString
}
