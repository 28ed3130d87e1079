// SQL functions of sql/install/48_suppression.sql: argument checks, then one engine call.
#include "engine/suppression.hpp"
#include "core/error.hpp"
#include "engine/verb.hpp"
#include "pg/function.hpp"

using namespace hc;

namespace {

engine::SuppressionScope scope_of(const pg::Arguments &args, int category) {
    return {args.optional_text(0), args.text(1, "channel"), args.text(category, "category")};
}

std::vector<std::string> addresses_of(const pg::Arguments &args) {
    std::vector<std::string> addresses;
    for (std::optional<std::string> &address : args.texts(2, "addresses")) {
        if (!address) {
            throw Error(sqlstate::null_not_allowed, "argument \"addresses\" must not contain null elements");
        }
        addresses.push_back(std::move(*address));
    }
    return addresses;
}

} // namespace

HC_FUNCTION(hc_suppress) {
    const engine::SuppressionScope scope = scope_of(args, 3);
    const std::vector<std::string> address{args.text(2, "address")};
    const std::string reason = args.text(4, "reason");
    engine::Verb verb;
    const std::int64_t added = engine::suppress(scope, address, reason, verb.user());
    verb.finish();
    return pg::make_bool(added != 0);
}

HC_FUNCTION(hc_suppress_many) {
    const engine::SuppressionScope scope = scope_of(args, 3);
    const std::vector<std::string> addresses = addresses_of(args);
    const std::string reason = args.text(4, "reason");
    engine::Verb verb;
    const std::int64_t added = engine::suppress(scope, addresses, reason, verb.user());
    verb.finish();
    return pg::make_int64(added);
}

HC_FUNCTION(hc_unsuppress) {
    const engine::SuppressionScope scope = scope_of(args, 3);
    const std::string address = args.text(2, "address");
    engine::Verb verb;
    const bool was = engine::unsuppress(scope, address, verb.user());
    verb.finish();
    return pg::make_bool(was);
}

HC_FUNCTION(hc_is_suppressed) {
    const engine::SuppressionScope scope = scope_of(args, 3);
    const std::string address = args.text(2, "address");
    engine::Verb verb;
    const bool suppressed = engine::is_suppressed(scope, address, verb.user());
    verb.finish();
    return pg::make_bool(suppressed);
}
