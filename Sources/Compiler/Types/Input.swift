internal import CCompiler

/// Where an input of the machine code comes from.
struct Source: Hashable {
    enum Place: Hashable {
        case parameter(Int)
        case upvalue(Int)
        /// The field of another input with this constant as its name.
        case field(of: Int, Int)
    }
    let place: Place
    /// The function whose input it is.
    var member = 0
    var isWritten = false
}

/// The inputs of a function: parameters, upvalues, and what it reads of tables in upvalues, as `math.max`.
struct Sources {
    private(set) var list: [Source] = []
    /// For a GETTABUP, GETFIELD or GETUPVAL: the input that it reads.
    private(set) var read: [Int: Int] = [:]
    /// The input of an upvalue.
    private(set) var upvalues: [Int: Int] = [:]

    init(_ chunk: Chunk, _ flow: Flow) {
        for parameter in 0..<chunk.parameters { list.append(Source(place: .parameter(parameter))) }
        var tables: [Int: Int] = [:]
        for (pc, i) in chunk.code.enumerated() {
            if flow.isLeader[pc] { tables = [:] }
            let defined = Effect(chunk, pc).definitions
            let table = tables[i.b]
            for register in defined { tables[register] = nil }
            switch i.opcode {
            case .getupval:
                read[pc] = upvalue(i.b)
                tables[i.a] = read[pc]
            case .gettabup:
                read[pc] = add(Source(place: .field(of: upvalue(i.b), i.c)))
                tables[i.a] = read[pc]
            case .getfield:
                guard let table else { break }
                read[pc] = add(Source(place: .field(of: table, i.c)))
                tables[i.a] = read[pc]
            case .setupval: list[upvalue(i.b)].isWritten = true
            default: break
            }
        }
    }

    /// The same for a function that is a member of a group.
    func shifted(_ member: Int, by first: Int, constants: Int) -> Sources {
        var result = self
        result.list = list.map { source in
            var place = source.place
            if case .field(let parent, let key) = place {
                place = .field(of: parent + first, key + constants)
            }
            return Source(place: place, member: member, isWritten: source.isWritten)
        }
        result.read = read.mapValues { $0 + first }
        result.upvalues = upvalues.mapValues { $0 + first }
        return result
    }

    private mutating func upvalue(_ index: Int) -> Int {
        if let known = upvalues[index] { return known }
        upvalues[index] = list.count
        list.append(Source(place: .upvalue(index)))
        return list.count - 1
    }

    private mutating func add(_ source: Source) -> Int {
        if let known = list.firstIndex(where: { $0.place == source.place }) { return known }
        list.append(source)
        return list.count - 1
    }
}

/// What an input is, of one call.
struct Input: Hashable {
    enum Kind: Hashable {
        case `nil`, `false`, `true`, integer, float, buffer, view, other
        /// Records with this layout.
        case records(Int)
        /// A field of something that is no table.
        case absent
        case function(Int)
        /// A member of the group.
        case compiled(Int)
    }
    let kind: Kind
    var element = Element(code: 0)
    var isWritable = false
    var isPacked = false

    var type: ValueType? {
        switch kind {
        case .nil: .nil
        case .false: .false
        case .true: .true
        case .integer: .integer
        case .float: .float
        default: nil
        }
    }
    /// Whether its elements are numbers.
    var isMemory: Bool { kind == .buffer || kind == .view }
    var layout: Int? { if case .records(let layout) = kind { layout } else { nil } }
}

/// The fields of records that are numbers.
struct Layout {
    struct Field {
        let offset: Int
        let element: Element
    }
    let size: Int
    var fields: [[UInt8]: Field] = [:]
}

/// A type of numbers in memory: the codes of mm_elements.h.
struct Element: Hashable {
    let code: Int

    var kind: Int { code & 15 }
    var isFloat: Bool { kind >= 8 }
    var isSigned: Bool { !isFloat && kind & 1 != 0 }
    var isSwapped: Bool { code & 16 != 0 && size > 1 }
    var size: Int { isFloat ? (kind == 9 ? 8 : kind == 8 ? 4 : 2) : 1 << (kind >> 1) }
    var isHalf: Bool { kind == 10 }
    var isBrain: Bool { kind == 11 }
    var isValid: Bool { (0...31).contains(code) && kind <= 11 }

    static let names = [
        "u8", "i8", "u16", "i16", "u32", "i32", "u64", "i64", "f32", "f64", "f16", "bf16",
    ]

    init(code: Int) { self.code = code }

    /// By its name, as in `b:get("u16be", i)`. nil for names that the compiler leaves to the program.
    init?(name: String) {
        var name = name
        var isSwapped = false
        if name.hasSuffix("le") || name.hasSuffix("be") {
            isSwapped = name.hasSuffix("be")
            name.removeLast(2)
        }
        guard let kind = Element.names.firstIndex(of: name) else { return nil }
        code = kind | (isSwapped ? 16 : 0)
    }

    /// By the name of one of Node's accessors without its verb, as in `readUInt16BE`.
    init?(accessor: String) {
        var name = accessor
        let isSwapped = name.hasSuffix("BE")
        if name.hasSuffix("LE") || isSwapped {
            name.removeLast(2)
        } else if !name.hasSuffix("Int8") && !name.hasSuffix("int8") {
            return nil
        }
        let names = [
            "Int8": 1, "UInt8": 0, "Uint8": 0, "UInt16": 2, "Uint16": 2, "Int16": 3, "UInt32": 4,
            "Uint32": 4,
            "Int32": 5, "BigUInt64": 6, "BigUint64": 6, "BigInt64": 7, "Float": 8, "Double": 9,
        ]
        guard let kind = names[name] else { return nil }
        // 8 bits have no byte order in their names.
        guard (kind < 2) == (name == accessor) else { return nil }
        code = kind | (isSwapped ? 16 : 0)
    }
}
