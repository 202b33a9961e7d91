internal import CLuaMap
internal import CMemoryMap
internal import Glibc
internal import MemoryMap

typealias LuaState = OpaquePointer
typealias Outcome = UnsafeMutablePointer<lm_outcome>
typealias BufferPointer = UnsafeMutablePointer<lm_buffer>
typealias RecordsPointer = UnsafeMutablePointer<lm_records>
typealias RecordPointer = UnsafeMutablePointer<lm_record>
typealias ViewPointer = UnsafeMutablePointer<lm_view>

/// Runs a body, and converts an error that it throws into an `lm_outcome` for the trampoline.
/// [-0, +n, –] uses no slots; never raises.
@inline(__always)
func respond(_ outcome: Outcome, _ body: () throws(MapError) -> CInt) -> CInt {
    do { return try body() } catch {
        outcome.fill(error)
        return CInt(LM_FAILED)
    }
}

/// Runs an operation on a range and puts the argument's number into its errors: the offset is argument
/// `first`, the length the next one.
@inline(__always)
func about<T>(_ first: Int32, _ body: () throws(MapError) -> T) throws(MapError) -> T {
    do { return try body() } catch {
        throw error.argument > 0 ? error : MapError(error, element: error.element, argument: first)
    }
}

extension UnsafeMutablePointer<lm_outcome> {
    /// [-0, +0, –] uses no slots; never raises.
    @inline(never)
    func fill(_ failure: MapError) {
        let error = failure.kind == .systemCall ? failure.namingLimit : failure
        let values = error.values
        pointee = lm_outcome()
        pointee.argument = error.argument
        pointee.error = error.errno
        pointee.call = (error.choices ?? error.call?.name)?.cString
        pointee.text = error.advice.cString
        pointee.values = (Int64(values.0), Int64(values.1), Int64(values.2))
        if let element = error.element {
            pointee.values.1 = Int64(element)
            pointee.element = true
        }
        let kind =
            switch error.kind {
            case .type: LM_TYPE
            case .word: LM_WORD
            case .argument: LM_ARGUMENT
            case .closed: LM_CLOSED
            case .systemCall: LM_SYSTEM
            case .lost: LM_LOST
            case .interrupted: LM_INTERRUPTED
            case .notReadable, .notWritable, .misuse: LM_MISUSE
            case .offsetOutOfRange, .valueOutOfRange, .lengthOutOfRange:
                error.argument > 0 ? LM_ARGUMENT : LM_MISUSE
            }
        if error.kind == .lost { pointee.error = Int32(truncatingIfNeeded: values.2) }
        if error.kind == .lengthOutOfRange, error.argument > 0 { pointee.argument &+= 1 }
        pointee.kind = Int32(truncatingIfNeeded: kind)
    }
}

extension MapError {
    /// The error and its remedy in a script, as a template (see `lm_outcome`).
    fileprivate var advice: StaticString {
        switch reason {
        case nil: hint
        case .memoryLimit: "%1 more bytes would exceed the limit of --memory=%2; %3 are in use"
        case .mappedLimit: "%1 more bytes would exceed the limit of --mapped=%2; %3 are in use"
        case .besideRefused:
            "the new file is written next to the old one, which is not allowed (use --allow-write=FOLDER)"
        case .readingRefused: "reading it is not allowed (use --allow-read=%0)"
        case .writingRefused: "writing it is not allowed (use --allow-write=%0)"
        case .readingAndWritingRefused:
            "reading and writing it is not allowed (use --allow-read=%0 --allow-write=%0)"
        case .removingRefused: "removing it is not allowed (use --allow-write=%0)"
        case .virtualFile: "the files of /proc and /sys have no pages to map; read them with io.open"
        case .privateMapping:
            "another process cannot see the bytes of a private mapping; use mmap.anonymous(size, { shared = true }), mmap.memfd, mmap.shared or a file opened with \"r\" or \"r+\""
        case .noDescriptor:
            "this shared anonymous memory has no descriptor to pass on: mmap.map keeps none, and mmap.anonymous keeps one only while many are free; use mmap.memfd"
        }
    }
}

extension StaticString {
    /// The literal as a C string: the compiler puts a zero byte after it.
    var cString: UnsafePointer<CChar> {
        UnsafeRawPointer(utf8Start).assumingMemoryBound(to: CChar.self)
    }
}

/// Fills in the error of a lost mapping.
@implementation @c
func lm_lost(_ buffer: UnsafePointer<lm_buffer>, _ outcome: Outcome) {
    outcome.fill(MappedBytes(buffer.pointee.region).lossError())
}

@implementation @c
func lm_file_size(
    _ region: UnsafePointer<mm_region>, _ path: UnsafePointer<CChar>, _ uses_kept: Bool
) -> Int64 {
    MappedBytes(region.pointee).fileSize(at: path, usesKept: uses_kept).map { Int64($0) } ?? -1
}
