internal import CCompiler
internal import CLLVM

/// Comparisons, and the jumps that follow them.
extension Generator {
    enum Relation { case less, lessOrEqual, equal }

    func comparison(_ i: Instruction, _ opcode: Opcode) -> Int? {
        let a = frame[i.a]
        let immediate = Slot.integer(ir.integer(Int64(i.signedB)))
        let condition: Slot?
        switch opcode {
        case .eq: condition = equality(a, frame[i.b])
        case .eqk: condition = equality(a, constant(i.b))
        case .eqi: condition = equality(a, immediate)
        case .lt: condition = order(.less, a, frame[i.b])
        case .le: condition = order(.lessOrEqual, a, frame[i.b])
        case .lti: condition = order(.less, a, immediate)
        case .lei: condition = order(.lessOrEqual, a, immediate)
        case .gti: condition = order(.less, immediate, a)
        default: condition = order(.lessOrEqual, immediate, a)
        }
        guard let condition else { return leave("things that are no numbers are compared") }
        return jump(condition, expecting: i.k)
    }

    /// Takes the jump that follows if the condition is as expected, else skips it.
    private func jump(_ condition: Slot, expecting expected: Bool, _ taken: Frame? = nil) -> Int? {
        let target = pc + 2 + chunk.code[pc + 1].signedJ
        guard let value = condition.value else {
            if isTrue(condition) != expected { return pc + 2 }
            frame = taken ?? frame
            return target
        }
        let ifTaken: Block
        if let taken {
            // A block of its own: both ways may lead to one version, with different values.
            ifTaken = ir.block()
            ir.at(ifTaken) { ir.jump(edge(to: target, taken)) }
        } else {
            ifTaken = edge(to: target, frame)
        }
        let ifSkipped = edge(to: pc + 2, frame)
        if expected {
            ir.branch(value, ifTaken, ifSkipped)
        } else {
            ir.branch(value, ifSkipped, ifTaken)
        }
        return nil
    }

    func isTrue(_ slot: Slot) -> Bool { slot.type != .nil && slot.type != .false }
    /// Whether a value is neither nil nor false, unless its type tells.
    func truth(of slot: Slot) -> Value? {
        if let tag = slot.tag { return ir.compare(LLVMIntUGE, tag, ir.tag(MC_TRUE)) }
        return slot.type == .boolean ? slot.value : nil
    }

    func test(_ i: Instruction) -> Int? {
        let slot = frame[i.a]
        if slot.type == .any { return testAny(i, i.a, nil) }
        return jump(truth(of: slot).map(Slot.boolean) ?? .bool(isTrue(slot)), expecting: i.k)
    }

    func testAndSet(_ i: Instruction) -> Int? {
        let slot = frame[i.b]
        if slot.type == .any { return testAny(i, i.b, i.a) }
        var taken = frame
        taken[i.a] = slot.type == .boolean ? .bool(i.k) : slot
        return jump(truth(of: slot).map(Slot.boolean) ?? .bool(isTrue(slot)), expecting: i.k, taken)
    }

    /// nil where only the interpreter knows.
    private func equality(_ a: Slot, _ b: Slot) -> Slot? {
        if a.type.isNumber && b.type.isNumber { return order(.equal, a, b) }
        switch (a.type, b.type) {
        case (.any, let other) where other.isPlain: return equality(any: a, b)
        case (let other, .any) where other.isPlain: return equality(any: b, a)
        case (.table, .table):
            guard let x = a.value, let y = b.value else { return nil }
            return .boolean(ir.compare(LLVMIntEQ, x, y))
        case (.table, .input(let x)), (.input(let x), .table):
            // It can have a metamethod.
            return inputs[x].kind == .other ? nil : .bool(false)
        case (.boolean, .boolean):
            guard let x = a.value, let y = b.value else { return nil }
            return .boolean(ir.compare(LLVMIntEQ, x, y))
        case (.boolean, .true), (.true, .boolean): return .boolean(a.value ?? b.value ?? ir.bool(false))
        case (.boolean, .false), (.false, .boolean):
            return .boolean(ir.xor(a.value ?? b.value ?? ir.bool(false), ir.bool(true)))
        case (.nil, .nil), (.true, .true), (.false, .false): return .bool(true)
        case (.constant(let x), .constant(let y)):
            return .bool(module.group.constants[x] == module.group.constants[y])
        case (.input(let x), .input(let y)): return x == y ? .bool(true) : nil
        case (.input(let x), let other), (let other, .input(let x)):
            // What the compiler does not know can be a string.
            return inputs[x].kind == .other && !other.isPlain ? nil : .bool(false)
        case (.method, _), (_, .method), (.record, _), (_, .record): return nil
        default: return .bool(false)
        }
    }

