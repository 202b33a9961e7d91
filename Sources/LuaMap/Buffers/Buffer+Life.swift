internal import CLua
internal import CLuaMap
internal import CMemoryMap
internal import MemoryMap

// Opening, resizing, and closing buffers.

/// `mmap.map(size, protection, flags, fd [, offset [, advice]])`. [-0, +0, –] uses no slots; never
/// raises. The new buffer is on top already.
@implementation @c
func lm_map(_ L: LuaState, _ outcome: Outcome, _ target: BufferPointer, _ descriptor: CInt) -> CInt {
    respond(outcome) { () throws(MapError) in
        let arguments = Arguments(L)
        let size = try arguments.integer(1)
        let protection = try arguments.protection(2)
        let bits = try arguments.integer(3)
        guard let flagBits = CInt(exactly: bits) else {
            throw MapError("flags %1 are not a combination of MAP_* constants", argument: 3, bits)
        }
        let flags = MapFlags(rawValue: flagBits)
        guard flags.contains(.anonymous) || descriptor >= 0 else {
            if arguments.isAbsent(4) { throw MapError(type: "file or integer descriptor", argument: 4) }
            throw MapError("descriptor -1 needs MAP_ANONYMOUS", argument: 4)
        }
        let offset = try arguments.integer(5, default: 0)
        let advice = arguments.isAbsent(6) ? nil : try arguments.advice(6)
        let monitor = Monitor(frugal: L)
        try requireAligned(offset)
        target.pointee.region = try mapRegion(
            length: size, protection: protection, flags: flags, descriptor: descriptor, offset: offset,
            advice: advice == .normal ? nil : advice
        ) { monitor.shouldContinue($0) }
        return 1
    }
}

extension OpenOptions {
    init(_ options: UnsafePointer<lm_open_options>) {
        self.init()
        offset = Int(options.pointee.offset)
        length = options.pointee.has_length ? Int(options.pointee.length) : nil
        size = Int(options.pointee.size)
        grow = options.pointee.grow
        sparse = options.pointee.sparse
        advice = options.pointee.has_advice ? Advice(rawValue: Int(options.pointee.advice)) : nil
        populate = options.pointee.populate
        lock = options.pointee.lock
    }
}

/// `mmap.open(path [, mode [, options]])`. [-0, +0, –] uses no slots; never raises.
@implementation @c
func lm_open(
    _ L: LuaState, _ outcome: Outcome, _ target: BufferPointer, _ path: UnsafePointer<CChar>, _ mode: CInt,
    _ options: UnsafePointer<lm_open_options>
) -> CInt {
    respond(outcome) { () throws(MapError) in
        let mode = OpenMode(rawValue: UInt8(truncatingIfNeeded: mode)) ?? .read
        let monitor = Monitor(frugal: L)
        target.pointee.region = try openRegion(path, mode, OpenOptions(options)) {
            monitor.shouldContinue($0)
        }
        return 1
    }
}

/// `mmap.anonymous(size [, options])`. [-0, +0, –] uses no slots; never raises.
@implementation @c
func lm_anonymous(
    _ L: LuaState, _ outcome: Outcome, _ target: BufferPointer, _ options: UnsafePointer<lm_open_options>
) -> CInt {
    respond(outcome) { () throws(MapError) in
        let size = try Arguments(L).integer(1)
        let options = options.pointee
        let monitor = Monitor(frugal: L)
        let shouldContinue: ShouldContinue = { monitor.shouldContinue($0) }
        let region =
            options.shared
            ? try sharedAnonymousRegion(
                size: size, populate: options.populate, shouldContinue: shouldContinue)
            : try mapRegion(
                length: size, protection: [.read, .write],
                flags: options.populate ? [.anonymous, .private, .populate] : [.anonymous, .private],
                descriptor: -1, offset: 0, shouldContinue: shouldContinue)
        do throws(MapError) {
            if options.has_advice {
                try MappedBytes(region).advise(
                    Advice(rawValue: Int(options.advice)), shouldContinue: shouldContinue)
            }
            if options.lock {
                try MappedBytes(region).lock(0, nil, path: nil, shouldContinue: shouldContinue)
            }
        } catch {
            unmapRegion(region)
            throw error
        }
        target.pointee.region = region
        return 1
    }
}

/// `b:slice(offset [, length])`. [-0, +0, –] uses no slots; never raises. The new buffer is on top.
@implementation @c
func lm_buffer_slice(_ L: LuaState, _ outcome: Outcome, _ target: BufferPointer) -> CInt {
    respond(outcome) { () throws(MapError) in
        let arguments = Arguments(L)
        let bytes = try arguments.bytes(1)
        let offset = try arguments.integer(2)
        let length = try arguments.optionalInteger(3)
        target.pointee.region = try about(2) { () throws(MapError) in try bytes.slice(offset, length) }.region
        return 1
    }
}

/// `b:resize(size [, options])`. [-0, +0, –] uses no slots; never raises.
@implementation @c
func lm_buffer_resize(
    _ L: LuaState, _ outcome: Outcome, _ path: UnsafePointer<CChar>?, _ sparse: Bool
) -> CInt {
    respond(outcome) { () throws(MapError) in
        let arguments = Arguments(L)
        let bytes = try arguments.bytes(1)
        let size = try arguments.integer(2)
        let monitor = Monitor(frugal: L)
        try bytes.resize(size, path: path, isSparse: sparse) { monitor.shouldContinue($0) }
        return 0
    }
}

/// `b:remap()`. [-0, +0, –] uses no slots; never raises.
@implementation @c
func lm_buffer_remap(_ L: LuaState, _ outcome: Outcome, _ path: UnsafePointer<CChar>?) -> CInt {
    respond(outcome) { () throws(MapError) in
        let bytes = try Arguments(L).bytes(1)
        let monitor = Monitor(frugal: L)
        try bytes.remap(path: path) { monitor.shouldContinue($0) }
        return 0
    }
}

/// `close`, `unmap`, `__close`, and `__gc`; may run any number of times. Closing a slice does not unmap its
/// mapping. [-0, +0, –] uses no slots; never raises.
@implementation @c
func lm_buffer_close(_ L: LuaState, _ outcome: Outcome) -> CInt {
    respond(outcome) { () throws(MapError) in
        let buffer = try Arguments(L).buffer(1)
        let region = buffer.pointee.region
        buffer.pointee.region = .closed
        if region.isWhole { unmapRegion(region) }
        return 0
    }
}
