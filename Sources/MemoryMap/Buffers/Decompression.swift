internal import CCompression
package import CMemoryMap
internal import Glibc

/// The formats of compressed data.
package enum CompressedFormat: UInt8, Sendable {
    /// RFC 1952, one member or more.
    case gzip
    /// RFC 8878, one frame or more.
    case zstd

    /// The format of data that begins with these bytes.
    init?(_ bytes: UnsafeRawBufferPointer) {
        if bytes.starts(with: [0x1F, 0x8B]) {
            self = .gzip
        } else if bytes.count >= 4 && bytes[0] & 0xF0 == 0x50
            && bytes[1...3].elementsEqual([0x2A, 0x4D, 0x18])
            || bytes.starts(with: [0x28, 0xB5, 0x2F, 0xFD])
        {
            self = .zstd
        } else {
            return nil
        }
    }
}

/// Unpacks a file, which may be a pipe, into anonymous memory.
///
/// - Parameters:
///   - format: What it must be; nil for what its first bytes say.
///   - shouldContinue: Asked with the number of bytes read; false stops.
/// - Throws: `systemCall`: `EBADMSG` for data that are damaged, cut, or of another format (the first value is the offset),
///   `ENOMEM`, and as open(2) and read(2); `interrupted`.
package func unpack(
    path: UnsafePointer<CChar>, _ format: CompressedFormat?, shouldContinue: ShouldContinue
) throws(MapError) -> mm_region {
    let descriptor = try systemOpen(path, O_RDONLY)
    defer { systemClose(descriptor) }
    let status = try systemStatus(descriptor)
    let total = status.st_mode & S_IFMT == S_IFREG ? Int(status.st_size) : 0
    return try unpack(format, total: total, shouldContinue) { (room, offset) throws(MapError) in
        try systemRead(descriptor, room) { shouldContinue(offset) }
    }
}

/// Unpacks the bytes of a mapping.
///
/// - Throws: As above, and `closed`, `lost`, `notReadable`.
package func unpack(
    _ bytes: MappedBytes, _ format: CompressedFormat?, shouldContinue: ShouldContinue
) throws(MapError) -> mm_region {
    let (current, all) = try bytes.readable(0, nil)
    return try unpack(format, total: all.count, shouldContinue) { (room, offset) throws(MapError) in
        let part = min(room.count, all.count &- offset)
        if part > 0 {
            room.copyMemory(from: UnsafeRawBufferPointer(rebasing: all[offset..<offset &+ part]))
            try current.checkIntact()
        }
        return part
    }
}

private func unpack(
    _ format: CompressedFormat?, total: Int, _ shouldContinue: ShouldContinue, _ source: CompressedSource
) throws(MapError) -> mm_region {
    let unpacker = try Unpacker(format, total: total, source)
    var memory = try GrowingMemory()
    while true {
        let room = try memory.room()
        let count = try unpacker.next(into: room, source, shouldContinue) { (size) throws(MapError) in
            try memory.room(size)
        }
        if count == 0 { return try memory.finish() }
        memory.fill(count)
    }
}

/// The part of the input that is in memory.
private struct Input {
    let memory: UnsafeMutableRawBufferPointer
    /// Of the whole input, in bytes; 0 where nobody knows.
    let total: Int
    /// Of the memory's first byte in the whole input.
    var offset = 0
    var start = 0
    var end = 0

    var rest: Slice<UnsafeRawBufferPointer> { UnsafeRawBufferPointer(memory)[start..<end] }
    /// The offset in the whole input of what is next.
    var place: Int { offset &+ start }

    /// Reads more after the bytes that are there.
    mutating func append(_ source: CompressedSource) throws(MapError) -> Int {
        let room = UnsafeMutableRawBufferPointer(rebasing: memory[end...])
        let count = try source(room, offset &+ end)
        end &+= count
        return count
    }

    /// Reads on until there are so many bytes, or all that there are.
    mutating func require(_ bytes: Int, _ source: CompressedSource) throws(MapError) {
        if end &- start >= bytes { return }
        memory.copyMemory(from: UnsafeRawBufferPointer(rebasing: rest))
        (offset, start, end) = (place, 0, end &- start)
        while end < bytes {
            if try append(source) == 0 { return }
        }
    }

    /// Reads more in the place of what is done; false at the end.
    mutating func refill(_ source: CompressedSource) throws(MapError) -> Bool {
        offset &+= end
        (start, end) = (0, 0)
        return try append(source) > 0
    }
}

private func damage(_ offset: Int, _ what: StaticString) -> MapError {
    MapError(.decompress, errno: EBADMSG, what, offset)
}

/// What is written, and what is read, at once, in bytes: more would keep `shouldContinue` waiting.
private let outputStep = 4 << 20
private let inputStep = 32 << 10

