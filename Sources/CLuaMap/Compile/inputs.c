/* The inputs of machine code: arguments, upvalues, and what a function reads of tables in upvalues. */
#include "compile.h"

/* The functions that compile, by name; and by address, which a script cannot change. */
static struct {
  const char *table, *name;
  uint8_t number;
  lua_CFunction function;
} functions[] = {
    {"math", "abs", MC_ABS, NULL},   {"math", "ceil", MC_CEIL, NULL}, {"math", "floor", MC_FLOOR, NULL},
    {"math", "fmod", MC_FMOD, NULL}, {"math", "max", MC_MAX, NULL},   {"math", "min", MC_MIN, NULL},
    {"math", "sqrt", MC_SQRT, NULL}, {"math", "ult", MC_ULT, NULL},   {"math", "tointeger", MC_TOINTEGER, NULL},
    {"math", "exp", MC_EXP, NULL},   {"math", "log", MC_LOG, NULL},   {"math", "sin", MC_SIN, NULL},
    {"math", "cos", MC_COS, NULL},   {"math", "tan", MC_TAN, NULL},   {"math", "asin", MC_ASIN, NULL},
    {"math", "acos", MC_ACOS, NULL}, {"math", "atan", MC_ATAN, NULL}, {"_G", "error", MC_ERROR, NULL},
};
enum { FUNCTION_COUNT = sizeof functions / sizeof *functions };

void lm_know_functions(lua_State *L) {
  if (functions[0].function || lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE) != LUA_TTABLE) return;
  int loaded = lua_gettop(L);
  for (size_t i = 0; i < FUNCTION_COUNT; i++) {
    lua_pushstring(L, functions[i].table);
    if (lua_rawget(L, loaded) == LUA_TTABLE) {
      lua_pushstring(L, functions[i].name);
      lua_rawget(L, -2);
      functions[i].function = lua_tocfunction(L, -1);
    }
    lua_settop(L, loaded);
  }
  lua_pop(L, 1);
}

static mc_input function_input(lua_State *L, int index) {
  lua_CFunction function = lua_tocfunction(L, index);
  for (size_t i = 0; function && i < FUNCTION_COUNT; i++)
    if (functions[i].function == function) return (mc_input){.kind = MC_FUNCTION, .detail = functions[i].number};
  return (mc_input){.kind = MC_OTHER};
}

const char lm_unusable_memory[] = "a buffer was closed, resized, mapped again, or is protected";

static const char *memory_input(const mm_region *region, size_t count, size_t stride, mc_input *input,
                                uint64_t *slots) {
  if (!mm_is_current(region) || !mm_is_readable(region)) return lm_unusable_memory;
  if (mm_is_writable(region)) input->flags |= MC_WRITABLE;
  slots[0] = (uintptr_t)region->base;
  slots[1] = count;
  slots[2] = stride;
  return NULL;
}

static const char *userdata_input(lua_State *L, int index, mc_input *input, uint64_t *slots) {
  const lm_buffer *buffer = lm_buffer_at(L, index);
  if (buffer) {
    *input = (mc_input){.kind = MC_BUFFER, .element = MM_U8, .flags = MC_PACKED};
    return memory_input(&buffer->region, buffer->region.length, 1, input, slots);
  }
  const lm_view *view = lm_view_at(L, index);
  if (!view) return NULL;
  const mm_elements *elements = &view->elements;
  *input = (mc_input){.kind = MC_VIEW, .element = (uint8_t)elements->type};
  const char *reason = memory_input(&elements->region, elements->count, elements->stride, input, slots);
  if (elements->stride == mm_element_size(elements->type)) input->flags |= MC_PACKED;
  if (mm_overlap(elements)) input->flags &= (uint8_t)~MC_WRITABLE;
  return reason;
}

static const char *read_input(lua_State *L, int index, mc_input *input, uint64_t *slots) {
  *input = (mc_input){.kind = MC_OTHER};
  switch (lua_type(L, index)) {
    case LUA_TNIL:
    case LUA_TNONE: input->kind = MC_NIL; break;
    case LUA_TBOOLEAN: input->kind = lua_toboolean(L, index) ? MC_TRUE : MC_FALSE; break;
    case LUA_TNUMBER:
      if (lua_isinteger(L, index)) {
        input->kind = MC_INTEGER;
        slots[0] = (uint64_t)lua_tointegerx(L, index, NULL);
      } else {
        input->kind = MC_FLOAT;
        slots[0] = mm_bits_of_double(lua_tonumberx(L, index, NULL));
      }
      break;
    case LUA_TFUNCTION: *input = function_input(L, index); break;
    case LUA_TUSERDATA: return userdata_input(L, index, input, slots);
    default: break;
  }
  return NULL;
}

const char *lm_read_inputs(lua_State *L, const lm_compiled *compiled, mc_input *inputs, uint64_t *slots,
                           uint16_t *where) {
  int table = lua_upvalueindex(LM_UPVALUE_TABLE);
  for (int i = 0; i < compiled->source_count; i++) {
    const mc_source *source = &compiled->sources[i];
    if (source->parameter >= 0) {
      where[i] = (uint16_t)(source->parameter + 1);
    } else if (source->parent >= 0) {
      int parent = where[source->parent];
      if (lua_type(L, parent) != LUA_TTABLE) return "a field is read of something that is no table";
      lua_rawgeti(L, table, i + 1);
      if (lua_rawget(L, parent) == LUA_TNIL && lua_getmetatable(L, parent)) {
        lua_pop(L, 1);
        return "a field that is nil is read of a table with a metatable";
      }
      where[i] = (uint16_t)lua_gettop(L);
    } else {
      if (!lua_getupvalue(L, lua_upvalueindex(LM_UPVALUE_FUNCTION), source->upvalue)) return "an upvalue is missing";
      where[i] = (uint16_t)lua_gettop(L);
    }
    const char *reason = read_input(L, where[i], &inputs[i], slots + (size_t)i * MC_SLOTS_PER_INPUT);
    if (reason) return reason;
  }
  return NULL;
}
