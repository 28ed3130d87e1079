// Options of workflow functions, the policies of their ids, and what their errors mean: the whole tables.
#include "core/error.hpp"
#include "core/workflow_failure.hpp"
#include "core/workflow_options.hpp"

#include <gtest/gtest.h>

using namespace hc::core;
using namespace std::chrono_literals;

namespace {

WorkflowStartOptions policies(ConflictPolicy conflict, ReusePolicy reuse) {
    WorkflowStartOptions options;
    options.conflict = conflict;
    options.reuse = reuse;
    return options;
}

} // namespace

TEST(WorkflowOptions, OfAType) {
    const WorkflowTypeOptions none = parse_workflow_type_options("{}");
    EXPECT_EQ(none.task_timeout, 10s);
    EXPECT_EQ(none.step_timeout, 60s);
    EXPECT_FALSE(none.run_timeout || none.in_place);
    const WorkflowTypeOptions all = parse_workflow_type_options(
        R"({"run_as": "app", "task_timeout": "5s", "step_timeout": "1h", "run_timeout": "30d", "in_place": true})");
    EXPECT_EQ(all.run_as, "app");
    EXPECT_EQ(all.task_timeout, 5s);
    EXPECT_EQ(all.step_timeout, 1h);
    EXPECT_EQ(all.run_timeout, Duration(std::chrono::days(30)));
    EXPECT_TRUE(all.in_place);
    EXPECT_FALSE(none.execution_timeout || none.retry);
    const WorkflowTypeOptions retried =
        parse_workflow_type_options(R"({"execution_timeout": "1d", "retry": {"max_attempts": 4}})");
    EXPECT_EQ(retried.execution_timeout, Duration(std::chrono::days(1)));
    EXPECT_EQ(retried.retry->maximum_attempts, 4);
    EXPECT_TRUE(parse_workflow_type_options(R"({"retry": {}})").retry);
    for (const char *bad : {"[]", "{", R"({"runas": "x"})", R"({"task_timeout": "3m"})", R"({"run_timeout": 0})",
                            R"({"execution_timeout": 0})", R"({"retry": null})", R"({"retry": {"max": 1}})",
                            R"({"in_place": "yes"})", R"({"run_as": ""})"})
        EXPECT_THROW(parse_workflow_type_options(bad), hc::Error) << bad;
}

TEST(WorkflowOptions, UpdatesAndQueriesOfAType) {
    const WorkflowTypeOptions all = parse_workflow_type_options(
        R"x({"updates": {"add": {"validator": "app.check(jsonb, jsonb)"}, "drop": {}},
             "queries": {"total": "app.total(jsonb,jsonb)"}})x");
    EXPECT_EQ(all.updates, (DeclaredHandlers{{"add", "app.check(jsonb, jsonb)"}, {"drop", ""}}));
    EXPECT_EQ(all.queries, (DeclaredHandlers{{"total", "app.total(jsonb,jsonb)"}}));
    const std::string long_name = "{\"updates\": {\"" + std::string(201, 'n') + "\": {}}}";
    std::string many = "{\"updates\": {\"0\": {}";
    for (int i = 1; i < 101; ++i)
        many += ", \"" + std::to_string(i) + "\": {}";
    many += "}}";
    for (const char *bad :
         {R"({"updates": []})", R"({"updates": {"add": null}})", R"({"updates": {"add": {"validate": "f"}}})",
          R"({"updates": {"": {}}})", R"({"queries": {"total": ""}})", R"({"queries": {"total": {}}})",
          long_name.c_str(), many.c_str()})
        EXPECT_THROW(parse_workflow_type_options(bad), hc::Error) << bad;
}

TEST(WorkflowOptions, OfAStart) {
    const WorkflowStartOptions all = parse_workflow_start_options(
        R"({"conflict_policy": "use_existing", "reuse_policy": "allow_duplicate_failed_only", "request_id": "r",
            "start_delay": 0, "run_timeout": "1m"})");
    EXPECT_EQ(all.conflict, ConflictPolicy::use_existing);
    EXPECT_EQ(all.reuse, ReusePolicy::allow_duplicate_failed_only);
    EXPECT_EQ(all.request_id, "r");
    EXPECT_EQ(all.start_delay, 0s);
    EXPECT_EQ(all.run_timeout, Duration(1min));
    const WorkflowStartOptions retried =
        parse_workflow_start_options(R"({"execution_timeout": "1d", "retry": {"coefficient": 3}})");
    EXPECT_EQ(retried.execution_timeout, Duration(std::chrono::days(1)));
    EXPECT_EQ(retried.retry->backoff_coefficient, 3);
    for (const char *bad : {R"({"conflict_policy": "no"})", R"({"reuse_policy": 1})", R"({"start_delay": "-1s"})",
                            R"({"conflict_policy": "terminate_existing", "reuse_policy": "reject_duplicate"})"})
        EXPECT_THROW(parse_workflow_start_options(bad), hc::Error) << bad;
}

TEST(WorkflowOptions, OfAStartWithASignal) {
    EXPECT_EQ(parse_workflow_start_options("{}", true).conflict, ConflictPolicy::use_existing);
    const WorkflowStartOptions all =
        parse_workflow_start_options(R"({"conflict_policy": "terminate_existing", "signal_request_id": "s"})", true);
    EXPECT_EQ(all.conflict, ConflictPolicy::terminate_existing);
    EXPECT_EQ(all.signal_request_id, "s");
    EXPECT_THROW(parse_workflow_start_options(R"({"conflict_policy": "fail"})", true), hc::Error);
    EXPECT_THROW(parse_workflow_start_options(R"({"signal_request_id": "s"})"), hc::Error);
}

