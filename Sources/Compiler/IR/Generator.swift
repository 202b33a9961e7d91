internal import CLLVM

/// Makes LLVM's code of a function, for inputs of known types.
///
/// Code exists once for each instruction where ways meet and each combination of types there (basic block versioning).
/// So types need no fixed point: `local s = 0; for … do s = s + v[i] end` has a first iteration with an integer, which
/// leads into a loop with a float.
final class Generator {
    let chunk: Chunk
    let flow: Flow
    let sources: Sources
    let inputs: [Input]
    let ir = Emitter()
    /// The sources of the written upvalues, which are in the frame after the registers.
    let written: [Int]

    private let entry: Block
    /// Of each input: its number, or of memory the address, the count, and the stride.
    private(set) var loaded: [(value: Value, count: Value, stride: Value)] = []
    private var versions: [Version.Key: Version] = [:]
    private var counts: [Version.Place: Int] = [:]
    private var work: [Version] = []
    var regions: [(unchecked: Region, fast: Block, slow: Block)] = []
    private(set) var exits: [Exit] = []

    // The place of the code that is being made.
    var pc = 0
    var frame: Frame = []
    var region: Region?
    /// By register: where the interpreter continues if the call of the function in it cannot be compiled: where the
    /// function was fetched, so that messages have its name.
    var callStarts: [Int: (pc: Int, frame: Frame)] = [:]
    /// After a call with an open number of results, of which there is one: the register after it, and where the
    /// interpreter continues.
    var open: (top: Int, pc: Int, frame: Frame)?

    init(_ chunk: Chunk, _ flow: Flow, _ sources: Sources, _ inputs: [Input]) {
        self.chunk = chunk
        self.flow = flow
        self.sources = sources
        self.inputs = inputs
        written = sources.list.indices.filter { sources.list[$0].isWritten }
        entry = ir.block("entry")
    }

    static let slotsPerInput = 3
    var lineSlot: Int { inputs.count * Generator.slotsPerInput }
    var firstExitSlot: Int { lineSlot + 1 }
    var slotCount: Int { firstExitSlot + (exits.map(\.items.count).max() ?? 0) }

    func generate() throws(Reason) {
        ir.continueAt(entry)
        for index in inputs.indices { loadInput(index) }
        frame = (0..<chunk.registers).map { $0 < chunk.parameters ? slot(ofInput: $0) : .nil }
        frame += written.map(slot(ofInput:))
        let first = edge(to: 0, frame)
        while let version = work.popLast() {
            guard exits.count < 4096, versions.count < 8192 else {
                throw Reason("the function has too many combinations of types; give each variable one type")
            }
            emit(version)
        }
        for region in regions { choose(region.unchecked, region.fast, region.slow) }
        ir.continueAt(entry)
        ir.jump(first)
    }

    /// Emits code before all other code.
    func atEntry<T>(_ body: () -> T) -> T { ir.at(entry, body) }

