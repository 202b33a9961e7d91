internal import CCompiler
internal import CLLVM

/// Makes LLVM's code of a function, for inputs of known types.
///
/// Code exists once for each instruction where ways meet and each combination of types there (basic block versioning).
/// So types need no fixed point: `local s = 0; for … do s = s + v[i] end` has a first iteration with an integer, which
/// leads into a loop with a float.
final class Generator {
    let module: Module
    /// The function that this is, where another one calls it; nil for the first one.
    let instance: Instance?
    let member: Int
    let chunk: Chunk
    let flow: Flow
    let sources: Sources
    let firstConstant: Int
    /// The sources of the written upvalues, which are in the frame after the registers, unless they are in memory.
    let written: [Int]
    var ir: Emitter { module.ir }
    var inputs: [Input] { module.inputs }
    var exits: [Exit] { module.exits }

    private let entry: Block
    /// The part of the frames that is this function's own; for the first function, that of one that it calls.
    private(set) var window: Value
    /// Of each input: its number, or of memory the address, the count, and the stride.
    private(set) var loaded: [(value: Value, count: Value, stride: Value)] = []
    private var versions: [Version.Key: Version] = [:]
    private var counts: [Version.Place: Int] = [:]
    private var work: [Version] = []
    var regions: [(unchecked: Region, fast: Block, slow: Block)] = []
    /// The most tables that must be kept while another one is made.
    var mostRoots = 0
    /// Of the call: an mc_tables.
    private(set) lazy var tables = atEntry { ir.load(ir.pointer, ir.slot(tablesSlot)) }

    // The place of the code that is being made.
    var pc = 0
    var frame: Frame = []
    var region: Region?
    /// By register: where the interpreter continues if the call of the function in it cannot be compiled: where the
    /// function was fetched, so that messages have its name.
    var callStarts: [Int: (pc: Int, frame: Frame)] = [:]
    /// After a call with an open number of results: the call, the registers before it, and the results.
    var open: (pc: Int, frame: Frame, results: [Slot])?

    convenience init(_ chunk: Chunk, _ flow: Flow, _ sources: Sources, _ inputs: [Input]) {
        self.init(Module(Group(chunk, flow, sources), inputs))
    }

    init(_ module: Module, _ instance: Instance? = nil) {
        self.module = module
        self.instance = instance
        member = instance?.key.member ?? 0
        let own = module.group.members[member]
        (chunk, flow, sources, firstConstant) = (own.chunk, own.flow, own.sources, own.firstConstant)
        written =
            module.isLinked
            ? [] : module.group.sources.indices.filter { module.group.sources[$0].isWritten }
        module.ir.begin(instance?.function, chunk.lines.min() ?? 0)
        entry = module.ir.block("entry")
        window = module.ir.window
    }

    static let slotsPerInput = MC_SLOTS_PER_INPUT
    var lineSlot: Int { inputs.count * Generator.slotsPerInput }
    /// The frames of functions that are called, the end of the memory for them, and of that of the stack.
    var framesSlot: Int { lineSlot + 1 }
    var tablesSlot: Int { lineSlot + 4 }
    var firstExitSlot: Int { lineSlot + 5 }
    var slotCount: Int {
        let own = exits.lazy.filter { $0.extent == 0 }.flatMap(\.items).map { $0.slot + 2 }
        return max(firstExitSlot + mostRoots, own.max() ?? 0)
    }

    func generate() throws(Reason) {
        try generateBody()
        while let next = module.waiting.popLast() { try Generator(module, next).generateBody() }
        ir.finish()
    }

    private func generateBody() throws(Reason) {
        ir.continueAt(entry)
        for index in inputs.indices { loadInput(index) }
        if instance == nil && module.isLinked { window = ir.load(ir.pointer, ir.slot(framesSlot)) }
        frame = (0..<chunk.registers).map { $0 < chunk.parameters ? parameter($0) : .nil }
        frame += written.map(slot(ofInput:))
        let arguments = frame
        let first = edge(to: 0, frame)
        while let version = work.popLast() {
            guard exits.count < 4096, versions.count < 8192 else {
                throw Reason("the function has too many combinations of types; give each variable one type")
            }
            emit(version)
        }
        for region in regions { choose(region.unchecked, region.fast, region.slow) }
        ir.continueAt(entry)
        if instance == nil {
            ir.jump(first)
        } else {
            ir.branchLikely(hasRoom(), first, exit(.resume, 0, arguments))
        }
    }

    private func parameter(_ number: Int) -> Slot {
        guard let instance else { return slot(ofInput: number) }
        let types = instance.key.types
        let place = types[..<number].lazy.filter(\.hasValue).count
        return Slot(type: types[number], value: types[number].hasValue ? ir.argument(place) : nil)
    }

