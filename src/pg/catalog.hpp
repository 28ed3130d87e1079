// What the engine asks of the server's catalogs: the extension's owner, roles, and when cached definitions are stale.
#pragma once

#include "pg/call.hpp"

namespace hc::pg {

// Changes whenever cached definitions may be stale: after a definition verb committed anywhere (or ran here), after
// DROP or CREATE EXTENSION, after a change of roles. Transactional: PostgreSQL's own invalidation messages carry it.
std::uint64_t definition_generation() noexcept;
void invalidate_definitions(); // in a definition verb
void watch_definitions(); // in a transaction: from now on only changes of definitions count, not those of any table

// Changes whenever a schema, table, column, type or label of an enum that was found by its name may be another one now.
std::uint64_t name_generation() noexcept;

struct Owner {
    Oid extension = InvalidOid;
    Oid role = InvalidOid;
};
Owner find_owner(); // throws hc::Error 55000 when the extension is not installed in this database

Oid current_user() noexcept;
bool is_superuser(Oid user);
bool has_role(Oid user, const char *role); // false when there is no such role
std::string role_name(Oid user);
bool role_exists(const std::string &name);
Oid role_oid(const std::string &name);             // InvalidOid: no such role
bool is_member(Oid user, const std::string &role); // directly, indirectly, or as a superuser

// Whether a background worker can be connected only as a role that may log in.
inline constexpr bool kWorkersNeedLogin = PG_VERSION_NUM < 170000;

// Whether a table of the extension has a page, and so may have rows: true from the first insert on, also before its
// commit, until a vacuum finds the table empty. Costs a system call and no statement.
bool may_have_rows(const char *table);

// Which row of the catalog a function is: changes with every CREATE OR REPLACE or ALTER FUNCTION. 0: no such function.
std::uint64_t function_stamp(Oid function);

void register_invalidation_callbacks(); // in _PG_init

void notice(const std::string &message, const std::string &detail);
void warn_not_preloaded(); // once a session

struct SystemIdentity {
    std::int64_t system_identifier;
    std::int32_t timeline;
    Oid database;
};
SystemIdentity system_identity();

} // namespace hc::pg
