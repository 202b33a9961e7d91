internal import CCompiler

/// A constant of a function.
enum Constant: Equatable {
    case `nil`, `false`, `true`
    case integer(Int64)
    case float(Double)
    case string([UInt8])
}

/// A function as lua_dump wrote it: decoded, and checked so that the later stages need not check anything.
struct Chunk {
    let parameters: Int
    let registers: Int
    let code: [Instruction]
    let constants: [Constant]
    let upvalues: Int
    /// The registers that each function made here has as upvalues.
    let captured: [[Int]]
    /// The line of each instruction.
    let lines: [Int]
    /// The bytes of the chunk, for `resume`.
    let bytes: [UInt8]
    let parts: Parts

    /// Where the parts of the chunk are that a resumed function has differently.
    struct Parts {
        var parameters = 0
        var code = 0..<0
        var lines = 0..<0
        /// The positions of the local variables' ranges of instructions.
        var locals: [(range: Range<Int>, from: Int, to: Int)] = []
        var lineDefined = 0
    }

    static let mostInstructions = MC_MOST_INSTRUCTIONS
    private static let header: [UInt8] =
        [0x1b, 0x4c, 0x75, 0x61, 0x54, 0, 0x19, 0x93, 0x0d, 0x0a, 0x1a, 0x0a, 4, 8, 8]
        + [0x78, 0x56, 0, 0, 0, 0, 0, 0] + [0, 0, 0, 0, 0, 0x28, 0x77, 0x40]

    init(_ bytes: [UInt8]) throws(Reason) {
        var reader = Reader(bytes)
        guard Array(try reader.take(Chunk.header.count)) == Chunk.header else { throw Reader.bad }
        let upvalueCount = Int(try reader.byte())
        var parts = Parts()
        _ = try reader.string()
        parts.lineDefined = try reader.size()
        _ = try reader.size()
        parts.parameters = reader.position
        parameters = Int(try reader.byte())
        let isVararg = try reader.byte()
        registers = Int(try reader.byte())
        let codeStart = reader.position
        let count = try reader.count(least: 4)
        guard count <= Chunk.mostInstructions else {
            throw Reason(
                "the function has \(count) instructions; the most is \(Chunk.mostInstructions): make several of it"
            )
        }
        var code: [Instruction] = []
        for _ in 0..<count { code.append(try reader.instruction()) }
        self.code = code
        parts.code = codeStart..<reader.position
        constants = try Chunk.constants(&reader)
        guard try reader.count(least: 3) == upvalueCount else { throw Reader.bad }
        upvalues = upvalueCount
        _ = try reader.take(3 * upvalueCount)
        var captured: [[Int]] = []
        for _ in 0..<(try reader.count(least: 1)) {
            captured.append(try Chunk.skipFunction(&reader, depth: 0))
        }
        self.captured = captured
        lines = try Chunk.debug(&reader, count, &parts)
        guard reader.isAtEnd else { throw Reader.bad }
        self.bytes = bytes
        self.parts = parts
        guard isVararg == 0 else {
            throw Reason("a function with '...' is not compiled; give its parameters names")
        }
        guard parameters <= registers else { throw Reader.bad }
        try check()
    }

    private static func constants(_ reader: inout Reader) throws(Reason) -> [Constant] {
        var constants: [Constant] = []
        for _ in 0..<(try reader.count(least: 1)) {
            switch try reader.byte() {
            case 0x00: constants.append(.nil)
            case 0x01: constants.append(.false)
            case 0x11: constants.append(.true)
            case 0x03: constants.append(.integer(Int64(bitPattern: try reader.word())))
            case 0x13: constants.append(.float(Double(bitPattern: try reader.word())))
            case 0x04, 0x14:
                guard let bytes = try reader.string() else { throw Reader.bad }
                constants.append(.string(Array(bytes)))
            default: throw Reader.bad
            }
        }
        return constants
    }

    /// Returns the registers of the function around it that are its upvalues.
    @discardableResult
    private static func skipFunction(_ reader: inout Reader, depth: Int) throws(Reason) -> [Int] {
        guard depth < 190 else { throw Reader.bad }
        _ = try reader.string()
        _ = try reader.size()
        _ = try reader.size()
        _ = try reader.take(3)
        _ = try reader.take(4 * (try reader.count(least: 4)))
        _ = try constants(&reader)
        var captured: [Int] = []
        for _ in 0..<(try reader.count(least: 3)) {
            let isRegister = try reader.byte() != 0
            let index = Int(try reader.byte())
            _ = try reader.byte()
            if isRegister { captured.append(index) }
        }
        for _ in 0..<(try reader.count(least: 1)) { try skipFunction(&reader, depth: depth + 1) }
        _ = try reader.take(try reader.count(least: 1))
        for _ in 0..<(2 * (try reader.count(least: 2))) { _ = try reader.size() }
        for _ in 0..<(try reader.count(least: 3)) {
            _ = try reader.string()
            _ = try reader.size()
            _ = try reader.size()
        }
        for _ in 0..<(try reader.count(least: 1)) { _ = try reader.string() }
        return captured
    }

    /// The lines of all instructions, by the rules of luaG_getfuncline.
    private static func debug(_ reader: inout Reader, _ count: Int, _ parts: inout Parts) throws(Reason)
        -> [Int]
    {
        let start = reader.position
        let deltas = Array(try reader.take(try reader.count(least: 1)))
        var absolute: [Int: Int] = [:]
        for _ in 0..<(try reader.count(least: 2)) {
            let pc = try reader.size()
            absolute[pc] = try reader.size()
        }
        parts.lines = start..<reader.position
        for _ in 0..<(try reader.count(least: 3)) {
            _ = try reader.string()
            let place = reader.position
            let from = try reader.size()
            let to = try reader.size()
            parts.locals.append((place..<reader.position, from, to))
        }
        for _ in 0..<(try reader.count(least: 1)) { _ = try reader.string() }
        guard deltas.count == count else {
            throw Reason("the function has no line numbers (string.dump with strip)")
        }
        var line = parts.lineDefined
        var lines: [Int] = []
        for pc in 0..<count {
            let delta = Int(Int8(bitPattern: deltas[pc]))
            if delta == -128 {
                guard let known = absolute[pc] else { throw Reader.bad }
                line = known
            } else {
                line += delta
            }
            guard line >= 0, line < 1 << 31 else { throw Reader.bad }
            lines.append(line)
        }
        return lines
    }
}
