// See function.hpp. Runs in backends.
#include "pg/function.hpp"

#include "core/error.hpp"
#include "pg/catalog.hpp"
#include "pg/guc.hpp"

#include <algorithm>

namespace hc::pg {

namespace {

struct Span {
    const char *data;
    std::size_t size;
};

Span detoast(Datum datum) {
    return call([datum]() -> Span {
        struct varlena *value = pg_detoast_datum_packed(reinterpret_cast<struct varlena *>(DatumGetPointer(datum)));
        return {VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value)};
    });
}

Span jsonb_to_text(Datum datum) {
    return call([datum]() -> Span {
        Jsonb *value = DatumGetJsonbP(datum);
        StringInfoData text;
        initStringInfo(&text);
        JsonbToCString(&text, &value->root, VARSIZE(value));
        return {text.data, static_cast<std::size_t>(text.len)};
    });
}

struct Elements {
    Datum *datums;
    bool *nulls;
    int count;
};

Elements deconstruct(Datum datum, Oid element_type, const char *name) {
    const Elements result = call([datum, element_type]() -> Elements {
        ArrayType *array = DatumGetArrayTypeP(datum);
        Elements e{nullptr, nullptr, 0};
        if (ARR_NDIM(array) > 1) {
            e.count = -1;
            return e;
        }
        int16 length = 0;
        bool by_value = false;
        char align = 0;
        get_typlenbyvalalign(element_type, &length, &by_value, &align);
        deconstruct_array(array, element_type, length, by_value, align, &e.datums, &e.nulls, &e.count);
        return e;
    });
    if (result.count < 0) {
        throw Error(sqlstate::invalid_parameter, fmt::format("argument \"{}\" must be a one-dimensional array", name));
    }
    if (result.count > kMaxArrayElements) {
        throw Error(sqlstate::limit_exceeded, fmt::format("argument \"{}\" has too many elements", name),
                    fmt::format("It has {} elements; the limit is {}.", result.count, kMaxArrayElements),
                    "Split the call into several of at most that many.");
    }
    return result;
}

void check_size(Datum datum, const char *name) {
    const Size size = call([datum] { return toast_raw_datum_size(datum); });
    const auto limit = guc::max_message_bytes();
    if (size > limit) {
        throw Error(sqlstate::limit_exceeded, fmt::format("argument \"{}\" is too large", name),
                    fmt::format("It has {} bytes; the limit is {}.", size, limit),
                    "Store the content elsewhere and pass a reference, or raise hermes.max_message_size.");
    }
}

[[noreturn]] void null_element(const char *name) {
    throw Error(sqlstate::null_not_allowed, fmt::format("argument \"{}\" must not contain null elements", name));
}

} // namespace

void Arguments::require(int i, const char *name) const {
    if (is_null(i)) {
        throw Error(sqlstate::null_not_allowed, fmt::format("argument \"{}\" must not be null", name));
    }
}

std::string Arguments::text(int i, const char *name) const {
    require(i, name);
    const Span span = detoast(fcinfo_->args[i].value);
    return std::string(span.data, span.size);
}

std::optional<std::string> Arguments::optional_text(int i) const {
    if (is_null(i)) {
        return std::nullopt;
    }
    const Span span = detoast(fcinfo_->args[i].value);
    return std::string(span.data, span.size);
}

std::string Arguments::bytea(int i, const char *name) const { return text(i, name); }

core::WorkflowId Arguments::uuid(int i, const char *name) const {
    require(i, name);
    return type_of<core::WorkflowId>::read(Cell{fcinfo_->args[i].value, nullptr, 0, false});
}

std::int32_t Arguments::integer(int i, const char *name) const {
    require(i, name);
    return DatumGetInt32(fcinfo_->args[i].value);
}

std::int64_t Arguments::bigint(int i, const char *name) const {
    require(i, name);
    return DatumGetInt64(fcinfo_->args[i].value);
}

std::string Arguments::name(int i, const char *name) const {
    require(i, name);
    return NameStr(*DatumGetName(fcinfo_->args[i].value));
}

core::Time Arguments::timestamptz(int i, const char *name) const {
    require(i, name);
    return from_timestamptz(DatumGetTimestampTz(fcinfo_->args[i].value));
}

