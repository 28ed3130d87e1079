// Counters of workflow functions: names, and the events that are counted.
#include "core/workflow_counts.hpp"

#include <gtest/gtest.h>

#include <set>
#include <string>

using namespace hc::core;

TEST(WorkflowCounts, EachHasANameOfItsOwn) {
    std::set<std::string> names;
    for (std::size_t i = 0; i < kWorkflowCounts; ++i) {
        const auto &[name, help] = words_of(static_cast<WorkflowCount>(i));
        EXPECT_TRUE(names.insert(name).second) << name;
        EXPECT_EQ(std::string(name).find_first_not_of("abcdefghijklmnopqrstuvwxyz_"), std::string::npos) << name;
        EXPECT_TRUE(std::string(help).ends_with('.')) << name;
    }
    EXPECT_EQ(names.size(), kWorkflowCounts);
}

TEST(WorkflowCounts, EachEventOnceAtMost) {
    std::set<WorkflowCount> counted;
    for (int i = 1; i <= static_cast<int>(kLastExecutionEventType); ++i) {
        const auto type = static_cast<ExecutionEventType>(i);
        const auto count = count_of(type);
        EXPECT_TRUE(!count || counted.insert(*count).second) << to_string(type);
    }
    EXPECT_EQ(counted.size(), 17U);
    EXPECT_EQ(words_of(*count_of(ExecutionEventType::workflow_execution_failed)).name, std::string("workflow_failed"));
    EXPECT_EQ(count_of(ExecutionEventType::workflow_task_failed), std::nullopt);
    for (int i = 1; i <= static_cast<int>(kLastExecutionEventType); ++i) // each end is counted
        EXPECT_TRUE(!is_close(static_cast<ExecutionEventType>(i)) || count_of(static_cast<ExecutionEventType>(i)));
}
