internal import CLLVM

/// Arithmetic as in lvm.c, to the bit.
extension Generator {
    private enum Operation { case add, sub, mul, mod, pow, div, idiv, band, bor, bxor, shl, shr }

    func arithmetic(_ i: Instruction, _ opcode: Opcode) -> Int? {
        let operation: Operation
        var left = frame[i.b]
        var right = Slot.nil
        switch opcode {
        case .addi: (operation, right) = (.add, .integer(ir.integer(Int64(i.signedC))))
        case .addk: (operation, right) = (.add, constant(i.c))
        case .subk: (operation, right) = (.sub, constant(i.c))
        case .mulk: (operation, right) = (.mul, constant(i.c))
        case .modk: (operation, right) = (.mod, constant(i.c))
        case .powk: (operation, right) = (.pow, constant(i.c))
        case .divk: (operation, right) = (.div, constant(i.c))
        case .idivk: (operation, right) = (.idiv, constant(i.c))
        case .bandk: (operation, right) = (.band, constant(i.c))
        case .bork: (operation, right) = (.bor, constant(i.c))
        case .bxork: (operation, right) = (.bxor, constant(i.c))
        case .shri: (operation, right) = (.shr, .integer(ir.integer(Int64(i.signedC))))
        case .shli: (operation, left, right) = (.shl, .integer(ir.integer(Int64(i.signedC))), left)
        case .add: (operation, right) = (.add, frame[i.c])
        case .sub: (operation, right) = (.sub, frame[i.c])
        case .mul: (operation, right) = (.mul, frame[i.c])
        case .mod: (operation, right) = (.mod, frame[i.c])
        case .pow: (operation, right) = (.pow, frame[i.c])
        case .div: (operation, right) = (.div, frame[i.c])
        case .idiv: (operation, right) = (.idiv, frame[i.c])
        case .band: (operation, right) = (.band, frame[i.c])
        case .bor: (operation, right) = (.bor, frame[i.c])
        case .bxor: (operation, right) = (.bxor, frame[i.c])
        case .shl: (operation, right) = (.shl, frame[i.c])
        default: (operation, right) = (.shr, frame[i.c])
        }
        guard left.type.isNumber, right.type.isNumber, let a = left.value, let b = right.value else {
            return leave("arithmetic on something that is no number")
        }
        let areIntegers = left.type == .integer && right.type == .integer
        switch operation {
        case .band, .bor, .bxor, .shl, .shr:
            return set(i.a, .integer(bits(operation, exactInteger(left), exactInteger(right))), then: pc + 2)
        case .div, .pow: break
        case .idiv, .mod:
            if areIntegers { return set(i.a, .integer(quotient(operation, a, b)), then: pc + 2) }
        default: if areIntegers { return set(i.a, .integer(sum(operation, a, b)), then: pc + 2) }
        }
        return set(i.a, .float(float(operation, number(left), number(right))), then: pc + 2)
    }

    /// A number as a float.
    func number(_ slot: Slot) -> Value {
        guard let value = slot.value else { return ir.float(0) }
        return slot.type == .integer ? ir.float(of: value) : value
    }

    /// A number as an integer. Where it has no integer value, the interpreter continues.
    func exactInteger(_ slot: Slot) -> Value {
        guard let value = slot.value else { return ir.integer(0) }
        if slot.type == .integer { return value }
        let (integer, isExact) = converted(value)
        require(isExact)
        return integer
    }

    /// The integer of a float, and whether it is the same number.
    func converted(_ value: Value) -> (integer: Value, isExact: Value) {
        let integer = ir.integerSaturated(value)
        let same = ir.compareFloat(LLVMRealOEQ, ir.float(of: integer), value)
        // 2^63 becomes the greatest integer, which becomes 2^63 again.
        return (integer, ir.and(same, ir.compareFloat(LLVMRealOLT, value, ir.float(0x1p63))))
    }

    /// Sums and products wrap around. In a copy of a loop without checks their forms are recorded, and what does not
    /// change in the loop is computed before it.
    private func sum(_ operation: Operation, _ a: Value, _ b: Value) -> Value {
        func emit() -> Value {
            switch operation {
            case .add: ir.add(a, b)
            case .sub: ir.sub(a, b)
            default: ir.mul(a, b)
            }
        }
        guard let region, !region.isChecked,
            let left = region.form(a, ir.constantInteger(a)),
            let right = region.form(b, ir.constantInteger(b))
        else { return emit() }
        if !left.hasIndex && !right.hasIndex && left.isAvailable(a) && right.isAvailable(b) {
            let value = ir.at(region.guardBlock, emit)
            region.available.insert(value)
            return value
        }
        let value = emit()
        if operation == .add, !(left.hasIndex && right.hasIndex) {
            region.forms[value] = Region.Form(
                hasIndex: left.hasIndex || right.hasIndex, terms: left.terms + right.terms,
                constant: left.constant &+ right.constant)
        } else if operation == .sub, right.terms.isEmpty, !right.hasIndex {
            region.forms[value] = Region.Form(
                hasIndex: left.hasIndex, terms: left.terms, constant: left.constant &- right.constant)
        } else if operation == .sub, left.hasIndex, !right.hasIndex, right.isAvailable(b) {
            let negative = ir.at(region.guardBlock) { ir.sub(ir.integer(0), b) }
            region.available.insert(negative)
            region.forms[value] = Region.Form(
                hasIndex: true, terms: left.terms + [negative], constant: left.constant)
        }
        return value
    }

