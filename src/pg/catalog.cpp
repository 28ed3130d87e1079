// See catalog.hpp. Runs in backends and workers.
#include "pg/catalog.hpp"

#include "core/error.hpp"
#include "core/redact.hpp"
#include "pg/bgworker.hpp"
#include "pg/error_text.hpp"

namespace hc::pg {

namespace {

std::uint64_t g_generation = 1;
std::uint64_t g_names = 1;
Oid g_watched = InvalidOid;  // hermes.provider stands for all definitions
bool g_again_at_end = false; // what is read until the transaction's end may come from its older snapshot

void on_relation(Datum /*arg*/, Oid relation) {
    ++g_names;
    if (relation == InvalidOid || relation == g_watched || g_watched == InvalidOid) {
        ++g_generation;
        g_watched = InvalidOid;
        g_again_at_end = true;
    }
}

void on_name(Datum /*arg*/, int /*cache*/, uint32 /*hash*/) { ++g_names; }

void on_role(Datum /*arg*/, int /*cache*/, uint32 /*hash*/) {
    ++g_generation;
    g_again_at_end = true;
}

void on_transaction_end(XactEvent event, void * /*arg*/) {
    const bool over = event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT || event == XACT_EVENT_PREPARE;
    if (over && g_again_at_end) {
        ++g_generation;
        g_again_at_end = false;
    }
}

Oid watched_relation() {
    if (g_watched == InvalidOid) {
        g_watched = call([]() -> Oid {
            const Oid schema = get_namespace_oid("hermes", true);
            return OidIsValid(schema) ? get_relname_relid("provider", schema) : InvalidOid;
        });
    }
    return g_watched;
}

} // namespace

std::uint64_t definition_generation() noexcept { return g_generation; }

std::uint64_t name_generation() noexcept { return g_names; }

void watch_definitions() { watched_relation(); }

void invalidate_definitions() {
    const Oid relation = watched_relation();
    ++g_generation;
    if (OidIsValid(relation)) {
        call([relation] { CacheInvalidateRelcacheByRelid(relation); });
    }
}

Owner find_owner() {
    watched_relation();
    const Oid extension = call([]() -> Oid { return get_extension_oid("hermes_cascade", true); });
    if (!OidIsValid(extension)) {
        throw Error(sqlstate::not_prerequisite, "extension \"hermes_cascade\" is not installed in this database", {},
                    "Run CREATE EXTENSION hermes_cascade.");
    }
    return {extension, extension_owner(extension)};
}

Oid current_user() noexcept { return GetUserId(); }

bool is_superuser(Oid user) {
    return call([user] { return superuser_arg(user); });
}

bool has_role(Oid user, const char *role) {
    return call([user, role] {
        const Oid oid = get_role_oid(role, true);
        return OidIsValid(oid) && has_privs_of_role(user, oid);
    });
}

std::string role_name(Oid user) {
    const char *name = call([user]() -> const char * { return GetUserNameFromId(user, false); });
    return name;
}

bool role_exists(const std::string &name) {
    const char *text = name.c_str();
    return call([text] { return OidIsValid(get_role_oid(text, true)); });
}

bool may_have_rows(const char *table) {
    return call([table] {
        const Oid schema = get_namespace_oid("hermes", false);
        const Oid relation = get_relname_relid(table, schema);
        Relation open = try_table_open(relation, AccessShareLock);
        if (open == nullptr) {
            return false;
        }
        const bool any = RelationGetNumberOfBlocks(open) != 0;
        table_close(open, AccessShareLock);
        return any;
    });
}

Oid role_oid(const std::string &name) {
    const char *text = name.c_str();
    return call([text] { return get_role_oid(text, true); });
}

bool is_member(Oid user, const std::string &role) {
    const Oid oid = role_oid(role);
    return OidIsValid(oid) && call([user, oid] { return is_member_of_role(user, oid); });
}

void register_invalidation_callbacks() {
    RegisterXactCallback(on_transaction_end, nullptr);
    CacheRegisterRelcacheCallback(on_relation, 0);
    CacheRegisterSyscacheCallback(NAMESPACEOID, on_name, 0);
    CacheRegisterSyscacheCallback(TYPEOID, on_name, 0);
    CacheRegisterSyscacheCallback(ENUMOID, on_name, 0);
    CacheRegisterSyscacheCallback(AUTHOID, on_role, 0);
    CacheRegisterSyscacheCallback(AUTHMEMROLEMEM, on_role, 0);
    CacheRegisterSyscacheCallback(DATABASEOID, on_role, 0); // who may connect
}

void notice(const std::string &message, const std::string &detail) {
    const std::string clean_message = core::redact(message); // a notice may go to the server log, too
    const std::string clean_detail = core::redact(detail);
    const char *m = clean_message.c_str();
    const char *d = clean_detail.c_str();
    call([m, d] {
        ereport(NOTICE,
                (errmsg("%s", m), errdetail("%s", d), errhidestmt(true), errhidecontext(context_has_parameters())));
    });
}

void warn_not_preloaded() {
    static bool warned = false;
    if (shared() != nullptr || warned) {
        return;
    }
    warned = true;
    call([] {
        ereport(WARNING, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                          errmsg("hermes_cascade is not preloaded: no background worker will run cascades"),
                          errhint("Add hermes_cascade to shared_preload_libraries and restart the server.")));
    });
}

SystemIdentity system_identity() {
    return {static_cast<std::int64_t>(GetSystemIdentifier()), static_cast<std::int32_t>(GetWALInsertionTimeLine()),
            MyDatabaseId};
}

std::uint64_t function_stamp(Oid function) {
    return call([function]() -> std::uint64_t {
        HeapTuple tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
        if (!HeapTupleIsValid(tuple)) {
            return 0;
        }
        const std::uint64_t stamp =
            (static_cast<std::uint64_t>(HeapTupleHeaderGetRawXmin(tuple->t_data)) << 32) ^
            (static_cast<std::uint64_t>(ItemPointerGetBlockNumberNoCheck(&tuple->t_self)) << 16) ^
            ItemPointerGetOffsetNumberNoCheck(&tuple->t_self);
        ReleaseSysCache(tuple);
        return stamp;
    });
}

} // namespace hc::pg
