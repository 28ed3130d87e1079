// See workflow_limits.hpp.
#include "core/workflow_limits.hpp"

#include <fmt/format.h>

namespace hc::core {

namespace {

constexpr std::size_t kKiB = 1024, kMiB = 1024 * kKiB;

} // namespace

std::vector<NearLimit> near_limits(const ExecutionUse &use, std::size_t max_payload) {
    std::vector<NearLimit> near;
    if (use.events >= kMaxExecutionEvents / 5 || use.bytes >= kMaxExecutionBytes / 5)
        near.push_back({"history", use.is_full(),
                        fmt::format("{} of {} events, {} of {} MiB", use.events, kMaxExecutionEvents, use.bytes / kMiB,
                                    kMaxExecutionBytes / kMiB),
                        "Its turns fail at the limit. The function is to use hermes.continue_as_new when "
                        "hermes.info() suggests it."});
    const auto add = [&near](std::string_view subject, std::size_t used, std::size_t limit, std::string words,
                             std::string_view hint) {
        if (used >= limit / 2)
            near.push_back({subject, used >= limit, std::move(words), hint});
    };
    add("activities", use.activities, kMaxOpenActivities,
        fmt::format("{} of {} that are open", use.activities, kMaxOpenActivities),
        "Its turns fail when it starts more than that. The function is to await some before it starts the next ones.");
    add("children", use.children, kMaxOpenChildren,
        fmt::format("{} of {} that are open", use.children, kMaxOpenChildren),
        "Its turns fail when it starts more than that. The function is to await some before it starts the next ones.");
    add("updates", use.updates, kMaxUpdates, fmt::format("{} of {}", use.updates, kMaxUpdates),
        "More are refused. The function is to use hermes.continue_as_new when hermes.info() suggests it.");
    add("payload", use.largest, max_payload,
        fmt::format("the largest value has {} of {} kB", use.largest / kKiB, max_payload / kKiB),
        "Larger ones are refused. Let the history hold a key of what is large; see hermes.max_message_size.");
    return near;
}

} // namespace hc::core
