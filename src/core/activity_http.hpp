// What the answer of a provider means for an activity of kind http. Pure.
//
// Taken (by the provider's own rules, else any 2xx): completed with {"status": 200, "body": <JSON, or text>}. Refused
// for good (4xx but 408 and 429, an address that may not be called): a failure that is not retried. Anything else: one
// that is, after Retry-After when there is one. The type of a failure is the reason ("http_503", "no_answer").
#pragma once

#include "core/activity.hpp"
#include "core/provider_config.hpp"

#include <optional>
#include <string>

namespace hc::core {

struct HttpActivityEnd {
    std::string result;                    // JSON, when it completed
    std::optional<AttemptFailure> failure; // when it did not
};
HttpActivityEnd end_of_http_activity(const SendAnswer &answer, const HttpAnswer &http);

} // namespace hc::core
