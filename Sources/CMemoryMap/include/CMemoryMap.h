#ifndef CMEMORYMAP_H
#define CMEMORYMAP_H
int mm_placeholder(void);
#endif
