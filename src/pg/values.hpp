// C++ values as PostgreSQL datums and back. Building a datum pallocs and may raise: only inside pg::call.
// Reading goes in two steps: `Cell` (guarded: detoasted, plain pointers) and then C++ values (no PostgreSQL call).
#pragma once

#include "core/id.hpp"
#include "core/time.hpp"
#include "pg/clock.hpp"
#include "pg/postgres.hpp"

namespace hc::pg {

// Microseconds between 1970-01-01 (core::Time) and 2000-01-01 (TimestampTz).
inline constexpr std::int64_t kEpochShift =
    static_cast<std::int64_t>(POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY;

inline TimestampTz to_timestamptz(core::Time t) {
    return t == core::kNever ? DT_NOEND : core::to_unix_micros(t) - kEpochShift;
}
inline core::Time from_timestamptz(TimestampTz t) { // past the range of core::Time counts as "never"
    return t > PG_INT64_MAX - kEpochShift ? core::kNever : core::from_unix_micros(t + kEpochShift);
}
// The time of the call, not of the start of the transaction.
inline core::Time now() { return from_timestamptz(GetCurrentTimestamp()) + clock_ahead(); }

// bytea parameter or column.
struct bytes_view {
    std::string_view data;
};
struct bytes {
    std::string data;
};
// A jsonb datum passed through unread (an argument handed to an INSERT).
struct jsonb_view {
    const void *datum = nullptr; // detoasted varlena
};
std::string_view jsonb_bytes(jsonb_view v) noexcept; // the binary form, equal for equal documents
bool jsonb_is_object(jsonb_view v) noexcept;
std::string jsonb_text(jsonb_view v);

// jsonb column read as text.
struct json_text {
    std::string text;
};

// One column of one row, detoasted; valid while the SPI scope lives.
struct Cell {
    Datum datum;
    const char *data; // varlena payload, or null for by-value types
    std::size_t size;
    bool is_null;
};

// Type map: kOid, kArrayOid, make(value) -> Datum, read(Cell) -> value.
template <class T>
struct type_of;

namespace detail {
Datum make_varlena(const char *data, std::size_t size); // pallocs
Datum make_uuid(const core::WorkflowId &id);            // pallocs
[[noreturn]] void unexpected_null();                    // throws hc::Error XX000
} // namespace detail

template <>
struct type_of<bool> {
    static constexpr Oid kOid = BOOLOID;
    static constexpr Oid kArrayOid = BOOLARRAYOID;
    static Datum make(bool v) { return BoolGetDatum(v); }
    static bool read(const Cell &c) { return DatumGetBool(c.datum); }
};
template <>
struct type_of<std::int16_t> {
    static constexpr Oid kOid = INT2OID;
    static constexpr Oid kArrayOid = INT2ARRAYOID;
    static Datum make(std::int16_t v) { return Int16GetDatum(v); }
    static std::int16_t read(const Cell &c) { return DatumGetInt16(c.datum); }
};
template <>
struct type_of<std::int32_t> {
    static constexpr Oid kOid = INT4OID;
    static constexpr Oid kArrayOid = INT4ARRAYOID;
    static Datum make(std::int32_t v) { return Int32GetDatum(v); }
    static std::int32_t read(const Cell &c) { return DatumGetInt32(c.datum); }
};
template <>
struct type_of<std::int64_t> {
    static constexpr Oid kOid = INT8OID;
    static constexpr Oid kArrayOid = INT8ARRAYOID;
    static Datum make(std::int64_t v) { return Int64GetDatum(v); }
    static std::int64_t read(const Cell &c) { return DatumGetInt64(c.datum); }
};
template <>
struct type_of<double> {
    static constexpr Oid kOid = FLOAT8OID;
    static constexpr Oid kArrayOid = FLOAT8ARRAYOID;
    static Datum make(double v) { return Float8GetDatum(v); }
    static double read(const Cell &c) { return DatumGetFloat8(c.datum); }
};
template <>
struct type_of<core::Time> {
    static constexpr Oid kOid = TIMESTAMPTZOID;
    static constexpr Oid kArrayOid = TIMESTAMPTZARRAYOID;
    static Datum make(core::Time v) { return TimestampTzGetDatum(to_timestamptz(v)); }
    static core::Time read(const Cell &c) { return from_timestamptz(DatumGetTimestampTz(c.datum)); }
};
template <>
struct type_of<core::WorkflowId> {
    static constexpr Oid kOid = UUIDOID;
    static constexpr Oid kArrayOid = UUIDARRAYOID;
    static Datum make(const core::WorkflowId &v) { return detail::make_uuid(v); }
    static core::WorkflowId read(const Cell &c) {
        core::WorkflowId id;
        std::memcpy(id.bytes.data(), DatumGetUUIDP(c.datum)->data, UUID_LEN);
        return id;
    }
};
template <>
struct type_of<std::string_view> {
    static constexpr Oid kOid = TEXTOID;
    static constexpr Oid kArrayOid = TEXTARRAYOID;
    static Datum make(std::string_view v) { return detail::make_varlena(v.data(), v.size()); }
};
template <>
struct type_of<std::string> {
    static constexpr Oid kOid = TEXTOID;
    static constexpr Oid kArrayOid = TEXTARRAYOID;
    static Datum make(const std::string &v) { return detail::make_varlena(v.data(), v.size()); }
    static std::string read(const Cell &c) { return std::string(c.data, c.size); }
};
template <>
struct type_of<bytes_view> {
    static constexpr Oid kOid = BYTEAOID;
    static constexpr Oid kArrayOid = BYTEAARRAYOID;
    static Datum make(bytes_view v) { return detail::make_varlena(v.data.data(), v.data.size()); }
};
template <>
struct type_of<bytes> {
    static constexpr Oid kOid = BYTEAOID;
    static constexpr Oid kArrayOid = BYTEAARRAYOID;
    static Datum make(const bytes &v) { return detail::make_varlena(v.data.data(), v.data.size()); }
    static bytes read(const Cell &c) { return bytes{std::string(c.data, c.size)}; }
};
template <>
struct type_of<jsonb_view> {
    static constexpr Oid kOid = JSONBOID;
    static constexpr Oid kArrayOid = JSONBARRAYOID;
    static Datum make(jsonb_view v) { return PointerGetDatum(v.datum); }
};
template <>
struct type_of<json_text> {
    static constexpr Oid kOid = JSONBOID;
    static constexpr Oid kArrayOid = JSONBARRAYOID;
    static json_text read(const Cell &c) { return json_text{std::string(c.data, c.size)}; } // fetch_cell made it text
};

// ---- parameters ----

struct Param {
    Datum datum;
    bool is_null;
};

template <class T>
struct param_of {
    static constexpr Oid kOid = type_of<T>::kOid;
    static Param make(const T &v) { return {type_of<T>::make(v), false}; }
};
template <class T>
struct param_of<std::optional<T>> {
    static constexpr Oid kOid = type_of<T>::kOid;
    static Param make(const std::optional<T> &v) { return v ? Param{type_of<T>::make(*v), false} : Param{0, true}; }
};

namespace detail {
Datum make_array(Datum *elements, bool *nulls, int count, Oid element_type);
void *allocate(std::size_t bytes); // palloc
} // namespace detail

// std::vector<T> or std::vector<std::optional<T>> as a one-dimensional array.
template <class T>
struct param_of<std::vector<T>> {
    template <class E>
    struct element {
        using type = E;
        static bool is_null(const E &) { return false; }
        static Datum make(const E &e) { return type_of<E>::make(e); }
    };
    template <class E>
    struct element<std::optional<E>> {
        using type = E;
        static bool is_null(const std::optional<E> &e) { return !e.has_value(); }
        static Datum make(const std::optional<E> &e) { return type_of<E>::make(*e); }
    };
    static constexpr Oid kOid = type_of<typename element<T>::type>::kArrayOid;
    static Param make(const std::vector<T> &v) {
        auto *datums = static_cast<Datum *>(detail::allocate(sizeof(Datum) * (v.size() + 1)));
        auto *nulls = static_cast<bool *>(detail::allocate(v.size() + 1));
        for (std::size_t i = 0; i < v.size(); ++i) {
            nulls[i] = element<T>::is_null(v[i]);
            datums[i] = nulls[i] ? Datum{0} : element<T>::make(v[i]);
        }
        return {detail::make_array(datums, nulls, static_cast<int>(v.size()), type_of<typename element<T>::type>::kOid),
                false};
    }
};

// ---- columns ----

template <class T>
struct column_of {
    static void read(const Cell &c, T &to) {
        if (c.is_null) {
            detail::unexpected_null();
        }
        to = type_of<T>::read(c);
    }
};
template <class T>
struct column_of<std::optional<T>> {
    static void read(const Cell &c, std::optional<T> &to) {
        if (c.is_null) {
            to.reset();
        } else {
            to = type_of<T>::read(c);
        }
    }
};

} // namespace hc::pg
