internal import CLua
internal import CLuaMap
internal import CMemoryMap
internal import MemoryMap

// Methods on several elements of a view.

/// `v:get(i [, n])`. [-0, +n, –] makes room for what it pushes; never raises.
@implementation @c
func lm_view_get(_ L: LuaState, _ outcome: Outcome) -> CInt {
    respond(outcome) { () throws(MapError) in
        let arguments = Arguments(L)
        let elements = try arguments.elements(1)
        let index = try arguments.integer(2)
        guard let count = try arguments.optionalInteger(3) else {
            push(try about(2) { () throws(MapError) in try elements.load(at: index) }, L)
            return 1
        }
        let part = try about(2) { () throws(MapError) in try elements.readable(index, count) }
        guard count <= Int(CInt.max), lua_checkstack(L, CInt(count)) != 0 else {
            throw MapError(
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
        try part.checkIntact()
        return CInt(count)
    }
}

/// `v:set(i, …)`. [-0, +0, –] uses no slots; never raises. Nothing is written unless every value fits.
@implementation @c
func lm_view_set(_ L: LuaState, _ outcome: Outcome) -> CInt {
    respond(outcome) { () throws(MapError) in
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
        try part.checkIntact()
        return 0
    }
}

extension Arguments {
    /// The `count` elements from the index in argument 2 on, checked for writing.
    func room(
        _ elements: MappedElements, _ index: Int, _ count: Int
    ) throws(MapError) -> MappedElements {
        do throws(MapError) { return try elements.writable(index, count) } catch {
            throw error.kind == .lengthOutOfRange
                ? MapError("%1 elements do not fit at index %2", argument: 3, count, index)
                : MapError(error, argument: 2)
        }
    }
}

/// `v:fill(x [, i [, n]])`. [-0, +0, –] uses no slots; never raises.
@implementation @c
func lm_view_fill(_ L: LuaState, _ outcome: Outcome) -> CInt {
    respond(outcome) { () throws(MapError) in
        let arguments = Arguments(L)
        let elements = try arguments.elements(1)
        guard let value = arguments.number(2) else { throw MapError(type: "number", argument: 2) }
        let (index, count) = try arguments.range(3)
        _ = try arguments.bits(2, elements.type)
        let monitor = try Monitor(L)
        try about(3) { () throws(MapError) in
            try elements.fill(value, index, count, shouldContinue: { monitor.shouldContinue($0) })
        }
        return 0
    }
}

/// `v:copy(i, source [, "saturate"])` from a view or from a buffer's bytes: the number of elements. For a
/// table the trampoline calls `lm_view_put`. [-0, +1, –] uses one slot; never raises.
@implementation @c
func lm_view_copy(_ L: LuaState, _ outcome: Outcome) -> CInt {
    respond(outcome) { () throws(MapError) in
        let arguments = Arguments(L)
        let elements = try arguments.elements(1)
        let index = try arguments.integer(2)
        let saturates = try arguments.saturates(4)
        let source = try arguments.elementsOrBytes(3)
        _ = try arguments.room(elements, index, source.count)
        let monitor = try Monitor(L)
        do throws(MapError) {
            try elements.copy(
                from: source, at: index, saturating: saturates, shouldContinue: { monitor.shouldContinue($0) }
            )
        } catch {
            throw error.kind == .valueOutOfRange
                ? MapError(error, element: error.values.1, argument: 3) : error
        }
        lua_pushinteger(L, lua_Integer(source.count))
        return 1
    }
}

extension Arguments {
    fileprivate func elementsOrBytes(_ index: Int32) throws(MapError) -> MappedElements {
        if let view = lm_view_at(state, index) { return MappedElements(view.pointee.elements) }
        guard let buffer = lm_buffer_at(state, index) else {
            throw MapError(type: "mmap.view, mmap.buffer or table", argument: index)
        }
        let bytes = MappedBytes(buffer.pointee.region)
        return try bytes.elements(.uint8)
    }

    /// Whether the option `"saturate"` of `copy` is given.
    func saturates(_ index: Int32) throws(MapError) -> Bool {
        if isAbsent(index) { return false }
        guard let option = string(index) else { throw MapError(type: "string", argument: index) }
        let isKnown = option.elementsEqual("saturate".utf8)
        guard isKnown else {
            throw MapError(unknown: "%s: the only option is \"saturate\"", of: "saturate", argument: index)
        }
        return true
    }
}
