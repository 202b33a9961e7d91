/// What an instruction does with registers, and which instructions may be next.
struct Effect {
    private(set) var uses = RegisterSet()
    private(set) var definitions = RegisterSet()
    private(set) var next: [Int] = []
    /// Whether the instruction may leave its registers as they are.
    private(set) var mayKeep = false
    /// The highest register that the instruction names.
    private(set) var highest = -1

    private mutating func use(_ registers: Int...) {
        for register in registers {
            uses.insert(register)
            highest = max(highest, register)
        }
    }
    private mutating func define(_ registers: Int...) {
        for register in registers {
            definitions.insert(register)
            highest = max(highest, register)
        }
    }
    private mutating func use(_ range: Range<Int>) { for register in range { use(register) } }
    private mutating func define(_ range: Range<Int>) { for register in range { define(register) } }

    /// The opcode must be one of Lua's.
    init(_ chunk: Chunk, _ pc: Int) {
        let i = chunk.code[pc]
        let (a, b, c) = (i.a, i.b, i.c)
        let all = max(chunk.registers, 1)
        next = [pc + 1]
        switch i.opcode ?? .extraarg {
        case .move, .unm, .bnot, .not, .len:
            use(b)
            define(a)
        case .loadi, .loadf, .loadk, .loadfalse, .loadtrue, .getupval, .gettabup: define(a)
        case .closure:
            // A function can have itself as an upvalue: it is in the register only then.
            if chunk.captured.indices.contains(i.bx) {
                for register in chunk.captured[i.bx] where register != a { use(register) }
            }
            define(a)
        case .loadkx:
            define(a)
            next = [pc + 2]
        case .lfalseskip:
            define(a)
            next = [pc + 2]
        case .loadnil: define(a..<a + b + 1)
        case .setupval: use(a)
        case .gettable:
            use(b, c)
            define(a)
        case .geti, .getfield:
            use(b)
            define(a)
        case .settabup: if !i.k { use(c) }
        case .settable:
            use(a, b)
            if !i.k { use(c) }
        case .seti, .setfield:
            use(a)
            if !i.k { use(c) }
        case .newtable:
            define(a)
            next = [pc + 2]
        case .`self`:
            use(b)
            if !i.k { use(c) }
            define(a, a + 1)
        case .addi, .shri, .shli, .addk, .subk, .mulk, .modk, .powk, .divk, .idivk, .bandk, .bork, .bxork:
            use(b)
            define(a)
            next = [pc + 2]
        case .add, .sub, .mul, .mod, .pow, .div, .idiv, .band, .bor, .bxor, .shl, .shr:
            use(b, c)
            define(a)
            next = [pc + 2]
        // They are reached in the interpreter only.
        case .mmbin: use(a, b)
        case .mmbini, .mmbink: use(a)
        case .concat:
            use(a..<a + max(b, 1))
            define(a)
        case .close, .tbc: use(a..<max(all, a + 1))
        case .jmp: next = [pc + 1 + i.signedJ]
        case .eq, .lt, .le:
            use(a, b)
            next = [pc + 1, pc + 2]
        case .eqk, .eqi, .lti, .lei, .gti, .gei, .test:
            use(a)
            next = [pc + 1, pc + 2]
        case .testset:
            use(b)
            define(a)
            mayKeep = true
            next = [pc + 1, pc + 2]
        case .call:
            use(a..<(b == 0 ? max(all, a + 1) : a + b))
            define(a..<(c == 0 ? max(all, a + 1) : a + c - 1))
        case .tailcall:
            use(a..<(b == 0 ? max(all, a + 1) : a + b))
        case .return_:
            use(a..<(b == 0 ? max(all, a + 1) : a + b - 1))
            next = []
        case .return0: next = []
        case .return1:
            use(a)
            next = []
        case .forloop:
            use(a, a + 1, a + 2)
            define(a, a + 1, a + 3)
            next = [pc + 1, pc + 1 - i.bx]
        case .forprep:
            use(a, a + 1, a + 2)
            define(a, a + 1, a + 2, a + 3)
            next = [pc + 1, pc + 2 + i.bx]
        case .tforprep:
            use(a, a + 1, a + 2, a + 3)
            define(a + 3)
            next = [pc + 1 + i.bx]
        case .tforcall:
            use(a, a + 1, a + 2, a + 3)
            define(a + 4..<max(a + 4 + c, a + 4))
        case .tforloop:
            use(a + 2, a + 4)
            define(a + 2)
            next = [pc + 1, pc + 1 - i.bx]
        case .setlist:
            use(a..<(b == 0 ? max(all, a + 1) : a + b + 1))
            if i.k { next = [pc + 2] }
        case .vararg: define(a..<(c == 0 ? max(all, a + 1) : a + c - 1))
        case .varargprep, .extraarg: break
        }
    }
}
