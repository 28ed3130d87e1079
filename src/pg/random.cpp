// See random.hpp.
#include "pg/random.hpp"

#include "core/error.hpp"
#include "pg/postgres.hpp"

extern "C" {
#include "common/pg_prng.h"
}

namespace hc::pg {

std::uint64_t random64() noexcept { return pg_prng_uint64(&pg_global_prng_state); }
double random01() noexcept { return pg_prng_double(&pg_global_prng_state); }

std::string strong_random(std::size_t bytes) {
    std::string result(bytes, '\0');
    if (!pg_strong_random(result.data(), bytes)) {
        throw Error(sqlstate::internal_error, "could not get random bytes from the system");
    }
    return result;
}

} // namespace hc::pg
