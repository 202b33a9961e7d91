internal import CLLVM

extension Generator {
    /// Emits an instruction; the one that follows, or nil if the block is complete.
    func step() -> Int? {
        let i = chunk.code[pc]
        guard let opcode = i.opcode else { return leave("") }
        ir.line(chunk.lines[pc])
        if let isSplit = split(operands(i, opcode)) { return isSplit }
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
        case .setfield: return setField(i)
        case .gettabup, .getfield: return getField(i)
        case .gettable: return getElement(i, frame[i.b], frame[i.c])
        case .geti: return getElement(i, frame[i.b], .integer(ir.integer(Int64(i.c))))
        case .settable: return setElement(frame[i.a], frame[i.b], i.k ? constant(i.c) : frame[i.c])
        case .seti:
            return setElement(
                frame[i.a], .integer(ir.integer(Int64(i.b))), i.k ? constant(i.c) : frame[i.c])
        case .newtable: return makeTable(i)
        case .setlist: return setList(i)
        case .`self`: return getMethod(i)
        case .len: return getLength(i)
        case .addi, .addk, .subk, .mulk, .modk, .powk, .divk, .idivk, .bandk, .bork, .bxork, .shri,
            .shli,
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
        case .concat: "strings are joined; return the parts and join them outside"
        case .closure: "a function is made; make it outside"
        case .vararg, .varargprep: "'...' is used; give the parameters names"
        case .tforprep, .tforcall, .tforloop: "a 'for ... in' loop; use 'for i = first, last'"
        case .close, .tbc: "a variable is closed at the end of its block"
        default: "this is not compiled"
        }
    }

    /// `true` and `false` are not types of their own where functions of Lua are called, and where there are many
    /// versions.
    func withoutTruth(_ slot: Slot) -> Slot {
        slot.type == .true || slot.type == .false ? .boolean(ir.bool(slot.type == .true)) : slot
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
        case .string: .constant(.constant(firstConstant + index))
        }
    }

    private func upvalue(_ index: Int) -> Slot {
        guard let own = sources.upvalues[index] else { return .nil }
        let source = module.group.canonical(own)
        if module.isLinked, module.group.isWritten(source), let type = inputs[source].type,
            type.hasValue
        {
            return Slot(type: type, value: ir.load(ir.type(of: type), upvaluePlace(source)))
        }
        if let place = written.firstIndex(of: source) { return frame[chunk.registers + place] }
        return slot(ofInput: source)
    }

    private func upvaluePlace(_ source: Int) -> Value { ir.slot(source * Generator.slotsPerInput) }

    private func setUpvalue(_ i: Instruction) -> Int? {
        if module.isLinked {
            let source = module.group.canonical(sources.upvalues[i.b] ?? 0)
            guard frame[i.a].type == inputs[source].type, let value = frame[i.a].value else {
                return leave(
                    "a variable of another function changes its type; set it to a number of that type before")
            }
            ir.store(value, upvaluePlace(source))
            changed()
            return pc + 1
        }
        guard let source = sources.upvalues[i.b], let place = written.firstIndex(of: source) else {
            return leave("")
        }
        frame[chunk.registers + place] = frame[i.a]
        changed()
        return pc + 1
    }

    /// A field of a table in an upvalue, as in `math.max`: an input.
    private func getField(_ i: Instruction) -> Int? {
        if i.opcode == .getfield, case .record(let input) = frame[i.b].type { return readField(i, input) }
        guard let input = sources.read[pc], !isChanged(input) else {
            return leave("a field is read; make it a local variable outside of the loop, or a parameter")
        }
        if inputs[input].kind == .absent {
            return leave("a field is read of something that is no table")
        }
        callStarts[i.a] = i.opcode == .getfield ? callStarts[i.b] ?? (pc, frame) : (pc, frame)
        return set(i.a, slot(ofInput: input))
    }

    /// Whether the function writes the upvalue that holds the table.
    private func isChanged(_ input: Int) -> Bool {
        guard case .field(let parent, _) = module.group.sources[input].place else {
            return module.group.isWritten(input)
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
        return set(i.a, .constant(.method(input, firstConstant + i.c)))
    }

    private func getLength(_ i: Instruction) -> Int? {
        if frame[i.b].type == .table, let table = frame[i.b].value {
            return set(i.a, .integer(ir.action("mc_table_length", ir.i64, table)))
        }
        guard case .input(let input) = frame[i.b].type, inputs[input].isMemory || inputs[input].layout != nil
        else {
            return leave("the length of something that is no buffer, no view and no table of the function")
        }
        return set(i.a, .integer(loaded[input].count))
    }

    func giveResults(_ first: Int, _ count: Int?) -> Int? {
        guard let count = count ?? openCount(from: first) else { return leave("") }
        return giveResults((first..<first + count).map { frame[$0] })
    }

    /// The number of registers up to the last of an open number of results.
    func openCount(from first: Int) -> Int? {
        guard let open else { return nil }
        let count = chunk.code[open.pc].a + open.results.count - first
        return count >= 0 ? count : nil
    }

    func giveResults(_ results: [Slot]) -> Int? {
        guard let instance else {
            let values = results.enumerated().map { ($1, $0) }
            ir.jump(exit(.results(results.count), pc, values, frame))
            return nil
        }
        let known = results.map(withoutTruth)
        guard let shape = module.shape(instance.key, known.map(\.type)) else {
            return leave(
                "a function returns too many combinations of types; return values of one type each")
        }
        for (number, slot) in known.enumerated().dropFirst() {
            if let value = slot.value { ir.store(word(value, slot.type), word(number)) }
        }
        let first = known.first.flatMap { slot in slot.value.map { word($0, slot.type) } }
        ir.give(ir.integer(Int64(shape)), first ?? ir.integer(0))
        return nil
    }
}
