/* Functions that machine code calls. LLVM does not know their names, so it leaves the calls as they are: the results are
   those of the interpreter, to the bit. */
#include "mc_helpers.h"

#include <math.h>

#include "mm_elements.h"

double mc_fmod(double a, double b) { return fmod(a, b); }
/* llimits.h: luai_numpow */
double mc_pow(double a, double b) { return b == 2 ? a * a : pow(a, b); }
double mc_exp(double a) { return exp(a); }
double mc_log(double a) { return log(a); }
/* lmathlib.c: math_log */
double mc_log_base(double a, double base) {
  if (base == 2.0) return log2(a);
  if (base == 10.0) return log10(a);
  return log(a) / log(base);
}
double mc_sin(double a) { return sin(a); }
double mc_cos(double a) { return cos(a); }
double mc_tan(double a) { return tan(a); }
double mc_asin(double a) { return asin(a); }
double mc_acos(double a) { return acos(a); }
double mc_atan2(double a, double b) { return atan2(a, b); }
double mc_widen_half(uint16_t half) { return mm_double_of_bits(mm_widen_half(half)); }
uint16_t mc_narrow_half(double value) { return mm_narrow_half(mm_bits_of_double(value)); }
uint16_t mc_narrow_brain(double value) { return mm_narrow_brain(mm_bits_of_double(value)); }

static const struct {
  const char *name;
  const void *address;
} functions[] = {
#define MC_FUNCTION_ROW(name) {#name, (const void *)name},
    MC_FUNCTION_ROW(mc_fmod) MC_FUNCTION_ROW(mc_pow) MC_FUNCTION_ROW(mc_exp) MC_FUNCTION_ROW(mc_log)
        MC_FUNCTION_ROW(mc_log_base) MC_FUNCTION_ROW(mc_sin) MC_FUNCTION_ROW(mc_cos) MC_FUNCTION_ROW(mc_tan)
            MC_FUNCTION_ROW(mc_asin) MC_FUNCTION_ROW(mc_acos) MC_FUNCTION_ROW(mc_atan2) MC_FUNCTION_ROW(mc_widen_half)
                MC_FUNCTION_ROW(mc_narrow_half) MC_FUNCTION_ROW(mc_narrow_brain) MC_FUNCTION_ROW(mc_table_new)
                    MC_FUNCTION_ROW(mc_table_grow) MC_FUNCTION_ROW(mc_table_length)
    /* What LLVM makes of loops and of its own operations. */
    MC_FUNCTION_ROW(memset) MC_FUNCTION_ROW(memcpy) MC_FUNCTION_ROW(memmove) MC_FUNCTION_ROW(floor)
        MC_FUNCTION_ROW(ceil)};

const void *mc_helper(const char *name) {
  for (size_t i = 0; i < sizeof functions / sizeof *functions; i++)
    if (strcmp(functions[i].name, name) == 0) return functions[i].address;
  return NULL;
}
