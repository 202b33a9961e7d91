internal import CLua
internal import CLuaMap
internal import CMemoryMap
internal import MemoryMap

// Arguments of methods on numbers and views. Every function here is [-0, +0, –].

/// The names of the types of elements.
let elementTypes: StaticString =
    "u8 i8 u16 i16 u32 i32 u64 i64 f16 bf16 f32 f64, optionally with le or be after it"

extension Arguments {
    /// The view at an argument.
    @inline(__always)
    func view(_ index: Int32) throws(MapError) -> ViewPointer {
        guard let view = lm_view_at(state, index) else { throw MapError(type: "mmap.view", argument: index) }
        return view
    }

    /// The elements of the view at an argument.
    @inline(__always)
    func elements(_ index: Int32) throws(MapError) -> MappedElements {
        MappedElements(try view(index).pointee.elements)
    }

    /// The type at an argument, by its name: `"u32le"`.
    @inline(__always)
    func elementType(_ index: Int32) throws(MapError) -> ElementType {
        guard let name = string(index) else {
            // The order of an array and its index is another one.
            if lua_type(state, index) == LUA_TNUMBER, let next = string(index &+ 1),
                ElementType(name: next) != nil
            {
                throw MapError(
                    "string expected, got number: the type comes first, then the offset", argument: index)
            }
            throw MapError(type: "string", argument: index)
        }
        guard let type = ElementType(name: name) else {
            throw MapError(unknown: "not a type: %s", of: elementTypes, argument: index)
        }
        return type
    }

    /// A number at an index of the stack, or nil; strings are not converted.
    @inline(__always)
    func number(_ index: Int32) -> Number? {
        if lua_isinteger(state, index) != 0 { return .integer(lua_tointegerx(state, index, nil)) }
        if lua_type(state, index) == LUA_TNUMBER { return .float(lua_tonumberx(state, index, nil)) }
        return nil
    }
}
