// See start_options.hpp.
#include "core/start_options.hpp"

#include "core/rule_words.hpp"

#include <nlohmann/json.hpp>

namespace hc::core {

StartOptions parse_start_options(std::string_view json) {
    StartOptions options;
    if (json == "{}") { // by far the most frequent
        return options;
    }
    static constexpr JsonDocumentRules kRules{"invalid start options", 4096, 4};
    static constexpr std::array<JsonWord<bool>, 2> kOnConflict{{{"return", false}, {"error", true}}};
    const nlohmann::json document = parse_json_document(json, kRules);
    static constexpr std::array<std::string_view, 2> kKeys{"on_conflict", "priority"};
    const JsonObject object(JsonNode(document, "$", kRules.message), kKeys);
    if (const auto on_conflict = object.find("on_conflict")) {
        options.error_on_conflict = on_conflict->word(kOnConflict);
    }
    if (const auto priority = object.find("priority")) {
        options.priority = priority->word(kPriorityWords);
    }
    return options;
}

} // namespace hc::core
