internal import CCompiler

/// A function of Lua and those that it calls, which are compiled with it.
struct Group {
    struct Member {
        let chunk: Chunk
        let flow: Flow
        /// Its own sources, numbered among those of all.
        let sources: Sources
        /// The number of its first constant among those of all.
        let firstConstant: Int
    }
    /// The first one is what the program calls.
    private(set) var members: [Member] = []
    private(set) var sources: [Source] = []
    private(set) var constants: [Constant] = []
    /// The layouts of records.
    var layouts: [Layout] = []
    /// Upvalues that are the same variable as an earlier one.
    private(set) var same: [Int: Int] = [:]

    private static let most = MC_MOST_FUNCTIONS

    init(_ function: LuaFunction) { add(function.chunk, function.flow, function.sources) }
    init(_ chunk: Chunk, _ flow: Flow, _ sources: Sources) { add(chunk, flow, sources) }

    mutating func add(_ function: LuaFunction) throws(Reason) {
        guard members.count < Group.most else {
            throw Reason("it calls more than \(Group.most) functions")
        }
        add(function.chunk, function.flow, function.sources)
    }

    private mutating func add(_ chunk: Chunk, _ flow: Flow, _ own: Sources) {
        let shifted = own.shifted(members.count, by: sources.count, constants: constants.count)
        members.append(
            Member(chunk: chunk, flow: flow, sources: shifted, firstConstant: constants.count))
        sources += shifted.list
        constants += chunk.constants
    }

    mutating func unite(_ source: Int, with earlier: Int) {
        guard sources.indices.contains(source), sources.indices.contains(earlier), earlier < source
        else { return }
        same[source] = canonical(earlier)
        if sources[source].isWritten { sources[canonical(earlier)].isWritten = true }
    }

    /// Whether the first function makes tables: others do not.
    var makesTables: Bool { members[0].chunk.code.contains { $0.opcode == .newtable } }

    func canonical(_ source: Int) -> Int { same[source] ?? source }

    /// Whether some member writes the variable.
    func isWritten(_ source: Int) -> Bool { sources[canonical(source)].isWritten }
}

/// What the functions of a group have in common while LLVM's code is made of them.
final class Module {
    let group: Group
    let inputs: [Input]
    let ir = Emitter()
    var exits: [Exit] = []
    /// Functions for the types of their arguments, and those of which code is still to be made.
    private var instances: [Instance.Key: Instance] = [:]
    var waiting: [Instance] = []
    /// The types of results that are known. A function that calls itself is made again until there are no others.
    private(set) var shapes: [Instance.Key: [[ValueType]]]
    private(set) var hasNewShapes = false

    /// Whether the code calls functions of Lua. Then upvalues that are written stay in memory, with their types.
    let isLinked: Bool

    init(_ group: Group, _ inputs: [Input], _ shapes: [Instance.Key: [[ValueType]]] = [:]) {
        self.group = group
        self.inputs = inputs
        self.shapes = shapes
        isLinked = inputs.contains { if case .compiled = $0.kind { true } else { false } }
    }

    private static let mostInstances = 64
    private static let mostShapes = 4

    func instance(_ key: Instance.Key) -> Instance? {
        if let known = instances[key] { return known }
        guard instances.count < Module.mostInstances else { return nil }
        let types = key.types.filter(\.hasValue).map { ir.type(of: $0) }
        let instance = Instance(key, ir.declare("lua_\(instances.count)", types))
        instances[key] = instance
        waiting.append(instance)
        return instance
    }

    /// The number of this combination of results. nil if there are too many.
    func shape(_ key: Instance.Key, _ types: [ValueType]) -> Int? {
        let known = shapes[key] ?? []
        if let index = known.firstIndex(of: types) { return index }
        guard known.count < Module.mostShapes else { return nil }
        shapes[key] = known + [types]
        hasNewShapes = true
        return known.count
    }
}

/// A function that compiled code calls, for the types of its arguments.
final class Instance {
    struct Key: Hashable {
        let member: Int
        let types: [ValueType]
    }
    let key: Key
    let function: Emitter.Function

    init(_ key: Key, _ function: Emitter.Function) {
        self.key = key
        self.function = function
    }
}

extension Group {
    private static let mostRounds = 12

    /// LLVM's code for these inputs.
    func generated(_ inputs: [Input], describesLines: Bool = false) throws(Reason) -> Generator {
        var shapes: [Instance.Key: [[ValueType]]] = [:]
        for _ in 0..<Group.mostRounds {
            let generator = Generator(Module(self, inputs, shapes))
            if describesLines { generator.ir.describeLines() }
            try generator.generate()
            if !generator.module.hasNewShapes { return generator }
            shapes = generator.module.shapes
        }
        throw Reason("functions that call each other return too many combinations of types")
    }

    /// Machine code for inputs of these kinds, one for each source.
    func compile(_ inputs: [Input]) throws(Reason) -> CompiledFunction {
        guard let machine = Machine.host else { throw Reason("LLVM does not know this processor") }
        let generator = try generated(inputs)
        try check(generator.exits)
        let object = try ObjectFile(try Optimizer(machine: machine).object(generator.ir))
        return CompiledFunction(
            code: try MachineCode(object), exits: generator.exits, slotCount: generator.slotCount,
            lineSlot: generator.lineSlot, tablesSlot: generator.tablesSlot,
            isLinked: generator.module.isLinked,
            mayBeLong: generator.module.isLinked || members[0].flow.hasLoop)
    }

    /// The machine code as text, with the lines of Lua between.
    func assembly(_ inputs: [Input]) throws(Reason) -> String {
        guard let machine = Machine.host else { throw Reason("LLVM does not know this processor") }
        return try Optimizer(machine: machine).assembly(try generated(inputs, describesLines: true).ir)
    }

    /// Code that only ever leaves for the interpreter is none.
    private func check(_ exits: [Exit]) throws(Reason) {
        let returns = exits.contains { if case .results = $0.kind { true } else { false } }
        if returns { return }
        for exit in exits {
            if case .unknown(let reason) = exit.kind, reason != Generator.badKey {
                throw Reason("line \(members[exit.member].chunk.lines[exit.pc]): \(reason)")
            }
        }
    }
}
