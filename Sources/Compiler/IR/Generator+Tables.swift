internal import CCompiler
internal import CLLVM

/// Tables that the function makes: mc_tables.h. Their values have the type `any`; an instruction that needs a number of
/// them is emitted once for integers and once for floats.
extension Generator {
    static let onlyOwnTables = "of tables, only those that the function itself makes are compiled"

    /// What machine code knows of a table, as it is now.
    private struct Places {
        let capacity, values, tags: Value

        init(_ table: Value, _ ir: Emitter) {
            capacity = ir.load(ir.i64, table, in: .tables)
            values = ir.load(ir.pointer, ir.address(table, ir.integer(8)), in: .tables)
            tags = ir.load(ir.pointer, ir.address(table, ir.integer(16)), in: .tables)
        }
    }

    func makeTable(_ i: Instruction) -> Int? {
        guard instance == nil else {
            return leave("a table is made in a function that is called; make it in the one that is compiled")
        }
        let size = i.c + (i.k ? chunk.code[pc + 1].ax << 8 : 0)
        // Those that are needed here or later.
        let needed = flow.live[pc].filter { $0 < self.chunk.registers } + Array(chunk.registers..<frame.count)
        let roots = needed.compactMap { frame[$0].type == .table ? frame[$0].value : nil }
        for (number, root) in roots.enumerated() { ir.store(root, ir.slot(firstExitSlot + number)) }
        mostRoots = max(mostRoots, roots.count)
        let table = ir.action(
            "mc_table_new", ir.pointer, tables, ir.slot(firstExitSlot), ir.integer(Int64(roots.count)),
            ir.integer(Int64(size)))
        require(ir.xor(ir.isNull(table), ir.bool(true)))
        changed()
        return set(i.a, .table(table), then: pc + 2)
    }

    func setList(_ i: Instruction) -> Int? {
        let next = i.k ? pc + 2 : pc + 1
        let first = i.c + (i.k ? chunk.code[pc + 1].ax << 8 : 0)
        guard frame[i.a].type == .table, let table = frame[i.a].value else { return leave("") }
        guard let count = i.b == 0 ? openCount(from: i.a + 1) : i.b else {
            return leave("an open number of values in a table")
        }
        guard count > 0 else { return set(i.a, frame[i.a], then: next) }
        let values = (i.a + 1...i.a + count).map { any(frame[$0]) }
        guard values.allSatisfy({ $0 != nil }) else { return leave(Generator.reasonOfValue) }
        reserve(table, ir.integer(Int64(first + count)))
        for (number, value) in values.enumerated() {
            if let value { put(value, table, ir.integer(Int64(first + number + 1))) }
        }
        changed()
        return next
    }

    static let badKey = "a key of a table is below 0 or above \(MC_GREATEST_KEY)"
    private static let reasonOfValue =
        "a table, a string or a function is put into a table; only numbers and booleans compile there"

    /// The value of a key that has no place is nil.
    func getElement(_ i: Instruction, ofTable table: Value, _ index: Slot) -> Int? {
        guard index.type.isNumber else { return leave("a key that is no number") }
        let key = exactInteger(index)
        let from = ir.here
        // All three where LLVM can take them out of a loop.
        let places = Places(table, ir)
        let (inside, after) = (ir.block(), ir.block())
        ir.branchLikely(ir.compare(LLVMIntULT, key, places.capacity), inside, after)
        ir.continueAt(inside)
        let tag = ir.load(ir.i8, ir.address(places.tags, key), in: .tags)
        let bits = ir.load(ir.i64, address(places, key), in: .values)
        ir.jump(after)
        ir.continueAt(after)
        let (value, kind) = (ir.phi(ir.i64), ir.phi(ir.i8))
        ir.addIncoming(value, bits, from: inside)
        ir.addIncoming(kind, tag, from: inside)
        ir.addIncoming(value, ir.integer(0), from: from)
        ir.addIncoming(kind, ir.tag(MC_NIL), from: from)
        return set(i.a, .any(value, kind))
    }

    func setElement(ofTable table: Value, _ index: Slot, _ value: Slot) -> Int? {
        guard index.type.isNumber else { return leave("a key that is no number") }
        guard let value = any(value) else { return leave(Generator.reasonOfValue) }
        let key = exactInteger(index)
        reserve(table, key)
        put(value, table, key)
        changed()
        return pc + 1
    }

    /// Makes room for a key, or lets the interpreter continue.
    private func reserve(_ table: Value, _ key: Value) {
        let (small, large, ready) = (ir.block(), ir.block(), ir.block())
        ir.branchLikely(ir.compare(LLVMIntULT, key, Places(table, ir).capacity), ready, large)
        ir.continueAt(large)
        let isKey = ir.compare(LLVMIntULE, key, ir.integer(Int64(MC_GREATEST_KEY)))
        let out = exit(.unknown(Generator.badKey))
        ir.branchLikely(isKey, small, out)
        ir.continueAt(small)
        require(ir.action("mc_table_grow", ir.bit, tables, table, key))
        ir.jump(ready)
        ir.continueAt(ready)
    }

    private func put(_ value: Slot, _ table: Value, _ key: Value) {
        guard let bits = value.value, let tag = value.tag else { return }
        let places = Places(table, ir)
        // The value of what is no number is in its tag.
        if ir.constantInteger(tag).map({ $0 >= MC_INTEGER }) ?? true {
            ir.store(bits, address(places, key), in: .values)
        }
        ir.store(tag, ir.address(places.tags, key), in: .tags)
    }