    /// Emits code before all other code.
    func atEntry<T>(_ body: () -> T) -> T { ir.at(entry, body) }

    private func loadInput(_ index: Int) {
        let place = index * Generator.slotsPerInput
        switch inputs[index].kind {
        case .float: loaded.append((ir.load(ir.double, ir.slot(place)), ir.integer(0), ir.integer(0)))
        case .integer: loaded.append((ir.load(ir.i64, ir.slot(place)), ir.integer(0), ir.integer(0)))
        case .buffer, .view, .records:
            let size =
                inputs[index].layout.map { module.group.layouts[$0].size } ?? inputs[index].element.size
            let stride =
                inputs[index].isPacked ? ir.integer(Int64(size)) : ir.load(ir.i64, ir.slot(place + 2))
            loaded.append(
                (ir.load(ir.pointer, ir.slot(place)), ir.load(ir.i64, ir.slot(place + 1)), stride))
        default: loaded.append((ir.integer(0), ir.integer(0), ir.integer(0)))
        }
    }

    func slot(ofInput index: Int) -> Slot {
        switch inputs[index].type {
        case .integer?, .float?: Slot(type: inputs[index].type ?? .nil, value: loaded[index].value)
        case let type?: .constant(type)
        case nil: .constant(.input(index))
        }
    }

    private func emit(_ version: Version) {
        ir.continueAt(version.block)
        (pc, frame, region) = (version.pc, version.frame, version.region)
        (callStarts, open) = ([:], nil)
        var next = step()
        while let target = next {
            if flow.isLeader[target] {
                ir.jump(edge(to: target, frame))
                return
            }
            pc = target
            next = step()
        }
    }

    // Versions

    /// The block of the code at `pc` for these types, to which the block at hand is about to jump.
    /// `kept` are registers whose types must stay.
    func edge(to pc: Int, _ given: Frame, into entered: Region? = nil, keeping kept: [Int] = []) -> Block {
        let region = entered ?? self.region.flatMap { $0.loop.body.contains(pc) ? $0 : nil }
        let live = flow.live[pc]
        var frame = given
        for register in 0..<chunk.registers where !live.contains(register) { frame[register] = .nil }
        let place = Version.Place(pc: pc, region: region.map(ObjectIdentifier.init))
        func key() -> Version.Key {
            Version.Key(pc: pc, region: place.region, types: frame.map(\.type))
        }
        if versions[key()] == nil, counts[place, default: 0] >= Version.manyEnough {
            frame = frame.map(withoutTruth)
        }
        let many = instance == nil && versions.count > Version.crowd ? 1 : Version.many
        if versions[key()] == nil, counts[place, default: 0] >= many {
            // The frames of functions that are called have no room for tags.
            guard instance == nil else {
                return exit(
                    .unknown(
                        "variables have more than \(many) combinations of types here; give each one type"),
                    pc, given)
            }
            for (place, slot) in frame.enumerated() where canBeAny(place, at: pc) && !kept.contains(place) {
                frame[place] = any(slot) ?? slot
            }
        }
        if versions[key()] == nil {
            versions[key()] = add(pc, region, frame)
            counts[place, default: 0] += 1
        }
        guard let version = versions[key()] else { return ir.block() }
        for phi in version.phis {
            if let value = frame[phi.place].value { ir.addIncoming(phi.value, value, from: ir.here) }
            if let own = phi.tag, let tag = frame[phi.place].tag { ir.addIncoming(own, tag, from: ir.here) }
        }
        return version.block
    }

    /// Not the registers of loops, nor those that never change.
    private func canBeAny(_ place: Int, at pc: Int) -> Bool {
        guard place < chunk.registers else { return true }
        return flow.live[pc].contains(place) && flow.written.contains(place)
            && !flow.loopRegisters[pc].contains(place)
    }

    private func add(_ pc: Int, _ region: Region?, _ frame: Frame) -> Version {
        let block = ir.block("pc\(pc)")
        var phis: [Version.Phi] = []
        var own = frame
        ir.at(block) {
            for (place, slot) in frame.enumerated() where slot.type.hasValue {
                if place < chunk.registers {
                    if !flow.written.contains(place) { continue }
                    if let region {
                        if region.isFixed(place, slot) { continue }
                        // Where the loop is left, the index itself may not be there.
                        let hasIndex = region.showsIndex && frame[region.register].type.hasValue
                        if hasIndex, place == region.register + 3 { continue }
                    }
                }
                let phi = ir.phi(ir.type(of: slot.type))
                let tag = slot.type == .any ? ir.phi(ir.i8) : nil
                phis.append((place, phi, tag))
                own[place] = Slot(type: slot.type, value: phi, tag: tag)
            }
        }
        if let region, region.showsIndex, let index = own[region.register].value {
            region.forms[index] = Region.Form(hasIndex: true, terms: [], constant: 0)
            if own[region.register + 3].type.hasValue { own[region.register + 3] = own[region.register] }
        }
        let version = Version(pc, block, region, own, phis)
        work.append(version)
        return version
    }

