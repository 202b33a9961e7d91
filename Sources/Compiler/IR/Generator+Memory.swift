internal import CLLVM

/// Elements of buffers and views: every access is checked, here or before the loop.
extension Generator {
    func getElement(_ i: Instruction, _ object: Slot, _ index: Slot) -> Int? {
        if case .input(let input) = object.type, inputs[input].layout != nil, let place = index.value,
            index.type == .integer
        {
            return set(i.a, Slot(type: .record(input), value: checked(place, loaded[input].count)))
        }
        if object.type == .table, let table = object.value { return getElement(i, ofTable: table, index) }
        guard case .input(let input) = object.type, inputs[input].isMemory else {
            return leave(
                "an element is read of something that is no buffer and no view; \(Generator.onlyOwnTables)")
        }
        guard index.type.isNumber else { return leave("an index that is no number") }
        let memory = loaded[input]
        let place = checked(exactInteger(index), memory.count)
        let address = ir.address(memory.value, ir.mul(place, memory.stride))
        return set(i.a, loadElement(inputs[input].element, address))
    }

    func setElement(_ object: Slot, _ index: Slot, _ value: Slot) -> Int? {
        if object.type == .table, let table = object.value { return setElement(ofTable: table, index, value) }
        guard case .input(let input) = object.type, inputs[input].isMemory else {
            return leave(
                "an element is set of something that is no buffer and no view; \(Generator.onlyOwnTables)")
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

    // Fields of records

    /// The field and its address. nil if it is no number.
    private func field(_ register: Int, _ input: Int, _ name: Int) -> (Element, Value)? {
        guard let layout = inputs[input].layout, let index = frame[register].value,
            case .string(let bytes) = chunk.constants[name],
            let field = module.group.layouts[layout].fields[bytes]
        else { return nil }
        let record = ir.address(loaded[input].value, ir.mul(index, loaded[input].stride))
        return (field.element, ir.address(record, ir.integer(Int64(field.offset))))
    }

    func readField(_ i: Instruction, _ input: Int) -> Int? {
        guard let (element, address) = field(i.b, input, i.c) else {
            return leave("a field of a record that is no number")
        }
        return set(i.a, loadElement(element, address))
    }

    func setField(_ i: Instruction) -> Int? {
        guard case .record(let input) = frame[i.a].type else {
            return leave("a field of a table is set; use local variables")
        }
        let value = i.k ? constant(i.c) : frame[i.c]
        guard value.type.isNumber, let (element, address) = field(i.a, input, i.b) else {
            return leave("a field of a record that is no number, or a value that is none")
        }
        guard inputs[input].isWritable else { return leaveForError() }
        storeElement(fitting(value, element, isChecked: true), element, address)
        changed()
        return pc + 1
    }

    /// An index below a limit. In a copy of a loop without checks, the check is before the loop where that can be.
    func checked(_ index: Value, _ limit: Value) -> Value {
        if let region, !region.isChecked, let form = region.form(index, ir.constantInteger(index)) {
            region.conditions.insert(Region.Condition(form: form, limit: limit))
        } else if let region, !region.isChecked, let greatest = region.greatest[index] {
            let form = Region.Form(hasIndex: false, terms: [], constant: greatest)
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
        var bits = ir.load(types[element.size] ?? ir.i64, address, in: .mapped)
        if element.isSwapped { bits = ir.swapBytes(bits) }
        if element.isFloat {
            if element.isHalf { return .float(ir.helper("mc_widen_half", ir.double, bits)) }
            if element.isBrain {
                let single = ir.shiftLeft(ir.extend(bits, ir.i32, signed: false), LLVMConstInt(ir.i32, 16, 0))
                return .float(ir.widen(ir.cast(single, ir.single)))
            }
            return .float(element.size == 8 ? ir.cast(bits, ir.double) : ir.widen(ir.cast(bits, ir.single)))
        }
        let value = element.size == 8 ? bits : ir.extend(bits, ir.i64, signed: element.isSigned)
        // As the index of a table of counters.
        if element.size == 1, !element.isSigned { region?.greatest[value] = 255 }
        return .integer(value)
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
        ir.store(element.isSwapped ? ir.swapBytes(bits) : bits, address, in: .mapped)
    }
}