    private func loadInput(_ index: Int) {
        let place = index * Generator.slotsPerInput
        switch inputs[index].kind {
        case .float: loaded.append((ir.load(ir.double, ir.slot(place)), ir.integer(0), ir.integer(0)))
        case .integer: loaded.append((ir.load(ir.i64, ir.slot(place)), ir.integer(0), ir.integer(0)))
        case .buffer, .view:
            let stride =
                inputs[index].isPacked
                ? ir.integer(Int64(inputs[index].element.size)) : ir.load(ir.i64, ir.slot(place + 2))
            loaded.append((ir.load(ir.pointer, ir.slot(place)), ir.load(ir.i64, ir.slot(place + 1)), stride))
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
    func edge(to pc: Int, _ given: Frame, into entered: Region? = nil) -> Block {
        let region = entered ?? self.region.flatMap { $0.loop.body.contains(pc) ? $0 : nil }
        let live = flow.live[pc]
        var frame = given
        for register in 0..<chunk.registers where !live.contains(register) { frame[register] = .nil }
        let place = Version.Place(pc: pc, region: region.map(ObjectIdentifier.init))
        func key() -> Version.Key {
            Version.Key(pc: pc, region: place.region, types: frame.map(\.type))
        }
        if versions[key()] == nil, counts[place, default: 0] >= Version.manyEnough {
            frame = frame.map { slot in
                slot.type == .true || slot.type == .false ? .boolean(ir.bool(slot.type == .true)) : slot
            }
        }
        if versions[key()] == nil {
            guard counts[place, default: 0] < Version.most else {
                return exit(
                    .unknown(
                        "variables have more than \(Version.most) combinations of types here; give each one type"
                    ),
                    pc, given)
            }
            versions[key()] = add(pc, region, frame)
            counts[place, default: 0] += 1
        }
        guard let version = versions[key()] else { return ir.block() }
        for (place, phi) in version.phis {
            if let value = frame[place].value { ir.addIncoming(phi, value, from: ir.here) }
        }
        return version.block
    }

    private func add(_ pc: Int, _ region: Region?, _ frame: Frame) -> Version {
        let block = ir.block("pc\(pc)")
        var phis: [(place: Int, phi: Value)] = []
        var own = frame
        ir.at(block) {
            for (place, slot) in frame.enumerated() where slot.type.hasValue {
                if place < chunk.registers {
                    if !flow.written.contains(place) { continue }
                    if let region {
                        if region.isFixed(place) { continue }
                        if region.showsIndex, place == region.register + 3 { continue }
                    }
                }
                let type = slot.type == .integer ? ir.i64 : slot.type == .float ? ir.double : ir.bit
                let phi = ir.phi(type)
                phis.append((place, phi))
                own[place] = Slot(type: slot.type, value: phi)
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

    /// A block that leaves the machine code, with the registers as they are before `pc`.
    func exit(_ kind: Exit.Kind, _ pc: Int, _ frame: Frame) -> Block {
        var items: [(Slot, Int)] = []
        for register in flow.live[pc] where register < chunk.registers {
            items.append((frame[register], register))
        }
        return exit(kind, pc, items, frame)
    }

    func exit(_ kind: Exit.Kind, _ pc: Int, _ values: [(Slot, Int)], _ frame: Frame) -> Block {
        var items: [Exit.Item] = []
        let block = ir.block("exit")
        ir.at(block) {
            let upvalues = written.enumerated().map { (frame[chunk.registers + $0], -1 - $1) }
            for (number, (slot, place)) in (values + upvalues).enumerated() {
                items.append(Exit.Item(type: slot.type, place: place, slot: firstExitSlot + number))
                guard let value = slot.value else { continue }
                let stored = slot.type == .boolean ? ir.extend(value, ir.i64, signed: false) : value
                ir.store(stored, ir.slot(firstExitSlot + number))
            }
            ir.give(ir.integer(Int64(exits.count)))
        }
        exits.append(Exit(kind: kind, pc: pc, items: items))
        return block
    }

    /// Goes on if the condition holds; else the interpreter continues, before the instruction at hand.
    func require(_ condition: Value) {
        if let known = ir.constantInteger(condition), known != 0 { return }
        let next = ir.block()
        ir.branchLikely(condition, next, exit(.resume, resumePlace.pc, resumePlace.frame))
        ir.continueAt(next)
    }

    /// Where the interpreter continues for the instruction at hand.
    var resumePlace: (pc: Int, frame: Frame) {
        switch chunk.code[pc].opcode {
        case .call?, .tailcall?:
            if let start = callStarts[chunk.code[pc].a] { return start }
            fallthrough
        case .return_?:
            if chunk.code[pc].b == 0, let open { return (open.pc, open.frame) }
            return (pc, frame)
        default: return (pc, frame)
        }
    }

    /// Ends the code here: the interpreter continues.
    func leave(_ reason: String) -> Int? {
        ir.jump(exit(.unknown(reason), resumePlace.pc, resumePlace.frame))
        return nil
    }
    func leaveForError() -> Int? {
        ir.jump(exit(.resume, resumePlace.pc, resumePlace.frame))
        return nil
    }

    /// Records a change that the interpreter must not make again.
    func changed() {
        callStarts = [:]
        open = nil
    }
}
