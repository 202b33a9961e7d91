public import CCompiler
internal import Glibc

// What the plug-in exports: mc_compile.h.

/// A function and those that it calls, with their sources as C sees them. Lives until it is closed.
private final class Handle {
    private(set) var group: Group
    private(set) var sources: UnsafeMutablePointer<mc_source>
    /// The strings among the constants.
    private(set) var strings: [UnsafeMutableBufferPointer<CChar>?] = []

    init(_ function: LuaFunction) {
        group = Group(function)
        sources = .allocate(capacity: 1)
        describe()
    }

    func link(_ function: LuaFunction) throws(Reason) {
        try group.add(function)
        describe()
    }

    func addLayout(_ size: Int) -> Int {
        group.layouts.append(Layout(size: size))
        return group.layouts.count - 1
    }
    func addField(_ name: [UInt8], _ offset: Int, _ element: Element) {
        guard let last = group.layouts.indices.last, element.isValid, offset >= 0,
            offset <= group.layouts[last].size - element.size
        else { return }
        group.layouts[last].fields[name] = Layout.Field(offset: offset, element: element)
    }

    func unite(_ source: Int, _ earlier: Int) {
        group.unite(source, with: earlier)
        for (index, source) in group.sources.enumerated() {
            sources[index].is_written = source.isWritten
        }
    }

    private func describe() {
        strings += group.constants[strings.count...].map { constant in
            guard case .string(let bytes) = constant else { return nil }
            let text = UnsafeMutableBufferPointer<CChar>.allocate(capacity: bytes.count + 1)
            _ = text.initialize(from: bytes.map { CChar(bitPattern: $0) } + [0])
            return text
        }
        sources.deallocate()
        sources = .allocate(capacity: max(group.sources.count, 1))
        for (index, source) in group.sources.enumerated() {
            var result = mc_source()
            (result.parameter, result.parent) = (-1, -1)
            result.member = Int32(source.member)
            result.is_written = source.isWritten
            switch source.place {
            case .parameter(let number): result.parameter = Int32(number)
            case .upvalue(let number): result.upvalue = Int32(number + 1)
            case .field(let parent, let key):
                result.parent = Int32(parent)
                result.key = strings[key].flatMap { UnsafePointer($0.baseAddress) }
                result.key_length = (strings[key]?.count ?? 1) - 1
            }
            (sources + index).initialize(to: result)
        }
    }

    deinit {
        sources.deallocate()
        for text in strings { text?.deallocate() }
    }

    static func of(_ pointer: OpaquePointer) -> Handle {
        Unmanaged<Handle>.fromOpaque(UnsafeRawPointer(pointer)).takeUnretainedValue()
    }

    func inputs(_ given: UnsafePointer<mc_input>) throws(Reason) -> [Input] {
        var inputs: [Input] = []
        for index in group.sources.indices {
            let input = given[index]
            let kind: Input.Kind =
                switch Int(input.kind) {
                case MC_NIL: .nil
                case MC_FALSE: .false
                case MC_TRUE: .true
                case MC_INTEGER: .integer
                case MC_FLOAT: .float
                case MC_BUFFER: .buffer
                case MC_VIEW: .view
                case MC_FUNCTION: .function(Int(input.detail))
                case MC_ABSENT: .absent
                case MC_RECORDS where group.layouts.indices.contains(Int(input.detail)):
                    .records(Int(input.detail))
                case MC_COMPILED where group.members.indices.contains(Int(input.detail)):
                    .compiled(Int(input.detail))
                default: .other
                }
            let element = Element(code: Int(input.element))
            guard element.isValid else { throw Reason("an element has a type that is not known") }
            inputs.append(
                Input(
                    kind: kind, element: element, isWritable: Int(input.flags) & MC_WRITABLE != 0,
                    isPacked: Int(input.flags) & MC_PACKED != 0))
        }
        return inputs
    }
}

