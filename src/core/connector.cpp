// Reading connector documents. See connector.hpp.
#include "core/connector.hpp"

#include "core/provider_reader.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace hc::core {

namespace {

constexpr JsonDocumentRules kRules{"invalid connector", kMaxConnectorBytes, 16};
constexpr std::size_t kMaxWordBytes = 255;
constexpr const char *kPathHint = "Example: \"$.results[*].status.name\"; \"$$\" starts at the whole document.";

constexpr std::array<JsonWord<PayloadKind>, 3> kPayloads{
    {{"json", PayloadKind::json}, {"form", PayloadKind::form}, {"smpp", PayloadKind::smpp}}};
constexpr std::array<JsonWord<Disposition>, 4> kDispositions{{{"apply", Disposition::apply},
                                                              {"ignore", Disposition::ignore},
                                                              {"side_effect_only", Disposition::side_effect_only},
                                                              {"park", Disposition::park}}};
constexpr std::array<JsonWord<TimeFormat>, 4> kFormats{{{"iso", TimeFormat::iso},
                                                        {"epoch", TimeFormat::epoch},
                                                        {"yymmddhhmm", TimeFormat::yymmddhhmm},
                                                        {"yyyymmddhhmmss", TimeFormat::yyyymmddhhmmss}}};
constexpr std::array<JsonWord<LetterCase>, 2> kCases{{{"upper", LetterCase::upper}, {"lower", LetterCase::lower}}};
constexpr std::array<JsonWord<IdConversion>, 5> kConversions{{{"strip_zeros", IdConversion::strip_zeros},
                                                              {"hex_to_dec", IdConversion::hex_to_dec},
                                                              {"dec_to_hex", IdConversion::dec_to_hex},
                                                              {"upper", IdConversion::upper},
                                                              {"lower", IdConversion::lower}}};
constexpr std::array<std::string_view, kFields> kFieldNames{"correlation_id", "client_ref",   "recipient", "event_id",
                                                            "event_time",     "sequence",     "status",    "qualifier",
                                                            "code",           "code_fallback"};
constexpr std::array<std::string_view, 5> kDispositionNames{"apply", "ignore", "side_effect_only", "park", "reject"};
constexpr std::array<std::string_view, 4> kSuppressions{"opt_out", "invalid_address", "complaint", "clear_opt_out"};

JsonPath read_path(const JsonNode &node, std::string_view text) {
    std::optional<JsonPath> path = parse_json_path(text, JsonWildcards::taken);
    if (!path)
        node.fail("must be a JSON path", kPathHint);
    return std::move(*path);
}

DocumentPath read_document_path(const JsonNode &node) {
    const std::string text = node.text(kMaxJsonPathBytes);
    const bool from_root = text.starts_with("$$");
    return {read_path(node, std::string_view(text).substr(from_root ? 1 : 0)), from_root};
}

std::vector<JsonPath> read_paths(const JsonNode &node) {
    std::vector<JsonPath> paths;
    for (const JsonNode &item : node.items(kMaxFieldSources))
        paths.push_back(read_path(item, item.text(kMaxJsonPathBytes)));
    return paths;
}

Condition read_condition(const JsonNode &node) {
    static constexpr std::array<std::string_view, 3> kKeys{"path", "in", "contains"};
    const JsonObject object(node, kKeys);
    Condition condition{read_document_path(object.require("path")), {}, {}};
    if (const auto in = object.find("in"))
        condition.in = in->distinct_texts(100, kMaxWordBytes);
    if (const auto contains = object.find("contains"))
        condition.contains = contains->text(kMaxWordBytes);
    return condition;
}

FieldSource read_source(const JsonNode &node) {
    FieldSource source;
    if (node.value().is_string()) {
        source.path = read_document_path(node);
        return source;
    }
    static constexpr std::array<std::string_view, 9> kKeys{"path",    "value", "when",   "before", "after",
                                                           "leading", "case",  "prefix", "format"};
    static constexpr std::array<std::string_view, 1> kLeading{"digits"};
    const JsonObject object(node, kKeys);
    if (const auto value = object.find("value"))
        source.constant = value->text(kMaxWordBytes);
    else
        source.path = read_document_path(object.require("path"));
    if (const auto when = object.find("when"))
        source.when = read_condition(*when);
    if (const auto before = object.find("before"))
        source.before = before->text(kMaxWordBytes);
    if (const auto after = object.find("after"))
        source.after = after->text(kMaxWordBytes);
    if (const auto prefix = object.find("prefix"))
        source.prefix = prefix->text(kMaxWordBytes);
    if (const auto leading = object.find("leading"))
        source.leading_digits = leading->word(kLeading) == "digits";
    if (const auto letter_case = object.find("case"))
        source.letter_case = letter_case->word(kCases);
    if (const auto format = object.find("format"))
        source.format = format->word(kFormats);
    return source;
}

void read_fields(const JsonNode &node, Section &section) {
    const JsonObject object(node, kFieldNames);
    for (std::size_t i = 0; i < kFields; ++i) {
        if (const auto field = object.find(kFieldNames[i])) {
            for (const JsonNode &item : field->items(kMaxFieldSources))
                section.fields[i].push_back(read_source(item));
        }
    }
}

Section read_section(const JsonNode &node) {
    static constexpr std::array<std::string_view, 5> kKeys{"payload", "unwrap", "elements", "ignore", "fields"};
    const JsonObject object(node, kKeys);
    Section section;
    if (const auto payload = object.find("payload")) {
        for (const JsonNode &item : payload->items(kPayloads.size()))
            section.payload.push_back(item.word(kPayloads));
    }
    if (const auto unwrap = object.find("unwrap"))
        section.unwrap = read_paths(*unwrap);
    if (const auto elements = object.find("elements"))
        section.elements = read_paths(*elements);
    if (const auto ignore = object.find("ignore")) {
        for (const JsonNode &item : ignore->items(kMaxFieldSources))
            section.ignore.push_back(read_condition(item));
    }
    read_fields(object.require("fields"), section);
    return section;
}

// Members that statuses and errors share; what is not given stays.
void read_meaning(const JsonObject &object, Meaning &meaning) {
    if (const auto reason = object.find("reason"))
        meaning.reason = reason->name();
    if (const auto engagement = object.find("engagement"))
        meaning.engagement = engagement->name();
    if (const auto suppress = object.find("suppress")) {
        const std::string word = suppress->text(kMaxWordBytes);
        meaning.suppress = word == "none" ? "" : suppress->word(kSuppressions);
    }
    if (const auto final = object.find("final"))
        meaning.final = final->boolean();
}

ReceiptState read_state(const JsonNode &node) {
    const std::optional<ReceiptState> state = parse_receipt_state(node.text(kMaxWordBytes));
    if (!state || *state == ReceiptState::queued)
        node.fail("must be a receipt state", "States: accepted, sent, deferred, unknown, failed, expired, "
                                             "undeliverable, rejected, canceled, delivered, read.");
    return *state;
}

Meaning read_status(const JsonObject &object) {
    Meaning meaning;
    if (const auto disposition = object.find("disposition"))
        meaning.disposition = disposition->word(kDispositions);
    const auto state = object.find("state");
    if (state) {
        meaning.state = read_state(*state);
        meaning.final = is_final(*meaning.state);
        meaning.kind =
            *meaning.state == ReceiptState::canceled ? FailureKind::none : default_failure_kind(*meaning.state);
    }
    if (meaning.state.has_value() != (meaning.disposition == Disposition::apply))
        object.node().fail("must have a \"state\" when, and only when, it is applied", "");
    if (const auto kind = object.find("failure_kind")) {
        if (!meaning.state || !is_failure(*meaning.state))
            kind->fail("belongs to a failure state", "");
        meaning.kind = kind->word(kFailureKindWords);
    }
    read_meaning(object, meaning);
    if (const auto by_code = object.find("by_code"))
        meaning.by_code = by_code->boolean();
    return meaning;
}

StatusTable read_statuses(const JsonNode &node) {
    static constexpr std::array<std::string_view, 11> kKeys{"status",     "qualifier",    "disposition", "state",
                                                            "final",      "failure_kind", "reason",      "suppress",
                                                            "engagement", "by_code",      "note"};
    StatusTable table;
    for (const JsonNode &item : node.items(kMaxConnectorRows)) {
        const JsonObject object(item, kKeys);
        const auto qualifier = object.find("qualifier");
        std::pair<std::string, std::string> key{object.require("status").text(kMaxWordBytes),
                                                qualifier ? qualifier->text(kMaxWordBytes) : ""};
        if (!table.emplace(std::move(key), read_status(object)).second)
            item.fail("repeats a status", "");
    }
    return table;
}

Meaning read_error(const JsonObject &object) {
    if (const auto disposition = object.find("disposition")) {
        Meaning meaning;
        meaning.disposition = disposition->word(kDispositions);
        if (meaning.disposition != Disposition::apply) {
            read_meaning(object, meaning);
            return meaning;
        }
    }
    const auto reason = object.find("reason");
    Meaning meaning = meaning_of_failure(object.require("failure_kind").word(kFailureKindWords),
                                         reason ? reason->name() : "unspecified");
    if (const auto state = object.find("state")) {
        meaning.state = read_state(*state);
        meaning.final = is_final(*meaning.state);
        if (!is_failure(*meaning.state))
            meaning.kind = FailureKind::none;
    }
    read_meaning(object, meaning);
    return meaning;
}

void read_errors(const JsonNode &node, Connector &connector) {
    static constexpr std::array<std::string_view, 9> kKeys{
        "code", "disposition", "state", "final", "failure_kind", "engagement", "reason", "suppress", "note"};
    for (const JsonNode &item : node.items(kMaxConnectorRows)) {
        const JsonObject object(item, kKeys);
        std::string code = object.require("code").text(kMaxWordBytes);
        const bool prefix = code.ends_with('*');
        if (prefix)
            code.pop_back();
        auto &table = prefix ? connector.error_prefixes : connector.errors;
        if (!table.emplace(std::move(code), read_error(object)).second)
            item.fail("repeats a code", "");
    }
}

} // namespace

