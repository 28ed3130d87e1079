// See workflow_list.hpp.
#include "store/workflow_list.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <span>

namespace hc::store {

namespace {

using core::AttributeType;
using core::FilterCondition;
using core::FilterField;
using core::FilterOp;
using core::WorkflowFilter;

enum class Kind : std::uint8_t { open, closed };

constexpr const char *kStatusOfOpen = "CASE WHEN x.paused_at IS NULL THEN 'Running' ELSE 'Paused' END";
// Names of hermes.execution_closed.status, from 1.
constexpr std::array<std::string_view, 6> kClosedStatuses = {"Completed", "Failed",     "TimedOut",
                                                             "Canceled",  "Terminated", "ContinuedAsNew"};
constexpr const char *kFromOpen = " FROM hermes.execution x JOIN hermes.workflow_type t ON t.id = x.type_id "
                                  "LEFT JOIN hermes.execution_attributes a ON a.execution_id = x.id ";
constexpr const char *kFromClosed = " FROM hermes.execution_closed x JOIN hermes.workflow_type t ON t.id = x.type_id "
                                    "LEFT JOIN hermes.execution_attributes a ON a.execution_id = x.id ";
constexpr const char *kStatusOfClosed =
    "(ARRAY['Completed', 'Failed', 'TimedOut', 'Canceled', 'Terminated', 'ContinuedAsNew'])[x.status]";
// The parameters of every statement: $1 names and values of the filter, $2 tenants.
const char *visible(const Tenants &tenants) {
    return tenants ? "WHERE (x.tenant IS NULL OR x.tenant = ANY ($2)) AND " : "WHERE ";
}
std::vector<std::string> names_of(const Tenants &tenants) { return tenants.value_or(std::vector<std::string>()); }

// Writes the conditions of a filter, and collects their names and values.
class Conditions {
public:
    explicit Conditions(Kind kind) : kind_(kind) {}

    std::string write(const WorkflowFilter &filter) {
        switch (filter.kind) {
        case WorkflowFilter::Kind::everything:
            return "true";
        case WorkflowFilter::Kind::condition:
            return condition(filter.condition);
        default:
            break;
        }
        std::vector<std::string> parts;
        parts.reserve(filter.parts.size());
        for (const WorkflowFilter &part : filter.parts) {
            parts.push_back(write(part));
        }
        return fmt::format("({})", fmt::join(parts, filter.kind == WorkflowFilter::Kind::all ? " AND " : " OR "));
    }

    // A field as a text, to group by.
    std::string text_of(const FilterCondition &field) {
        if (field.field == FilterField::status) {
            return kind_ == Kind::open ? kStatusOfOpen : kStatusOfClosed;
        }
        return field.field == FilterField::attribute ? fmt::format("(a.attributes ->> {})", parameter(field.name))
                                                     : column(field);
    }

    const std::vector<std::string> &values() const { return values_; }

private:
    std::string parameter(const std::string &value) {
        values_.push_back(value);
        return fmt::format("($1)[{}]", values_.size());
    }

    std::string condition(const FilterCondition &c) {
        if (c.field == FilterField::status) {
            return status(c);
        }
        if (c.field == FilterField::attribute) {
            return attribute(c);
        }
        if (c.op == FilterOp::is_null || c.op == FilterOp::is_not_null) {
            return fmt::format("{} {}", column(c), c.op == FilterOp::is_null ? "IS NULL" : "IS NOT NULL");
        }
        const std::string compared = comparison(column(c), type_of(c), c);
        return c.field == FilterField::start_time ? bound_of_ids(c) + compared : compared;
    }

    std::string column(const FilterCondition &c) const {
        const bool closed = kind_ == Kind::closed;
        switch (c.field) {
        case FilterField::workflow_id:
            return "x.workflow_id";
        case FilterField::workflow_type:
            return "t.name";
        case FilterField::workflow_version:
            return "t.version";
        case FilterField::execution_id:
            return "x.id";
        case FilterField::parent_execution_id:
            return "x.parent_id";
        case FilterField::tenant:
            return "x.tenant";
        case FilterField::start_time:
            return "hermes.time_of_id(x.id)";
        case FilterField::close_time:
            return closed ? "x.closed_at" : "NULL::timestamptz";
        default:
            return closed ? "(extract(epoch FROM x.closed_at - hermes.time_of_id(x.id)) * 1000000)" : "NULL::numeric";
        }
    }