TEST(WorkflowOptions, OfAChild) {
    EXPECT_EQ(parse_child_options("{}").parent_close, ParentClosePolicy::terminate);
    for (const ParentClosePolicy policy :
         {ParentClosePolicy::terminate, ParentClosePolicy::request_cancel, ParentClosePolicy::abandon}) {
        const std::string word(to_string(policy));
        EXPECT_EQ(parse_child_options("{\"parent_close_policy\": \"" + word + "\"}").parent_close, policy);
        EXPECT_EQ(parse_parent_close(word), policy);
    }
    EXPECT_EQ(parse_parent_close("nonsense"), ParentClosePolicy::terminate);
    EXPECT_EQ(parse_child_options(R"({"run_timeout": "1h"})").run_timeout, Duration(1h));
    EXPECT_EQ(parse_child_options(R"({"retry": {"max_attempts": 4}})").retry->maximum_attempts, 4);
    for (const char *bad : {R"({"parent_close_policy": "kill"})", R"({"policy": "abandon"})", "[]"})
        EXPECT_THROW(parse_child_options(bad), hc::Error) << bad;
}

TEST(WorkflowOptions, CourseOfAStart) {
    using C = ConflictPolicy;
    using R = ReusePolicy;
    using S = StartCourse;
    for (const auto &[conflict, course] :
         {std::pair(C::fail, S::refuse_open), std::pair(C::use_existing, S::use_existing),
          std::pair(C::terminate_existing, S::terminate_existing)})
        for (const R reuse : {R::allow_duplicate, R::allow_duplicate_failed_only})
            EXPECT_EQ(course_of_start(policies(conflict, reuse), {ExecutionStatus::running, ""}), course);
    for (const C conflict : {C::fail, C::use_existing}) {
        for (const ExecutionStatus status :
             {ExecutionStatus::completed, ExecutionStatus::failed, ExecutionStatus::timed_out,
              ExecutionStatus::canceled, ExecutionStatus::terminated}) {
            const bool completed = status == ExecutionStatus::completed;
            EXPECT_EQ(course_of_start(policies(conflict, R::allow_duplicate), {status, ""}), S::start);
            EXPECT_EQ(course_of_start(policies(conflict, R::allow_duplicate_failed_only), {status, ""}),
                      completed ? S::refuse_closed : S::start);
            EXPECT_EQ(course_of_start(policies(conflict, R::reject_duplicate), {status, ""}), S::refuse_closed);
        }
    }
    // the same request is the same execution, whatever the policies; an empty one is none
    WorkflowStartOptions again = policies(C::fail, R::reject_duplicate);
    again.request_id = "r";
    EXPECT_EQ(course_of_start(again, {ExecutionStatus::running, "r"}), S::use_existing);
    EXPECT_EQ(course_of_start(again, {ExecutionStatus::failed, "r"}), S::use_existing);
    EXPECT_EQ(course_of_start(again, {ExecutionStatus::running, "other"}), S::refuse_open);
    again.request_id = "";
    EXPECT_EQ(course_of_start(again, {ExecutionStatus::running, ""}), S::refuse_open);
}

TEST(WorkflowOptions, RetryOfATurn) {
    EXPECT_EQ(turn_retry_delay(0), 1s);
    EXPECT_EQ(turn_retry_delay(1), 1s);
    EXPECT_EQ(turn_retry_delay(2), 2s);
    EXPECT_EQ(turn_retry_delay(9), 256s);
    EXPECT_EQ(turn_retry_delay(11), 600s);
    EXPECT_EQ(turn_retry_delay(4'000'000'000U), 600s);
}

TEST(WorkflowFailure, RoundTrip) {
    const WorkflowFailure whole{"23514", "new row \"x\" violates", "Failing row", "Do not"};
    EXPECT_EQ(parse_failure(failure_json(whole)), whole);
    EXPECT_EQ(failure_json({"P0001", "no", "", ""}), R"({"sqlstate":"P0001","message":"no"})");
    EXPECT_EQ(parse_failure("nonsense"), WorkflowFailure{});
    EXPECT_EQ(parse_failure("[1]"), WorkflowFailure{});
}

TEST(WorkflowFailure, Kinds) {
    for (const char *transient : {"40001", "40P01", "55P03", "53200", "57P01", "08006", "58030"})
        EXPECT_TRUE(is_transient(transient)) << transient;
    for (const char *lasting : {"23505", "22012", "P0001", "42P01", "55000", "40002", ""})
        EXPECT_FALSE(is_transient(lasting)) << lasting;
    for (const char *application : {"P0001", "77777", "K0001", "ZZ000", "60000"})
        EXPECT_TRUE(is_application_error(application)) << application;
    for (const char *fault : {"P0002", "P0004", "22012", "42703", "XX000", "WF020", "57014", "53200", "F0000", "HV000",
                              "00000", "72000", "1", ""})
        EXPECT_FALSE(is_application_error(fault)) << fault;
}

TEST(WorkflowOptions, OfCompensations) {
    EXPECT_FALSE(parse_compensate_options("{}").stop);
    EXPECT_FALSE(parse_compensate_options(R"({"on_error": "continue"})").stop);
    EXPECT_TRUE(parse_compensate_options(R"({"on_error": "stop"})").stop);
    for (const char *bad : {R"({"on_error": "go"})", R"({"error": "stop"})", "[]", "3"})
        EXPECT_THROW(parse_compensate_options(bad), hc::Error) << bad;
}
