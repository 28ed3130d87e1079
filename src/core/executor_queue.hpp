// Numbers of the queues of user SQL: one for each role that runs some, by its id in hermes.executor_role. They stand
// between the queues of providers and those of webhook endpoints (pg/wake.hpp).
#pragma once

#include <cstdint>

namespace hc::core {

inline constexpr std::int32_t kFirstExecutorQueue = 1 << 29;
inline constexpr std::int32_t kEndOfExecutorQueues = kFirstExecutorQueue + (1 << 28);

// Role 0 stands for none: what waits there cannot run.
inline constexpr std::int32_t kNoExecutorRole = 0;
inline constexpr std::int32_t kMaxExecutorRole = kEndOfExecutorQueues - kFirstExecutorQueue - 1;

// Behind them stand the queues of programs outside of the database, which workers poll: workflow types of such a
// program have, in place of a role, the number of their queue (hermes.program_queue) from here on.
inline constexpr std::int32_t kFirstProgramRole = kMaxExecutorRole + 1;
inline constexpr std::int32_t kEndOfProgramQueues = 1 << 30;

inline constexpr std::int32_t executor_queue(std::int32_t role) { return kFirstExecutorQueue + role; }
inline constexpr bool is_executor_queue(std::int32_t queue) {
    return queue >= kFirstExecutorQueue && queue < kEndOfExecutorQueues;
}
inline constexpr bool is_program_queue(std::int32_t queue) {
    return queue >= kEndOfExecutorQueues && queue < kEndOfProgramQueues;
}
inline constexpr std::int32_t role_of_queue(std::int32_t queue) { return queue - kFirstExecutorQueue; }

} // namespace hc::core
