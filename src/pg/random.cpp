// See random.hpp.
#include "pg/random.hpp"

#include "pg/postgres.hpp"

extern "C" {
#include "common/pg_prng.h"
}

namespace hc::pg {

std::uint64_t random64() noexcept { return pg_prng_uint64(&pg_global_prng_state); }
double random01() noexcept { return pg_prng_double(&pg_global_prng_state); }

} // namespace hc::pg
