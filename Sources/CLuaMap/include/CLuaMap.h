/* The whole boundary between Lua and Swift. */
#ifndef CLUAMAP_H
#define CLUAMAP_H

#include "lm_child.h"
#include "lm_compile.h"
#include "lm_file.h"
#include "lm_hash.h"
#include "lm_instruments.h"
#include "lm_json.h"
#include "lm_numbers.h"
#include "lm_record.h"
#include "lm_regex.h"
#include "lm_runtime.h"
#include "lm_shared.h"
#include "lm_table.h"
#include "lm_text.h"
#include "lm_threads.h"
#include "lm_view.h"

#endif
