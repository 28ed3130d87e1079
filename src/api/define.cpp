// SQL functions of sql/install/40_define.sql: argument checks, then one engine call.
#include "engine/fence.hpp"
#include "engine/pauses.hpp"
#include "engine/verb.hpp"
#include "pg/function.hpp"

using namespace hc;

HC_FUNCTION(hc_create_cascade_rule) {
    const std::string name = args.text(0, "name");
    const std::string rule = args.json(1, "rule");
    engine::Verb verb;
    const std::int32_t version = engine::create_rule(verb.user(), name, rule, false);
    verb.finish();
    return pg::make_int32(version);
}

HC_FUNCTION(hc_alter_cascade_rule) {
    const std::string name = args.text(0, "name");
    const std::string rule = args.json(1, "rule");
    engine::Verb verb;
    const std::int32_t version = engine::create_rule(verb.user(), name, rule, true);
    verb.finish();
    return pg::make_int32(version);
}

HC_FUNCTION(hc_drop_cascade_rule) {
    const std::string name = args.text(0, "name");
    engine::Verb verb;
    engine::drop_rule(name);
    verb.finish();
    return pg::make_void();
}

HC_FUNCTION(hc_create_provider) {
    const std::string name = args.text(0, "name");
    const std::string config = args.json(1, "config");
    engine::Verb verb;
    const std::int32_t id = engine::create_provider(name, config);
    verb.finish();
    return pg::make_int32(id);
}

HC_FUNCTION(hc_alter_provider) {
    const std::string name = args.text(0, "name");
    const std::string config = args.json(1, "config");
    engine::Verb verb;
    engine::alter_provider(name, config);
    verb.finish();
    return pg::make_void();
}

HC_FUNCTION(hc_drop_provider) {
    const std::string name = args.text(0, "name");
    engine::Verb verb;
    engine::drop_provider(name);
    verb.finish();
    return pg::make_void();
}

HC_FUNCTION(hc_set_tenant_limits) {
    const std::string tenant = args.text(0, "tenant");
    const std::optional<std::string> limits = args.is_null(1) ? std::nullopt : std::optional(args.json(1, "limits"));
    engine::Verb verb;
    engine::set_tenant_limits(tenant, limits);
    verb.finish();
    return pg::make_void();
}

HC_FUNCTION(hc_set_tenant_role) {
    const std::optional<std::string> tenant = args.optional_text(0);
    const std::optional<std::string> role = args.is_null(1) ? std::nullopt : std::optional(args.name(1, "role_name"));
    engine::Verb verb;
    engine::set_tenant_role(verb.user(), tenant, role);
    verb.finish();
    return pg::make_void();
}

HC_FUNCTION(hc_create_endpoint) {
    const std::optional<std::string> tenant = args.optional_text(0);
    const std::string url = args.text(1, "url");
    const std::string options = args.json(2, "options");
    engine::Verb verb;
    const std::int32_t id = engine::create_endpoint(tenant, url, options);
    verb.finish();
    return pg::make_int32(id);
}

HC_FUNCTION(hc_alter_endpoint) {
    const std::int32_t id = args.integer(0, "id");
    const std::string url = args.text(1, "url");
    const std::string options = args.json(2, "options");
    engine::Verb verb;
    engine::alter_endpoint(id, url, options);
    verb.finish();
    return pg::make_void();
}

HC_FUNCTION(hc_drop_endpoint) {
    const std::int32_t id = args.integer(0, "id");
    engine::Verb verb;
    engine::drop_endpoint(id);
    verb.finish();
    return pg::make_void();
}

HC_FUNCTION(hc_set_secret) {
    const std::string name = args.text(0, "name");
    const std::string value = args.text(1, "value");
    engine::Verb verb;
    engine::set_secret(name, value);
    verb.finish();
    return pg::make_void();
}

HC_FUNCTION(hc_drop_secret) {
    const std::string name = args.text(0, "name");
    engine::Verb verb;
    engine::drop_secret(name);
    verb.finish();
    return pg::make_void();
}

HC_FUNCTION(hc_grant_tenant) {
    const std::string role = args.name(0, "role_name");
    const std::string tenant = args.text(1, "tenant");
    engine::Verb verb;
    engine::grant_tenant(role, tenant);
    verb.finish();
    return pg::make_void();
}

HC_FUNCTION(hc_revoke_tenant) {
    const std::string role = args.name(0, "role_name");
    const std::string tenant = args.text(1, "tenant");
    engine::Verb verb;
    engine::revoke_tenant(role, tenant);
    verb.finish();
    return pg::make_void();
}

HC_FUNCTION(hc_tenant_visible) {
    const std::optional<std::string> tenant = args.optional_text(0);
    return pg::make_bool(engine::tenant_visible(pg::current_user(), tenant));
}

HC_FUNCTION(hc_confirm_restore) {
    engine::Verb verb;
    engine::confirm_restore();
    verb.finish();
    return pg::make_void();
}

namespace {

pg::Return pause(const pg::Arguments &args, engine::PauseScope scope) {
    const std::optional<std::string> name =
        scope == engine::PauseScope::tenant ? args.optional_text(0) : std::optional(args.text(0, "name"));
    const std::optional<std::string> reason = args.optional_text(1);
    engine::Verb verb;
    const bool changed = engine::pause(scope, name, reason);
    verb.finish();
    return pg::make_bool(changed);
}

pg::Return resume(const pg::Arguments &args, engine::PauseScope scope) {
    const std::optional<std::string> name =
        scope == engine::PauseScope::tenant ? args.optional_text(0) : std::optional(args.text(0, "name"));
    engine::Verb verb;
    const bool changed = engine::resume(scope, name);
    verb.finish();
    return pg::make_bool(changed);
}

} // namespace

HC_FUNCTION(hc_pause_provider) { return pause(args, engine::PauseScope::provider); }
HC_FUNCTION(hc_resume_provider) { return resume(args, engine::PauseScope::provider); }
HC_FUNCTION(hc_pause_tenant) { return pause(args, engine::PauseScope::tenant); }
HC_FUNCTION(hc_resume_tenant) { return resume(args, engine::PauseScope::tenant); }
HC_FUNCTION(hc_pause_cascade_rule) { return pause(args, engine::PauseScope::rule); }
HC_FUNCTION(hc_resume_cascade_rule) { return resume(args, engine::PauseScope::rule); }
