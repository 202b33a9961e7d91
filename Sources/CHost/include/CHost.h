#ifndef CHOST_H
#define CHOST_H
int host_main(int argc, char *_Nullable *_Nonnull argv);
#endif
