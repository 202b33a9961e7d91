internal import CLua
internal import CLuaMap
internal import CMemoryMap
internal import Glibc
internal import MemoryMap

// Files that are not mapped.

/// `mmap.read(file)`. [-0, +0, –] uses no slots; never raises. The new buffer is on top already.
@implementation @c
func lm_read_stream(
    _ L: LuaState, _ outcome: Outcome, _ target: BufferPointer, _ stream: UnsafeMutablePointer<FILE>,
    _ max: Int64
) -> CInt {
    respond(outcome) { () throws(MapError) in
        let monitor = try Monitor(L)
        target.pointee.region = try readRegion(stream, max: max < 0 ? nil : Int(max)) {
            monitor.shouldContinue($0)
        }
        return 1
    }
}

/// `mmap.read(path)`. [-0, +0, –] uses no slots; never raises. The new buffer is on top already.
@implementation @c
func lm_read_path(
    _ L: LuaState, _ outcome: Outcome, _ target: BufferPointer, _ path: UnsafePointer<CChar>, _ max: Int64
) -> CInt {
    respond(outcome) { () throws(MapError) in
        let monitor = try Monitor(L, total: sizeToRead(path) ?? 0)
        target.pointee.region = try readRegion(path: path, max: max < 0 ? nil : Int(max)) {
            monitor.shouldContinue($0)
        }
        return 1
    }
}

/// `mmap.decompress(source [, format])`. [-0, +0, –] uses no slots; never raises. The new buffer is on top
/// already.
@implementation @c
func lm_decompress(
    _ L: LuaState, _ outcome: Outcome, _ target: BufferPointer, _ path: UnsafePointer<CChar>?, _ format: CInt
) -> CInt {
    respond(outcome) { () throws(MapError) in
        let format = CompressedFormat(rawValue: UInt8(truncatingIfNeeded: format))
        let source = path == nil ? try Arguments(L).bytes(1) : nil
        let total = source?.count ?? path.flatMap { sizeToRead($0) } ?? 0
        let monitor = try Monitor(L, total: total)
        if let source {
            target.pointee.region = try unpack(source, format) { monitor.shouldContinue($0) }
        } else if let path {
            target.pointee.region = try unpack(path: path, format) { monitor.shouldContinue($0) }
        }
        return 1
    }
}

/// `b:write(file [, offset [, length]])`. [-0, +1, –] uses one slot; never raises.
@implementation @c
func lm_file_write(_ L: LuaState, _ outcome: Outcome, _ stream: UnsafeMutablePointer<FILE>) -> CInt {
    respond(outcome) { () throws(MapError) in
        let arguments = Arguments(L)
        let bytes = try arguments.bytes(1)
        let (offset, length) = try arguments.range(3)
        let monitor = try Monitor(L, total: length ?? bytes.count)
        let count = try about(3) { () throws(MapError) in
            try bytes.write(offset, length, to: stream) { monitor.shouldContinue($0) }
        }
        lua_pushinteger(L, Int64(count))
        return 1
    }
}

/// `mmap.writefile`: makes the new file. [-0, +0, –] uses no slots; never raises.
@implementation @c
func lm_replace_begin(
    _ L: LuaState, _ outcome: Outcome, _ replacement: UnsafeMutablePointer<lm_replacement>,
    _ path: UnsafePointer<CChar>
) -> CInt {
    respond(outcome) { () throws(MapError) in
        try requireHeap()
        try replacement.pointee.file.begin(path)
        return 0
    }
}

/// `mmap.writefile`: writes. [-0, +0, –] uses no slots; never raises.
@implementation @c
func lm_replace_write(
    _ L: LuaState, _ outcome: Outcome, _ replacement: UnsafeMutablePointer<lm_replacement>,
    _ text: UnsafePointer<CChar>?, _ length: Int
) -> CInt {
    respond(outcome) { () throws(MapError) in
        let source = text == nil ? try Arguments(L).bytes(2) : nil
        let monitor = try Monitor(L, total: source?.count ?? length)
        if let source {
            try replacement.pointee.file.write(source) { monitor.shouldContinue($0) }
        } else {
            let bytes = UnsafeRawBufferPointer(start: text, count: length)
            try replacement.pointee.file.write(bytes) { monitor.shouldContinue($0) }
        }
        return 0
    }
}

/// `mmap.writefile`: another descriptor, or a negative code. [-0, +0, –] uses no slots; never raises.
@implementation @c
func lm_replace_duplicate(
    _ L: LuaState, _ outcome: Outcome, _ replacement: UnsafeMutablePointer<lm_replacement>
) -> CInt {
    respond(outcome) { () throws(MapError) in
        try replacement.pointee.file.duplicate()
    }
}

/// `mmap.writefile`: renames the new file to the path. [-0, +0, –] uses no slots; never raises.
@implementation @c
func lm_replace_commit(
    _ L: LuaState, _ outcome: Outcome, _ replacement: UnsafeMutablePointer<lm_replacement>
) -> CInt {
    respond(outcome) { () throws(MapError) in
        try replacement.pointee.file.commit()
        return 0
    }
}

/// `mmap.writefile`: removes the new file. [-0, +0, –] uses no slots; never raises.
@implementation @c
func lm_replace_abort(_ replacement: UnsafeMutablePointer<lm_replacement>) {
    replacement.pointee.file.abort()
}