    /// Floors, as Lua does. By 0 it is an error.
    private func quotient(_ operation: Operation, _ a: Value, _ b: Value) -> Value {
        require(ir.compare(LLVMIntNE, b, ir.integer(0)))
        // The least integer by -1 is a trap of the processor.
        let isMinusOne = ir.compare(LLVMIntEQ, b, ir.integer(-1))
        let divisor = ir.select(isMinusOne, ir.integer(1), b)
        let rest = ir.remainder(a, divisor)
        let signsDiffer = ir.and(
            ir.compare(LLVMIntNE, rest, ir.integer(0)),
            ir.compare(LLVMIntSLT, ir.xor(rest, divisor), ir.integer(0)))
        if operation == .mod {
            return ir.select(isMinusOne, ir.integer(0), ir.select(signsDiffer, ir.add(rest, divisor), rest))
        }
        let quotient = ir.divide(a, divisor)
        let floored = ir.sub(quotient, ir.extend(signsDiffer, ir.i64, signed: false))
        return ir.select(isMinusOne, ir.sub(ir.integer(0), a), floored)
    }

    private func float(_ operation: Operation, _ a: Value, _ b: Value) -> Value {
        switch operation {
        case .add: return ir.addFloat(a, b)
        case .sub: return ir.subFloat(a, b)
        case .mul: return ir.mulFloat(a, b)
        case .div: return ir.divideFloat(a, b)
        case .idiv: return ir.floor(ir.divideFloat(a, b))
        case .mod:
            // Adds the divisor where the signs differ.
            let rest = ir.helper("mc_fmod", ir.double, a, b)
            let zero = ir.float(0)
            let isBelow = ir.and(
                ir.compareFloat(LLVMRealOLT, rest, zero), ir.compareFloat(LLVMRealOGT, b, zero))
            let isAbove = ir.and(
                ir.compareFloat(LLVMRealOGT, rest, zero), ir.compareFloat(LLVMRealOLT, b, zero))
            let adds = ir.or(isBelow, isAbove)
            return ir.select(adds, ir.addFloat(rest, b), rest)
        default: return ir.helper("mc_pow", ir.double, a, b)
        }
    }

    private func bits(_ operation: Operation, _ a: Value, _ b: Value) -> Value {
        switch operation {
        case .band: masked(a, b)
        case .bor: ir.or(a, b)
        case .bxor: ir.xor(a, b)
        case .shl: shift(a, b)
        default: shift(a, ir.sub(ir.integer(0), b))
        }
    }

    private func masked(_ a: Value, _ b: Value) -> Value {
        let value = ir.and(a, b)
        if let mask = ir.constantInteger(b) ?? ir.constantInteger(a), mask >= 0 {
            region?.greatest[value] = mask
        }
        return value
    }

    /// To the left, or by a negative number to the right; by 64 and more nothing is left.
    private func shift(_ a: Value, _ distance: Value) -> Value {
        let back = ir.sub(ir.integer(0), distance)
        let width = ir.integer(64), mask = ir.integer(63)
        let left = ir.select(
            ir.compare(LLVMIntULT, distance, width), ir.shiftLeft(a, ir.and(distance, mask)), ir.integer(0))
        let right = ir.select(
            ir.compare(LLVMIntULT, back, width), ir.shiftRight(a, ir.and(back, mask)), ir.integer(0))
        return ir.select(ir.compare(LLVMIntSLT, distance, ir.integer(0)), right, left)
    }

    func unary(_ i: Instruction, _ opcode: Opcode) -> Int? {
        let operand = frame[i.b]
        guard operand.type.isNumber, let value = operand.value else {
            return leave("arithmetic on something that is no number")
        }
        if opcode == .bnot { return set(i.a, .integer(ir.xor(exactInteger(operand), ir.integer(-1)))) }
        if operand.type == .integer { return set(i.a, .integer(ir.sub(ir.integer(0), value))) }
        return set(i.a, .float(ir.negateFloat(value)))
    }
}

extension Region.Form {
    /// Whether the form is the value itself, a constant or an available one.
    fileprivate func isAvailable(_ value: Value) -> Bool {
        !hasIndex && (terms.isEmpty || (terms == [value] && constant == 0))
    }
}
