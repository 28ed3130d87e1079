// The filter of hermes.list_workflows (Temporal's list filter): text -> conditions with typed values, for the store to
// put into SQL, where every value is a parameter. Pure.
//
//   filter    := and-term { OR and-term }
//   and-term  := not-term { AND not-term }
//   not-term  := NOT not-term | '(' filter ')' | condition
//   condition := name ( = | != | <> | < | <= | > | >= ) value
//              | name [NOT] IN '(' value { ',' value } ')'
//              | name [NOT] BETWEEN value AND value
//              | name [NOT] STARTS_WITH value
//              | name IS [NOT] NULL
//   name      := a word, or anything in backquotes;  value := 'text', "text", a number, true, false
//
// A NOT before parentheses is carried into them: an execution without an attribute meets neither a condition on it
// nor the contrary, but IS NULL.
#pragma once

#include "core/workflow_attributes.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace hc::core {

inline constexpr std::size_t kMaxFilterBytes = 20'000;
inline constexpr std::size_t kMaxFilterValues = 1'000;
inline constexpr std::size_t kMaxFilterDepth = 100;

enum class FilterField : std::uint8_t {
    attribute, // a declared one, by name
    workflow_id,
    workflow_type,
    workflow_version,
    execution_id,
    parent_execution_id,
    tenant,
    status,
    start_time,
    close_time,
    duration,
};

enum class FilterOp : std::uint8_t {
    equal,
    not_equal,
    less,
    less_equal,
    greater,
    greater_equal,
    in,
    not_in,
    between,
    not_between,
    starts_with,
    not_starts_with,
    is_null,
    is_not_null,
};

struct FilterCondition {
    FilterField field{};
    std::string name; // as it is declared
    AttributeType type{};
    FilterOp op{};
    // In the form the store compares: texts as they are, numbers in decimals, times in ISO 8601 UTC, statuses by name,
    // durations in microseconds.
    std::vector<std::string> values;
};

struct WorkflowFilter {
    enum class Kind : std::uint8_t { everything, condition, all, any };
    Kind kind = Kind::everything;
    FilterCondition condition;
    std::vector<WorkflowFilter> parts; // of all, any
};

// An empty text is everything. Throws 22023, 54000; the detail begins with the position, from 1.
WorkflowFilter parse_workflow_filter(std::string_view text, const AttributeTypes &types);

// In one form, which parse_workflow_filter reads back.
std::string to_string(const WorkflowFilter &filter);

// The field of that name, for GROUP BY too. Throws 22023.
FilterCondition find_filter_field(std::string_view name, const AttributeTypes &types);

// {"City": "Berlin"}: what the attributes of an execution contain when a condition on equality holds for this value.
std::string containment_of(const FilterCondition &condition, const std::string &value);

} // namespace hc::core
