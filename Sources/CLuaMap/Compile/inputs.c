/* The inputs of machine code: arguments, upvalues, and what a function reads of tables in upvalues. */
#include <stdlib.h>

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

static mc_input function_input(lua_State *L, const lm_compiled *compiled, int index) {
  lua_CFunction function = lua_tocfunction(L, index);
  for (size_t i = 0; function && i < FUNCTION_COUNT; i++)
    if (functions[i].function == function) return (mc_input){.kind = MC_FUNCTION, .detail = functions[i].number};
  const void *identity = lm_function_at(L, index);
  for (int i = 0; identity && i < compiled->link_count; i++)
    if (compiled->links[i] == identity) return (mc_input){.kind = MC_COMPILED, .detail = (uint8_t)i};
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

/* [-0, +0, –] The number of the layout of the records at an index, which is added where it is new; -1 if there are too
   many. */
static int layout_number(lua_State *L, lm_compiled *compiled, int index, const lm_records *records) {
  for (int i = 0; i < compiled->layout_count; i++)
    if (compiled->layouts[i] == records->layout) return i;
  enum { LAYOUT = 3 };
  int top = lua_gettop(L);
  if (compiled->layout_count == LM_MOST_LAYOUTS || lua_getiuservalue(L, index, LAYOUT) != LUA_TUSERDATA ||
      lua_getiuservalue(L, -1, LM_NAMES) != LUA_TTABLE) {
    lua_settop(L, top);
    return -1;
  }
  const mc_interface *compiler = lm_loaded_compiler();
  int number = compiler->add_layout(compiled->function, records->records.size);
  if (number != compiled->layout_count) {
    lua_settop(L, top);
    return -1;
  }
  for (lua_pushnil(L); lua_next(L, top + 2); lua_pop(L, 1)) {
    mm_field field = (mm_field)lua_tointegerx(L, -1, NULL);
    if (lua_type(L, -2) != LUA_TSTRING || !lua_isinteger(L, -1) || mm_field_kind(field) != MM_NUMBER) continue;
    size_t length;
    const char *name = lua_tolstring(L, -2, &length);
    compiler->add_field(compiled->function, name, length, mm_field_offset(field), (uint8_t)mm_field_type(field));
  }
  lua_settop(L, top);
  compiled->layouts[number] = records->layout;
  compiled->layout_count = number + 1;
  return number;
}

static const char *records_input(lua_State *L, lm_compiled *compiled, int index, mc_input *input, uint64_t *slots) {
  const lm_records *records = lm_records_at(L, index);
  if (!records) return NULL;
  int number = layout_number(L, compiled, index, records);
  if (number < 0) return NULL;
  *input = (mc_input){.kind = MC_RECORDS, .detail = (uint8_t)number};
  const mm_records *all = &records->records;
  if (all->stride == all->size) input->flags |= MC_PACKED;
  return memory_input(&all->region, all->count, all->stride, input, slots);
}

static const char *userdata_input(lua_State *L, lm_compiled *compiled, int index, mc_input *input, uint64_t *slots) {
  const lm_buffer *buffer = lm_buffer_at(L, index);
  if (buffer) {
    *input = (mc_input){.kind = MC_BUFFER, .element = MM_U8, .flags = MC_PACKED};
    return memory_input(&buffer->region, buffer->region.length, 1, input, slots);
  }
  const lm_view *view = lm_view_at(L, index);
  if (!view) return records_input(L, compiled, index, input, slots);
  const mm_elements *elements = &view->elements;
  *input = (mc_input){.kind = MC_VIEW, .element = (uint8_t)elements->type};
  const char *reason = memory_input(&elements->region, elements->count, elements->stride, input, slots);
  if (elements->stride == mm_element_size(elements->type)) input->flags |= MC_PACKED;
  if (mm_overlap(elements)) input->flags &= (uint8_t)~MC_WRITABLE;
  return reason;
}

static const char *read_input(lua_State *L, lm_compiled *compiled, int index, mc_input *input, uint64_t *slots) {
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
    case LUA_TFUNCTION: *input = function_input(L, compiled, index); break;
    case LUA_TUSERDATA: return userdata_input(L, compiled, index, input, slots);
    default: break;
  }
  return NULL;
}

void lm_push_link(lua_State *L, int number) {
  if (number == 0) lua_pushvalue(L, lua_upvalueindex(LM_UPVALUE_FUNCTION));
  else if (lm_has_table(L)) lua_rawgeti(L, lua_upvalueindex(LM_UPVALUE_TABLE), LM_LINKS + number);
  else lua_pushnil(L);
}

