internal import CLua
internal import CLuaMap
internal import CMemoryMap
internal import MemoryMap

// Methods on several elements of a view.

/// `v:get(i [, n])`. [-0, +n, –] makes room for what it pushes; never raises.
@implementation @c
func lm_view_get(_ L: LuaState, _ call: Call) -> CInt {
    respond(call) { () throws(Failure) in
        let arguments = Arguments(L)
        let elements = try arguments.elements(1)
        let index = try arguments.integer(2)
        guard let count = try arguments.optionalInteger(3) else {
            push(try about(2) { () throws(MapError) in try elements.load(at: index) }, L)
            return 1
        }
        let part = try about(2) { () throws(MapError) in try elements.readable(index, count) }
        guard count <= Int(CInt.max), lua_checkstack(L, CInt(count)) != 0 else {
            throw Failure(
                "%1 results are too many for Lua's stack; totable makes a table of any size", argument: 3,
                count)
        }
        guard let base = part.elements.region.base else { return 0 }
        let (type, stride) = (part.elements.type, part.stride)
        var i = 0
        while i < count {
            push(mm_load_number(base + i &* stride, type), type, L)
            i &+= 1
        }
        try about(0) { () throws(MapError) in try part.checkIntact() }
        return CInt(count)
    }
}

/// `v:set(i, …)`. [-0, +0, –] uses no slots; never raises. Nothing is written unless every value fits.
@implementation @c
func lm_view_set(_ L: LuaState, _ call: Call) -> CInt {
    respond(call) { () throws(Failure) in
        let arguments = Arguments(L)
        let elements = try arguments.elements(1)
        let index = try arguments.integer(2)
        let last = lua_gettop(L)
        let count = Int(last) &- 2
        let part = try arguments.room(elements, index, count)
        guard let base = part.elements.region.base else { return 0 }
        var argument: CInt = 3
        while argument <= last {
            _ = try arguments.bits(argument, part.type)
            argument &+= 1
        }
        argument = 3
        while argument <= last {
            let bits = try arguments.bits(argument, part.type)
            mm_store_number(base + (Int(argument) &- 3) &* part.stride, part.elements.type, bits)
            argument &+= 1
        }
        try about(0) { () throws(MapError) in try part.checkIntact() }
        return 0
    }
}

extension Arguments {
    /// The `count` elements from the index in argument 2 on, checked for writing.
    func room(
        _ elements: MappedElements, _ index: Int, _ count: Int
    ) throws(Failure) -> MappedElements {
        do throws(MapError) { return try elements.writable(index, count) } catch {
            throw error.kind == .lengthOutOfRange
                ? Failure("%1 elements do not fit at index %2", argument: 3, count, index)
                : Failure(error, argument: 2)
        }
    }
}

/// `v:fill(x [, i [, n]])`. [-0, +0, –] uses no slots; never raises.
@implementation @c
func lm_view_fill(_ L: LuaState, _ call: Call) -> CInt {
    respond(call) { () throws(Failure) in
        let arguments = Arguments(L)
        let elements = try arguments.elements(1)
        guard let value = arguments.number(2) else { throw Failure(type: "number", argument: 2) }
        let index = try arguments.integer(3, default: 0)
        let count = try arguments.optionalInteger(4)
        _ = try arguments.bits(2, elements.type)
        let monitor = try Monitor(L)
        try about(3) { () throws(MapError) in
            try elements.fill(value, index, count, poll: { monitor.goesOn($0) })
        }
        return 0
    }
}

/// `v:copy(i, source [, "saturate"])` from a view or from a buffer's bytes: the number of elements. For a
/// table the trampoline calls `lm_view_put`. [-0, +1, –] uses one slot; never raises.
@implementation @c
func lm_view_copy(_ L: LuaState, _ call: Call) -> CInt {
    respond(call) { () throws(Failure) in
        let arguments = Arguments(L)
        let elements = try arguments.elements(1)
        let index = try arguments.integer(2)
        let saturates = try arguments.saturates(4)
        let source = try arguments.elementsOrBytes(3)
        _ = try arguments.room(elements, index, source.count)
        let monitor = try Monitor(L)
        do throws(MapError) {
            try elements.copy(from: source, at: index, saturating: saturates, poll: { monitor.goesOn($0) })
        } catch {
            throw error.kind == .valueOutOfRange
                ? Failure(error, element: error.values.1, argument: 3) : Failure(error)
        }
        lua_pushinteger(L, lua_Integer(source.count))
        return 1
    }
}

extension Arguments {
    fileprivate func elementsOrBytes(_ index: Int32) throws(Failure) -> MappedElements {
        if let view = lm_view_at(state, index) { return MappedElements(view.pointee.elements) }
        guard let buffer = lm_buffer_at(state, index) else {
            throw Failure(type: "mmap.view, mmap.buffer or table", argument: index)
        }
        let bytes = MappedBytes(buffer.pointee.region)
        return try about(0) { () throws(MapError) in try bytes.elements(.uint8) }
    }

    /// Whether the option `"saturate"` of `copy` is given.
    func saturates(_ index: Int32) throws(Failure) -> Bool {
        if isAbsent(index) { return false }
        guard let option = string(index) else { throw Failure(type: "string", argument: index) }
        let isKnown = option.elementsEqual("saturate".utf8)
        guard isKnown else {
            throw Failure(unknown: "%s: the one option is \"saturate\"", of: "saturate", argument: index)
        }
        return true
    }
}