    static const char *type_of(const FilterCondition &c) {
        switch (c.field) {
        case FilterField::workflow_version:
        case FilterField::duration:
            return "numeric";
        case FilterField::execution_id:
        case FilterField::parent_execution_id:
            return "uuid";
        case FilterField::start_time:
        case FilterField::close_time:
            return "timestamptz";
        default:
            return "text";
        }
    }

    // A comparison of which the executions without a value meet neither way. Texts are compared by their bytes.
    std::string comparison(const std::string &left, const char *type, const FilterCondition &c) {
        const std::string_view collation = std::string_view(type) == "text" ? " COLLATE \"C\"" : "";
        const std::string compared = left + std::string(collation);
        const auto value = [&](std::size_t i) { return fmt::format("{}::{}", parameter(c.values.at(i)), type); };
        static constexpr std::array<std::string_view, 6> kSigns = {"=", "<>", "<", "<=", ">", ">="};
        switch (c.op) {
        case FilterOp::in:
        case FilterOp::not_in: {
            std::vector<std::string> values;
            for (std::size_t i = 0; i < c.values.size(); ++i) {
                values.push_back(value(i));
            }
            return fmt::format("{} {} ({})", compared, c.op == FilterOp::in ? "IN" : "NOT IN", fmt::join(values, ", "));
        }
        case FilterOp::between:
        case FilterOp::not_between: {
            const std::string low = value(0), high = value(1);
            return fmt::format("{} {} {} AND {}", compared, c.op == FilterOp::between ? "BETWEEN" : "NOT BETWEEN", low,
                               high);
        }
        case FilterOp::starts_with:
            return fmt::format("starts_with({}, {})", left, value(0));
        case FilterOp::not_starts_with:
            return fmt::format("NOT starts_with({}, {})", left, value(0));
        default:
            return fmt::format("{} {} {}", compared, kSigns.at(static_cast<std::size_t>(c.op)), value(0));
        }
    }

    // Ids begin with their time: partitions out of the bounds are not read.
    std::string bound_of_ids(const FilterCondition &c) {
        const auto id_at = [&](const std::string &value, const char *more) {
            return fmt::format("hermes.first_id_at(greatest({}::timestamptz, 'epoch'){})", parameter(value), more);
        };
        const bool low = c.op == FilterOp::greater || c.op == FilterOp::greater_equal || c.op == FilterOp::equal ||
                         c.op == FilterOp::between;
        const bool high = c.op == FilterOp::less || c.op == FilterOp::less_equal || c.op == FilterOp::equal ||
                          c.op == FilterOp::between;
        std::string bounds;
        if (low) {
            bounds += fmt::format("x.id >= {} AND ", id_at(c.values.front(), ""));
        }
        if (high) {
            bounds += fmt::format("x.id < {} AND ", id_at(c.values.back(), " + interval '1 ms'"));
        }
        return bounds;
    }

    std::string status(const FilterCondition &c) const {
        if (c.op == FilterOp::is_null || c.op == FilterOp::is_not_null) {
            return c.op == FilterOp::is_null ? "false" : "true";
        }
        const auto wanted = [&](std::string_view name) {
            return std::find(c.values.begin(), c.values.end(), name) != c.values.end();
        };
        const bool negated = c.op == FilterOp::not_equal || c.op == FilterOp::not_in;
        if (kind_ == Kind::open) {
            const bool running = wanted("Running") != negated;
            const bool paused = wanted("Paused") != negated;
            return running == paused ? (running ? "true" : "false")
                                     : (paused ? "x.paused_at IS NOT NULL" : "x.paused_at IS NULL");
        }
        std::vector<std::size_t> numbers;
        for (std::size_t i = 0; i < kClosedStatuses.size(); ++i) {
            if (wanted(kClosedStatuses.at(i)) != negated) {
                numbers.push_back(i + 1);
            }
        }
        return numbers.empty() ? "false" : fmt::format("x.status IN ({})", fmt::join(numbers, ", "));
    }

