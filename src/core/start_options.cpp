// See start_options.hpp.
#include "core/start_options.hpp"

#include "core/history.hpp"
#include "core/rule_words.hpp"

#include <nlohmann/json.hpp>

namespace hc::core {

StartOptions parse_start_options(std::string_view json, Time now) {
    StartOptions options;
    if (json == "{}") { // by far the most frequent
        return options;
    }
    static constexpr JsonDocumentRules kRules{"invalid start options", 4096, 4};
    static constexpr std::array<JsonWord<bool>, 2> kOnConflict{{{"return", false}, {"error", true}}};
    const nlohmann::json document = parse_json_document(json, kRules);
    static constexpr std::array<std::string_view, 3> kKeys{"on_conflict", "priority", "send_at"};
    const JsonObject object(JsonNode(document, "$", kRules.message), kKeys);
    if (const auto on_conflict = object.find("on_conflict")) {
        options.error_on_conflict = on_conflict->word(kOnConflict);
    }
    if (const auto priority = object.find("priority")) {
        options.priority = priority->word(kPriorityWords);
    }
    if (const auto send_at = object.find("send_at")) {
        options.send_at = parse_iso8601(send_at->text(64));
        if (!options.send_at) {
            send_at->fail("is not a time", "Write ISO 8601 with a zone, such as \"2026-12-01T08:00:00Z\".");
        }
        if (*options.send_at - now > kMaxSendAhead) {
            send_at->fail("is too far ahead", "At most 366 days are allowed.");
        }
    }
    return options;
}

} // namespace hc::core
