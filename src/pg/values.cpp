// See values.hpp. Everything in detail but unexpected_null pallocs: call it inside pg::call.
#include "pg/values.hpp"

#include "core/error.hpp"
#include "pg/call.hpp"
#include "pg/jsonb.hpp"

namespace hc::pg {

std::string_view jsonb_bytes(jsonb_view v) noexcept {
    const auto *value = static_cast<const struct varlena *>(v.datum);
    return {VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value)};
}

std::string jsonb_text(jsonb_view v) {
    struct Span {
        const char *data;
        std::size_t size;
    };
    const Span span = call([v]() -> Span {
        auto *value = static_cast<Jsonb *>(const_cast<void *>(v.datum));
        StringInfoData text;
        initStringInfo(&text);
        JsonbToCString(&text, &value->root, VARSIZE(value));
        return {text.data, static_cast<std::size_t>(text.len)};
    });
    return {span.data, span.size};
}

jsonb_view jsonb_of(const std::string &json_text) {
    const char *text = json_text.c_str();
    return {call(
        [text]() -> const void * { return DatumGetPointer(DirectFunctionCall1(jsonb_in, CStringGetDatum(text))); })};
}

bool jsonb_is_object(jsonb_view v) noexcept { return JB_ROOT_IS_OBJECT(static_cast<const Jsonb *>(v.datum)); }

} // namespace hc::pg

namespace hc::pg::detail {

Datum make_varlena(const char *data, std::size_t size) {
    auto *result = static_cast<struct varlena *>(palloc(size + VARHDRSZ));
    SET_VARSIZE(result, size + VARHDRSZ);
    if (size != 0) {
        std::memcpy(VARDATA(result), data, size);
    }
    return PointerGetDatum(result);
}

Datum make_uuid(const core::WorkflowId &id) {
    auto *uuid = static_cast<pg_uuid_t *>(palloc(sizeof(pg_uuid_t)));
    std::memcpy(uuid->data, id.bytes.data(), UUID_LEN);
    return UUIDPGetDatum(uuid);
}

void *allocate(std::size_t bytes) { return palloc(bytes); }

Datum make_array(Datum *elements, bool *nulls, int count, Oid element_type) {
    int16 length = 0;
    bool by_value = false;
    char align = 0;
    get_typlenbyvalalign(element_type, &length, &by_value, &align);
    int dims[1] = {count};
    int lower[1] = {1};
    ArrayType *array = count == 0
                           ? construct_empty_array(element_type)
                           : construct_md_array(elements, nulls, 1, dims, lower, element_type, length, by_value, align);
    return PointerGetDatum(array);
}

void unexpected_null() { throw Error(sqlstate::internal_error, "unexpected null in a system row of hermes_cascade"); }

} // namespace hc::pg::detail
