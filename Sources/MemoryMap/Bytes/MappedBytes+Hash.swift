internal import CHashes
internal import CMemoryMap

// Checksums and digests of a range. The bytes are read in blocks, and `shouldContinue` can stop the work between two
// blocks. If a page is gone, there is no result.

/// Bytes between two calls of `shouldContinue`: a few milliseconds of the slowest hash.
private let block = 4 << 20

extension MappedBytes {
    /// The CRC-32 of a range: the IEEE polynomial, as in zlib, PNG and gzip. Runs on several threads.
    ///
    /// - Parameters:
    ///   - offset: Where the range starts, in bytes, `0 ... count`.
    ///   - length: The bytes of the range; nil means to the end.
    ///   - shouldContinue: Called from time to time with the number of bytes done; returns false to stop.
    /// - Returns: 0 for an empty range.
    /// - Throws: `offsetOutOfRange`, `lengthOutOfRange`, `closed`, `lost`, `notReadable`, `interrupted`.
    public func crc32(
        _ offset: Int = 0, _ length: Int? = nil, shouldContinue: (_ done: Int) -> Bool = { _ in true }
    ) throws(MapError) -> UInt32 {
        let (current, range) = try readable(offset, length)
        nonisolated(unsafe) let bytes = range
        let pieces = ParallelRanges(bytes.count, grain: block)
        let parts = try pieces.map(shouldContinue: shouldContinue) { piece in
            libdeflate_crc32(0, bytes.baseAddress?.advanced(by: piece.lowerBound), piece.count)
        }
        try current.checkIntact()
        let shift = CRC32.shift(bytes: pieces.grain)
        var crc: UInt32 = 0
        for (index, part) in parts.enumerated() {
            let isShort = index == parts.count &- 1
            crc = CRC32.product(crc, isShort ? CRC32.shift(bytes: pieces.range(index).count) : shift) ^ part
        }
        return crc
    }

    /// The 64-bit XXH3 of a range, with seed 0.
    ///
    /// - Throws: As `crc32`.
    public func xxh3(
        _ offset: Int = 0, _ length: Int? = nil, shouldContinue: (_ done: Int) -> Bool = { _ in true }
    ) throws(MapError) -> UInt64 {
        let (current, bytes) = try readable(offset, length)
        // Without memory for a state, the range is hashed in one call, which cannot be stopped.
        guard bytes.count > block, let state = XXH3_createState() else {
            let hash = XXH3_64bits(bytes.baseAddress, bytes.count)
            try current.checkIntact()
            return hash
        }
        defer { XXH3_freeState(state) }
        XXH3_64bits_reset(state)
        try current.forEachBlock(of: bytes, shouldContinue) { XXH3_64bits_update(state, $0, $1) }
        return XXH3_64bits_digest(state)
    }

    /// The SHA-256 of a range: 32 bytes.
    ///
    /// - Parameter digest: Where to write it; at least 32 bytes.
    /// - Throws: As `crc32`.
    package func sha256(
        _ offset: Int, _ length: Int?, into digest: UnsafeMutablePointer<UInt8>,
        shouldContinue: (_ done: Int) -> Bool
    ) throws(MapError) {
        let (current, bytes) = try readable(offset, length)
        var context = SHA256_CTX()
        SHA256_Init(&context)
        try current.forEachBlock(of: bytes, shouldContinue) { SHA256_Update(&context, $0, $1) }
        SHA256_Final(digest, &context)
    }

    /// The SHA-256 of a range: 32 bytes.
    ///
    /// - Throws: As `crc32`.
    public func sha256(
        _ offset: Int = 0, _ length: Int? = nil, shouldContinue: (_ done: Int) -> Bool = { _ in true }
    ) throws(MapError) -> [UInt8] {
        var digest = [UInt8](repeating: 0, count: 32)
        // The array's closure cannot throw a typed error, so it returns a Result.
        let result = digest.withUnsafeMutableBufferPointer { digest -> Result<Void, MapError> in
            guard let start = digest.baseAddress else { return .success(()) }
            return Result { () throws(MapError) in
                try sha256(offset, length, into: start, shouldContinue: shouldContinue)
            }
        }
        try result.get()
        return digest
    }

    /// Calls `update` for each block of a range, in order.
    private func forEachBlock(
        of bytes: UnsafeRawBufferPointer, _ shouldContinue: (_ done: Int) -> Bool,
        _ update: (UnsafeRawPointer?, Int) -> some Any
    ) throws(MapError) {
        var done = 0
        while done < bytes.count {
            let count = min(block, bytes.count &- done)
            _ = update(bytes.baseAddress?.advanced(by: done), count)
            try checkIntact()
            done &+= count
            if !shouldContinue(done) { throw MapError(.interrupted) }
        }
    }
}

/// Combines the checksums of pieces. A CRC is the remainder of a division of polynomials over GF(2), and each
/// byte that follows multiplies it by x^8. Bit 31 is the coefficient of 1, bit 0 that of x^31.
private enum CRC32 {
    static let polynomial: UInt32 = 0xedb8_8320

    /// The product of two polynomials, modulo the CRC's.
    static func product(_ first: UInt32, _ second: UInt32) -> UInt32 {
        var result: UInt32 = 0
        var power = second
        var bit: UInt32 = 1 << 31
        while bit != 0 {
            if first & bit != 0 { result ^= power }
            power = power & 1 != 0 ? power >> 1 ^ polynomial : power >> 1
            bit >>= 1
        }
        return result
    }

    /// The factor for a checksum that is followed by `bytes` bytes: x to the power of 8 times `bytes`.
    static func shift(bytes: Int) -> UInt32 {
        var result: UInt32 = 1 << 31
        // x^8
        var power: UInt32 = 1 << 23
        var rest = bytes
        while rest > 0 {
            if rest & 1 != 0 { result = product(result, power) }
            power = product(power, power)
            rest >>= 1
        }
        return result
    }
}
