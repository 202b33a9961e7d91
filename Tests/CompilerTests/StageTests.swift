import Testing

@testable import Compiler

extension CompilerSuites {
    /// The stages of the compiler, one by one.
    @Suite struct StageTests {
        init() { Optimizer.verifies = true }

        private static let kinds: [Input.Kind] = [.integer, .float, .nil, .true, .buffer, .view, .other]

        private func input(_ kind: Input.Kind) -> Input {
            Input(kind: kind, element: Element(code: kind == .view ? 9 : 0), isWritable: true, isPacked: true)
        }

        @Test func decodesCodeConstantsAndLines() throws {
            let chunk = try Chunk(
                bytecode("return function(x)\n\nlocal y = x + 300\nreturn y, 'text', 2.5\nend"))
            #expect(chunk.parameters == 1)
            #expect(chunk.constants == [.integer(300), .string(Array("text".utf8)), .float(2.5)])
            #expect(chunk.code.first?.opcode == .addk)
            #expect(Set(chunk.lines) == [3, 4, 5])
        }

        @Test func knowsWhatIsLive() throws {
            let flow = Flow(try Chunk(bytecode("return function(a, b, c) local d = a + b return d end")))
            #expect(Array(flow.live[0]) == [0, 1])
            #expect(!flow.written.contains(0) && flow.written.contains(3))
        }

        @Test func findsInnermostLoops() throws {
            let source = "return function(n) for i = 1, n do for j = 1, i do n = n + j end end return n end"
            let flow = Flow(try Chunk(bytecode(source)))
            #expect(flow.innermost.count == 1)
            let loop = try #require(flow.innermost.values.first)
            #expect(loop.written.contains(0) && !loop.written.contains(4))
        }

        @Test func findsTheInputs() throws {
            let source = "local k = 1 return function(x) k = k + math.pi return math.max(x, k) end"
            let function = try LuaFunction(bytecode(source))
            let places = function.sources.list.map(\.place)
            #expect(places.first == .parameter(0))
            // x; k; _ENV.math with _ENV; math.pi and math.max.
            #expect(places.count == 6)
            #expect(function.sources.list.filter(\.isWritten).count == 1)
        }

        /// An access of a loop's index is checked once, before the loop.
        @Test func checksAreBeforeTheLoop() throws {
            let function = try LuaFunction(
                bytecode("return function(v, o, n) for i = 0, n do v[o + i - 1] = v[i + 2] end end"))
            let inputs = [input(.view), input(.integer), input(.integer)]
            let generator = Generator(function.chunk, function.flow, function.sources, inputs)
            try generator.generate()
            #expect(generator.regions.count == 1)
            #expect(generator.regions.first?.unchecked.conditions.count == 2)
        }

        @Test func codeRuns() throws {
            let function = try LuaFunction(
                bytecode(
                    "return function(n) local s = 0 for i = 1, n do s = s + i * i end return s, n > 3 end"))
            let compiled = try function.compile([input(.integer)])
            var slots = [UInt64](repeating: 0, count: compiled.slotCount)
            slots[0] = 10
            let exit = compiled.exits[Int(compiled.code.run(&slots))]
            #expect(exit.kind == .results(2))
            #expect(slots[exit.items[0].slot] == 385)
        }

        /// All functions, for all kinds of inputs, pass LLVM's verifier.
        @Test func everyCombinationOfInputs() throws {
            for sample in samples {
                let function = try LuaFunction(bytecode(sample))
                for kind in Self.kinds {
                    for other in Self.kinds {
                        var inputs = function.sources.list.map { _ in input(other) }
                        inputs[0] = input(kind)
                        do throws(Reason) { _ = try function.compile(inputs) } catch {
                            #expect(!error.text.contains("verifier"), "\(error.text)")
                        }
                    }
                }
            }
        }

        /// Each opcode is compiled, or has a reason of its own.
        @Test func everyOpcodeIsCompiledOrHasAReason() {
            let neither: Set<Opcode> = [
                // They follow another instruction, which answers for them.
                .mmbin, .mmbini, .mmbink, .extraarg,
            ]
            let reasons: Set<Opcode> = [
                .settabup, .concat, .closure, .vararg, .varargprep, .tforprep,
                .tforcall,
                .tforloop, .close, .tbc,
            ]
            for opcode in Opcode.allCases where !neither.contains(opcode) {
                #expect(
                    (Generator.reason(opcode) != "this is not compiled") == reasons.contains(opcode),
                    "\(opcode)")
            }
            #expect(Opcode.allCases.count == 83)
        }
    }

    /// Bytecode that was changed: a reason, never a crash.
    @Suite struct HostileTests {
        private func attempt(_ bytes: [UInt8], compiles: Bool) {
            do throws(Reason) {
                let function = try LuaFunction(bytes)
                let kinds: [Input.Kind] = [
                    .buffer, .view, .integer, .float, .other, .compiled(0), .records(0),
                ]
                for turn in 0..<(compiles ? 4 : 1) {
                    let inputs = function.sources.list.indices.map {
                        Input(
                            kind: kinds[($0 + turn) % kinds.count], element: Element(code: 0),
                            isWritable: true,
                            isPacked: true)
                    }
                    var group = Group(function)
                    group.layouts.append(
                        Layout(
                            size: 9,
                            fields: [Array("x".utf8): Layout.Field(offset: 1, element: Element(code: 3))]
                        ))
                    let generator = try group.generated(inputs)
                    try Optimizer.check(generator.ir)
                    for exit in generator.exits.prefix(3) {
                        _ = function.chunk.resumed(at: exit.pc, registers: 3)
                    }
                }
            } catch {
                #expect(!error.text.contains("verifier"), "\(error.text)")
            }
        }

        @Test(arguments: samples.indices) func everyByteChanged(_ sample: Int) {
            let bytes = bytecode(samples[sample])
            #expect(bytes.count > 100)
            for position in stride(from: sample % 3, to: bytes.count, by: 3) {
                for value in [0, 1, 0x7f, 0x80, 0xff, bytes[position] ^ 1, bytes[position] ^ 0x40] as [UInt8]
                {
                    var changed = bytes
                    changed[position] = value
                    attempt(changed, compiles: false)
                }
            }
        }

        @Test(arguments: samples.indices) func everyLength(_ sample: Int) {
            let bytes = bytecode(samples[sample])
            for count in bytes.indices { attempt(Array(bytes[..<count]), compiles: false) }
            attempt(bytes + [0], compiles: false)
        }

        /// Instructions in any order and with any operands, which pass the checks more often than changed bytes.
        @Test func randomInstructions() {
            var seed: UInt64 = 1
            func random(_ limit: Int) -> Int {
                seed = seed &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                return Int(seed >> 33) % limit
            }
            for sample in samples {
                let bytes = bytecode(sample)
                guard let chunk = try? Chunk(bytes) else { continue }
                for _ in 0..<2000 {
                    var changed = bytes
                    for _ in 0...random(3) {
                        let place =
                            chunk.parts.code.upperBound - 4 * chunk.code.count + 4 * random(chunk.code.count)
                        let other =
                            chunk.parts.code.upperBound - 4 * chunk.code.count + 4 * random(chunk.code.count)
                        switch random(3) {
                        case 0: for byte in 0..<4 { changed[place + byte] = bytes[other + byte] }
                        case 1: changed[place] = changed[place] & 0x80 | UInt8(random(83))
                        default: changed[place + 1 + random(3)] = UInt8(random(12))
                        }
                    }
                    attempt(changed, compiles: true)
                }
            }
        }
    }
}
