// See session.hpp.
#include "workers/session.hpp"

#include "engine/definitions.hpp"
#include "engine/test_clock.hpp"
#include "pg/bgworker.hpp"
#include "pg/catalog.hpp"

namespace hc::workers {

Transaction::Transaction(const char *activity) : transaction_(activity) {
    if (!OidIsValid(pg::lock_extension())) {
        throw ExtensionGone();
    }
    pg::watch_definitions();
    engine::definitions().refresh();
    engine::follow_clock();
}

bool transient(const pg::Failure &failure) noexcept {
    const int category = ERRCODE_TO_CATEGORY(pg::failure_code(failure));
    return category == ERRCODE_TO_CATEGORY(ERRCODE_INSUFFICIENT_RESOURCES) ||
           category == ERRCODE_TO_CATEGORY(ERRCODE_OPERATOR_INTERVENTION) ||
           category == ERRCODE_TO_CATEGORY(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE) ||
           category == ERRCODE_TO_CATEGORY(ERRCODE_T_R_SERIALIZATION_FAILURE) ||
           category == ERRCODE_TO_CATEGORY(ERRCODE_READ_ONLY_SQL_TRANSACTION) ||
           category == ERRCODE_TO_CATEGORY(ERRCODE_CHECK_VIOLATION) || // a partition is being attached
           category == ERRCODE_TO_CATEGORY(ERRCODE_IO_ERROR);
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
