import CCompiler
import Testing

@testable import Compiler

/// What the tables of these tests may have, and have.
nonisolated(unsafe) private var limit = Int.max
nonisolated(unsafe) private var used = 0
nonisolated(unsafe) private var depth = 0

nonisolated(unsafe) private let memory: UnsafeMutablePointer<mc_memory> = {
    let memory = UnsafeMutablePointer<mc_memory>.allocate(capacity: 1)
    memory.initialize(
        to: mc_memory(
            take: { bytes in
                guard depth == 1, bytes <= limit - used else { return false }
                used += bytes
                return true
            },
            give: { used -= $0 }, hold: { depth += 1 }, release: { depth -= 1 }))
    return memory
}()

extension CompilerSuites {
    /// Tables of machine code: their memory, and the code that uses them.
    @Suite struct TableTests {
        private func make(
            _ all: inout mc_tables, _ roots: [UnsafeMutablePointer<mc_table>] = [], size: Int = 0
        )
            -> UnsafeMutablePointer<mc_table>?
        {
            let addresses = roots.map { UInt64(UInt(bitPattern: $0)) } + [0]
            return mc_table_new(&all, addresses, UInt64(roots.count), UInt64(size))
        }

        @Test func tablesGrowAndAreFreed() throws {
            (limit, used) = (.max, 0)
            var all = mc_tables(memory: memory, first: nil, bytes: 0, limit: 0)
            let table = try #require(make(&all))
            #expect(table.pointee.capacity == 0)
            for key in [0, 1, 7, 8, 100, 1000, 1 << 24] as [UInt64] {
                #expect(mc_table_grow(&all, table, key))
                #expect(table.pointee.capacity > key)
                let tags = try #require(table.pointee.tags)
                for place in 0..<Int(table.pointee.capacity) where tags[place] != 0 {
                    Issue.record("key \(key): \(place) has a value")
                }
            }
            #expect(!mc_table_grow(&all, table, 1 << 24 + 1))
            #expect(used == all.bytes && used >= 9 << 24)
            mc_tables_free(&all)
            #expect(used == 0 && all.bytes == 0 && depth == 0)
        }

        @Test func tablesThatAreNotNeededAreFreed() throws {
            (limit, used) = (.max, 0)
            var all = mc_tables(memory: memory, first: nil, bytes: 0, limit: 0)
            let kept = try #require(make(&all, size: 1000))
            var most = 0
            for _ in 0..<200 {
                let table = try #require(make(&all, [kept], size: 20_000))
                kept.pointee.tags?[5] = 3
                table.pointee.tags?[20_000] = 3
                most = max(most, used)
            }
            #expect(kept.pointee.tags?[5] == 3)
            #expect(most < 3_000_000 && most > 1_000_000)
            mc_tables_free(&all)
            #expect(used == 0)
        }

        @Test func everyLimitOfMemory() throws {
            for bytes in stride(from: 0, to: 6000, by: 7) {
                (limit, used) = (bytes, 0)
                var all = mc_tables(memory: memory, first: nil, bytes: 0, limit: 0)
                if let table = make(&all, size: 3) {
                    var key: UInt64 = 0
                    while mc_table_grow(&all, table, key) { key += 1 }
                    #expect(table.pointee.capacity == key)
                    // No more was refused than an eighth.
                    #expect(limit - used < 9 * (Int(key) / 8 + 1), "\(bytes)")
                }
                #expect(used <= bytes && used == all.bytes)
                mc_tables_free(&all)
                #expect(used == 0)
            }
        }

        /// Against the definition, for all tables of eight places after all histories of two states.
        @Test func lengthsAreBorders() throws {
            (limit, used) = (.max, 0)
            var all = mc_tables(memory: memory, first: nil, bytes: 0, limit: 0)
            let table = try #require(make(&all))
            #expect(mc_table_length(table) == 0)
            #expect(mc_table_grow(&all, table, 7))
            #expect(table.pointee.capacity == 8)
            let tags = try #require(table.pointee.tags)
            for before in 0..<256 {
                for now in 0..<256 {
                    for state in [before, now] {
                        for key in 0..<8 { tags[key] = state >> key & 1 == 1 ? 3 : 0 }
                        let border = Int(mc_table_length(table))
                        let isBorder =
                            (border == 0 || tags[border] != 0) && (border == 7 || tags[border + 1] == 0)
                        if border > 7 || !isBorder { Issue.record("\(before) \(now): \(border)") }
                    }
                }
            }
            mc_tables_free(&all)
        }

