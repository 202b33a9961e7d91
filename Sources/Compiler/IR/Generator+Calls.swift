internal import CCompiler
internal import CLLVM

/// Calls of functions that the compiler knows.
extension Generator {
    func call(_ i: Instruction) -> Int? {
        guard let count = i.b == 0 ? openCount(from: i.a + 1) : i.b - 1 else {
            return leave("a call with an open number of arguments")
        }
        let arguments = count == 0 ? [] : (i.a + 1...i.a + count).map { frame[$0] }
        let outcome: Outcome
        switch frame[i.a].type {
        case .input(let input):
            if case .compiled(let number) = inputs[input].kind { return callLua(i, number, arguments) }
            guard case .function(let number) = inputs[input].kind else {
                let hints = ["table.insert": "; write t[#t + 1] = x", "ipairs": "; write for i = 1, #t"]
                let name = name(input)
                return leave("\(name) is called, which is no function that compiles\(hints[name] ?? "")")
            }
            if number == Int(MC_ERROR) { return raise(arguments) }
            outcome = callFunction(number, arguments, name(input))
        case .method(let input, let name):
            outcome = callMethod(input, name, Array(arguments.dropFirst()))
        default: return leave("a call of something that does not compile")
        }
        switch outcome {
        case .value(let slot): return finish(i, slot.map { [$0] } ?? [])
        case .either(let condition, let yes, let no): return fork(i, condition, yes, no)
        case .unknown(let reason): return leave(reason)
        }
    }

    /// The interpreter raises the error, but where its position is that of a caller: it would find the program's code
    /// that lets it continue.
    private func raise(_ arguments: [Slot]) -> Int? {
        guard instance == nil, arguments.count > 1,
            let level = arguments[1].value.flatMap(ir.constantInteger), level > 1
        else {
            return leaveForError()
        }
        ir.jump(exit(.raise, pc, [(arguments[0], 0), (arguments[1], 1)], frame))
        return nil
    }

    private enum Outcome {
        case value(Slot?)
        /// Results of different types.
        case either(Value, Slot, Slot)
        case unknown(String)
    }

    /// Puts the results where the call wants them.
    func finish(_ i: Instruction, _ results: [Slot]) -> Int? {
        if i.opcode == .tailcall { return giveResults(results) }
        if i.c == 0 { open = (pc, frame, results) }
        for number in 0..<(i.c == 0 ? results.count : i.c - 1) {
            frame[i.a + number] = number < results.count ? results[number] : .nil
        }
        return pc + 1
    }

    private func fork(_ i: Instruction, _ condition: Value, _ yes: Slot, _ no: Slot) -> Int? {
        guard i.opcode == .call, i.c == 2 else {
            return leave(
                "a result that is an integer or a float, in a call or 'return'; make it a local variable")
        }
        var other = frame
        frame[i.a] = yes
        other[i.a] = no
        // Blocks of their own: both ways may lead to one version.
        let (ifYes, ifNo) = (ir.block(), ir.block())
        ir.branch(condition, ifYes, ifNo)
        ir.at(ifYes) { ir.jump(edge(to: pc + 1, frame)) }
        ir.at(ifNo) { ir.jump(edge(to: pc + 1, other)) }
        return nil
    }

