// The restore fence over its whole table: what moved, and how the server started.
#include "core/fence.hpp"

#include <gtest/gtest.h>

namespace hc::core {
namespace {

struct Case {
    const char *name;
    SystemToken current;
    bool standby;
    FenceVerdict verdict;
};

TEST(Fence, EveryCase) {
    const SystemToken stored{1000, 1, 5};
    const Case cases[] = {
        {"nothing moved", {1000, 1, 5}, false, FenceVerdict::go},
        {"nothing moved, started as standby", {1000, 1, 5}, true, FenceVerdict::go},
        {"promotion of a standby", {1000, 2, 5}, true, FenceVerdict::adopt},
        {"recovery to a point in time", {1000, 2, 5}, false, FenceVerdict::hold},
        {"logical copy in the same cluster", {1000, 1, 6}, false, FenceVerdict::hold},
        {"logical copy, standby promoted", {1000, 2, 6}, true, FenceVerdict::hold},
        {"logical copy in another cluster", {2000, 1, 5}, false, FenceVerdict::hold},
        {"another cluster, started as standby", {2000, 1, 5}, true, FenceVerdict::hold},
        {"another cluster, database and timeline", {2000, 3, 9}, false, FenceVerdict::hold},
    };
    for (const Case &c : cases) {
        EXPECT_EQ(check_fence(stored, c.current, c.standby), c.verdict) << c.name;
    }
}

} // namespace
} // namespace hc::core