/// The machine code, with its exits as C sees them.
private final class CodeHandle {
    let function: CompiledFunction
    let code = UnsafeMutablePointer<mc_code>.allocate(capacity: 1)
    private let exits: UnsafeMutablePointer<mc_exit>
    private var values: [UnsafeMutablePointer<mc_value>] = []
    private var reasons: [UnsafeMutablePointer<CChar>] = []

    init(_ function: CompiledFunction, _ group: Group, seconds: Double) {
        self.function = function
        exits = .allocate(capacity: max(function.exits.count, 1))
        for (index, exit) in function.exits.enumerated() {
            (exits + index).initialize(to: describe(exit, group.members[exit.member].chunk))
        }
        code.initialize(
            to: mc_code(
                run: function.code.run, slot_count: function.slotCount,
                line_slot: function.lineSlot, tables_slot: function.tablesSlot, exits: UnsafePointer(exits),
                exit_count: function.exits.count,
                bytes: function.code.extent, length: function.code.count, may_be_long: function.mayBeLong,
                is_linked: function.isLinked,
                seconds: seconds,
                owner: Unmanaged.passUnretained(self).toOpaque()))
    }

    deinit {
        exits.deallocate()
        for list in values { list.deallocate() }
        for reason in reasons { free(reason) }
        code.deallocate()
    }

    private func describe(_ exit: Exit, _ chunk: Chunk) -> mc_exit {
        let list = UnsafeMutablePointer<mc_value>.allocate(capacity: max(exit.items.count, 1))
        values.append(list)
        for (index, item) in exit.items.enumerated() { (list + index).initialize(to: describe(item)) }
        var result = mc_exit(
            kind: Int32(MC_RESUME), pc: Int32(exit.pc), line: Int32(chunk.lines[exit.pc]),
            count: Int32(exit.items.count), results: 0,
            registers: Int32((exit.items.map(\.place).filter { $0 < Exit.firstGiven }.max() ?? -1) + 1),
            member: Int32(exit.member), extent: Int32(exit.extent), called: Int32(exit.called),
            given: Int32(exit.items.lazy.filter { $0.place >= Exit.firstGiven }.count),
            is_below: exit.kind == .call,
            values: UnsafePointer(list), reason: nil)
        switch exit.kind {
        case .results(let count):
            result.kind = Int32(MC_RETURN)
            result.results = Int32(count)
        case .resume, .call: break
        case .raise: result.kind = Int32(MC_RAISE)
        case .unknown(let reason):
            result.kind = Int32(MC_UNKNOWN)
            if let copy = strdup(reason) {
                reasons.append(copy)
                result.reason = UnsafePointer(copy)
            }
        }
        return result
    }

    private func describe(_ item: Exit.Item) -> mc_value {
        var value = mc_value()
        value.place = Int16(truncatingIfNeeded: item.place)
        value.slot = Int32(item.slot)
        let kind: Int
        switch item.type {
        case .nil: kind = MC_NIL
        case .false: kind = MC_FALSE
        case .true: kind = MC_TRUE
        case .boolean: kind = MC_BOOLEAN
        case .integer: kind = MC_INTEGER
        case .float: kind = MC_FLOAT
        case .any: kind = MC_ANY
        case .table: kind = MC_TABLE
        case .constant(let number): (kind, value.constant) = (MC_CONSTANT, Int32(number))
        case .input(let number): (kind, value.number) = (MC_INPUT, Int32(number))
        case .record(let number): (kind, value.number) = (MC_RECORD, Int32(number))
        case .method(let number, let name):
            (kind, value.number, value.constant) = (MC_METHOD, Int32(number), Int32(name))
        }
        value.kind = UInt8(kind)
        return value
    }
}

private func seconds() -> Double {
    var now = timespec()
    clock_gettime(CLOCK_MONOTONIC, &now)
    return Double(now.tv_sec) + Double(now.tv_nsec) * 1e-9
}

/// Writes a reason as a C string, cut to fit.
private func report(_ reason: Reason, _ target: UnsafeMutablePointer<CChar>, _ capacity: Int) {
    guard capacity > 0 else { return }
    var count = 0
    for byte in reason.text.utf8 where count < capacity - 1 {
        target[count] = CChar(bitPattern: byte)
        count += 1
    }
    target[count] = 0
}

