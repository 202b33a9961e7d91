/* The only C++ of the project. scripts/setup gets the library: Debian has it only as a shared one. */
#define SIMDJSON_EXCEPTIONS 0
#define SIMDJSON_DEVELOPMENT_CHECKS 0
#if !__has_include("simdjson/simdjson.cpp")
#error "simdjson is missing: build with scripts/build"
#endif
/* Nothing is printed here, and the initialization of the standard streams takes part in each start of the program. */
#include <ostream>
#define _GLIBCXX_IOSTREAM 1

#include "simdjson/simdjson.cpp"

#include "CSimdjson.h"

#include <cstdlib>
#include <new>

/* The library allocates with these. The standard ones call operator new, which in this program does not fail but ends
   the process (mm_reserve.h). */
void *operator new(std::size_t size, const std::nothrow_t &) noexcept { return std::malloc(size); }
void *operator new[](std::size_t size, const std::nothrow_t &) noexcept { return std::malloc(size); }
void operator delete(void *block, std::size_t) noexcept { std::free(block); }
void operator delete[](void *block) noexcept { std::free(block); }
/* The header makes them visible to libraries that are loaded later. */
__asm__(".hidden _ZnwmRKSt9nothrow_t\n.hidden _ZnamRKSt9nothrow_t\n.hidden _ZdlPvm\n.hidden _ZdaPv");

struct sj_index {
  std::unique_ptr<simdjson::internal::dom_parser_implementation> parser;
};

/* The parser of the best instructions that the processor has. */
static bool make_parser(sj_index &index) {
  const simdjson::implementation *best = simdjson::get_active_implementation();
  return best->create_dom_parser_implementation(0, 1, index.parser) == simdjson::SUCCESS;
}

sj_index *sj_index_make(void) {
  sj_index *index = new (std::nothrow) sj_index;
  if (!index || make_parser(*index)) return index;
  delete index;
  return nullptr;
}

void sj_index_free(sj_index *index) { delete index; }

size_t sj_index_memory(size_t length) { return (length / 64 * 64 + 64 + 2 + 7) * sizeof(uint32_t); }

bool sj_index_reserve(sj_index *index, size_t length) {
  return index->parser->set_capacity(length) == simdjson::SUCCESS;
}

bool sj_index_find(sj_index *index, const uint8_t *text, size_t length, const uint32_t **positions, size_t *count) {
  simdjson::error_code error = index->parser->stage1(text, length, simdjson::stage1_mode::regular);
  *positions = index->parser->structural_indexes.get();
  *count = error == simdjson::SUCCESS ? index->parser->n_structural_indexes : 0;
  return error == simdjson::SUCCESS || error == simdjson::EMPTY;
}
