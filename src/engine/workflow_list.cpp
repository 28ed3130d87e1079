// See workflow_list.hpp. Runs in callers' backends.
#include "engine/workflow_list.hpp"

#include "core/error.hpp"
#include "engine/definitions.hpp"
#include "engine/workflow_attributes.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>

namespace hc::engine {

namespace {

using core::FilterField;

constexpr std::int32_t kMaxPage = 1000;

// Where a page begins: after an open execution, or after a closed one.
struct Place {
    std::optional<core::WorkflowId> open;
    std::optional<store::ClosedPlace> closed;
};

[[noreturn]] void throw_bad_token() {
    throw Error(sqlstate::invalid_parameter, "invalid page token", {}, "Give next_page of a row of the page before.");
}

// "o-<id>", or "<microseconds>-<id>"
Place read_token(const std::string &token) {
    const std::size_t dash = token.find('-');
    if (dash == std::string::npos) {
        throw_bad_token();
    }
    const std::optional<core::WorkflowId> id = core::parse_workflow_id(token.substr(dash + 1));
    std::int64_t micros = 0;
    const auto [end, error] = std::from_chars(token.data(), token.data() + dash, micros);
    const bool open = token.starts_with("o-");
    if (!id || (!open && (error != std::errc() || end != token.data() + dash || micros < 0))) {
        throw_bad_token();
    }
    return open ? Place{id, {}} : Place{{}, store::ClosedPlace{core::from_unix_micros(micros), *id}};
}

core::WorkflowFilter read_filter(const std::string &filter) {
    return core::parse_workflow_filter(filter, search_attribute_types());
}

// The archive has no order by end but that in which its rows were written, in which block ranges are skipped: the
// last hour is looked at, then a day, and so on, until the page is full.
std::vector<store::ListedRow> last_closed(const core::WorkflowFilter &filter, const store::Tenants &tenants,
                                          const store::ClosedPlace &place, std::int32_t wanted) {
    const core::Time newest = std::min(place.at, pg::now());
    for (const core::Duration back : {core::Duration(std::chrono::hours(1)), core::Duration(std::chrono::days(1)),
                                      core::Duration(std::chrono::days(10)), core::Duration(std::chrono::days(100))}) {
        std::vector<store::ListedRow> rows = store::list_closed(filter, tenants, newest - back, place, wanted);
        if (rows.size() == static_cast<std::size_t>(wanted)) {
            return rows;
        }
    }
    return store::list_closed(filter, tenants, core::from_unix_micros(0), place, wanted);
}

void check_group(const core::FilterCondition &field) {
    const bool good = field.field == FilterField::status || field.field == FilterField::workflow_type ||
                      (field.field == FilterField::attribute && field.type == core::AttributeType::keyword);
    if (!good) {
        throw Error(sqlstate::invalid_parameter, fmt::format("cannot count by \"{}\"", field.name), {},
                    "Count by ExecutionStatus, WorkflowType or a keyword attribute.");
    }
}

} // namespace

std::vector<store::ListedRow> list_workflows(const WorkflowPage &page, Oid user) {
    if (page.size < 1 || page.size > kMaxPage) {
        throw Error(sqlstate::invalid_parameter, "invalid page size", fmt::format("It must be 1 to {}.", kMaxPage));
    }
    const core::WorkflowFilter filter = read_filter(page.filter);
    const store::Tenants tenants = definitions().allowed_tenants(user);
    const Place place = page.token ? read_token(*page.token) : Place{};
    std::vector<store::ListedRow> rows;
    if (!place.closed) {
        rows = store::list_open(filter, tenants, place.open, page.size);
    }
    if (const auto left = page.size - static_cast<std::int32_t>(rows.size()); left > 0) {
        const store::ClosedPlace from = place.closed.value_or(store::ClosedPlace{core::kNever, {}});
        std::vector<store::ListedRow> closed = last_closed(filter, tenants, from, left);
        std::move(closed.begin(), closed.end(), std::back_inserter(rows));
    }
    return rows;
}

std::string page_token_after(const store::ListedRow &row) {
    const std::string at = row.closed_at ? fmt::to_string(core::to_unix_micros(*row.closed_at)) : "o";
    return at + "-" + core::to_string(row.id);
}

std::vector<store::CountRow> count_workflows(const std::string &filter_text, const std::optional<std::string> &group_by,
                                             Oid user) {
    const core::WorkflowFilter filter = read_filter(filter_text);
    std::optional<core::FilterCondition> group;
    if (group_by) {
        group = core::find_filter_field(*group_by, search_attribute_types());
        check_group(*group);
    }
    const store::Tenants tenants = definitions().allowed_tenants(user);
    std::map<std::optional<std::string>, std::int64_t> counts;
    for (const auto count : {store::count_open, store::count_closed}) {
        for (const store::CountRow &row : count(filter, tenants, group)) {
            counts[row.value] += row.executions;
        }
    }
    std::vector<store::CountRow> rows;
    rows.reserve(counts.size());
    for (const auto &[value, executions] : counts) {
        if (executions != 0 || !group) {
            rows.push_back({value, executions});
        }
    }
    std::stable_sort(rows.begin(), rows.end(),
                     [](const store::CountRow &a, const store::CountRow &b) { return a.executions > b.executions; });
    return rows;
}

} // namespace hc::engine
