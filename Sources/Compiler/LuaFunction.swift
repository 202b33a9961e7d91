internal import CLLVM

/// A function of Lua that is to be compiled: its bytecode, decoded, and what follows from it alone.
final class LuaFunction {
    let chunk: Chunk
    let flow: Flow
    let sources: Sources

    init(_ bytes: [UInt8]) throws(Reason) {
        chunk = try Chunk(bytes)
        flow = Flow(chunk)
        sources = Sources(chunk, flow)
    }

    /// Machine code for inputs of these kinds, one for each source.
    func compile(_ inputs: [Input]) throws(Reason) -> CompiledFunction {
        guard let machine = Machine.host else { throw Reason("LLVM does not know this processor") }
        let generator = Generator(chunk, flow, sources, inputs)
        try generator.generate()
        try check(generator.exits)
        let object = try ObjectFile(try Optimizer(machine: machine).object(generator.ir))
        return CompiledFunction(
            code: try MachineCode(object), exits: generator.exits, slotCount: generator.slotCount,
            lineSlot: generator.lineSlot, hasLoop: flow.hasLoop)
    }

    /// The machine code as text, with the lines of Lua between.
    func assembly(_ inputs: [Input]) throws(Reason) -> String {
        guard let machine = Machine.host else { throw Reason("LLVM does not know this processor") }
        let generator = Generator(chunk, flow, sources, inputs)
        generator.ir.describeLines(from: chunk.lines.min() ?? 0)
        try generator.generate()
        return try Optimizer(machine: machine).assembly(generator.ir)
    }

    /// Code that only ever leaves for the interpreter is none.
    private func check(_ exits: [Exit]) throws(Reason) {
        let returns = exits.contains { if case .results = $0.kind { true } else { false } }
        if returns { return }
        for exit in exits {
            if case .unknown(let reason) = exit.kind {
                throw Reason("line \(chunk.lines[exit.pc]): \(reason)")
            }
        }
    }
}

/// The machine code of a function for some types.
final class CompiledFunction {
    let code: MachineCode
    let exits: [Exit]
    let slotCount: Int
    let lineSlot: Int
    let hasLoop: Bool

    init(code: MachineCode, exits: [Exit], slotCount: Int, lineSlot: Int, hasLoop: Bool) {
        self.code = code
        self.exits = exits
        self.slotCount = slotCount
        self.lineSlot = lineSlot
        self.hasLoop = hasLoop
    }
}
