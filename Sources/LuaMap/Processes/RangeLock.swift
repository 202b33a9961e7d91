internal import CLua
internal import CLuaMap
internal import CMemoryMap
internal import MemoryMap

// Locks on ranges of files.

typealias LockPointer = UnsafeMutablePointer<lm_lock>

/// Opens the range of `b:lockrange([offset [, length [, mode]]])`, not locked yet. [-0, +0, –] uses no slots;
/// never raises.
@implementation @c
func lm_lock_open(_ L: LuaState, _ outcome: Outcome, _ lock: LockPointer) -> CInt {
    respond(outcome) { () throws(MapError) in
        let arguments = Arguments(L)
        let bytes = try arguments.bytes(1)
        let (offset, length) = try arguments.range(2)
        let range = try about(2) { () throws(MapError) in
            try bytes.rangeLock(offset, length, isExclusive: lock.pointee.is_exclusive)
        }
        lock.pointee.descriptor = range.descriptor
        lock.pointee.memory = range.memory
        lock.pointee.offset = Int64(range.offset)
        lock.pointee.length = Int64(range.length)
        return 0
    }
}

/// Whether the lock was acquired: 1 or 0. Never raises.
@implementation @c
func lm_lock_try(_ outcome: Outcome, _ lock: LockPointer) -> CInt {
    respond(outcome) { () throws(MapError) in
        let lock = lock.pointee
        let isTaken = try RangeLock.attempt(
            lock.descriptor, isExclusive: lock.is_exclusive, offset: Int(lock.offset),
            length: Int(lock.length))
        return isTaken ? 1 : 0
    }
}
