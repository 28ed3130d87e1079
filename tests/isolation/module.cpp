// Magic block of the module of test functions. Weak: any folder of test sources may bring one. Runs in backends.
#include "pg/postgres.hpp"

extern "C" {

HC_EXPORT __attribute__((weak)) const Pg_magic_struct *Pg_magic_func(void);
PG_MODULE_MAGIC;

} // extern "C"