    // Exits

    /// Words of the function's own part of the frames: the number of an exit, and a register each.
    var extent: Int { instance == nil ? 0 : chunk.registers + 1 }

    /// Whether there is memory for the frame, and for that of the machine.
    private func hasRoom() -> Value {
        return ir.and(
            ir.compare(LLVMIntULE, ir.number(word(extent)), ir.load(ir.i64, ir.slot(framesSlot + 1))),
            ir.compare(LLVMIntUGE, ir.stackPlace(), ir.load(ir.i64, ir.slot(framesSlot + 2))))
    }

    /// A block that leaves the machine code, with the registers as they are before `pc`.
    func exit(_ kind: Exit.Kind, _ pc: Int, _ frame: Frame) -> Block {
        var items: [(Slot, Int)] = []
        for register in flow.live[pc] where register < chunk.registers {
            items.append((frame[register], register))
        }
        return exit(kind, pc, items, frame)
    }

    func exit(
        _ kind: Exit.Kind, _ pc: Int, _ values: [(Slot, Int)], _ frame: Frame, called: Int = -1
    ) -> Block {
        var items: [Exit.Item] = []
        let block = ir.block("exit")
        ir.at(block) {
            let upvalues = written.enumerated().map { (frame[chunk.registers + $0], -1 - $1) }
            var next = instance == nil ? firstExitSlot : 1
            for (slot, place) in values + upvalues {
                items.append(Exit.Item(type: slot.type, place: place, slot: next))
                func store(_ value: Value) {
                    ir.store(value, instance == nil ? ir.slot(next) : word(next))
                    next += 1
                }
                if let value = slot.value { store(word(value, slot.type)) } else { next += 1 }
                if let tag = slot.tag { store(ir.extend(tag, ir.i64, signed: false)) }
            }
            if instance == nil && module.isLinked { items += memoryUpvalues }
            let number = ir.integer(Int64(exits.count))
            if instance == nil {
                ir.give(number)
            } else {
                ir.store(number, window)
                ir.give(ir.integer(-1), ir.integer(0))
            }
        }
        module.exits.append(
            Exit(kind: kind, member: member, pc: pc, items: items, extent: extent, called: called))
        return block
    }

    func word(_ number: Int) -> Value { ir.address(window, ir.integer(Int64(8 * number))) }
    func word(_ value: Value, _ type: ValueType) -> Value {
        switch type {
        case .boolean: ir.extend(value, ir.i64, signed: false)
        case .float: ir.cast(value, ir.i64)
        default: value
        }
    }

    /// Upvalues that are written and in memory, in the slots of their inputs.
    private var memoryUpvalues: [Exit.Item] {
        module.group.sources.enumerated().compactMap { source, description in
            guard description.isWritten, module.group.canonical(source) == source,
                case .upvalue = description.place, let type = inputs[source].type, type.hasValue
            else { return nil }
            return Exit.Item(type: type, place: -1 - source, slot: source * Generator.slotsPerInput)
        }
    }

    /// Goes on if the condition holds; else the interpreter continues, before the instruction at hand.
    func require(_ condition: Value) {
        if let known = ir.constantInteger(condition), known != 0 { return }
        let next = ir.block()
        ir.branchLikely(condition, next, exit(.resume))
        ir.continueAt(next)
    }

    /// A block that leaves at the instruction at hand.
    func exit(_ kind: Exit.Kind) -> Block {
        let i = chunk.code[pc]
        let isCall = i.opcode == .call || i.opcode == .tailcall
        if isCall, let start = callStarts[i.a] { return exit(kind, start.pc, start.frame) }
        let isOpen = isCall || i.opcode == .return_ || i.opcode == .setlist
        guard isOpen, i.b == 0, let open else { return exit(kind, pc, frame) }
        let results = open.results.enumerated().map { ($1, Exit.firstGiven + $0) }
        let called = (Slot.nil, chunk.code[open.pc].a)
        return exit(
            kind, open.pc, around(open.pc, open.frame) + [called] + results, frame, called: called.1)
    }

    /// Ends the code here: the interpreter continues.
    func leave(_ reason: String) -> Int? {
        ir.jump(exit(.unknown(reason)))
        return nil
    }
    func leaveForError() -> Int? {
        ir.jump(exit(.resume))
        return nil
    }

    /// Records a change that the interpreter must not make again.
    func changed() {
        callStarts = [:]
        open = nil
    }
}
