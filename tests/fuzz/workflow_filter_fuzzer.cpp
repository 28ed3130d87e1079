// Fuzzes the filter of hermes.list_workflows. Whatever the bytes, it is read or refused with a position; what is read
// has one form, which reads back as itself. Beside it, objects of attributes: split and joined they stay the same.
#include "core/error.hpp"
#include "core/workflow_filter.hpp"

#include <cstdlib>
#include <cstring>

namespace {

using namespace hc::core;

void require(bool condition) {
    if (!condition)
        std::abort();
}

const AttributeTypes &types() {
    static const AttributeTypes declared{{"Note", AttributeType::text},        {"City", AttributeType::keyword},
                                         {"Age", AttributeType::integer},      {"Score", AttributeType::floating},
                                         {"Vip", AttributeType::boolean},      {"DueAt", AttributeType::datetime},
                                         {"Tags", AttributeType::keyword_list}};
    return declared;
}

bool refused_well(const hc::Error &e) {
    return std::strcmp(e.sqlstate(), "22023") == 0 || std::strcmp(e.sqlstate(), "54000") == 0;
}

void read_filter(std::string_view input) {
    std::string form;
    try {
        form = to_string(parse_workflow_filter(input, types()));
    } catch (const hc::Error &e) {
        require(refused_well(e) && e.message() == "invalid workflow filter" && e.detail().starts_with("Position "));
        return;
    }
    try {
        require(to_string(parse_workflow_filter(form, types())) == form);
    } catch (const hc::Error &e) { // the form has more parentheses and blanks
        require(std::strcmp(e.sqlstate(), "54000") == 0);
    }
}

void read_object(std::string_view input) {
    try {
        const JsonFields fields = split_json_object(input);
        require(split_json_object(join_json_object(fields)) == fields);
        checked_attributes(input, types(), "$");
    } catch (const hc::Error &e) {
        require(refused_well(e));
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
    const std::string_view input(reinterpret_cast<const char *>(data), size);
    read_filter(input);
    read_object(input);
    return 0;
}
