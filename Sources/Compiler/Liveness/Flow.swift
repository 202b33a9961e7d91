/// The flow of control of a function, and which registers are still needed where.
struct Flow {
    /// Before each instruction: the registers that the instruction or later ones read.
    let live: [RegisterSet]
    /// Whether more than one way leads to an instruction.
    let isLeader: [Bool]
    let hasLoop: Bool
    /// Registers that some instruction writes.
    let written: RegisterSet
    /// By instruction: the registers of the loops around it.
    let loopRegisters: [RegisterSet]
    /// The loops that contain no other, by their FORPREP.
    let innermost: [Int: Loop]

    struct Loop {
        /// The instructions of the body, with the FORLOOP.
        let body: ClosedRange<Int>
        /// Registers that the body writes; of the loop's own at most the variable.
        let written: RegisterSet
    }

    init(_ chunk: Chunk) {
        let effects = chunk.code.indices.map { Effect(chunk, $0) }
        live = Flow.liveness(effects)
        var ways = [Int](repeating: 0, count: effects.count)
        ways[0] = 1
        for (pc, effect) in effects.enumerated() {
            // They are reached in the interpreter only.
            if [.mmbin, .mmbini, .mmbink].contains(chunk.code[pc].opcode) { continue }
            for next in effect.next { ways[next] += 1 }
        }
        isLeader = ways.map { $0 > 1 }
        hasLoop = effects.enumerated().contains { pc, effect in effect.next.contains { $0 <= pc } }
        var written = RegisterSet()
        for effect in effects { written.formUnion(effect.definitions) }
        self.written = written
        innermost = Flow.loops(chunk, effects)
        var loopRegisters = [RegisterSet](repeating: RegisterSet(), count: effects.count)
        for (pc, i) in chunk.code.enumerated() where i.opcode == .forprep {
            for at in pc + 1..<min(pc + 2 + i.bx, effects.count) {
                loopRegisters[at].formUnion(RegisterSet(i.a..<i.a + 4))
            }
        }
        self.loopRegisters = loopRegisters
    }

    private static func liveness(_ effects: [Effect]) -> [RegisterSet] {
        var live = [RegisterSet](repeating: RegisterSet(), count: effects.count)
        var before = [[Int]](repeating: [], count: effects.count)
        for (pc, effect) in effects.enumerated() { for next in effect.next { before[next].append(pc) } }
        var work = Array(effects.indices)
        var isWaiting = [Bool](repeating: true, count: effects.count)
        while let pc = work.popLast() {
            isWaiting[pc] = false
            var set = RegisterSet()
            for next in effects[pc].next { set.formUnion(live[next]) }
            if !effects[pc].mayKeep { set.subtract(effects[pc].definitions) }
            set.formUnion(effects[pc].uses)
            guard set != live[pc] else { continue }
            live[pc] = set
            for earlier in before[pc] where !isWaiting[earlier] {
                isWaiting[earlier] = true
                work.append(earlier)
            }
        }
        return live
    }

    private static func loops(_ chunk: Chunk, _ effects: [Effect]) -> [Int: Loop] {
        var loops: [Int: Loop] = [:]
        for (pc, i) in chunk.code.enumerated() where i.opcode == .forprep {
            let end = pc + 1 + i.bx
            let inside = pc + 1..<end
            if inside.contains(where: { at in effects[at].next.contains { $0 <= at } }) { continue }
            var written = RegisterSet()
            for at in inside { written.formUnion(effects[at].definitions) }
            loops[pc] = Loop(body: pc + 1...end, written: written)
        }
        return loops
    }
}