    private func text(_ constant: Int) -> String {
        let constants = module.group.constants
        guard constants.indices.contains(constant), case .string(let bytes) = constants[constant] else {
            return "?"
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    private func name(_ input: Int) -> String {
        let sources = module.group.sources
        switch sources[input].place {
        case .field(let parent, let key):
            if case .field = sources[parent].place { return "\(name(parent)).\(text(key))" }
            return text(key)
        default: return "a value of a variable"
        }
    }

    // The library

    private func callFunction(_ function: Int, _ arguments: [Slot], _ name: String) -> Outcome {
        guard arguments.allSatisfy(\.type.isNumber) else {
            return .unknown("\(name) of something that is no number")
        }
        let first = arguments.first
        switch (Int32(function), arguments.count) {
        case (Int32(MC_ABS), 1): return .value(absolute(arguments[0]))
        case (Int32(MC_FLOOR), 1): return .value(rounded(arguments[0], ir.floor))
        case (Int32(MC_CEIL), 1): return .value(rounded(arguments[0], ir.ceil))
        case (Int32(MC_SQRT), 1):
            return .value(.float(ir.intrinsic("llvm.sqrt", [ir.double], number(arguments[0]))))
        case (Int32(MC_FMOD), 2): return .value(modulus(arguments[0], arguments[1]))
        case (Int32(MC_MAX), 1...): return greatest(arguments, isGreatest: true)
        case (Int32(MC_MIN), 1...): return greatest(arguments, isGreatest: false)
        case (Int32(MC_ULT), 2):
            let (a, b) = (exactInteger(arguments[0]), exactInteger(arguments[1]))
            return .value(.boolean(ir.compare(LLVMIntULT, a, b)))
        case (Int32(MC_TOINTEGER), 1):
            guard let value = first?.value, first?.type == .float else { return .value(arguments[0]) }
            let (integer, isExact) = converted(value)
            return .either(isExact, .integer(integer), .nil)
        case (Int32(MC_ATAN), 1):
            return .value(.float(ir.helper("mc_atan2", ir.double, number(arguments[0]), ir.float(1))))
        case (Int32(MC_ATAN), 2):
            return .value(
                .float(ir.helper("mc_atan2", ir.double, number(arguments[0]), number(arguments[1]))))
        case (Int32(MC_LOG), 2):
            return .value(
                .float(ir.helper("mc_log_base", ir.double, number(arguments[0]), number(arguments[1]))))
        default: break
        }
        let helpers = [
            MC_EXP: "mc_exp", MC_LOG: "mc_log", MC_SIN: "mc_sin", MC_COS: "mc_cos", MC_TAN: "mc_tan",
            MC_ASIN: "mc_asin", MC_ACOS: "mc_acos",
        ]
        guard arguments.count == 1,
            let helper = helpers.first(where: { Int($0.key) == function })?.value
        else {
            return .unknown("\(name) with this number of arguments")
        }
        return .value(.float(ir.helper(helper, ir.double, number(arguments[0]))))
    }

    private func absolute(_ slot: Slot) -> Slot {
        guard slot.type == .integer, let value = slot.value else {
            return .float(ir.intrinsic("llvm.fabs", [ir.double], number(slot)))
        }
        let isNegative = ir.compare(LLVMIntSLT, value, ir.integer(0))
        return .integer(ir.select(isNegative, ir.sub(ir.integer(0), value), value))
    }

    /// An integer, where the float is in its range; else the interpreter continues.
    private func rounded(_ slot: Slot, _ round: (Value) -> Value) -> Slot {
        guard slot.type == .float, let value = slot.value else { return slot }
        let result = round(value)
        require(
            ir.and(
                ir.compareFloat(LLVMRealOGE, result, ir.float(-0x1p63)),
                ir.compareFloat(LLVMRealOLT, result, ir.float(0x1p63))))
        return .integer(ir.integerSaturated(result))
    }

    private func modulus(_ a: Slot, _ b: Slot) -> Slot {
        guard a.type == .integer, b.type == .integer, let x = a.value, let y = b.value else {
            return .float(ir.helper("mc_fmod", ir.double, number(a), number(b)))
        }
        require(ir.compare(LLVMIntNE, y, ir.integer(0)))
        let isMinusOne = ir.compare(LLVMIntEQ, y, ir.integer(-1))
        return .integer(ir.remainder(x, ir.select(isMinusOne, ir.integer(1), y)))
    }

    private func greatest(_ arguments: [Slot], isGreatest: Bool) -> Outcome {
        func replaces(_ new: Slot, _ old: Slot) -> Value {
            let condition = isGreatest ? order(.less, old, new) : order(.less, new, old)
            return condition?.value ?? ir.bool(false)
        }
        if arguments.count == 2, arguments[0].type != arguments[1].type {
            return .either(replaces(arguments[1], arguments[0]), arguments[1], arguments[0])
        }
        guard Set(arguments.map(\.type)).count == 1 else {
            return .unknown("more than two numbers, integers and floats, in math.max or math.min")
        }
        var best = arguments[0]
        for slot in arguments.dropFirst() {
            guard let old = best.value, let new = slot.value else { continue }
            best = Slot(type: best.type, value: ir.select(replaces(slot, best), new, old))
        }
        return .value(best)
    }

    // Methods of buffers

    private func callMethod(_ input: Int, _ method: Int, _ arguments: [Slot]) -> Outcome {
        let name = text(method)
        let unknown = Outcome.unknown(
            "the method '\(name)' is called here, which is not compiled; call it outside of the loop")
        guard inputs[input].kind == .buffer else { return unknown }
        switch name {
        case "get":
            guard arguments.count == 2, case .constant(let type) = arguments[0].type,
                let element = Element(name: text(type))
            else { return unknown }
            return read(input, element, arguments[1])
        case "set":
            guard arguments.count == 3, case .constant(let type) = arguments[0].type,
                let element = Element(name: text(type))
            else { return unknown }
            return write(input, element, arguments[1], arguments[2], isChecked: true, isAccessor: false)
        default: break
        }
        let zero = Slot.integer(ir.integer(0))
        if name.hasPrefix("read"), let element = Element(accessor: String(name.dropFirst(4))),
            arguments.count <= 1
        {
            return read(input, element, arguments.first ?? zero)
        }
        if name.hasPrefix("write"), let element = Element(accessor: String(name.dropFirst(5))),
            (1...2).contains(arguments.count)
        {
            let offset = arguments.count == 2 ? arguments[1] : zero
            return write(
                input, element, offset, arguments[0], isChecked: !element.isFloat, isAccessor: true)
        }
        return unknown
    }

    private func read(_ input: Int, _ element: Element, _ offset: Slot) -> Outcome {
        guard offset.type == .integer, let offset = offset.value else {
            return .unknown("an offset that is no integer")
        }
        let place = checked(offset, places(input, element.size))
        return .value(loadElement(element, ir.address(loaded[input].value, place)))
    }

    private func write(
        _ input: Int, _ element: Element, _ offset: Slot, _ value: Slot, isChecked: Bool,
        isAccessor: Bool
    ) -> Outcome {
        guard offset.type == .integer, let offset = offset.value, value.type.isNumber else {
            return .unknown("an offset that is no integer, or a value that is no number")
        }
        guard inputs[input].isWritable else { return .unknown("the buffer is read-only") }
        let place = checked(offset, places(input, element.size))
        let bits = fitting(value, element, isChecked: isChecked)
        storeElement(bits, element, ir.address(loaded[input].value, place))
        changed()
        return .value(isAccessor ? .integer(ir.add(offset, ir.integer(Int64(element.size)))) : nil)
    }
}