    /// The comparison of a value whose type only the run tells with one that is no table.
    private func equality(any a: Slot, _ b: Slot) -> Slot? {
        guard let bits = a.value, let tag = a.tag, let other = any(b), let otherTag = other.tag else {
            return nil
        }
        let same = ir.compare(LLVMIntEQ, tag, otherTag)
        if !b.type.isNumber && b.type != .any { return .boolean(same) }
        let isInteger = ir.compare(LLVMIntEQ, tag, ir.tag(MC_INTEGER))
        let isFloat = ir.compare(LLVMIntEQ, tag, ir.tag(MC_FLOAT))
        guard let integers = equality(.integer(bits), b)?.value,
            let floats = equality(.float(ir.cast(bits, ir.double)), b)?.value
        else { return nil }
        let numbers = ir.or(ir.and(isInteger, integers), ir.and(isFloat, floats))
        let isNumber = ir.compare(LLVMIntUGE, tag, ir.tag(MC_INTEGER))
        return .boolean(ir.select(isNumber, numbers, same))
    }

    /// Exact for an integer and a float, however large.
    func order(_ relation: Relation, _ a: Slot, _ b: Slot) -> Slot? {
        guard a.type.isNumber, b.type.isNumber, let x = a.value, let y = b.value else { return nil }
        switch (a.type, b.type) {
        case (.integer, .integer):
            let predicate =
                relation == .less ? LLVMIntSLT : relation == .equal ? LLVMIntEQ : LLVMIntSLE
            return .boolean(ir.compare(predicate, x, y))
        case (.float, .float):
            let predicate =
                relation == .less ? LLVMRealOLT : relation == .equal ? LLVMRealOEQ : LLVMRealOLE
            return .boolean(ir.compareFloat(predicate, x, y))
        case (.integer, _): return .boolean(mixed(relation, integer: x, float: y, isFirst: true))
        default: return .boolean(mixed(relation, integer: y, float: x, isFirst: false))
        }
    }

    private func mixed(_ relation: Relation, integer: Value, float: Value, isFirst: Bool) -> Value {
        if relation == .equal {
            let (value, isExact) = converted(float)
            return ir.and(isExact, ir.compare(LLVMIntEQ, value, integer))
        }
        let high = ir.float(0x1p63)
        let low = ir.float(-0x1p63)
        let isHigh = ir.compareFloat(LLVMRealOGE, float, high)
        let isLow = ir.compareFloat(LLVMRealOLT, float, low)
        let isNumber = ir.compareFloat(LLVMRealORD, float, float)
        // i < f: i < ceil(f);  i <= f: i <= floor(f);  f < i: floor(f) < i;  f <= i: ceil(f) <= i
        let rounded = ir.integerSaturated(
            (relation == .less) == isFirst ? ir.ceil(float) : ir.floor(float))
        let predicate = relation == .less ? LLVMIntSLT : LLVMIntSLE
        let inRange =
            isFirst ? ir.compare(predicate, integer, rounded) : ir.compare(predicate, rounded, integer)
        let (ifHigh, ifLow) = (ir.bool(isFirst), ir.bool(!isFirst))
        return ir.and(isNumber, ir.select(isHigh, ifHigh, ir.select(isLow, ifLow, inRange)))
    }
}
