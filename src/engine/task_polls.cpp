// See task_polls.hpp.
#include "engine/task_polls.hpp"

#include "core/error.hpp"

#include <fmt/format.h>

namespace hc::engine {

namespace {

constexpr std::int32_t kMostTasks = 1000;
constexpr std::size_t kMaxWorkerName = 200;
constexpr core::Duration kShortestLease = std::chrono::milliseconds(100);
constexpr core::Duration kLongestLease = std::chrono::days(30);

} // namespace

void check_poll(std::int32_t max_tasks, const std::optional<std::string> &worker,
                const std::optional<core::Duration> &lease) {
    if (max_tasks < 1 || max_tasks > kMostTasks) {
        throw Error(sqlstate::invalid_parameter, "invalid max_tasks",
                    fmt::format("It must be between 1 and {}.", kMostTasks));
    }
    if (worker && (worker->empty() || worker->size() > kMaxWorkerName)) {
        throw Error(sqlstate::invalid_parameter, "invalid worker",
                    fmt::format("It must have 1 to {} bytes.", kMaxWorkerName));
    }
    if (lease && (*lease < kShortestLease || *lease > kLongestLease)) {
        throw Error(sqlstate::invalid_parameter, "invalid lease", "It must be between 100 milliseconds and 30 days.");
    }
}

} // namespace hc::engine
