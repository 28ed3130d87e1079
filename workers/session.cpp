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

void ExtensionWatch::look() {
    const std::uint32_t changes = pg::my_database()->extension_changes.load();
    if (changes != seen_) {
        Transaction transaction("looking for the extension");
        transaction.commit();
        seen_ = changes;
    }
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
