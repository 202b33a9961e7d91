internal import CLLVM

/// Elements of buffers and views: every access is checked, here or before the loop.
extension Generator {
    func getElement(_ i: Instruction, _ object: Slot, _ index: Slot) -> Int? {
        guard case .input(let input) = object.type, inputs[input].isMemory else {
            return leave("an element is read of something that is no buffer and no view")
        }
        guard index.type.isNumber else { return leave("an index that is no number") }
        let memory = loaded[input]
        let place = checked(exactInteger(index), memory.count)
        let address = ir.address(memory.value, ir.mul(place, memory.stride))
        return set(i.a, loadElement(inputs[input].element, address))
    }

    func setElement(_ object: Slot, _ index: Slot, _ value: Slot) -> Int? {
        guard case .input(let input) = object.type, inputs[input].isMemory else {
            return leave(
                "an element is set of something that is no buffer and no view; tables are not compiled")
        }
        guard index.type.isNumber, value.type.isNumber else {
            return leave("an index or a value that is no number")
        }
        guard inputs[input].isWritable else { return leaveForError() }
        let memory = loaded[input]
        let place = checked(exactInteger(index), memory.count)
        let bits = fitting(value, inputs[input].element, isChecked: true)
        storeElement(bits, inputs[input].element, ir.address(memory.value, ir.mul(place, memory.stride)))
        changed()
        return pc + 1
    }

    /// An index below a limit. In a copy of a loop without checks, the check is before the loop where that can be.
    func checked(_ index: Value, _ limit: Value) -> Value {
        if let region, !region.isChecked, let form = region.form(index, ir.constantInteger(index)) {
            region.conditions.insert(Region.Condition(form: form, limit: limit))
        } else {
            require(ir.compare(LLVMIntULT, index, limit))
        }
        return index
    }

    /// The number of places in a buffer where `size` bytes begin. Known before all loops.
    func places(_ input: Int, _ size: Int) -> Value {
        let count = loaded[input].count
        if size == 1 { return count }
        let value = atEntry {
            let size = ir.integer(Int64(size))
            let places = ir.add(ir.sub(count, size), ir.integer(1))
            return ir.select(ir.compare(LLVMIntUGE, count, size), places, ir.integer(0))
        }
        region?.available.insert(value)
        return value
    }

    func loadElement(_ element: Element, _ address: Value) -> Slot {
        let types = [1: ir.i8, 2: ir.i16, 4: ir.i32, 8: ir.i64]
        var bits = ir.load(types[element.size] ?? ir.i64, address)
        if element.isSwapped { bits = ir.swapBytes(bits) }
        if element.isFloat {
            if element.isHalf { return .float(ir.helper("mc_widen_half", ir.double, bits)) }
            if element.isBrain {
                let single = ir.shiftLeft(ir.extend(bits, ir.i32, signed: false), LLVMConstInt(ir.i32, 16, 0))
                return .float(ir.widen(ir.cast(single, ir.single)))
            }
            return .float(element.size == 8 ? ir.cast(bits, ir.double) : ir.widen(ir.cast(bits, ir.single)))
        }
        return .integer(element.size == 8 ? bits : ir.extend(bits, ir.i64, signed: element.isSigned))
    }

    /// The bits of a number as an element. Where it does not fit, the interpreter continues.
    func fitting(_ value: Slot, _ element: Element, isChecked: Bool) -> Value {
        guard element.isFloat else {
            let integer = exactInteger(value)
            if element.size == 8 { return integer }
            let bits = ir.truncate(integer, element.size == 1 ? ir.i8 : element.size == 2 ? ir.i16 : ir.i32)
            require(ir.compare(LLVMIntEQ, ir.extend(bits, ir.i64, signed: element.isSigned), integer))
            return bits
        }
        let float = number(value)
        if element.size == 8 { return ir.cast(float, ir.i64) }
        let magnitude = ir.intrinsic("llvm.fabs", [ir.double], float)
        let infinity = ir.float(.infinity)
        if element.size == 4 {
            let single = ir.narrow(float)
            if isChecked {
                let isFinite = ir.compareFloat(
                    LLVMRealUNE, ir.intrinsic("llvm.fabs", [ir.double], ir.widen(single)), infinity)
                require(ir.or(isFinite, ir.compareFloat(LLVMRealOEQ, magnitude, infinity)))
            }
            return ir.cast(single, ir.i32)
        }
        if isChecked {
            let limit = ir.float(element.isHalf ? 0x1.ffep15 : 0x1.ffp127)
            let isBelow = ir.compareFloat(LLVMRealULT, magnitude, limit)
            require(ir.or(isBelow, ir.compareFloat(LLVMRealOEQ, magnitude, infinity)))
        }
        return ir.helper(element.isHalf ? "mc_narrow_half" : "mc_narrow_brain", ir.i16, float)
    }

    func storeElement(_ bits: Value, _ element: Element, _ address: Value) {
        ir.store(element.isSwapped ? ir.swapBytes(bits) : bits, address)
    }
}
