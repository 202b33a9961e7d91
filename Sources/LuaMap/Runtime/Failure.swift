internal import CLuaMap
internal import CMemoryMap
internal import Glibc
internal import MemoryMap

typealias LuaState = OpaquePointer
typealias Call = UnsafeMutablePointer<lm_call>
typealias BufferPointer = UnsafeMutablePointer<lm_buffer>
typealias RecordsPointer = UnsafeMutablePointer<lm_records>
typealias RecordPointer = UnsafeMutablePointer<lm_record>
typealias ViewPointer = UnsafeMutablePointer<lm_view>

/// What a body throws: an error of the memory map, or of an argument, and which argument it is about.
///
/// A plain value, so that throwing allocates nothing.
struct Failure: Error {
    enum Kind {
        /// The argument has another type than the one named.
        case type(StaticString)
        /// The argument's value will not do; the text is a template.
        case argument(StaticString, Int, Int)
        /// Nothing is wrong with a single argument; the text is a template.
        case misuse(StaticString, Int, Int)
        case map(MapError)
        /// One number of many does not fit.
        case element(MapError, Int)
    }

    var kind: Kind
    /// The argument's number; for a range the offset's, the length's being the next.
    var argument: Int32

    init(_ error: MapError, argument: Int32 = 0) {
        self.kind = .map(error)
        self.argument = argument
    }

    init(_ error: MapError, element: Int, argument: Int32) {
        self.kind = .element(error, element)
        self.argument = argument
    }

    init(type expected: StaticString, argument: Int32) {
        self.kind = .type(expected)
        self.argument = argument
    }

    init(_ text: StaticString, argument: Int32, _ first: Int = 0, _ second: Int = 0) {
        self.kind = .argument(text, first, second)
        self.argument = argument
    }

    init(misuse text: StaticString, _ first: Int = 0, _ second: Int = 0) {
        self.kind = .misuse(text, first, second)
        self.argument = 0
    }
}

/// Runs a body and turns what it throws into what the trampoline understands.
/// [-0, +n, –] uses no slots; never raises.
@inline(__always)
func respond(_ call: Call, _ body: () throws(Failure) -> CInt) -> CInt {
    do { return try body() } catch {
        call.fill(error)
        return CInt(LM_FAILED)
    }
}

/// Runs an operation on a range whose offset is argument `first` and whose length is the next one.
@inline(__always)
func about<T>(_ first: Int32, _ body: () throws(MapError) -> T) throws(Failure) -> T {
    do { return try body() } catch { throw Failure(error, argument: first) }
}

extension UnsafeMutablePointer<lm_call> {
    @inline(never)
    func fill(_ failure: Failure) {
        pointee = lm_call()
        pointee.argument = failure.argument
        switch failure.kind {
        case .type(let expected): set(LM_TYPE, expected)
        case .argument(let text, let first, let second): set(LM_ARGUMENT, text, first, second)
        case .misuse(let text, let first, let second): set(LM_MISUSE, text, first, second)
        case .map(let error): fill(error)
        case .element(let error, let index):
            fill(error)
            pointee.values.1 = Int64(index)
            pointee.element = true
        }
    }

    private func set(
        _ kind: some BinaryInteger, _ text: StaticString, _ first: Int = 0, _ second: Int = 0,
        _ third: Int = 0
    ) {
        pointee.kind = Int32(truncatingIfNeeded: kind)
        pointee.text = text.cString
        pointee.values = (Int64(first), Int64(second), Int64(third))
    }

    private func fill(_ error: MapError) {
        let values = error.values
        switch error.kind {
        case .closed: set(LM_CLOSED, "")
        case .lost:
            set(LM_LOST, error.hint, values.0, values.1, values.2)
            pointee.error = Int32(truncatingIfNeeded: values.2)
        case .systemCall:
            let error = error.namingLimit
            let values = error.values
            set(LM_SYSTEM, error.hint, values.0, values.1, values.2)
            pointee.error = error.errno
            pointee.call = error.call?.name.cString
        case .lengthOutOfRange:
            if pointee.argument > 0 { pointee.argument &+= 1 }
            set(pointee.argument > 0 ? LM_ARGUMENT : LM_MISUSE, error.hint, values.0, values.1, values.2)
        case .offsetOutOfRange, .valueOutOfRange:
            set(pointee.argument > 0 ? LM_ARGUMENT : LM_MISUSE, error.hint, values.0, values.1, values.2)
        case .interrupted: set(LM_INTERRUPTED, "")
        case .notReadable, .notWritable, .misuse:
            set(LM_MISUSE, error.hint, values.0, values.1, values.2)
        }
    }
}

extension StaticString {
    /// The bytes as C sees them: a literal ends with a zero.
    var cString: UnsafePointer<CChar> {
        UnsafeRawPointer(utf8Start).assumingMemoryBound(to: CChar.self)
    }
}

/// Fills in what is known about pages that are gone.
@implementation @c
func lm_lost(_ buffer: UnsafePointer<lm_buffer>, _ call: Call) {
    call.fill(Failure(MappedBytes(buffer.pointee.region).lossError()))
}

@implementation @c
func lm_file_size(_ region: UnsafePointer<mm_region>, _ path: UnsafePointer<CChar>) -> Int64 {
    MappedBytes(region.pointee).fileSize(at: path).map { Int64($0) } ?? -1
}
