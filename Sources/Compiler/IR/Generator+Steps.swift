internal import CLLVM

extension Generator {
    /// Emits an instruction; the one that follows, or nil if the block is complete.
    func step() -> Int? {
        let i = chunk.code[pc]
        guard let opcode = i.opcode else { return leave("") }
        ir.line(chunk.lines[pc])
        switch opcode {
        case .move:
            callStarts[i.a] = callStarts[i.b]
            return set(i.a, frame[i.b])
        case .loadi: return set(i.a, .integer(ir.integer(Int64(i.signedBx))))
        case .loadf: return set(i.a, .float(ir.float(Double(i.signedBx))))
        case .loadk: return set(i.a, constant(i.bx))
        case .loadkx: return set(i.a, constant(chunk.code[pc + 1].ax), then: pc + 2)
        case .loadfalse: return set(i.a, .bool(false))
        case .lfalseskip: return set(i.a, .bool(false), then: pc + 2)
        case .loadtrue: return set(i.a, .bool(true))
        case .loadnil:
            for register in i.a...i.a + i.b { frame[register] = .nil }
            return pc + 1
        case .getupval:
            callStarts[i.a] = (pc, frame)
            return set(i.a, upvalue(i.b))
        case .setupval: return setUpvalue(i)
        case .gettabup, .getfield: return getField(i)
        case .gettable: return getElement(i, frame[i.b], frame[i.c])
        case .geti: return getElement(i, frame[i.b], .integer(ir.integer(Int64(i.c))))
        case .settable: return setElement(frame[i.a], frame[i.b], i.k ? constant(i.c) : frame[i.c])
        case .seti:
            return setElement(frame[i.a], .integer(ir.integer(Int64(i.b))), i.k ? constant(i.c) : frame[i.c])
        case .`self`: return getMethod(i)
        case .len: return getLength(i)
        case .addi, .addk, .subk, .mulk, .modk, .powk, .divk, .idivk, .bandk, .bork, .bxork, .shri, .shli,
            .add, .sub,
            .mul, .mod, .pow, .div, .idiv, .band, .bor, .bxor, .shl, .shr:
            return arithmetic(i, opcode)
        case .unm, .bnot: return unary(i, opcode)
        case .not:
            guard let truth = truth(of: frame[i.b]) else { return set(i.a, .bool(!isTrue(frame[i.b]))) }
            return set(i.a, .boolean(ir.xor(truth, ir.bool(true))))
        case .jmp: return pc + 1 + i.signedJ
        case .eq, .lt, .le, .eqk, .eqi, .lti, .lei, .gti, .gei: return comparison(i, opcode)
        case .test: return test(i)
        case .testset: return testAndSet(i)
        case .forprep: return prepareLoop(i)
        case .forloop: return closeLoop(i)
        case .call: return call(i)
        case .tailcall: return call(i)
        case .return_: return giveResults(i.a, i.b == 0 ? nil : i.b - 1)
        case .return0: return giveResults(i.a, 0)
        case .return1: return giveResults(i.a, 1)
        default: return leave(Generator.reason(opcode))
        }
    }

    /// Why an instruction is not compiled, and what to write instead. nil for one that is.
    static func reason(_ opcode: Opcode) -> String {
        switch opcode {
        case .settabup: "a global variable or a field is set; set a local variable and return it"
        case .setfield: "a field of a table is set; use local variables"
        case .newtable, .setlist: "a table is made; use a buffer or a view, or make the table outside"
        case .concat: "strings are joined; return the parts and join them outside"
        case .closure: "a function is made; make it outside"
        case .vararg, .varargprep: "'...' is used; give the parameters names"
        case .tforprep, .tforcall, .tforloop: "a 'for ... in' loop; use 'for i = first, last'"
        case .close, .tbc: "a variable is closed at the end of its block"
        default: "this is not compiled"
        }
    }

    func set(_ register: Int, _ slot: Slot, then next: Int? = nil) -> Int? {
        frame[register] = slot
        return next ?? pc + 1
    }

    func constant(_ index: Int) -> Slot {
        switch chunk.constants[index] {
        case .nil: .nil
        case .false: .bool(false)
        case .true: .bool(true)
        case .integer(let value): .integer(ir.integer(value))
        case .float(let value): .float(ir.float(value))
        case .string: .constant(.constant(index))
        }
    }

    private func upvalue(_ index: Int) -> Slot {
        guard let source = sources.upvalues[index] else { return .nil }
        if let place = written.firstIndex(of: source) { return frame[chunk.registers + place] }
        return slot(ofInput: source)
    }

    private func setUpvalue(_ i: Instruction) -> Int? {
        guard let source = sources.upvalues[i.b], let place = written.firstIndex(of: source) else {
            return leave("")
        }
        frame[chunk.registers + place] = frame[i.a]
        changed()
        return pc + 1
    }

    /// A field of a table in an upvalue, as in `math.max`: an input.
    private func getField(_ i: Instruction) -> Int? {
        guard let input = sources.read[pc], !isChanged(input) else {
            return leave("a field is read; make it a local variable outside of the loop, or a parameter")
        }
        callStarts[i.a] = i.opcode == .getfield ? callStarts[i.b] ?? (pc, frame) : (pc, frame)
        return set(i.a, slot(ofInput: input))
    }

    /// Whether the function writes the upvalue that holds the table.
    private func isChanged(_ input: Int) -> Bool {
        guard case .field(let parent, _) = sources.list[input].place else {
            return sources.list[input].isWritten
        }
        return isChanged(parent)
    }

    private func getMethod(_ i: Instruction) -> Int? {
        let object = frame[i.b]
        guard i.k, case .input(let input) = object.type, inputs[input].isMemory else {
            return leave("a method of something that is no buffer and no view is called")
        }
        callStarts[i.a] = (pc, frame)
        frame[i.a + 1] = object
        return set(i.a, .constant(.method(input, i.c)))
    }

    private func getLength(_ i: Instruction) -> Int? {
        guard case .input(let input) = frame[i.b].type, inputs[input].isMemory else {
            return leave("the length of something that is no buffer and no view")
        }
        return set(i.a, .integer(loaded[input].count))
    }

    func giveResults(_ first: Int, _ count: Int?) -> Int? {
        guard let count = count ?? open.map({ $0.top - first }), count >= 0 else { return leave("") }
        let results = (first..<first + count).map { (frame[$0], $0) }
        ir.jump(exit(.results(count), pc, results, frame))
        return nil
    }
}
