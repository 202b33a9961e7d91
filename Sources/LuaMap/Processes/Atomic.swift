internal import CLua
internal import CLuaMap
internal import CMemoryMap
internal import MemoryMap

// Atomics: integers that several processes change at the same time. `load`, `store`, `add`, `exchange`, and
// `compareexchange` are hot paths, under the same rules as `b[i]`.

typealias AtomicPointer = UnsafeMutablePointer<lm_atomic>

/// `b:atomic(type, offset)`. [-0, +0, –] uses no slots; never raises. The new atomic is on top.
@implementation @c
func lm_buffer_atomic(_ L: LuaState, _ outcome: Outcome, _ target: AtomicPointer) -> CInt {
    respond(outcome) { () throws(MapError) in
        let arguments = Arguments(L)
        let bytes = try arguments.bytes(1)
        let type = try arguments.elementType(2)
        let offset = try arguments.integer(3)
        target.pointee.region = try about(3) { () throws(MapError) in try bytes.atomic(type, at: offset) }
            .region
        target.pointee.type = type.code
        return 1
    }
}

/// `a:load()`. [-0, +1, –] uses one slot; never raises.
@implementation @c
func lm_atomic_load(_ L: LuaState, _ outcome: Outcome) -> CInt {
    guard let atomic = lm_atomic_at(L, 1) else { return notAnAtomic(outcome) }
    if !mm_is_current(&atomic.pointee.region) || !mm_is_readable(&atomic.pointee.region) {
        guard slowCheck(L, outcome, atomic, .load) else { return CInt(LM_FAILED) }
    }
    guard let place = atomic.pointee.region.base else { return notAnAtomic(outcome) }
    return give(mm_atomic_load(place, atomic.pointee.type), L, outcome, atomic)
}

/// `a:store(value)`. [-0, +0, –] uses one slot; never raises.
@implementation @c
func lm_atomic_store(_ L: LuaState, _ outcome: Outcome) -> CInt {
    // The old value, which lm_atomic_exchange pushes, is not a result.
    min(lm_atomic_exchange(L, outcome), 0)
}

/// `a:add([n])`: the old value; wraps around. [-0, +1, –] uses one slot; never raises.
@implementation @c
func lm_atomic_add(_ L: LuaState, _ outcome: Outcome) -> CInt {
    guard let atomic = lm_atomic_at(L, 1) else { return notAnAtomic(outcome) }
    if lua_isinteger(L, 2) == 0 || !isWritable(atomic) {
        guard slowCheck(L, outcome, atomic, .add) else { return CInt(LM_FAILED) }
    }
    guard let place = atomic.pointee.region.base else { return notAnAtomic(outcome) }
    let more = lua_type(L, 2) == LUA_TNUMBER ? lua_tointegerx(L, 2, nil) : 1
    return give(mm_atomic_add(place, atomic.pointee.type, UInt64(bitPattern: more)), L, outcome, atomic)
}

/// `a:exchange(value)`: the old value. [-0, +1, –] uses one slot; never raises.
@implementation @c
func lm_atomic_exchange(_ L: LuaState, _ outcome: Outcome) -> CInt {
    guard let atomic = lm_atomic_at(L, 1) else { return notAnAtomic(outcome) }
    if !fits(L, 2, atomic) || !isWritable(atomic) {
        guard slowCheck(L, outcome, atomic, .exchange) else { return CInt(LM_FAILED) }
    }
    guard let place = atomic.pointee.region.base else { return notAnAtomic(outcome) }
    return give(mm_atomic_exchange(place, atomic.pointee.type, operand(L, 2)), L, outcome, atomic)
}

/// `a:compareexchange(expected, desired)`: whether it was exchanged, and the old value. [-0, +2, –] uses two
/// slots; never raises.
@implementation @c
func lm_atomic_compareexchange(_ L: LuaState, _ outcome: Outcome) -> CInt {
    guard let atomic = lm_atomic_at(L, 1) else { return notAnAtomic(outcome) }
    if !fits(L, 2, atomic) || !fits(L, 3, atomic) || !isWritable(atomic) {
        guard slowCheck(L, outcome, atomic, .compare) else { return CInt(LM_FAILED) }
    }
    guard let place = atomic.pointee.region.base else { return notAnAtomic(outcome) }
    var found = operand(L, 2)
    let isDone = mm_atomic_compare(place, atomic.pointee.type, &found, operand(L, 3))
    lua_pushboolean(L, isDone ? 1 : 0)
    let count = give(found, L, outcome, atomic)
    return count < 0 ? count : 2
}

@inline(__always)
private func isWritable(_ atomic: AtomicPointer) -> Bool {
    mm_is_current(&atomic.pointee.region) && mm_is_writable(&atomic.pointee.region)
}

@inline(__always)
private func operand(_ L: LuaState, _ index: CInt) -> UInt64 {
    UInt64(bitPattern: lua_tointegerx(L, index, nil))
}

@inline(__always)
private func fits(_ L: LuaState, _ index: CInt, _ atomic: AtomicPointer) -> Bool {
    lua_isinteger(L, index) != 0 && mm_fits(atomic.pointee.type, operand(L, index))
}

