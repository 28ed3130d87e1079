// SQL-callable functions: HC_FUNCTION(hc_name) { ... uses `args` ... returns pg::Return }.
// The body runs inside function_boundary; arguments are read by type, results are built by the make_* functions.
#pragma once

#include "pg/boundary.hpp"
#include "pg/memory.hpp"
#include "pg/values.hpp"

namespace hc::pg {

// What a function body gives back to PostgreSQL.
struct Return {
    Datum datum = 0;
    bool is_null = false;
    const Failure *failure = nullptr; // to be raised instead, without a throw; outlives the call
};

// Arguments of the call. Reading one detoasts it (guarded). `name` is used in the error for an unexpected NULL.
class Arguments {
public:
    explicit Arguments(FunctionCallInfo fcinfo) noexcept : fcinfo_(fcinfo) {}

    bool is_null(int i) const noexcept { return fcinfo_->args[i].isnull; }
    int count() const noexcept { return fcinfo_->nargs; }

    std::string text(int i, const char *name) const;
    std::optional<std::string> optional_text(int i) const;
    core::WorkflowId uuid(int i, const char *name) const;
    std::int32_t integer(int i, const char *name) const;
    std::int64_t bigint(int i, const char *name) const;
    std::string name(int i, const char *name) const; // type name
    core::Time timestamptz(int i, const char *name) const;
    bool boolean(int i, const char *name) const;
    core::Duration interval(int i, const char *name) const; // a month counts 30 days; saturates
    std::string bytea(int i, const char *name) const;
    std::string json(int i, const char *name) const;       // jsonb argument as text; 54000 over hermes.max_message_size
    std::string large_json(int i, const char *name) const; // the same without that cap
    jsonb_view jsonb(int i, const char *name) const;       // jsonb argument unread; same cap

    // Arrays of one dimension.
    std::vector<core::WorkflowId> uuids(int i, const char *name) const;
    std::vector<std::int64_t> bigints(int i, const char *name) const;
    std::vector<Oid> oids(int i, const char *name) const; // regclass[]
    std::vector<std::optional<std::string>> texts(int i, const char *name) const;
    std::vector<std::string> jsons(int i, const char *name) const;
    std::vector<jsonb_view> jsonbs(int i, const char *name) const;

    FunctionCallInfo raw() const noexcept { return fcinfo_; }

private:
    void require(int i, const char *name) const; // throws 22004
    FunctionCallInfo fcinfo_;
};

Return make_null();
Return make_void();
Return make_text(std::string_view v);
Return make_int32(std::int32_t v);
Return make_int64(std::int64_t v);
Return make_bool(bool v);
Return make_float8(double v);
Return make_uuid(const core::WorkflowId &v);
Return make_timestamptz(core::Time v);
Return make_jsonb(std::string_view json_text);
Return make_enum(const char *type_name, std::string_view label); // enum of schema hermes

// Materialized set-returning function: add rows, then return rows.done().
class ResultSet {
public:
    explicit ResultSet(const Arguments &args);
    // Column values in order; std::optional for NULL.
    template <class... T>
    void add(const T &...values) {
        constexpr int n = sizeof...(T);
        call([&] {
            const Param params[n] = {param_of<T>::make(values)...};
            put(params, n);
        });
    }
    Return done() const { return make_null(); }

private:
    void put(const Param *params, int count) const;
    ReturnSetInfo *info_;
};

// A row of a function with several OUT parameters, or of a procedure with INOUT ones.
namespace detail {
Datum form_row(FunctionCallInfo fcinfo, const Param *params, int count); // in pg::call
}
template <class... T>
Return make_row(const Arguments &args, const T &...values) {
    constexpr int n = sizeof...(T);
    return {call([&] {
                const Param params[n] = {param_of<T>::make(values)...};
                return detail::form_row(args.raw(), params, n);
            }),
            false};
}

// jsonb from text, and an enum label, as columns of a ResultSet.
struct json_value {
    std::string_view text;
};
template <>
struct param_of<json_value> {
    static constexpr Oid kOid = JSONBOID;
    static Param make(const json_value &v);
};
template <>
struct param_of<std::optional<json_value>> {
    static Param make(const std::optional<json_value> &v) {
        return v ? param_of<json_value>::make(*v) : Param{0, true};
    }
};
struct enum_value {
    const char *type_name; // in schema hermes
    std::string_view label;
};
template <>
struct param_of<enum_value> {
    static Param make(const enum_value &v);
};

} // namespace hc::pg

// Declares the C symbol with default visibility before PG_FUNCTION_INFO_V1 does so with hidden visibility on 15.
#define HC_FUNCTION(name)                                                                                              \
    extern "C" {                                                                                                       \
    HC_EXPORT Datum name(PG_FUNCTION_ARGS);                                                                            \
    HC_EXPORT const Pg_finfo_record *pg_finfo_##name(void);                                                            \
    PG_FUNCTION_INFO_V1(name);                                                                                         \
    }                                                                                                                  \
    static hc::pg::Return name##_body(const hc::pg::Arguments &args);                                                  \
    extern "C" Datum name(PG_FUNCTION_ARGS) {                                                                          \
        const hc::pg::Failure *failure = nullptr;                                                                      \
        const Datum datum = hc::pg::function_boundary([fcinfo, &failure]() -> Datum {                                  \
            const hc::pg::Return result = name##_body(hc::pg::Arguments(fcinfo));                                      \
            fcinfo->isnull = result.is_null;                                                                           \
            failure = result.failure;                                                                                  \
            return result.datum;                                                                                       \
        });                                                                                                            \
        if (failure != nullptr) {                                                                                      \
            hc::pg::raise(*failure);                                                                                   \
        }                                                                                                              \
        return datum;                                                                                                  \
    }                                                                                                                  \
    static hc::pg::Return name##_body([[maybe_unused]] const hc::pg::Arguments &args)
