// What is told of updates, and the options of update_with_start: the whole tables.
#include "core/error.hpp"
#include "core/workflow_updates.hpp"

#include <gtest/gtest.h>

using namespace hc::core;

TEST(WorkflowUpdates, Answers) {
    EXPECT_EQ(update_answer(UpdateStage::admitted, ""), R"({"stage": "admitted"})");
    EXPECT_EQ(update_answer(UpdateStage::accepted, "{}"), R"({"stage": "accepted"})");
    EXPECT_EQ(update_answer(UpdateStage::completed, outcome_of_result("12345678901234567890.5")),
              R"({"stage": "completed", "result": 12345678901234567890.5})");
    EXPECT_EQ(update_answer(UpdateStage::rejected, outcome_of_failure({"P0001", "no", "", ""})),
              R"({"stage": "rejected", "failure": {"sqlstate":"P0001","message":"no"}})");
    EXPECT_EQ(update_answer_with_id(update_answer(UpdateStage::admitted, ""), "a\"b"),
              R"({"update_id": "a\"b", "stage": "admitted"})");
    EXPECT_EQ(to_string(UpdateStage::moved), "moved");
    EXPECT_EQ(to_string(static_cast<UpdateStage>(5)), "");
}

TEST(WorkflowUpdates, OfAnExecutionThatClosed) {
    EXPECT_EQ(unfinished_update_answer(UpdateStage::accepted, ExecutionStatus::terminated),
              R"({"stage": "completed", "failure": {"sqlstate":"WF030","message":"workflow update failed because the )"
              R"(workflow completed before the update completed","detail":"The execution is Terminated."}})");
    const std::string admitted = unfinished_update_answer(UpdateStage::admitted, ExecutionStatus::timed_out);
    EXPECT_NE(admitted.find(R"("stage": "rejected")"), std::string::npos);
    EXPECT_NE(admitted.find("before it took the update"), std::string::npos);
    EXPECT_NE(admitted.find("TimedOut"), std::string::npos);
}

TEST(WorkflowUpdates, Undeclared) {
    const WorkflowFailure some = undeclared_update("x", {{"add", ""}, {"drop", "app.f(jsonb, jsonb)"}});
    EXPECT_EQ(some.sqlstate, "42704");
    EXPECT_EQ(some.detail, "The workflow type declares: add, drop.");
    EXPECT_EQ(undeclared_update("x", {}).detail, "The workflow type declares none.");
}

TEST(WorkflowUpdates, OptionsOfUpdateWithStart) {
    const UpdateStartOptions none = parse_update_start_options("{}");
    EXPECT_EQ(none.update_id, "");
    EXPECT_EQ(parse_workflow_start_options(none.start_json).conflict, ConflictPolicy::use_existing);
    const UpdateStartOptions all =
        parse_update_start_options(R"({"update_id": "u", "conflict_policy": "terminate_existing", "request_id": "r"})");
    EXPECT_EQ(all.update_id, "u");
    EXPECT_EQ(parse_workflow_start_options(all.start_json).conflict, ConflictPolicy::terminate_existing);
    EXPECT_EQ(parse_workflow_start_options(all.start_json).request_id, "r");
    for (const char *bad : {"[]", "{", R"({"update_id": ""})", R"({"update_id": 1})", R"({"start_delay": "1s"})"})
        EXPECT_THROW(parse_update_start_options(bad), hc::Error) << bad;
    EXPECT_THROW(parse_workflow_start_options(parse_update_start_options(R"({"unknown": 1})").start_json), hc::Error);
}