private func open(
    _ bytes: UnsafePointer<UInt8>, _ count: Int, _ reason: UnsafeMutablePointer<CChar>,
    _ capacity: Int
) -> OpaquePointer? {
    do {
        let function = try LuaFunction(Array(UnsafeBufferPointer(start: bytes, count: count)))
        return OpaquePointer(Unmanaged.passRetained(Handle(function)).toOpaque())
    } catch {
        report(error, reason, capacity)
        return nil
    }
}

private func compile(
    _ pointer: OpaquePointer, _ inputs: UnsafePointer<mc_input>,
    _ reason: UnsafeMutablePointer<CChar>,
    _ capacity: Int
) -> UnsafeMutablePointer<mc_code>? {
    let handle = Handle.of(pointer)
    do {
        let start = seconds()
        let inputs = try handle.inputs(inputs)
        let compiled = try handle.group.compile(inputs)
        let code = CodeHandle(compiled, handle.group, seconds: seconds() - start)
        _ = Unmanaged.passRetained(code)
        return code.code
    } catch {
        report(error, reason, capacity)
        return nil
    }
}

private func copy(_ bytes: [UInt8]) -> UnsafeMutablePointer<UInt8>? {
    guard let memory = malloc(max(bytes.count, 1)) else { return nil }
    bytes.withUnsafeBytes { if let base = $0.baseAddress { memcpy(memory, base, $0.count) } }
    return memory.assumingMemoryBound(to: UInt8.self)
}

private func disassemble(_ pointer: OpaquePointer, _ inputs: UnsafePointer<mc_input>)
    -> UnsafeMutablePointer<CChar>?
{
    let handle = Handle.of(pointer)
    let text = try? handle.group.assembly(try handle.inputs(inputs))
    return text.flatMap { strdup($0) }
}

nonisolated(unsafe) private let interface: UnsafeMutablePointer<mc_interface> = {
    let pointer = UnsafeMutablePointer<mc_interface>.allocate(capacity: 1)
    pointer.initialize(
        to: mc_interface(
            version: Int32(MC_VERSION), why_off: nil, is_stopped: nil, open: open,
            close: { Unmanaged<AnyObject>.fromOpaque(UnsafeRawPointer($0)).release() },
            link: { pointer, bytes, count in
                let handle = Handle.of(pointer)
                do throws(Reason) {
                    try handle.link(try LuaFunction(Array(UnsafeBufferPointer(start: bytes, count: count))))
                } catch { return -1 }
                return Int32(handle.group.members.count - 1)
            },
            add_layout: { Int32(Handle.of($0).addLayout($1)) },
            add_field: { pointer, name, length, offset, element in
                let bytes = UnsafeRawBufferPointer(start: name, count: length)
                Handle.of(pointer).addField(Array(bytes), offset, Element(code: Int(element)))
            },
            unite: { Handle.of($0).unite(Int($1), Int($2)) },
            source_count: { Handle.of($0).group.sources.count },
            sources: { UnsafePointer(Handle.of($0).sources) },
            constant: { pointer, number, length in
                let handle = Handle.of(pointer)
                guard handle.strings.indices.contains(Int(number)), let text = handle.strings[Int(number)]
                else {
                    return nil
                }
                length.pointee = text.count - 1
                return UnsafePointer(text.baseAddress)
            },
            makes_tables: { Handle.of($0).group.makesTables },
            free_tables: { mc_tables_free($0) },
            compile: compile,
            release: { Unmanaged<AnyObject>.fromOpaque($0.pointee.owner).release() },
            resume: { pointer, member, pc, registers, count in
                let members = Handle.of(pointer).group.members
                let bytes = members[Int(member)].chunk.resumed(at: Int(pc), registers: Int(registers))
                count.pointee = bytes.count
                return copy(bytes)
            },
            disassemble: disassemble))
    return pointer
}()

@implementation @c
public func mc_swift_interface() -> UnsafePointer<mc_interface> { UnsafePointer(interface) }
