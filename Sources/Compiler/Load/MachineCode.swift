internal import CCompiler

/// Machine code in memory, ready to run.
final class MachineCode {
    let start: UnsafeMutableRawPointer
    private let entry: UnsafeMutableRawPointer
    /// Bytes of memory, in whole pages, and of code.
    let extent: Int
    let count: Int

    init(_ object: ObjectFile) throws(Reason) {
        let extent = (object.image.count + 4095) & ~4095
        (self.extent, count) = (extent, object.codeCount)
        let start = object.image.withUnsafeBufferPointer { image in
            image.baseAddress.flatMap { mc_code_map($0, image.count, extent) }
        }
        guard let start else { throw Reason("there is no memory for the machine code") }
        self.start = start
        entry = start + object.entry
    }

    deinit { mc_code_unmap(start, extent) }

    var run: @convention(c) (UnsafeMutablePointer<UInt64>) -> Int64 {
        unsafeBitCast(entry, to: (@convention(c) (UnsafeMutablePointer<UInt64>) -> Int64).self)
    }
}