    std::string attribute(const FilterCondition &c) {
        if (c.op == FilterOp::is_null || c.op == FilterOp::is_not_null) {
            return fmt::format("(a.attributes -> {}) {}", parameter(c.name),
                               c.op == FilterOp::is_null ? "IS NULL" : "IS NOT NULL");
        }
        if (c.type == AttributeType::text) {
            return words(c);
        }
        switch (c.op) {
        case FilterOp::equal:
        case FilterOp::in:
            return contains(c);
        case FilterOp::not_equal:
        case FilterOp::not_in: {
            const std::string has = fmt::format("a.attributes ? {}", parameter(c.name));
            return fmt::format("({} AND NOT {})", has, contains(c));
        }
        default:
            break;
        }
        const std::string name = parameter(c.name);
        if (c.type == AttributeType::integer || c.type == AttributeType::floating) {
            // of a type that was declared anew there may be others
            const std::string number = fmt::format("CASE WHEN jsonb_typeof(a.attributes -> {0}) = 'number' "
                                                   "THEN (a.attributes -> {0})::numeric END",
                                                   name);
            return comparison(number, "numeric", c);
        }
        return comparison(fmt::format("(a.attributes ->> {})", name), "text", c); // times are texts of one width
    }

    // By the index.
    std::string contains(const FilterCondition &c) {
        std::vector<std::string> any;
        any.reserve(c.values.size());
        for (const std::string &value : c.values) {
            any.push_back(fmt::format("a.attributes @> {}::jsonb", parameter(core::containment_of(c, value))));
        }
        return fmt::format("({})", fmt::join(any, " OR "));
    }

    std::string words(const FilterCondition &c) {
        const auto of = [](const std::string &text) {
            return fmt::format("tsvector_to_array(to_tsvector('simple'::regconfig, {}))", text);
        };
        const std::string has = of(fmt::format("a.attributes ->> {}", parameter(c.name)));
        const std::string wanted = of(parameter(c.values.front()));
        return fmt::format("{}({} && {})", c.op == FilterOp::not_equal ? "NOT " : "", has, wanted);
    }

    Kind kind_;
    std::vector<std::string> values_;
};

std::vector<CountRow> count(Kind kind, const WorkflowFilter &filter, const Tenants &tenants,
                            const std::optional<FilterCondition> &group) {
    Conditions conditions(kind);
    const std::string value = group ? conditions.text_of(*group) : "NULL::text";
    const std::string sql =
        fmt::format("SELECT {}, count(*){}{}{}{}", value, kind == Kind::open ? kFromOpen : kFromClosed,
                    visible(tenants), conditions.write(filter), group ? " GROUP BY 1" : "");
    return pg::query_once<CountRow>(sql, conditions.values(), names_of(tenants));
}

} // namespace

std::vector<ListedRow> list_open(const WorkflowFilter &filter, const Tenants &tenants,
                                 std::optional<core::WorkflowId> before, std::int32_t limit) {
    Conditions conditions(Kind::open);
    const std::string sql = fmt::format(
        "SELECT x.id, t.name, t.version, x.workflow_id, x.tenant, {}, hermes.time_of_id(x.id), "
        "NULL::timestamptz, a.attributes, a.memo{}{}{}{} ORDER BY x.id DESC LIMIT $4",
        kStatusOfOpen, kFromOpen, visible(tenants), conditions.write(filter), before ? " AND x.id < $3" : "");
    return pg::query_once<ListedRow>(sql, conditions.values(), names_of(tenants), before, limit);
}

std::vector<ListedRow> list_closed(const WorkflowFilter &filter, const Tenants &tenants, core::Time since,
                                   const ClosedPlace &place, std::int32_t limit) {
    Conditions conditions(Kind::closed);
    const std::string sql =
        fmt::format("SELECT x.id, t.name, t.version, x.workflow_id, x.tenant, {}, hermes.time_of_id(x.id), "
                    "x.closed_at, a.attributes, a.memo{}{}{} AND x.closed_at >= $3 AND x.closed_at <= $4 AND "
                    "(x.closed_at, x.id) < ($4, $5) ORDER BY x.closed_at DESC, x.id DESC LIMIT $6",
                    kStatusOfClosed, kFromClosed, visible(tenants), conditions.write(filter));
    return pg::query_once<ListedRow>(sql, conditions.values(), names_of(tenants), since, place.at, place.id, limit);
}

std::vector<CountRow> count_open(const WorkflowFilter &filter, const Tenants &tenants,
                                 const std::optional<FilterCondition> &group) {
    return count(Kind::open, filter, tenants, group);
}

std::vector<CountRow> count_closed(const WorkflowFilter &filter, const Tenants &tenants,
                                   const std::optional<FilterCondition> &group) {
    return count(Kind::closed, filter, tenants, group);
}

} // namespace hc::store
