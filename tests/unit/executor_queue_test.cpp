// Numbers of the queues of user SQL: within their range, apart from all others, and back.
#include "core/executor_queue.hpp"

#include <gtest/gtest.h>

namespace hc::core {
namespace {

TEST(ExecutorQueueTest, EachRoleHasOneAndItNamesTheRole) {
    for (const std::int32_t role : {kNoExecutorRole, 1, 2, 4095, kMaxExecutorRole}) {
        const std::int32_t queue = executor_queue(role);
        EXPECT_TRUE(is_executor_queue(queue)) << role;
        EXPECT_EQ(role_of_queue(queue), role);
    }
    EXPECT_NE(executor_queue(1), executor_queue(2));
}

TEST(ExecutorQueueTest, TheRangeEndsWhereThatOfTheEndpointsBegins) {
    EXPECT_FALSE(is_executor_queue(kFirstExecutorQueue - 1));
    EXPECT_EQ(executor_queue(kMaxExecutorRole), kEndOfExecutorQueues - 1);
    EXPECT_FALSE(is_executor_queue(kEndOfExecutorQueues));
    for (const std::int32_t queue : {0, 1, 2, 3, 16, 255, 1 << 20, INT32_MAX}) {
        EXPECT_FALSE(is_executor_queue(queue)) << queue;
    }
}

} // namespace
} // namespace hc::core
