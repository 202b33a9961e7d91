internal import CLLVM

/// The numeric `for`, as in lvm.c: forprep, forlimit, OP_FORLOOP.
extension Generator {
    func prepareLoop(_ i: Instruction) -> Int? {
        let (start, limit, step) = (frame[i.a], frame[i.a + 1], frame[i.a + 2])
        guard start.type.isNumber, limit.type.isNumber, step.type.isNumber else {
            return leave("a 'for' loop whose first value, limit or step is no number")
        }
        if start.type == .integer, step.type == .integer, let first = start.value, let step = step.value {
            return prepareIntegerLoop(i, first, limit, step)
        }
        return prepareFloatLoop(i, number(start), number(limit), number(step))
    }

    private func prepareIntegerLoop(_ i: Instruction, _ first: Value, _ limit: Slot, _ step: Value) -> Int? {
        let zero = ir.integer(0)
        require(ir.compare(LLVMIntNE, step, zero))
        let goesUp = ir.compare(LLVMIntSGT, step, zero)
        let (last, isNever) = integerLimit(limit, goesUp)
        let isEmpty = ir.select(
            goesUp, ir.compare(LLVMIntSGT, first, last), ir.compare(LLVMIntSLT, first, last))
        // The iterations after the first. -(step + 1) + 1 is -step, and right for the least integer too.
        let upward = ir.divideUnsigned(ir.sub(last, first), ir.select(goesUp, step, ir.integer(1)))
        let size = ir.add(ir.sub(zero, ir.add(step, ir.integer(1))), ir.integer(1))
        let downward = ir.divideUnsigned(ir.sub(first, last), ir.select(goesUp, ir.integer(1), size))
        let count = ir.select(goesUp, upward, downward)
        let skipped = edge(to: pc + 2 + i.bx, frame)
        let guardBlock = ir.block("loop")
        ir.branch(ir.or(isNever, isEmpty), skipped, guardBlock)
        ir.continueAt(guardBlock)
        storeLine()
        frame[i.a] = .integer(first)
        frame[i.a + 1] = .integer(count)
        frame[i.a + 3] = .integer(first)
        guard let loop = flow.innermost[pc] else {
            ir.jump(edge(to: pc + 1, frame))
            return nil
        }
        makeCopies(loop, i.a, first, count, step, guardBlock)
        return nil
    }

    /// The limit as an integer, and whether the loop never runs.
    private func integerLimit(_ limit: Slot, _ goesUp: Value) -> (Value, Value) {
        guard limit.type == .float, let value = limit.value else {
            return (limit.value ?? ir.integer(0), ir.bool(false))
        }
        let rounded = ir.select(goesUp, ir.floor(value), ir.ceil(value))
        let fits = ir.and(
            ir.compareFloat(LLVMRealOGE, rounded, ir.float(-0x1p63)),
            ir.compareFloat(LLVMRealOLT, rounded, ir.float(0x1p63)))
        let isPositive = ir.compareFloat(LLVMRealOGT, value, ir.float(0))
        let clipped = ir.select(isPositive, ir.integer(.max), ir.integer(.min))
        // Where it does not fit: a positive limit is above every first value, any other (NaN too) below.
        let isNever = ir.and(ir.xor(fits, ir.bool(true)), ir.xor(isPositive, goesUp))
        return (ir.select(fits, ir.integerSaturated(rounded), clipped), isNever)
    }

    /// Two copies of an innermost loop. The first has no check of an index that is the loop's own, plus something that
    /// does not change in the loop: all of them are checked before.
    private func makeCopies(
        _ loop: Flow.Loop, _ register: Int, _ first: Value, _ count: Value, _ step: Value, _ guardBlock: Block
    ) {
        let last = ir.add(first, ir.mul(count, step))
        let copies = [false, true].map { isChecked in
            Region(loop, register, isChecked: isChecked, guardBlock, frame, first, last)
        }
        for value in loaded { copies[0].available.formUnion([value.value, value.count]) }
        for slot in frame {
            if let value = slot.value, slot.type == .integer { copies[0].available.insert(value) }
        }
        let blocks = copies.map { copy in
            let block = ir.block("copy")
            ir.at(block) { ir.jump(edge(to: pc + 1, frame, into: copy)) }
            return block
        }
        regions.append((copies[0], blocks[0], blocks[1]))
    }

