internal import CLLVM

/// Calls of other functions of Lua, and of the function itself.
extension Generator {
    func callLua(_ i: Instruction, _ number: Int, _ arguments: [Slot]) -> Int? {
        guard arguments.allSatisfy({ $0.type != .table && $0.type != .any }) else {
            return leave("a table is given to a function; read what it needs before")
        }
        let given = (0..<module.group.members[number].chunk.parameters).map {
            $0 < arguments.count ? withoutTruth(arguments[$0]) : .nil
        }
        guard let callee = module.instance(Instance.Key(member: number, types: given.map(\.type)))
        else {
            return leave("functions are called with too many combinations of types")
        }
        let shapes = module.shapes[callee.key] ?? []
        if i.opcode == .call, i.c == 0 {
            guard shapes.count <= 1, i.a + (shapes.first?.count ?? 0) <= chunk.registers else {
                return leave("results of several types or numbers are passed on; make them local variables")
            }
        }
        // The frame of a call at the end takes the place of this one.
        let isTail = i.opcode == .tailcall && instance != nil
        let theirs = instance == nil || isTail ? window : word(extent)
        let outcome = ir.call(callee.function, theirs, given.compactMap(\.value))
        changed()
        if isTail, callee === instance {
            ir.giveSame(outcome)
            return nil
        }
        let before = frame
        let left =
            isTail ? ir.block() : exit(.call, pc, around(pc, frame) + [(.nil, i.a)], frame, called: i.a)
        if isTail { ir.at(left) { ir.giveSame(outcome) } }
        for (number, types) in shapes.enumerated() {
            let found = ir.block()
            let isLast = number == shapes.count - 1
            let other = isLast ? left : ir.block()
            ir.branchLikely(
                ir.compare(LLVMIntEQ, ir.part(outcome, 0), ir.integer(Int64(number))), found, other)
            ir.continueAt(found)
            frame = before
            let next = finish(i, types.enumerated().map { result($0, $1, outcome, theirs) })
            if isLast { return next }
            if let next { ir.jump(edge(to: next, frame)) }
            ir.continueAt(other)
        }
        ir.jump(left)
        return nil
    }

    /// The first result is in a register of the processor.
    private func result(_ place: Int, _ type: ValueType, _ outcome: Value, _ theirs: Value) -> Slot {
        guard type.hasValue else { return .constant(type) }
        let bits =
            place == 0
            ? ir.part(outcome, 1) : ir.load(ir.i64, ir.address(theirs, ir.integer(Int64(8 * place))))
        switch type {
        case .float: return .float(ir.cast(bits, ir.double))
        case .boolean: return .boolean(ir.compare(LLVMIntNE, bits, ir.integer(0)))
        default: return Slot(type: type, value: bits)
        }
    }

    /// The registers that are needed after a call, but for its results.
    func around(_ pc: Int, _ frame: Frame) -> [(Slot, Int)] {
        let i = chunk.code[pc]
        let call = i.a..<(i.b == 0 ? max(chunk.registers, i.a + 1) : i.a + i.b)
        return flow.live[pc].compactMap { register in
            register < chunk.registers && !call.contains(register) ? (frame[register], register) : nil
        }
    }
}
