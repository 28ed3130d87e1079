// Fuzzes what reads connector documents of operators. Only hc::Error may be thrown; what is accepted keeps the limits,
// and its tables answer. The input is up to two parts divided by a 0xff byte: the document, and a payload it is applied
// to.
#include "core/error.hpp"
#include "core/receipt_parser.hpp"

#include <cstdint>
#include <cstdlib>

namespace {

using namespace hc::core;

void require(bool condition) {
    if (!condition)
        std::abort();
}

void check_meaning(const Meaning &meaning) {
    require((meaning.disposition == Disposition::apply) == meaning.state.has_value());
    require(meaning.disposition != Disposition::reject);
    require(meaning.state != ReceiptState::queued);
    require(meaning.kind == FailureKind::none || (meaning.state && is_failure(*meaning.state)));
    require(meaning.reason.size() <= 63 && meaning.engagement.size() <= 63);
}

void check_section(const std::optional<Section> &section) {
    if (!section)
        return;
    require(section->payload.size() <= 3 && section->elements.size() <= kMaxFieldSources);
    for (const auto &sources : section->fields) {
        require(sources.size() <= kMaxFieldSources);
        for (const FieldSource &source : sources)
            require(parse_json_path(to_string(source.path.path), JsonWildcards::taken) == source.path.path);
    }
}

void check_tables(const Connector &connector) {
    for (const StatusTable *table : {&connector.statuses, &connector.response_statuses}) {
        require(table->size() <= kMaxConnectorRows);
        for (const auto &[key, meaning] : *table) {
            require(!key.first.empty());
            check_meaning(meaning);
        }
    }
    for (const auto &[code, meaning] : connector.errors) {
        check_meaning(meaning);
        require(find_error(connector, code) == &meaning);
    }
    for (const auto &[prefix, meaning] : connector.error_prefixes) {
        check_meaning(meaning);
        require(find_error(connector, prefix + "\x01") != nullptr);
    }
}

void try_on(const Connector &connector, std::string_view payload) {
    try {
        parse_receipts(connector, payload, {}, {});
    } catch (const hc::Error &) {
    }
    try {
        parse_response(connector, 200, {}, payload);
    } catch (const hc::Error &) {
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
    const std::string_view input(reinterpret_cast<const char *>(data), size);
    const std::size_t end = std::min(input.find('\xff'), size);
    Connector connector;
    try {
        connector = parse_connector(input.substr(0, end));
    } catch (const hc::Error &e) {
        require(e.detail().starts_with('$'));
        return 0;
    }
    require(!connector.name.empty() && connector.name.size() <= 63);
    check_section(connector.receipts);
    check_section(connector.response);
    check_tables(connector);
    try_on(connector, input.substr(std::min(end + 1, size)));
    return 0;
}