    /// At the end, when all checks of the first copy are known.
    func choose(_ region: Region, _ fast: Block, _ slow: Block) {
        ir.continueAt(region.guardBlock)
        let isUpward = ir.compare(LLVMIntSLE, region.first, region.last)
        let low = ir.select(isUpward, region.first, region.last)
        let high = ir.select(isUpward, region.last, region.first)
        var holds = ir.bool(true)
        for condition in region.conditions {
            var terms = ir.integer(condition.form.constant)
            for term in condition.form.terms { terms = ir.add(terms, term) }
            if condition.form.hasIndex {
                let (from, to) = (ir.add(low, terms), ir.add(high, terms))
                // Both: a range can wrap around.
                holds = ir.and(holds, ir.compare(LLVMIntULE, from, to))
                holds = ir.and(holds, ir.compare(LLVMIntULT, to, condition.limit))
            } else {
                holds = ir.and(holds, ir.compare(LLVMIntULT, terms, condition.limit))
            }
        }
        ir.branchLikely(holds, fast, slow)
    }

    private func prepareFloatLoop(_ i: Instruction, _ first: Value, _ limit: Value, _ step: Value) -> Int? {
        let zero = ir.float(0)
        require(ir.compareFloat(LLVMRealUNE, step, zero))
        let goesUp = ir.compareFloat(LLVMRealOLT, zero, step)
        let isEmpty = ir.select(
            goesUp, ir.compareFloat(LLVMRealOLT, limit, first), ir.compareFloat(LLVMRealOLT, first, limit))
        let skipped = edge(to: pc + 2 + i.bx, frame)
        let entered = ir.block()
        ir.branch(isEmpty, skipped, entered)
        ir.continueAt(entered)
        storeLine()
        frame[i.a] = .float(first)
        frame[i.a + 1] = .float(limit)
        frame[i.a + 2] = .float(step)
        frame[i.a + 3] = .float(first)
        ir.jump(edge(to: pc + 1, frame))
        return nil
    }

    /// For the message of an interrupt.
    private func storeLine() { ir.store(ir.integer(Int64(chunk.lines[pc])), ir.slot(lineSlot)) }

    func closeLoop(_ i: Instruction) -> Int? {
        let (index, count, step) = (frame[i.a], frame[i.a + 1], frame[i.a + 2])
        guard index.type == step.type, count.type == index.type, let value = index.value,
            let counter = count.value,
            let increment = step.value
        else { return leave("") }
        let after = edge(to: pc + 1, frame)
        let again = ir.block()
        let next: Slot
        if index.type == .integer {
            ir.branch(ir.compare(LLVMIntNE, counter, ir.integer(0)), again, after)
            ir.continueAt(again)
            frame[i.a + 1] = .integer(ir.sub(counter, ir.integer(1)))
            next = .integer(ir.addWithoutOverflow(value, increment))
        } else if index.type == .float {
            let sum = ir.addFloat(value, increment)
            let goesOn = ir.select(
                ir.compareFloat(LLVMRealOLT, ir.float(0), increment),
                ir.compareFloat(LLVMRealOLE, sum, counter),
                ir.compareFloat(LLVMRealOLE, counter, sum))
            ir.branch(goesOn, again, after)
            ir.continueAt(again)
            next = .float(sum)
        } else {
            return leave("")
        }
        frame[i.a] = next
        frame[i.a + 3] = next
        ir.jump(edge(to: pc + 1 - i.bx, frame))
        return nil
    }
}
