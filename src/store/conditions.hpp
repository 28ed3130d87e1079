// Conditions of cascade steps: the query around the expression that a rule gives. Runs in executors, in
// pg::run_user_sql.
#pragma once

#include "core/id.hpp"
#include "pg/user_sql.hpp"

#include <optional>
#include <string>

namespace hc::store {

// An expression and what it may name; its columns are those of one row, `cascade`.
struct Condition {
    std::int32_t rule_id = 0;
    std::uint16_t step = 0; // counted from 0
    std::string expression;
    core::WorkflowId id;
    std::optional<std::string> key, tenant;
    std::optional<std::string> channel;
    std::string message_json, attempts_json;
};

class Conditions {
public:
    bool holds(const Condition &condition); // NULL counts as false

private:
    pg::UserPlans plans_; // by rule version and step
};

} // namespace hc::store
