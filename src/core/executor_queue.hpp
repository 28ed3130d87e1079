// Numbers of the queues of user SQL: one for each role that runs some, by its id in hermes.executor_role. They stand
// between the queues of providers and those of webhook endpoints (pg/wake.hpp).
#pragma once

#include <cstdint>

namespace hc::core {

inline constexpr std::int32_t kFirstExecutorQueue = 1 << 29;
inline constexpr std::int32_t kEndOfExecutorQueues = 1 << 30;

// Role 0 stands for none: what waits there cannot run.
inline constexpr std::int32_t kNoExecutorRole = 0;
inline constexpr std::int32_t kMaxExecutorRole = kEndOfExecutorQueues - kFirstExecutorQueue - 1;

inline constexpr std::int32_t executor_queue(std::int32_t role) { return kFirstExecutorQueue + role; }
inline constexpr bool is_executor_queue(std::int32_t queue) {
    return queue >= kFirstExecutorQueue && queue < kEndOfExecutorQueues;
}
inline constexpr std::int32_t role_of_queue(std::int32_t queue) { return queue - kFirstExecutorQueue; }

} // namespace hc::core