bool Arguments::boolean(int i, const char *name) const {
    require(i, name);
    return DatumGetBool(fcinfo_->args[i].value);
}

core::Duration Arguments::interval(int i, const char *name) const {
    require(i, name);
    const Interval *value = DatumGetIntervalP(fcinfo_->args[i].value);
    const double micros =
        static_cast<double>(value->time) + (value->day + 30.0 * value->month) * static_cast<double>(USECS_PER_DAY);
    constexpr double kMost = 9e18;
    return core::Duration{static_cast<std::int64_t>(std::clamp(micros, -kMost, kMost))};
}

std::string Arguments::json(int i, const char *name) const {
    require(i, name);
    check_size(fcinfo_->args[i].value, name);
    return large_json(i, name);
}

std::string Arguments::large_json(int i, const char *name) const {
    require(i, name);
    const Span span = jsonb_to_text(fcinfo_->args[i].value);
    return std::string(span.data, span.size);
}

jsonb_view Arguments::jsonb(int i, const char *name) const {
    require(i, name);
    const Datum datum = fcinfo_->args[i].value;
    check_size(datum, name);
    return jsonb_view{call([datum]() -> const void * { return DatumGetJsonbP(datum); })};
}

std::vector<core::WorkflowId> Arguments::uuids(int i, const char *name) const {
    require(i, name);
    const Elements e = deconstruct(fcinfo_->args[i].value, UUIDOID, name);
    std::vector<core::WorkflowId> result;
    result.reserve(static_cast<std::size_t>(e.count));
    for (int k = 0; k < e.count; ++k) {
        if (e.nulls[k]) {
            null_element(name);
        }
        result.push_back(type_of<core::WorkflowId>::read(Cell{e.datums[k], nullptr, 0, false}));
    }
    return result;
}

std::vector<std::int64_t> Arguments::bigints(int i, const char *name) const {
    require(i, name);
    const Elements e = deconstruct(fcinfo_->args[i].value, INT8OID, name);
    std::vector<std::int64_t> result;
    result.reserve(static_cast<std::size_t>(e.count));
    for (int k = 0; k < e.count; ++k) {
        if (e.nulls[k]) {
            null_element(name);
        }
        result.push_back(DatumGetInt64(e.datums[k]));
    }
    return result;
}

std::vector<Oid> Arguments::oids(int i, const char *name) const {
    require(i, name);
    const Elements e = deconstruct(fcinfo_->args[i].value, REGCLASSOID, name);
    std::vector<Oid> result;
    result.reserve(static_cast<std::size_t>(e.count));
    for (int k = 0; k < e.count; ++k) {
        if (e.nulls[k]) {
            null_element(name);
        }
        result.push_back(DatumGetObjectId(e.datums[k]));
    }
    return result;
}

std::vector<std::optional<std::string>> Arguments::texts(int i, const char *name) const {
    require(i, name);
    const Elements e = deconstruct(fcinfo_->args[i].value, TEXTOID, name);
    std::vector<std::optional<std::string>> result(static_cast<std::size_t>(e.count));
    for (int k = 0; k < e.count; ++k) {
        if (!e.nulls[k]) {
            const Span span = detoast(e.datums[k]);
            result[static_cast<std::size_t>(k)].emplace(span.data, span.size);
        }
    }
    return result;
}

std::vector<std::string> Arguments::jsons(int i, const char *name) const {
    std::vector<std::string> result;
    for (const jsonb_view &view : jsonbs(i, name)) {
        const Span span = jsonb_to_text(PointerGetDatum(view.datum));
        result.emplace_back(span.data, span.size);
    }
    return result;
}

std::vector<jsonb_view> Arguments::jsonbs(int i, const char *name) const {
    require(i, name);
    const Elements e = deconstruct(fcinfo_->args[i].value, JSONBOID, name);
    std::vector<jsonb_view> result;
    result.reserve(static_cast<std::size_t>(e.count));
    for (int k = 0; k < e.count; ++k) {
        if (e.nulls[k]) {
            null_element(name);
        }
        const Datum datum = e.datums[k];
        check_size(datum, name);
        result.push_back(jsonb_view{call([datum]() -> const void * { return DatumGetJsonbP(datum); })});
    }
    return result;
}