        private func run(_ source: String, _ inputs: [Int64], _ body: (Exit, [UInt64]) throws -> Void) throws
        {
            let function = try LuaFunction(bytecode(source))
            #expect(Group(function).makesTables)
            let compiled = try function.compile(inputs.map { _ in Input(kind: .integer) })
            var slots = [UInt64](repeating: 0, count: compiled.slotCount)
            for (index, input) in inputs.enumerated() { slots[index * 3] = UInt64(bitPattern: input) }
            var all = mc_tables(memory: memory, first: nil, bytes: 0, limit: 0)
            try withUnsafeMutablePointer(to: &all) { all in
                defer { mc_tables_free(all) }
                slots[compiled.tablesSlot] = UInt64(UInt(bitPattern: all))
                let exit = compiled.exits[Int(compiled.code.run(&slots))]
                try body(exit, slots)
            }
            #expect(used == 0 && depth == 0)
        }

        @Test func codeMakesTables() throws {
            (limit, used) = (.max, 0)
            let source = """
                return function(n) local t = {} for i = 1, n do t[#t + 1] = i * 0.5 t[0] = (t[0] or 0) + 1 end
                  return t, t[0], t[n + 1], t, #t, t[n] end
                """
            try run(source, [100]) { exit, slots in
                #expect(exit.kind == .results(6))
                let items = exit.items
                #expect(items.map(\.type) == [.table, .any, .any, .table, .integer, .any])
                #expect(slots[items[0].slot] == slots[items[3].slot])
                #expect(slots[items[1].slot] == 100 && slots[items[1].slot + 1] == 3)
                #expect(slots[items[2].slot + 1] == 0)
                #expect(slots[items[4].slot] == 100)
                #expect(slots[items[5].slot] == (50.0).bitPattern && slots[items[5].slot + 1] == 4)
                let table = UnsafePointer<mc_table>(bitPattern: UInt(slots[items[0].slot]))
                #expect(table?.pointee.values?[99] == (49.5).bitPattern)
            }
        }

        /// Without memory the interpreter continues where the memory was needed.
        @Test func codeLeavesWithoutMemory() throws {
            (limit, used) = (.max, 0)
            let source = "return function(n) local t = {}\nfor i = 1, n do\nt[i] = i\nend\nreturn t end"
            limit = 500
            try run(source, [100]) { exit, slots in
                #expect(exit.kind == .resume)
                let table = try #require(exit.items.first { $0.type == .table })
                let pointer = try #require(UnsafePointer<mc_table>(bitPattern: UInt(slots[table.slot])))
                let count = Int(pointer.pointee.capacity)
                #expect(count > 8 && count < 60)
                #expect(pointer.pointee.values?[count - 1] == UInt64(count - 1))
            }
            limit = 0
            try run(source, [100]) { exit, _ in #expect(exit.kind == .resume && exit.pc == 0) }
            limit = .max
            try run("return function(n) local t = {} t[n] = 1 return t end", [-1]) { exit, _ in
                #expect(exit.kind == .unknown("a key of a table is below 0 or above 16777216"))
            }
        }

        /// With more combinations of types than versions, variables get a type that only the run tells.
        @Test func manyCombinationsOfTypes() throws {
            (limit, used) = (.max, 0)
            let source = """
                return function(n) local t = { 1 } local a, b, c, d = 0, 0, 0, nil
                  for i = 1, n do
                    if i == 3 then a = 0.5 elseif i == 5 then b = 1.5 elseif i == 7 then c = nil elseif i == 9 then d = true end
                    if i > 20 then c = i end
                  end
                  return a, b, c, d end
                """
            for (n, c) in [(10, MC_NIL), (30, MC_INTEGER)] {
                try run(source, [Int64(n)]) { exit, slots in
                    #expect(exit.kind == .results(4))
                    func kind(_ item: Exit.Item) -> UInt64 {
                        switch item.type {
                        case .any: slots[item.slot + 1]
                        case .nil: UInt64(MC_NIL)
                        case .true: UInt64(MC_TRUE)
                        case .integer: UInt64(MC_INTEGER)
                        case .float: UInt64(MC_FLOAT)
                        default: 99
                        }
                    }
                    #expect(
                        exit.items.map(kind) == [
                            UInt64(MC_FLOAT), UInt64(MC_FLOAT), UInt64(c), UInt64(MC_TRUE),
                        ])
                    #expect(exit.items.contains { $0.type == .any })
                }
            }
        }
    }
}
