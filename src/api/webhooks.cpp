// SQL functions of sql/install/45_webhooks.sql: argument checks, then one engine call.
#include "engine/webhooks.hpp"
#include "core/crypto.hpp"
#include "engine/verb.hpp"
#include "pg/function.hpp"
#include "pg/random.hpp"

#include <fmt/format.h>

using namespace hc;

namespace {

constexpr std::size_t kSecretBytes = 32;

std::optional<std::int32_t> optional_integer(const pg::Arguments &args, int i, const char *name) {
    return args.is_null(i) ? std::nullopt : std::optional(args.integer(i, name));
}

} // namespace

HC_FUNCTION(hc_generate_webhook_secret) {
    (void)args;
    return pg::make_text("whsec_" + core::base64_encode(pg::strong_random(kSecretBytes)));
}

HC_FUNCTION(hc_rotate_endpoint_secret) {
    const std::int32_t id = args.integer(0, "id");
    const std::string new_secret = args.text(1, "new_secret_name");
    const core::Duration keep_old = args.interval(2, "keep_old");
    engine::Verb verb;
    engine::rotate_endpoint_secret(id, new_secret, keep_old);
    verb.finish();
    return pg::make_void();
}

HC_FUNCTION(hc_enable_endpoint) {
    const std::int32_t id = args.integer(0, "id");
    engine::Verb verb;
    engine::enable_endpoint(id);
    verb.finish();
    return pg::make_void();
}

HC_FUNCTION(hc_replay_webhook) {
    const core::WorkflowId id = args.uuid(0, "cascade_id");
    const std::optional<std::int32_t> sequence = optional_integer(args, 1, "sequence");
    const std::optional<std::int32_t> endpoint = optional_integer(args, 2, "endpoint_id");
    engine::Verb verb;
    const std::int32_t put = engine::replay_webhook(id, sequence, endpoint, verb.user());
    verb.finish();
    return pg::make_int32(put);
}

HC_FUNCTION(hc_replay_webhooks) {
    const std::int32_t endpoint = args.integer(0, "endpoint_id");
    const core::Time since = args.timestamptz(1, "since");
    const core::Time until = args.timestamptz(2, "until");
    const bool failed_only = args.boolean(3, "failed_only");
    engine::Verb verb;
    const engine::Replayed replayed = engine::replay_webhooks(endpoint, since, until, failed_only);
    verb.finish();
    if (replayed.rest) {
        pg::notice("more reports are left in the range",
                   fmt::format("One call takes {}; go on with since => '{}'.", engine::kMaxReplays,
                               core::format_iso8601(*replayed.rest)));
    }
    return pg::make_int64(replayed.put);
}
