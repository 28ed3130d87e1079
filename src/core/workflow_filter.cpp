// See workflow_filter.hpp. Pure.
#include "core/workflow_filter.hpp"

#include "core/error.hpp"
#include "core/workflow_filter_values.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <span>

namespace hc::core {

namespace {

struct SystemField {
    std::string_view name;
    FilterField field;
    AttributeType type;
};
constexpr std::array<SystemField, 11> kSystemFields{{
    {"WorkflowId", FilterField::workflow_id, AttributeType::keyword},
    {"WorkflowType", FilterField::workflow_type, AttributeType::keyword},
    {"WorkflowVersion", FilterField::workflow_version, AttributeType::integer},
    {"ExecutionId", FilterField::execution_id, AttributeType::keyword},
    {"RunId", FilterField::execution_id, AttributeType::keyword},
    {"ParentExecutionId", FilterField::parent_execution_id, AttributeType::keyword},
    {"Tenant", FilterField::tenant, AttributeType::keyword},
    {"ExecutionStatus", FilterField::status, AttributeType::keyword},
    {"StartTime", FilterField::start_time, AttributeType::datetime},
    {"CloseTime", FilterField::close_time, AttributeType::datetime},
    {"ExecutionDuration", FilterField::duration, AttributeType::integer},
}};

constexpr std::array<std::string_view, 14> kOpWords = {"=",       "!=",          "<",           "<=",
                                                       ">",       ">=",          "IN",          "NOT IN",
                                                       "BETWEEN", "NOT BETWEEN", "STARTS_WITH", "NOT STARTS_WITH",
                                                       "IS NULL", "IS NOT NULL"};
// The contrary of each, in the order of FilterOp.
constexpr std::array<FilterOp, 14> kContrary = {
    FilterOp::not_equal,   FilterOp::equal,   FilterOp::greater_equal,   FilterOp::greater,
    FilterOp::less_equal,  FilterOp::less,    FilterOp::not_in,          FilterOp::in,
    FilterOp::not_between, FilterOp::between, FilterOp::not_starts_with, FilterOp::starts_with,
    FilterOp::is_not_null, FilterOp::is_null};

std::string_view word_of(FilterOp op) { return kOpWords[static_cast<std::size_t>(op)]; }

bool is_one_of_few(FilterField field) { // compared for equality only
    return field == FilterField::status || field == FilterField::execution_id ||
           field == FilterField::parent_execution_id;
}

// Which conditions a field can have: Temporal's.
bool allows(const FilterCondition &field, FilterOp op) {
    if (op == FilterOp::is_null || op == FilterOp::is_not_null || op == FilterOp::equal || op == FilterOp::not_equal)
        return true;
    const bool list = op == FilterOp::in || op == FilterOp::not_in;
    if (field.type == AttributeType::text || field.type == AttributeType::boolean)
        return false;
    if (field.type == AttributeType::keyword_list || is_one_of_few(field.field))
        return list;
    const bool prefix = op == FilterOp::starts_with || op == FilterOp::not_starts_with;
    return !prefix || field.type == AttributeType::keyword;
}

struct Nesting {
    bool negated = false;
    std::size_t depth = 0;
};

class FilterParser {
public:
    FilterParser(std::string_view text, const AttributeTypes &types) : lexer_(text), types_(types) {
        token_ = lexer_.next();
    }

    WorkflowFilter parse() {
        if (token_.kind == FilterToken::Kind::end)
            return {};
        WorkflowFilter filter = any_of({});
        if (token_.kind != FilterToken::Kind::end)
            fail_filter(token_.position, "expected AND, OR or the end");
        return filter;
    }

private:
    bool accept(std::string_view word) {
        if (!token_.is(word))
            return false;
        token_ = lexer_.next();
        return true;
    }
    void need(std::string_view word) {
        if (!accept(word))
            fail_filter(token_.position, fmt::format("expected {}", word));
    }

    WorkflowFilter any_of(Nesting nesting) { return terms("OR", nesting, true); }
    WorkflowFilter all_of(Nesting nesting) { return terms("AND", nesting, false); }

    WorkflowFilter terms(std::string_view word, Nesting nesting, bool any) {
        WorkflowFilter filter;
        filter.kind = any != nesting.negated ? WorkflowFilter::Kind::any : WorkflowFilter::Kind::all;
        do {
            filter.parts.push_back(any ? all_of(nesting) : not_term(nesting));
        } while (accept(word));
        if (filter.parts.size() > 1)
            return filter;
        WorkflowFilter only = std::move(filter.parts.front());
        return only;
    }

    WorkflowFilter not_term(Nesting nesting) {
        const bool negation = token_.is("NOT");
        if (negation || token_.is("(")) {
            if (++nesting.depth > kMaxFilterDepth)
                fail_filter_limit(token_.position, fmt::format("more than {} levels deep", kMaxFilterDepth));
            token_ = lexer_.next();
            if (negation) {
                nesting.negated = !nesting.negated;
                return not_term(nesting);
            }
            WorkflowFilter filter = any_of(nesting);
            need(")");
            return filter;
        }
        WorkflowFilter filter;
        filter.kind = WorkflowFilter::Kind::condition;
        filter.condition = condition();
        if (nesting.negated)
            filter.condition.op = kContrary[static_cast<std::size_t>(filter.condition.op)];
        return filter;
    }

