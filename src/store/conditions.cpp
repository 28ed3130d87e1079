// See conditions.hpp.
#include "store/conditions.hpp"

#include "pg/function.hpp"

namespace hc::store {

namespace {

using Json = pg::param_of<pg::json_value>;
using Uuid = pg::param_of<core::WorkflowId>;
using Text = pg::param_of<std::optional<std::string>>;
using Integer = pg::param_of<std::int32_t>;

constexpr Oid kTypes[] = {Json::kOid, Uuid::kOid, Text::kOid, Text::kOid, Integer::kOid, Text::kOid, Json::kOid};

// The line end closes a comment at the end of the expression.
std::string query_of(const std::string &expression) {
    return "SELECT (" + expression +
           "\n)::pg_catalog.bool FROM (SELECT $1::pg_catalog.jsonb AS message, $2::pg_catalog.uuid AS cascade_id, "
           "$3::pg_catalog.text AS key, $4::pg_catalog.text AS tenant, $5::pg_catalog.int4 AS step, "
           "$6::pg_catalog.text AS channel, $7::pg_catalog.jsonb AS attempts) AS cascade";
}

} // namespace

bool Conditions::holds(const Condition &c) {
    const std::int32_t step = c.step + 1;
    struct Parameters {
        pg::Param list[std::size(kTypes)];
    };
    const Parameters parameters = pg::call([&c, step]() -> Parameters {
        return {{Json::make({c.message_json}), Uuid::make(c.id), Text::make(c.key), Text::make(c.tenant),
                 Integer::make(step), Text::make(c.channel), Json::make({c.attempts_json})}};
    });
    const std::int64_t key = (std::int64_t{c.rule_id} << 16) | c.step;
    return plans_.evaluate(key, query_of(c.expression), kTypes, parameters.list).value_or(false);
}

} // namespace hc::store
