// See provider_health.hpp.
#include "engine/provider_health.hpp"

#include "engine/definitions.hpp"
#include "pg/provider_state.hpp"
#include "pg/values.hpp"

namespace hc::engine {

std::vector<std::int32_t> unavailable_providers() {
    std::vector<std::int32_t> out = pg::open_providers(pg::now());
    for (const store::PauseRow &row : definitions().pauses()) {
        if (row.scope == store::kPauseProvider && !row.until) {
            out.push_back(row.provider);
        }
    }
    return out;
}

core::circuit_breaker::Result health_result(const core::SendAnswer &answer) {
    using core::circuit_breaker::Result;
    if (answer.code == 429) {
        return Result::ignored;
    }
    switch (answer.verdict) {
    case core::SendVerdict::accepted:
    case core::SendVerdict::next_channel: // refused for what it contained: the provider works
        return Result::success;
    case core::SendVerdict::retry_same:
    case core::SendVerdict::ambiguous:
    case core::SendVerdict::next_provider:
        break;
    case core::SendVerdict::skip:
    case core::SendVerdict::not_now: // nothing was sent
        return Result::ignored;
    }
    return Result::failure;
}

core::Time throttled_until(const core::SendAnswer &answer, core::Time now) {
    constexpr auto kShort = std::chrono::milliseconds(200);
    const bool throttled = answer.code == 429 || (answer.code == 503 && answer.retry_after);
    return throttled ? now + answer.retry_after.value_or(kShort) : core::Time{};
}

} // namespace hc::engine