/* [-0, +1, –] Pushes the value of a source that is no parameter; nil and false if there is none. */
static bool push_source(lua_State *L, const lm_compiled *compiled, int number, const uint16_t *where) {
  const mc_source *source = &compiled->sources[number];
  if (source->parent < 0) {
    if (source->parameter < 0) {
      lm_push_link(L, source->member);
      if (lua_type(L, -1) == LUA_TFUNCTION && lua_getupvalue(L, -1, source->upvalue)) {
        lua_remove(L, -2);
        return true;
      }
      lua_pop(L, 1);
    }
    lua_pushnil(L);
    return false;
  }
  int parent = where[source->parent];
  if (lua_type(L, parent) != LUA_TTABLE) {
    lua_pushnil(L);
    return false;
  }
  if (lm_has_table(L)) lua_rawgeti(L, lua_upvalueindex(LM_UPVALUE_TABLE), number + 1);
  else lua_pushnil(L);
  if (lua_rawget(L, parent) != LUA_TNIL || !lua_getmetatable(L, parent)) return true;
  lua_pop(L, 1);
  return false;
}

const char *lm_read_inputs(lua_State *L, lm_compiled *compiled, mc_input *inputs, uint64_t *slots, uint16_t *where) {
  for (int i = 0; i < compiled->source_count; i++) {
    const mc_source *source = &compiled->sources[i];
    if (source->parameter >= 0 && source->member == 0) {
      where[i] = (uint16_t)(source->parameter + 1);
    } else {
      bool is_there = push_source(L, compiled, i, where);
      where[i] = (uint16_t)lua_gettop(L);
      if (!is_there) {
        inputs[i] = (mc_input){.kind = MC_ABSENT};
        continue;
      }
    }
    const char *reason = read_input(L, compiled, where[i], &inputs[i], slots + (size_t)i * MC_SLOTS_PER_INPUT);
    if (reason) return reason;
  }
  return NULL;
}

/* [-0, +0, e] Adds the function at an index, if it is one of Lua. */
static void link_function(lua_State *L, lm_compiled *compiled, const mc_interface *compiler, int index) {
  const void *identity = lm_function_at(L, index);
  if (!identity || compiled->link_count == MC_MOST_FUNCTIONS) return;
  for (int i = 0; i < compiled->link_count; i++)
    if (compiled->links[i] == identity) return;
  if (!lm_push_compiled(L, index)) lua_pushvalue(L, index);
  size_t count;
  uint8_t *bytes = lm_bytecode(L, &count);
  int number = bytes ? compiler->link(compiled->function, bytes, count) : -1;
  free(bytes);
  if (number == compiled->link_count) {
    compiled->links[compiled->link_count++] = identity;
    lua_rawseti(L, lm_check_table(L), LM_LINKS + number);
  } else {
    lua_pop(L, 1);
  }
}

/* [-0, +0, m] Tells the compiler which upvalues are the same variable. */
static void unite(lua_State *L, const lm_compiled *compiled, const mc_interface *compiler) {
  const void *variables[LM_MOST_SOURCES];
  for (int i = 0; i < compiled->source_count; i++) {
    const mc_source *source = &compiled->sources[i];
    variables[i] = NULL;
    if (source->parameter >= 0 || source->parent >= 0) continue;
    lm_push_link(L, source->member);
    variables[i] = lua_upvalueid(L, -1, source->upvalue);
    lua_pop(L, 1);
    for (int j = 0; variables[i] && j < i; j++) {
      if (variables[j] != variables[i]) continue;
      compiler->unite(compiled->function, i, j);
      break;
    }
  }
}

bool lm_link(lua_State *L, lm_compiled *compiled, const mc_interface *compiler) {
  uint16_t where[LM_MOST_SOURCES];
  int top = lua_gettop(L);
  compiled->links[0] = compiled->identity;
  compiled->link_count = 1;
  for (int i = 0; i < compiled->source_count; i++) {
    luaL_checkstack(L, 8, NULL);
    const mc_source *source = &compiled->sources[i];
    if (source->key) {
      lua_pushlstring(L, source->key, source->key_length);
      lua_rawseti(L, lm_check_table(L), i + 1);
    }
    if (source->parameter >= 0 && source->member == 0) {
      where[i] = (uint16_t)(source->parameter + 1);
    } else {
      push_source(L, compiled, i, where);
      where[i] = (uint16_t)lua_gettop(L);
    }
    if (lua_type(L, where[i]) == LUA_TFUNCTION) link_function(L, compiled, compiler, where[i]);
    compiled->sources = compiler->sources(compiled->function);
    compiled->source_count = (int32_t)compiler->source_count(compiled->function);
    if (compiled->source_count > LM_MOST_SOURCES) return false;
  }
  lua_settop(L, top);
  if (compiled->link_count > 1) unite(L, compiled, compiler);
  return true;
}
