/* What was compiled, and what was not: mmaplua --compile-report. */
#include <stdlib.h>

#include "compile.h"

void lm_describe_types(const lm_compiled *compiled, const mc_input *inputs, char text[LM_TYPES]) {
  static const char *const kinds[] = {
      [MC_NIL] = "nil",         [MC_FALSE] = "boolean", [MC_TRUE] = "boolean",      [MC_INTEGER] = "integer",
      [MC_FLOAT] = "float",     [MC_BUFFER] = "buffer", [MC_VIEW] = "view",         [MC_FUNCTION] = "function",
      [MC_RECORDS] = "records", [MC_OTHER] = "other",   [MC_COMPILED] = "function",
  };
  enum { KINDS = sizeof kinds / sizeof *kinds };
  size_t length = 0;
  text[0] = '\0';
  for (int i = 0; i < compiled->parameters && length < LM_TYPES - 40; i++) {
    const char *kind = inputs[i].kind < KINDS && kinds[inputs[i].kind] ? kinds[inputs[i].kind] : "other";
    bool is_view = inputs[i].kind == MC_VIEW;
    int count = snprintf(text + length, LM_TYPES - length, "%s%s%s%s", i > 0 ? ", " : "", kind, is_view ? " " : "",
                         is_view ? lm_type_name(inputs[i].element) : "");
    if (count > 0) length += (size_t)count;
  }
}

static bool is_wanted;
static char *lines;
static size_t length, capacity;

static void print_report(void) {
  fputs(length > 0 ? "compiled functions:\n" : "compiled functions: none\n", stderr);
  if (length > 0) fwrite(lines, 1, length, stderr);
}

void lm_report_compiler(void) {
  is_wanted = true;
  atexit(print_report);
}

void lm_report_compiled(const lm_compiled *compiled, const mc_input *inputs, const mc_code *code, const char *reason) {
  if (!is_wanted) return;
  char types[LM_TYPES] = "any types", line[LM_TYPES + LM_REASON + 128];
  if (inputs) lm_describe_types(compiled, inputs, types);
  int count = code ? snprintf(line, sizeof line, "  %s (%s): %.1f ms, %zu bytes\n", compiled->place, types,
                              code->seconds * 1e3, code->length)
                   : snprintf(line, sizeof line, "  %s (%s): not compiled: %s\n", compiled->place, types, reason);
  if (count <= 0 || (size_t)count >= sizeof line) return;
  if (length + (size_t)count > capacity) {
    size_t wanted = (capacity + (size_t)count) * 2;
    char *moved = realloc(lines, wanted);
    if (!moved) return;
    lines = moved;
    capacity = wanted;
  }
  memcpy(lines + length, line, (size_t)count);
  length += (size_t)count;
}
