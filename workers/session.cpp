// See session.hpp.
#include "workers/session.hpp"

#include "engine/definitions.hpp"
#include "pg/bgworker.hpp"

namespace hc::workers {

Transaction::Transaction(const char *activity) : transaction_(activity) {
    if (!OidIsValid(pg::lock_extension())) {
        throw ExtensionGone();
    }
    engine::definitions().refresh();
}

long milliseconds_until(core::Time t, core::Time now, long most) {
    if (t <= now) {
        return 0;
    }
    if (t == core::kNever || t - now >= std::chrono::milliseconds(most)) {
        return most;
    }
    return static_cast<long>(std::chrono::ceil<std::chrono::milliseconds>(t - now).count());
}

} // namespace hc::workers
