internal import CLua
internal import CLuaMap
internal import CMemoryMap
internal import MemoryMap

// The hot path of views: `v[i]`, `v[i] = x`, `#v`, and the look-up of methods, under the rules of
// Buffer+Index.swift.

/// `v[key]`. [-0, +1, –] uses one slot; never raises.
@implementation @c
func lm_view_index(_ L: LuaState, _ outcome: Outcome) -> CInt {
    guard let view = lm_view_at(L, 1) else { return notAView(outcome) }
    if lua_isinteger(L, 2) != 0 {
        let index = UInt64(bitPattern: lua_tointegerx(L, 2, nil))
        if mm_is_readable(&view.pointee.elements.region),
            let place = mm_place_of(&view.pointee.elements, index)
        {
            let type = view.pointee.elements.type
            let bits = mm_load_number(place, type)
            if mm_was_intact(&view.pointee.elements.region) {
                push(bits, type, L)
                return 1
            }
        }
    } else if lua_type(L, 2) == LUA_TSTRING && lua_type(L, CInt(LM_UPVALUE_1)) == LUA_TTABLE {
        // debug.setupvalue can replace the upvalue, so its type is checked.
        lua_pushvalue(L, 2)
        if lua_rawget(L, CInt(LM_UPVALUE_1)) == LUA_TNIL { lm_note_missing(L) }
        return 1
    }
    return slowIndex(L, outcome, view)
}

/// `v[key] = value`. [-0, +0, –] uses no slots; never raises.
@implementation @c
func lm_view_newindex(_ L: LuaState, _ outcome: Outcome) -> CInt {
    guard let view = lm_view_at(L, 1) else { return notAView(outcome) }
    let type = view.pointee.elements.type
    if lua_isinteger(L, 2) != 0, lua_type(L, 3) == LUA_TNUMBER {
        let index = UInt64(bitPattern: lua_tointegerx(L, 2, nil))
        let isFloat = type & Int32(MM_FLOAT) != 0
        if isFloat || lua_isinteger(L, 3) != 0 {
            let bits =
                isFloat
                ? lua_tonumberx(L, 3, nil).bitPattern : UInt64(bitPattern: lua_tointegerx(L, 3, nil))
            if mm_fits(type, bits), mm_is_writable(&view.pointee.elements.region),
                !mm_overlap(&view.pointee.elements), let place = mm_place_of(&view.pointee.elements, index)
            {
                mm_store_number(place, type, bits)
                if mm_was_intact(&view.pointee.elements.region) { return 0 }
            }
        }
    }
    return slowNewIndex(L, outcome, view)
}

/// `#v`. [-0, +1, –] uses one slot; never raises.
@implementation @c
func lm_view_len(_ L: LuaState, _ outcome: Outcome) -> CInt {
    guard let view = lm_view_at(L, 1) else { return notAView(outcome) }
    if mm_is_current(&view.pointee.elements.region) {
        lua_pushinteger(L, lua_Integer(truncatingIfNeeded: view.pointee.elements.count))
        return 1
    }
    return slowLength(L, outcome, view)
}

/// Pushes the result of mm_load_number. [-0, +1, –] uses one slot; never raises.
@inline(__always)
func push(_ bits: UInt64, _ type: Int32, _ state: LuaState) {
    if type & Int32(MM_FLOAT) != 0 {
        lua_pushnumber(state, Double(bitPattern: bits))
    } else {
        lua_pushinteger(state, lua_Integer(bitPattern: bits))
    }
}

/// Pushes a number. [-0, +1, –] uses one slot; never raises.
func push(_ number: Number, _ state: LuaState) {
    switch number {
    case .integer(let value): lua_pushinteger(state, value)
    case .float(let value): lua_pushnumber(state, value)
    }
}

// The slow path: the handle is not current and needs an update, or the access is an error.

@inline(never)
private func notAView(_ outcome: Outcome) -> CInt {
    outcome.fill(MapError(type: "mmap.view", argument: 1))
    return CInt(LM_FAILED)
}

/// Updates the view's own handle, so that the next access takes the hot path again.
private func catchUp(_ view: ViewPointer) throws(MapError) -> MappedElements {
    var elements = MappedElements(view.pointee.elements)
    try elements.refresh()
    view.pointee.elements = elements.elements
    return elements
}

private func index(_ L: LuaState) throws(MapError) -> Int {
    try Arguments(L).index(
        orElse: "a view's index is an integer or the name of a method",
        "a view's index must have an exact integer value")
}

@inline(never)
private func slowIndex(_ L: LuaState, _ outcome: Outcome, _ view: ViewPointer) -> CInt {
    respond(outcome) { () throws(MapError) in
        let elements = try catchUp(view)
        let index = try index(L)
        push(try elements.load(at: index), L)
        return 1
    }
}

@inline(never)
private func slowNewIndex(_ L: LuaState, _ outcome: Outcome, _ view: ViewPointer) -> CInt {
    respond(outcome) { () throws(MapError) in
        let elements = try catchUp(view)
        if lua_type(L, 2) == LUA_TSTRING { throw MapError(misuse: "a view has no fields to assign to") }
        let index = try index(L)
        guard let value = Arguments(L).number(3) else {
            throw MapError(misuse: "an element of a view is a number")
        }
        try elements.store(value, at: index)
        return 0
    }
}

@inline(never)
private func slowLength(_ L: LuaState, _ outcome: Outcome, _ view: ViewPointer) -> CInt {
    respond(outcome) { () throws(MapError) in
        lua_pushinteger(L, lua_Integer(try catchUp(view).count))
        return 1
    }
}
