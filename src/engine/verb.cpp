// See verb.hpp.
#include "engine/verb.hpp"

#include "engine/test_clock.hpp"

namespace hc::engine {

Verb::Verb(pg::PinPath when) : user_(pg::current_user()), path_(when) {
    pg::warn_not_preloaded();
    Definitions &defs = definitions();
    defs.refresh();
    identity_.emplace(defs.owner().role);
    spi_.emplace();
    follow_clock();
}

void Verb::finish() {
    spi_->finish();
    identity_.reset();
    path_.finish();
}

bool tenant_visible(Oid user, const std::optional<std::string> &tenant) {
    Definitions &defs = definitions();
    defs.refresh();
    if (!tenant || defs.tenant_known(user)) { // once a row: no statement
        return defs.tenant_allowed(user, tenant);
    }
    Verb verb;
    const bool allowed = defs.tenant_allowed(user, tenant);
    verb.finish();
    return allowed;
}

} // namespace hc::engine