Return make_null() { return {0, true}; }
Return make_void() { return {0, false}; }
Return make_int32(std::int32_t v) { return {Int32GetDatum(v), false}; }
Return make_timestamptz(core::Time v) { return {TimestampTzGetDatum(to_timestamptz(v)), false}; }
Return make_int64(std::int64_t v) { return {Int64GetDatum(v), false}; }
Return make_bool(bool v) { return {BoolGetDatum(v), false}; }
Return make_float8(double v) { return {Float8GetDatum(v), false}; } // by value

Return make_text(std::string_view v) {
    return {call([v] { return detail::make_varlena(v.data(), v.size()); }), false};
}

Return make_uuid(const core::WorkflowId &v) {
    return {call([&v] { return detail::make_uuid(v); }), false};
}

namespace {

Datum parse_jsonb(std::string_view text) {
    char *copy = pnstrdup(text.data(), text.size());
    return DirectFunctionCall1(jsonb_in, CStringGetDatum(copy));
}

Oid look_up_enum(const char *type_name, std::string_view label) {
    const Oid schema = get_namespace_oid("hermes", false);
    const Oid type =
        GetSysCacheOid2(TYPENAMENSP, Anum_pg_type_oid, CStringGetDatum(type_name), ObjectIdGetDatum(schema));
    char *copy = pnstrdup(label.data(), label.size());
    HeapTuple tuple = SearchSysCache2(ENUMTYPOIDNAME, ObjectIdGetDatum(type), CStringGetDatum(copy));
    if (!HeapTupleIsValid(tuple)) {
        elog(ERROR, "enum hermes.%s has no label \"%s\"", type_name, copy);
    }
    // the oid is the first column of pg_enum and the value of the enum
    const Oid result = *reinterpret_cast<Oid *>(GETSTRUCT(tuple));
    ReleaseSysCache(tuple);
    return result;
}

struct KnownEnum { // its last use
    char type[NAMEDATALEN];
    char label[NAMEDATALEN];
    std::uint64_t generation; // of names
    Oid value;
};
KnownEnum g_known_enum;

Datum find_enum(const char *type_name, std::string_view label) {
    KnownEnum &known = g_known_enum;
    if (known.generation == name_generation() && std::strcmp(known.type, type_name) == 0 && label == known.label) {
        return ObjectIdGetDatum(known.value);
    }
    const std::uint64_t generation = name_generation(); // a look-up takes in news itself
    const Oid value = look_up_enum(type_name, label);
    if (label.size() < sizeof known.label) {
        strlcpy(known.type, type_name, sizeof known.type);
        label.copy(known.label, label.size());
        known.label[label.size()] = '\0';
        known.generation = generation;
        known.value = value;
    }
    return ObjectIdGetDatum(value);
}

} // namespace

Return make_jsonb(std::string_view json_text) {
    return {call([json_text] { return parse_jsonb(json_text); }), false};
}

Return make_enum(const char *type_name, std::string_view label) {
    return {call([type_name, label] { return find_enum(type_name, label); }), false};
}

Param param_of<json_value>::make(const json_value &v) { return {parse_jsonb(v.text), false}; }
Param param_of<enum_value>::make(const enum_value &v) { return {find_enum(v.type_name, v.label), false}; }

ResultSet::ResultSet(const Arguments &args) : info_(reinterpret_cast<ReturnSetInfo *>(args.raw()->resultinfo)) {
    FunctionCallInfo fcinfo = args.raw();
    call([fcinfo] { InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC); });
}

void ResultSet::put(const Param *params, int count) const {
    Datum values[32];
    bool nulls[32];
    for (int i = 0; i < count; ++i) {
        values[i] = params[i].datum;
        nulls[i] = params[i].is_null;
    }
    tuplestore_putvalues(info_->setResult, info_->setDesc, values, nulls);
}

Datum detail::form_row(FunctionCallInfo fcinfo, const Param *params, int count) {
    TupleDesc desc = nullptr;
    if (get_call_result_type(fcinfo, nullptr, &desc) != TYPEFUNC_COMPOSITE || desc->natts != count) {
        elog(ERROR, "return type must be a row of %d columns", count);
    }
    Datum values[32];
    bool nulls[32];
    for (int i = 0; i < count; ++i) {
        values[i] = params[i].datum;
        nulls[i] = params[i].is_null;
    }
    return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls));
}

} // namespace hc::pg
