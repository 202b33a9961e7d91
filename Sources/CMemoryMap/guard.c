#include "CMemoryMap.h"
int mm_placeholder(void) { return 0; }