    FilterCondition condition() {
        const FilterToken name = token_;
        if (name.kind != FilterToken::Kind::word && name.kind != FilterToken::Kind::name)
            fail_filter(name.position, "expected the name of a field");
        token_ = lexer_.next();
        FilterCondition condition;
        try {
            condition = find_filter_field(name.text, types_);
        } catch (const Error &e) {
            throw Error(e.sqlstate(), e.message(), fmt::format("Position {}: {}", name.position, e.detail()), e.hint());
        }
        const std::size_t position = token_.position;
        condition.op = operation();
        if (!allows(condition, condition.op))
            fail_filter(position, fmt::format("{} cannot be used with {}", word_of(condition.op), condition.name));
        operands(condition);
        return condition;
    }

    FilterOp operation() {
        static constexpr std::array<std::pair<std::string_view, FilterOp>, 7> kComparisons{
            {{"=", FilterOp::equal},
             {"!=", FilterOp::not_equal},
             {"<>", FilterOp::not_equal},
             {"<=", FilterOp::less_equal},
             {"<", FilterOp::less},
             {">=", FilterOp::greater_equal},
             {">", FilterOp::greater}}};
        for (const auto &[word, op] : kComparisons)
            if (accept(word))
                return op;
        if (accept("IS")) {
            const bool negated = accept("NOT");
            need("NULL");
            return negated ? FilterOp::is_not_null : FilterOp::is_null;
        }
        const bool negated = accept("NOT");
        for (const FilterOp op : {FilterOp::in, FilterOp::between, FilterOp::starts_with})
            if (accept(word_of(op)))
                return negated ? kContrary[static_cast<std::size_t>(op)] : op;
        fail_filter(token_.position, "expected a comparison, IN, BETWEEN, STARTS_WITH or IS");
    }

    void operands(FilterCondition &condition) {
        switch (condition.op) {
        case FilterOp::is_null:
        case FilterOp::is_not_null:
            return;
        case FilterOp::in:
        case FilterOp::not_in:
            need("(");
            do {
                value(condition);
            } while (accept(","));
            need(")");
            return;
        case FilterOp::between:
        case FilterOp::not_between:
            value(condition);
            need("AND");
            value(condition);
            return;
        default:
            value(condition);
        }
    }

    void value(FilterCondition &condition) {
        if (++values_ > kMaxFilterValues)
            fail_filter_limit(token_.position, fmt::format("more than {} values", kMaxFilterValues));
        condition.values.push_back(filter_value(condition, token_));
        token_ = lexer_.next();
    }

    FilterLexer lexer_;
    const AttributeTypes &types_;
    FilterToken token_;
    std::size_t values_ = 0;
};

std::string quote_text(std::string_view text) {
    std::string out = "'";
    for (const char c : text)
        out += c == '\'' ? std::string("''") : std::string(1, c);
    return out + "'";
}

bool is_bare(const FilterCondition &condition) {
    return condition.field == FilterField::workflow_version || condition.field == FilterField::attribute
               ? condition.type == AttributeType::integer || condition.type == AttributeType::floating ||
                     condition.type == AttributeType::boolean
               : false;
}

std::string value_text(const FilterCondition &condition, const std::string &value) {
    if (condition.field == FilterField::duration)
        return quote_text(value + "us");
    return is_bare(condition) ? value : quote_text(value);
}

std::string condition_text(const FilterCondition &condition) {
    std::string text = fmt::format("`{}` {}", condition.name, word_of(condition.op));
    std::vector<std::string> values;
    values.reserve(condition.values.size());
    for (const std::string &value : condition.values)
        values.push_back(value_text(condition, value));
    switch (condition.op) {
    case FilterOp::is_null:
    case FilterOp::is_not_null:
        return text;
    case FilterOp::in:
    case FilterOp::not_in:
        return fmt::format("{} ({})", text, fmt::join(values, ", "));
    case FilterOp::between:
    case FilterOp::not_between:
        return fmt::format("{} {} AND {}", text, values.at(0), values.at(1));
    default:
        return fmt::format("{} {}", text, values.at(0));
    }
}

} // namespace

WorkflowFilter parse_workflow_filter(std::string_view text, const AttributeTypes &types) {
    if (text.size() > kMaxFilterBytes)
        fail_filter_limit(kMaxFilterBytes + 1, fmt::format("more than {} bytes", kMaxFilterBytes));
    return FilterParser(text, types).parse();
}

FilterCondition find_filter_field(std::string_view name, const AttributeTypes &types) {
    FilterCondition field;
    field.name = name;
    for (const SystemField &known : kSystemFields) {
        if (known.name == name) {
            field.field = known.field;
            field.type = known.type;
            return field;
        }
    }
    const auto it = types.find(name);
    if (it == types.end())
        throw Error(sqlstate::invalid_parameter, kFilterMessage,
                    fmt::format("\"{}\" is no field or search attribute.", name),
                    "Declare it with hermes.create_search_attribute; names count capital letters.");
    field.type = it->second;
    return field;
}

std::string to_string(const WorkflowFilter &filter) {
    if (filter.kind == WorkflowFilter::Kind::everything)
        return "";
    if (filter.kind == WorkflowFilter::Kind::condition)
        return condition_text(filter.condition);
    std::vector<std::string> parts;
    parts.reserve(filter.parts.size());
    for (const WorkflowFilter &part : filter.parts)
        parts.push_back(to_string(part));
    return fmt::format("({})", fmt::join(parts, filter.kind == WorkflowFilter::Kind::all ? " AND " : " OR "));
}

std::string containment_of(const FilterCondition &condition, const std::string &value) {
    const auto text = [](std::string_view v) {
        return nlohmann::json(v).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    };
    const bool list = condition.type == AttributeType::keyword_list;
    const std::string json = is_bare(condition) ? value : text(value);
    return fmt::format("{{{}: {}{}{}}}", text(condition.name), list ? "[" : "", json, list ? "]" : "");
}

} // namespace hc::core
