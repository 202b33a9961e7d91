/// Checks of hostile bytecode: every register, constant, upvalue and jump is within its bounds.
extension Chunk {
    func check() throws(Reason) {
        guard !code.isEmpty else { throw Reader.bad }
        for pc in code.indices { try check(pc) }
        try checkLoops()
    }

    /// Numeric loops are as Lua makes them: each has its two instructions, its body is entered by the first one alone,
    /// and nothing in the body writes the count, the step, or the index that the loop keeps. Machine code relies on it.
    private func checkLoops() throws(Reason) {
        /// For each instruction the first instruction of the innermost loop that it is in, or -1.
        var innermost = [Int](repeating: -1, count: code.count)
        var open: [(start: Int, end: Int)] = []
        for (pc, i) in code.enumerated() {
            while let last = open.last, last.end < pc { open.removeLast() }
            innermost[pc] = open.last?.start ?? -1
            if i.opcode == .forprep {
                let end = pc + 1 + i.bx
                guard end < code.count, code[end].opcode == .forloop, code[end].a == i.a,
                    code[end].bx == end - pc, end < open.last?.end ?? code.count
                else { throw Reader.bad }
                open.append((pc, end))
            } else if i.opcode == .forloop {
                guard let last = open.last, last.end == pc else { throw Reader.bad }
            }
        }
        for pc in code.indices {
            let effect = Effect(self, pc)
            for next in effect.next where innermost[next] >= 0 {
                let start = innermost[next]
                guard pc == start || start < pc && pc <= start + 1 + code[start].bx else { throw Reader.bad }
            }
            var start = innermost[pc]
            while start >= 0 {
                let (a, end) = (code[start].a, start + 1 + code[start].bx)
                if pc < end {
                    for register in a...a + 2 {
                        guard !effect.definitions.contains(register) else { throw Reader.bad }
                    }
                }
                start = innermost[start]
            }
        }
    }

    private func check(_ pc: Int) throws(Reason) {
        let i = code[pc]
        guard let opcode = i.opcode else { throw Reader.bad }
        let effect = Effect(self, pc)
        guard effect.highest < registers else { throw Reader.bad }
        for next in effect.next { guard code.indices.contains(next) else { throw Reader.bad } }
        switch opcode {
        case .loadk: try constant(i.bx)
        case .loadkx:
            guard pc + 1 < code.count, code[pc + 1].opcode == .extraarg else { throw Reader.bad }
            try constant(code[pc + 1].ax)
        case .getupval, .setupval: try upvalue(i.b)
        case .gettabup:
            try upvalue(i.b)
            try name(i.c)
        case .settabup:
            try upvalue(i.a)
            try name(i.b)
            if i.k { try constant(i.c) }
        case .getfield: try name(i.c)
        case .setfield:
            try name(i.b)
            if i.k { try constant(i.c) }
        case .newtable: try follows(pc, .extraarg)
        case .setlist: if i.k { try follows(pc, .extraarg) }
        case .settable, .seti: if i.k { try constant(i.c) }
        case .`self`: if i.k { try name(i.c) }
        case .addk, .subk, .mulk, .modk, .powk, .divk, .idivk, .bandk, .bork, .bxork:
            try number(i.c)
            try follows(pc, .mmbink)
        case .addi, .shri, .shli: try follows(pc, .mmbini)
        case .add, .sub, .mul, .mod, .pow, .div, .idiv, .band, .bor, .bxor, .shl, .shr:
            try follows(pc, .mmbin)
        case .eqk:
            try constant(i.b)
            try follows(pc, .jmp)
        case .eq, .lt, .le, .eqi, .lti, .lei, .gti, .gei, .test, .testset: try follows(pc, .jmp)
        default: break
        }
    }

    private func follows(_ pc: Int, _ opcode: Opcode) throws(Reason) {
        guard pc + 1 < code.count, code[pc + 1].opcode == opcode else { throw Reader.bad }
    }
    private func constant(_ index: Int) throws(Reason) {
        guard constants.indices.contains(index) else { throw Reader.bad }
    }
    private func name(_ index: Int) throws(Reason) {
        guard constants.indices.contains(index), case .string = constants[index] else { throw Reader.bad }
    }
    private func number(_ index: Int) throws(Reason) {
        try constant(index)
        switch constants[index] {
        case .integer, .float: return
        default: throw Reader.bad
        }
    }
    private func upvalue(_ index: Int) throws(Reason) {
        guard index < upvalues else { throw Reader.bad }
    }
}