    private func address(_ places: Places, _ key: Value) -> Value {
        ir.address(places.values, ir.shiftLeft(key, ir.integer(3)))
    }

    // Values whose type only the run tells

    /// A value as a table has it; nil for what cannot be in one.
    func any(_ slot: Slot) -> Slot? {
        let none = ir.integer(0)
        switch slot.type {
        case .nil: return .any(none, ir.tag(MC_NIL))
        case .false: return .any(none, ir.tag(MC_FALSE))
        case .true: return .any(none, ir.tag(MC_TRUE))
        case .any: return slot
        default: break
        }
        guard let value = slot.value else { return nil }
        switch slot.type {
        case .boolean: return .any(none, ir.select(value, ir.tag(MC_TRUE), ir.tag(MC_FALSE)))
        case .integer: return .any(value, ir.tag(MC_INTEGER))
        case .float: return .any(ir.cast(value, ir.i64), ir.tag(MC_FLOAT))
        default: return nil
        }
    }

    /// TEST and TESTSET: tells integers, floats and true apart, as what comes next most likely needs the type.
    func testAny(_ i: Instruction, _ register: Int, _ target: Int?) -> Int? {
        guard let bits = frame[register].value, let tag = frame[register].tag else { return leave("") }
        let jump = pc + 2 + chunk.code[pc + 1].signedJ
        let (ifTrue, ifFalse) = i.k ? (jump, pc + 2) : (pc + 2, jump)
        for kind in [MC_INTEGER, MC_FLOAT, MC_TRUE] {
            let (found, next) = (ir.block(), ir.block())
            ir.branch(ir.compare(LLVMIntEQ, tag, ir.tag(kind)), found, next)
            ir.continueAt(found)
            var known = frame
            known[register] =
                kind == MC_INTEGER
                ? .integer(bits) : kind == MC_TRUE ? .bool(true) : .float(ir.cast(bits, ir.double))
            if i.k, let target { known[target] = known[register] }
            ir.jump(edge(to: ifTrue, known))
            ir.continueAt(next)
        }
        var other = frame
        if !i.k, let target { other[target] = other[register] }
        ir.jump(edge(to: ifFalse, other))
        return nil
    }

    /// The registers of an instruction that must be numbers.
    func operands(_ i: Instruction, _ opcode: Opcode) -> [Int] {
        // What is put into a table may be of any type.
        func stored() -> [Int] { i.k || frame[i.a].type == .table ? [] : [i.c] }
        switch opcode {
        case .addi, .addk, .subk, .mulk, .modk, .powk, .divk, .idivk, .bandk, .bork, .bxork, .shri, .shli,
            .unm, .bnot:
            return [i.b]
        case .add, .sub, .mul, .mod, .pow, .div, .idiv, .band, .bor, .bxor, .shl, .shr: return [i.b, i.c]
        case .lt, .le: return [i.a, i.b]
        case .lti, .lei, .gti, .gei: return [i.a]
        case .forprep: return [i.a, i.a + 1, i.a + 2]
        case .gettable: return [i.c]
        case .settable: return [i.b] + stored()
        case .seti, .setfield: return stored()
        case .setupval: return module.isLinked ? [i.a] : []
        case .call, .tailcall:
            let end = i.b == 0 ? i.a + 1 + (openCount(from: i.a + 1) ?? 0) : i.a + i.b
            return end > i.a + 1 ? Array(i.a + 1..<end) : []
        default: return []
        }
    }

    /// If there are operands whose types only the run tells, emits the instruction at hand for each type of number, and
    /// returns that the block is complete. For what is no number, the interpreter continues.
    func split(_ operands: [Int]) -> Int?? {
        var unknown: [Int] = []
        for register in operands where frame[register].type == .any && !unknown.contains(register) {
            unknown.append(register)
        }
        if unknown.isEmpty { return nil }
        // After a call with an open number of results there is no second way in.
        guard unknown.count <= 3, !isOpenCall else {
            return .some(
                leave("values of tables are arguments here; make local variables of the results before"))
        }
        // All operands keep the types that they have now: else two of them could take turns in being `any`.
        split(unknown[...], frame, operands, exit(.resume))
        return .some(nil)
    }

    private var isOpenCall: Bool {
        let i = chunk.code[pc]
        return (i.opcode == .call || i.opcode == .tailcall) && i.b == 0
    }

    private func split(_ registers: ArraySlice<Int>, _ frame: Frame, _ all: [Int], _ out: Block) {
        guard let register = registers.first else {
            ir.jump(edge(to: pc, frame, keeping: all))
            return
        }
        guard let bits = frame[register].value, let tag = frame[register].tag else { return ir.jump(out) }
        var known = frame
        let (integers, others, floats) = (ir.block(), ir.block(), ir.block())
        ir.branch(ir.compare(LLVMIntEQ, tag, ir.tag(MC_INTEGER)), integers, others)
        ir.continueAt(integers)
        known[register] = .integer(bits)
        split(registers.dropFirst(), known, all, out)
        ir.continueAt(others)
        ir.branch(ir.compare(LLVMIntEQ, tag, ir.tag(MC_FLOAT)), floats, out)
        ir.continueAt(floats)
        known[register] = .float(ir.cast(bits, ir.double))
        split(registers.dropFirst(), known, all, out)
    }
}