Meaning meaning_of_failure(FailureKind kind, std::string_view reason) {
    Meaning meaning;
    meaning.state = ReceiptState::failed;
    meaning.final = true;
    meaning.kind = kind;
    meaning.reason = reason;
    if (kind == FailureKind::hard)
        meaning.state = ReceiptState::undeliverable;
    else if (kind == FailureKind::policy || kind == FailureKind::config)
        meaning.state = ReceiptState::rejected;
    if (reason == "opted_out")
        meaning.suppress = "opt_out";
    else if (reason == "complaint")
        meaning.suppress = "complaint";
    else if (kind == FailureKind::hard)
        meaning.suppress = "invalid_address";
    return meaning;
}

Connector parse_connector(std::string_view json) {
    static constexpr std::array<std::string_view, 11> kKeys{
        "name",     "title",    "documentation", "signature",         "part_mode", "id_conversions",
        "receipts", "response", "statuses",      "response_statuses", "errors"};
    const nlohmann::json document = parse_json_document(json, kRules);
    const JsonObject object(JsonNode(document, "$", kRules.message), kKeys);
    Connector connector;
    connector.name = object.require("name").name();
    if (const auto signature = object.find("signature"))
        connector.signature = signature->name();
    if (const auto mode = object.find("part_mode"))
        connector.part_mode = mode->word(kPartModeWords);
    if (const auto conversions = object.find("id_conversions")) {
        for (const JsonNode &item : conversions->items(kConversions.size()))
            connector.id_conversions.push_back(item.word(kConversions));
    }
    if (const auto receipts = object.find("receipts"))
        connector.receipts = read_section(*receipts);
    if (const auto response = object.find("response"))
        connector.response = read_section(*response);
    if (const auto statuses = object.find("statuses"))
        connector.statuses = read_statuses(*statuses);
    if (const auto statuses = object.find("response_statuses"))
        connector.response_statuses = read_statuses(*statuses);
    if (const auto errors = object.find("errors"))
        read_errors(*errors, connector);
    return connector;
}

const Meaning *find_error(const Connector &connector, std::string_view code) {
    if (const auto exact = connector.errors.find(std::string(code)); exact != connector.errors.end())
        return &exact->second;
    for (std::size_t length = code.size() + 1; length-- > 0;) {
        const auto prefix = connector.error_prefixes.find(std::string(code.substr(0, length)));
        if (prefix != connector.error_prefixes.end())
            return &prefix->second;
    }
    return nullptr;
}

std::string_view to_string(Disposition d) { return kDispositionNames[static_cast<std::size_t>(d)]; }

} // namespace hc::core