/// A frame gets all the memory at once that it says it needs, up to this, in bytes, or up to this times the size of the
/// input: more would be much for one that lies.
private let credibleSize = 64 << 20
private let credibleRatio = 100

/// Gives the next bytes of the input, 0 at its end.
package typealias CompressedSource =
    (_ room: UnsafeMutableRawBufferPointer, _ offset: Int) throws(MapError) -> Int

/// Unpacks data bit by bit, in constant memory.
///
/// One thread at a time uses it.
package final class Unpacker {
    private let format: CompressedFormat
    private var input: Input
    /// Of gzip; it stays where it is, because zlib remembers the address.
    private let stream: UnsafeMutablePointer<z_stream>
    /// Of Zstandard.
    private var context: OpaquePointer?
    /// Whether a member or frame has begun and not ended.
    private var isWithin = false
    /// Whether Zstandard may have more for the output without more input.
    private var isFull = false

    /// - Parameters:
    ///   - format: What the data must be; nil for what their first bytes say.
    ///   - total: Bytes of the input; 0 where nobody knows.
    /// - Throws: `systemCall`: `EBADMSG`, `ENOMEM`, and what `source` throws.
    package init(
        _ format: CompressedFormat?, total: Int, _ source: CompressedSource
    ) throws(MapError) {
        // Others may write what is unpacked: the libraries see a copy.
        guard let block = allocate(256 << 10) else {
            try takeMemory(.mmap, 256 << 10)
            mm_budget_give(256 << 10)
            throw .noHeap
        }
        input = Input(memory: UnsafeMutableRawBufferPointer(start: block, count: 256 << 10), total: total)
        stream = .allocate(capacity: 1)
        stream.initialize(to: z_stream())
        do throws(MapError) {
            try input.require(4, source)
            let found = CompressedFormat(UnsafeRawBufferPointer(rebasing: input.rest))
            guard let found, format == nil || format == found else {
                let what: StaticString =
                    switch format {
                    case nil: "neither gzip nor Zstandard data"
                    case .gzip: "not gzip data"
                    case .zstd: "not Zstandard data"
                    }
                throw damage(0, what)
            }
            self.format = found
        } catch {
            release(block)
            stream.deallocate()
            throw error
        }
        switch self.format {
        case .gzip: try startStream()
        case .zstd: try startContext()
        }
    }

    deinit {
        inflateEnd(stream)
        stream.deallocate()
        ZSTD_freeDCtx(context)
        release(input.memory.baseAddress)
    }

    private func startStream() throws(MapError) {
        stream.pointee.zalloc = { _, items, size in allocate(Int(items) &* Int(size)) }
        stream.pointee.zfree = { _, block in release(block) }
        // 16: a gzip header and nothing else.
        let size = CInt(truncatingIfNeeded: MemoryLayout<z_stream>.size)
        guard inflateInit2_(stream, 15 + 16, ZLIB_VERSION, size) == Z_OK else { throw .noHeap }
        isWithin = true
    }

    private func startContext() throws(MapError) {
        let allocator = ZSTD_customMem(
            customAlloc: { _, size in allocate(size) }, customFree: { _, block in release(block) },
            opaque: nil)
        context = ZSTD_createDCtx_advanced(allocator)
        guard context != nil else { throw .noHeap }
        // What `zstd --long=31` makes; the memory for it counts.
        _ = ZSTD_DCtx_setParameter(context, ZSTD_d_windowLogMax, 31)
    }

    /// Of the input, what has been read.
    package var place: Int { input.place }

    /// Unpacks the next bytes.
    ///
    /// - Parameters:
    ///   - room: At least a byte.
    ///   - source: The same each time.
    ///   - shouldContinue: Asked with the number of bytes read; false stops.
    ///   - roomForFrame: Gives memory for a whole frame of a known size, which is then written there and not to `room`;
    ///     nil if there is to be none.
    /// - Returns: The number of bytes; 0 at the end.
    /// - Throws: `systemCall`: `EBADMSG` for data that are damaged or cut (the first value is the offset), `ENOMEM`;
    ///   `interrupted`; what `source` throws.
    package func next(
        into room: UnsafeMutableRawBufferPointer, _ source: CompressedSource,
        _ shouldContinue: ShouldContinue,
        roomForFrame: ((_ bytes: Int) throws(MapError) -> UnsafeMutableRawBufferPointer)? = nil
    ) throws(MapError) -> Int {
        switch format {
        case .gzip: try nextOfStream(room, source, shouldContinue)
        case .zstd: try nextOfFrames(room, source, shouldContinue, roomForFrame)
        }
    }

    private func nextOfStream(
        _ room: UnsafeMutableRawBufferPointer, _ source: CompressedSource, _ shouldContinue: ShouldContinue
    ) throws(MapError) -> Int {
        while true {
            if input.start >= input.end {
                if !shouldContinue(input.place) { throw MapError(.interrupted) }
                if try !input.refill(source) {
                    if isWithin { throw damage(input.place, "the data end within a member at offset %1") }
                    return 0
                }
            }
            if !isWithin {
                // Tapes and block devices fill up with zeros.
                while input.start < input.end && input.memory[input.start] == 0 { input.start &+= 1 }
                if input.start >= input.end { continue }
                guard input.memory[input.start] == 0x1F else {
                    throw damage(
                        input.place, "the data after the last member, at offset %1, are not gzip data")
                }
                inflateReset(stream)
                isWithin = true
            }
            let step = min(room.count, outputStep)
            stream.pointee.next_in = input.memory.baseAddress.map {
                ($0 + input.start).assumingMemoryBound(to: Bytef.self)
            }
            stream.pointee.avail_in = uInt(truncatingIfNeeded: input.end &- input.start)
            stream.pointee.next_out = room.baseAddress?.assumingMemoryBound(to: Bytef.self)
            stream.pointee.avail_out = uInt(truncatingIfNeeded: step)
            let code = inflate(stream, Z_NO_FLUSH)
            input.start = input.end &- Int(stream.pointee.avail_in)
            let written = step &- Int(stream.pointee.avail_out)
            switch code {
            case Z_OK, Z_BUF_ERROR: break
            case Z_STREAM_END: isWithin = false
            case Z_MEM_ERROR: throw .noHeap
            default: throw damage(input.place, "the gzip data are damaged at offset %1")
            }
            if written == outputStep && !shouldContinue(input.place) { throw MapError(.interrupted) }
            if written > 0 { return written }
        }
    }

    private func nextOfFrames(
        _ room: UnsafeMutableRawBufferPointer, _ source: CompressedSource, _ shouldContinue: ShouldContinue,
        _ roomForFrame: ((_ bytes: Int) throws(MapError) -> UnsafeMutableRawBufferPointer)?
    ) throws(MapError) -> Int {
        while true {
            if !isWithin {
                if input.start >= input.end {
                    if try !input.refill(source) { return 0 }
                }
                // The longest header of a frame.
                try input.require(18, source)
                (isWithin, isFull) = (true, false)
                let size = ZSTD_getFrameContentSize(
                    input.memory.baseAddress.map { $0 + input.start }, input.end &- input.start)
                // Where its size is known the frame is unpacked into its place. Else a window is in between.
                let most = input.total.multipliedReportingOverflow(by: credibleRatio).partialValue
                let isWhole = size > 0 && size <= UInt64(max(credibleSize, most)) && roomForFrame != nil
                _ = ZSTD_DCtx_setParameter(context, ZSTD_d_experimentalParam2, isWhole ? 1 : 0)
                if isWhole, let roomForFrame {
                    let place = try roomForFrame(Int(size))
                    var to = ZSTD_outBuffer(dst: place.baseAddress, size: Int(size), pos: 0)
                    while isWithin { try step(&to, source, shouldContinue) }
                    if to.pos > 0 { return to.pos }
                    continue
                }
            }
            var to = ZSTD_outBuffer(dst: room.baseAddress, size: min(room.count, outputStep), pos: 0)
            try step(&to, source, shouldContinue)
            isFull = isWithin && to.pos == to.size
            if to.pos > 0 { return to.pos }
        }
    }

    /// Unpacks a part of a frame.
    private func step(
        _ to: inout ZSTD_outBuffer, _ source: CompressedSource, _ shouldContinue: ShouldContinue
    ) throws(MapError) {
        if input.start >= input.end && !isFull {
            if try !input.refill(source) {
                throw damage(input.place, "the data end within a frame at offset %1")
            }
        }
        var from = ZSTD_inBuffer(
            src: input.memory.baseAddress.map { UnsafeRawPointer($0) },
            size: min(input.end, input.start &+ inputStep), pos: input.start)
        let code = ZSTD_decompressStream(context, &to, &from)
        input.start = from.pos
        if ZSTD_isError(code) != 0 {
            throw ZSTD_getErrorCode(code) == ZSTD_error_memory_allocation
                ? .noHeap : damage(input.place, "the Zstandard data are damaged at offset %1")
        }
        if code == 0 {
            isWithin = false
        } else if !shouldContinue(input.place) {
            throw MapError(.interrupted)
        }
    }
}

/// Memory for the libraries, counted: the size is in front of it.
private func allocate(_ size: Int) -> UnsafeMutableRawPointer? {
    let (whole, overflow) = size.addingReportingOverflow(16)
    guard !overflow, whole > 0, mm_budget_take(whole) else { return nil }
    guard let block = malloc(whole) else {
        mm_budget_give(whole)
        return nil
    }
    block.storeBytes(of: whole, as: Int.self)
    return block + 16
}

private func release(_ block: UnsafeMutableRawPointer?) {
    guard let block else { return }
    let start = block - 16
    mm_budget_give(start.load(as: Int.self))
    free(start)
}
