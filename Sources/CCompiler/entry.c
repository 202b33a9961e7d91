/* What the plug-in exports. Each call of Swift code that allocates is an attempt. After one that failed none is made
   again: locks may be held, and objects half made. */
#include <pthread.h>
#include <stdio.h>

#include "mc_compile.h"
#include "mc_helpers.h"

static const char *volatile why_off;
/* One thread at a time: they share the description of the processor. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static const mc_interface *swift;
static void load(void *unused) {
  (void)unused;
  swift = mc_swift_interface();
}

static bool attempt(void (*body)(void *), void *context) {
  pthread_mutex_lock(&lock);
  if (!why_off && !swift) why_off = mc_attempt(load, NULL);
  if (!why_off) why_off = mc_attempt(body, context);
  bool is_done = !why_off;
  pthread_mutex_unlock(&lock);
  return is_done;
}

static void say_why(char *reason, size_t capacity) { snprintf(reason, capacity, "%s", why_off); }

typedef struct call {
  mc_function *function;
  const void *data;
  size_t count;
  int32_t number, other, registers;
  char *reason;
  size_t capacity;
  void *result;
  int32_t answer;
} call;

static void open_body(void *context) {
  call *c = context;
  c->result = swift->open(c->data, c->count, c->reason, c->capacity);
}
static mc_function *open(const uint8_t *bytes, size_t count, char *reason, size_t capacity) {
  call c = {.data = bytes, .count = count, .reason = reason, .capacity = capacity};
  if (!attempt(open_body, &c)) say_why(reason, capacity);
  return why_off ? NULL : c.result;
}

static void link_body(void *context) {
  call *c = context;
  c->answer = swift->link(c->function, c->data, c->count);
}
static int32_t link(mc_function *function, const uint8_t *bytes, size_t count) {
  call c = {.function = function, .data = bytes, .count = count};
  return attempt(link_body, &c) ? c.answer : -1;
}

static void add_layout_body(void *context) {
  call *c = context;
  c->answer = swift->add_layout(c->function, c->count);
}
static int32_t add_layout(mc_function *function, size_t size) {
  call c = {.function = function, .count = size};
  return attempt(add_layout_body, &c) ? c.answer : -1;
}

static void add_field_body(void *context) {
  call *c = context;
  swift->add_field(c->function, c->data, c->count, c->capacity, (uint8_t)c->number);
}
static void add_field(mc_function *function, const char *name, size_t length, size_t offset, uint8_t element) {
  call c = {.function = function, .data = name, .count = length, .capacity = offset, .number = element};
  attempt(add_field_body, &c);
}

static void unite_body(void *context) {
  call *c = context;
  swift->unite(c->function, c->number, c->other);
}
static void unite(mc_function *function, int32_t source, int32_t earlier) {
  call c = {.function = function, .number = source, .other = earlier};
  attempt(unite_body, &c);
}

static void compile_body(void *context) {
  call *c = context;
  c->result = swift->compile(c->function, c->data, c->reason, c->capacity);
}
static mc_code *compile(mc_function *function, const mc_input *inputs, char *reason, size_t capacity) {
  call c = {.function = function, .data = inputs, .reason = reason, .capacity = capacity};
  if (attempt(compile_body, &c)) return c.result;
  say_why(reason, capacity);
  return NULL;
}

static void resume_body(void *context) {
  call *c = context;
  c->result = swift->resume(c->function, c->number, c->other, c->registers, &c->count);
}
static uint8_t *resume(const mc_function *function, int32_t member, int32_t pc, int32_t registers, size_t *count) {
  call c = {.function = (mc_function *)function, .number = member, .other = pc, .registers = registers};
  if (!attempt(resume_body, &c)) return NULL;
  *count = c.count;
  return c.result;
}

static void disassemble_body(void *context) {
  call *c = context;
  c->result = swift->disassemble(c->function, c->data);
}
static char *disassemble(mc_function *function, const mc_input *inputs) {
  call c = {.function = function, .data = inputs};
  return attempt(disassemble_body, &c) ? c.result : NULL;
}

/* These allocate nothing. */
static void close(mc_function *function) {
  if (!why_off) swift->close(function);
}
static void release(mc_code *code) {
  if (!why_off) swift->release(code);
}
static size_t source_count(const mc_function *function) { return swift->source_count(function); }
static const mc_source *sources(const mc_function *function) { return swift->sources(function); }
static const char *constant(const mc_function *function, int32_t number, size_t *length) {
  return swift->constant(function, number, length);
}
static bool makes_tables(const mc_function *function) { return swift->makes_tables(function); }

const mc_interface *mc_interface_of(int32_t version) {
  static const mc_interface interface = {
      .version = MC_VERSION,
      .why_off = &why_off,
      .is_stopped = &mc_is_stopped,
      .open = open,
      .close = close,
      .link = link,
      .add_layout = add_layout,
      .add_field = add_field,
      .unite = unite,
      .source_count = source_count,
      .sources = sources,
      .constant = constant,
      .makes_tables = makes_tables,
      .free_tables = mc_tables_free,
      .compile = compile,
      .release = release,
      .resume = resume,
      .disassemble = disassemble,
  };
  return version == MC_VERSION ? &interface : NULL;
}
