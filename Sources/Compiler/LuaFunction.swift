/// A function of Lua that is to be compiled: its bytecode, decoded, and what follows from it alone.
struct LuaFunction {
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
        try Group(self).compile(inputs)
    }
}

/// The machine code of a function for some types.
final class CompiledFunction {
    let code: MachineCode
    let exits: [Exit]
    let slotCount: Int
    let lineSlot: Int
    let tablesSlot: Int
    /// Whether it calls functions of Lua.
    let isLinked: Bool
    /// Whether it has a loop or calls.
    let mayBeLong: Bool

    init(
        code: MachineCode, exits: [Exit], slotCount: Int, lineSlot: Int, tablesSlot: Int, isLinked: Bool,
        mayBeLong: Bool
    ) {
        self.code = code
        self.exits = exits
        self.slotCount = slotCount
        self.lineSlot = lineSlot
        self.tablesSlot = tablesSlot
        self.isLinked = isLinked
        self.mayBeLong = mayBeLong
    }
}