/// Pushes the result of an access, unless the mapping is lost. [-0, +1, –] uses one slot; never raises.
@inline(__always)
private func give(_ bits: UInt64, _ L: LuaState, _ outcome: Outcome, _ atomic: AtomicPointer) -> CInt {
    guard mm_was_intact(&atomic.pointee.region) else { return slowLoss(outcome, atomic) }
    lua_pushinteger(L, lua_Integer(bitPattern: bits))
    return 1
}

// The slow path: the handle is not current and needs an update, or the access is an error.

private enum Operation { case load, add, exchange, compare }

@inline(never)
private func notAnAtomic(_ outcome: Outcome) -> CInt {
    outcome.fill(MapError(type: "mmap.atomic", argument: 1))
    return CInt(LM_FAILED)
}

@inline(never)
private func slowLoss(_ outcome: Outcome, _ atomic: AtomicPointer) -> CInt {
    outcome.fill(MappedBytes(atomic.pointee.region).lossError())
    return CInt(LM_FAILED)
}

/// Updates the handle and checks the arguments; true if the access is possible.
@inline(never)
private func slowCheck(_ L: LuaState, _ outcome: Outcome, _ atomic: AtomicPointer, _ operation: Operation)
    -> Bool
{
    respond(outcome) { () throws(MapError) in
        let arguments = Arguments(L)
        let type = ElementType(code: atomic.pointee.type)
        switch operation {
        case .load: break
        case .add: _ = try arguments.integer(2, default: 1)
        case .exchange: try arguments.checkFits(2, type)
        case .compare:
            try arguments.checkFits(2, type)
            try arguments.checkFits(3, type)
        }
        try refresh(atomic)
        if operation == .load {
            guard mm_is_readable(&atomic.pointee.region) else { throw MapError.notReadable }
        } else {
            guard mm_is_writable(&atomic.pointee.region) else { throw MapError.notWritable }
        }
        return 0
    } == 0
}

private func refresh(_ atomic: AtomicPointer) throws(MapError) {
    var bytes = MappedBytes(atomic.pointee.region)
    try bytes.refresh()
    atomic.pointee.region = bytes.region
}

extension Arguments {
    fileprivate func checkFits(_ index: Int32, _ type: ElementType) throws(MapError) {
        _ = try integer(index)
        _ = try bits(index, type)
    }
}

// Waiting is not a hot path.

/// The updated atomic at argument 1; throws if it cannot be waited on.
private func waitable(_ L: LuaState) throws(MapError) -> (bytes: MappedBytes, type: ElementType) {
    guard let atomic = lm_atomic_at(L, 1) else { throw MapError(type: "mmap.atomic", argument: 1) }
    let type = ElementType(code: atomic.pointee.type)
    guard type.byteCount == 4 else {
        throw MapError(
            misuse: "only a 32-bit atomic, u32 or i32, can be waited on: see futex(2)")
    }
    try refresh(atomic)
    guard mm_is_readable(&atomic.pointee.region) else { throw MapError(.notReadable) }
    return (MappedBytes(atomic.pointee.region), type)
}

/// The longest sleep between two checks for Ctrl-C, in nanoseconds.
private let slice: Int64 = 50_000_000

/// `a:wait(expected [, timeout])`. [-0, +1, –] uses one slot; never raises.
@implementation @c
func lm_atomic_wait(_ L: LuaState, _ outcome: Outcome, _ deadline: Int64) -> CInt {
    respond(outcome) { () throws(MapError) in
        let (bytes, type) = try waitable(L)
        let arguments = Arguments(L)
        try arguments.checkFits(2, type)
        let rest = deadline &- mm_now()
        let expected = UInt32(truncatingIfNeeded: try arguments.integer(2))
        let isOver = try bytes.wait(while: expected, nanoseconds: min(max(rest, 0), slice))
        if !isOver && deadline > mm_now() { return 0 }
        lua_pushboolean(L, isOver ? 1 : 0)
        return 1
    }
}

/// `a:wake([n])`. [-0, +1, –] uses one slot; never raises.
@implementation @c
func lm_atomic_wake(_ L: LuaState, _ outcome: Outcome) -> CInt {
    respond(outcome) { () throws(MapError) in
        let (bytes, _) = try waitable(L)
        let count = try Arguments(L).integer(2, default: Int(CInt.max))
        guard count >= 0, let most = CInt(exactly: count) else {
            throw MapError("count %1 is out of range (0 to %2)", argument: 2, count, Int(CInt.max))
        }
        let woken = try bytes.wake(most)
        lua_pushinteger(L, lua_Integer(woken))
        return 1
    }
}

/// Describes an atomic in any state, also closed or lost.
@implementation @c
func lm_describe_atomic(
    _ atomic: UnsafePointer<lm_atomic>, _ description: UnsafeMutablePointer<lm_description>,
    _ type: UnsafeMutablePointer<UnsafePointer<CChar>>
) {
    description.pointee = describe(atomic.pointee.region)
    type.pointee = ElementType(code: atomic.pointee.type).name.cString
}
