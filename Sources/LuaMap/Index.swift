internal import CLua
internal import CLuaMap

@implementation @c
func lm_index(_ L: OpaquePointer) -> CInt {
    lua_pushinteger(L, 42)
    return 1
}
