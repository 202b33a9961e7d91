internal import CLua
internal import CLuaMap
internal import CMemoryMap
internal import MemoryMap

// `for i, x in v:each()`.

/// One step of `for i, x in v:each()`: for `(v, i)`, the next index and its element, or nil after the last.
/// [-0, +2, –] uses two slots; never raises.
@implementation @c
func lm_view_next(_ L: LuaState, _ outcome: Outcome) -> CInt {
    if let view = lm_view_at(L, 1), lua_isinteger(L, 2) != 0 {
        let index = lua_tointegerx(L, 2, nil) &+ 1
        if mm_is_readable(&view.pointee.elements.region),
            let place = mm_place_of(&view.pointee.elements, UInt64(bitPattern: index))
        {
            let type = view.pointee.elements.type
            let bits = mm_load_number(place, type)
            if mm_was_intact(&view.pointee.elements.region) {
                lua_pushinteger(L, index)
                push(bits, type, L)
                return 2
            }
        }
    }
    return slowNext(L, outcome)
}

@inline(never)
private func slowNext(_ L: LuaState, _ outcome: Outcome) -> CInt {
    respond(outcome) { () throws(MapError) in
        let arguments = Arguments(L)
        var elements = MappedElements(try arguments.elements(1).elements)
        try elements.refresh()
        try arguments.view(1).pointee.elements = elements.elements
        let index = try arguments.integer(2) &+ 1
        if index == elements.count {
            lua_pushnil(L)
            return 1
        }
        let value = try about(2) { () throws(MapError) in try elements.load(at: index) }
        lua_pushinteger(L, lua_Integer(index))
        push(value, L)
        return 2
    }
}
