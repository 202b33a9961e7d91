internal import CLua
internal import CLuaMap
internal import CMemoryMap
internal import MemoryMap

// Shared memory.

/// `mmap.shared(name [, size [, options]])`. [-0, +0, –] uses no slots; never raises.
@implementation @c
func lm_shared(
    _ L: LuaState, _ outcome: Outcome, _ target: BufferPointer, _ path: UnsafePointer<CChar>,
    _ exclusive: Bool
) -> CInt {
    respond(outcome) { () throws(MapError) in
        let size = try Arguments(L).optionalInteger(2)
        let monitor = Monitor(frugal: L)
        target.pointee.region = try about(2) { () throws(MapError) in
            try sharedRegion(path, size: size, exclusive: exclusive) { monitor.shouldContinue($0) }
        }
        return 1
    }
}

/// `mmap.memfd(name, size [, options])`. [-0, +0, –] uses no slots; never raises.
@implementation @c
func lm_memfd(
    _ L: LuaState, _ outcome: Outcome, _ target: BufferPointer, _ name: UnsafePointer<CChar>, _ seal: Bool
) -> CInt {
    respond(outcome) { () throws(MapError) in
        let size = try Arguments(L).integer(2)
        target.pointee.region = try about(2) { () throws(MapError) in
            try memoryFileRegion(name, size: size, seal: seal)
        }
        return 1
    }
}

/// `mmap.unlink(name)`. Never raises.
@implementation @c
func lm_unlink(_ outcome: Outcome, _ path: UnsafePointer<CChar>) -> CInt {
    respond(outcome) { () throws(MapError) in
        try unlinkShared(path)
        return 0
    }
}
