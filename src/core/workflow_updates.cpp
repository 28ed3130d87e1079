// See workflow_updates.hpp. Pure.
#include "core/workflow_updates.hpp"

#include "core/error.hpp"
#include "core/json_reader.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <array>

namespace hc::core {

std::string_view to_string(UpdateStage stage) {
    static constexpr std::array<std::string_view, 5> kNames{"admitted", "accepted", "completed", "rejected", "moved"};
    const auto i = static_cast<std::size_t>(stage);
    return i < kNames.size() ? kNames[i] : std::string_view{};
}

std::string update_answer(UpdateStage stage, std::string_view outcome) {
    const std::string_view members = outcome.size() > 2 ? outcome.substr(1) : "}";
    return fmt::format("{{\"stage\": \"{}\"{}{}", to_string(stage), members.size() > 1 ? ", " : "", members);
}

std::string update_answer_with_id(std::string_view answer, const std::string &update_id) {
    const std::string id = nlohmann::json(update_id).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    return fmt::format("{{\"update_id\": {}, {}", id, answer.substr(1));
}

// The result goes in as it is: numbers of jsonb have more digits than a double.
std::string outcome_of_result(std::string_view result_json) { return fmt::format("{{\"result\": {}}}", result_json); }

std::string outcome_of_failure(const WorkflowFailure &failure) {
    return fmt::format("{{\"failure\": {}}}", failure_json(failure));
}

WorkflowFailure undeclared_update(const std::string &name, const DeclaredHandlers &declared) {
    std::string known;
    for (const auto &[word, handler] : declared)
        known += (known.empty() ? "" : ", ") + word;
    return {sqlstate::undefined_object, fmt::format("workflow update \"{}\" is not declared", name),
            known.empty() ? "The workflow type declares none." : fmt::format("The workflow type declares: {}.", known),
            "See the option updates of hermes.register_workflow."};
}

std::string unfinished_update_answer(UpdateStage stage, ExecutionStatus status) {
    if (stage == UpdateStage::accepted)
        return update_answer(
            UpdateStage::completed,
            outcome_of_failure({sqlstate::update_unfinished,
                                "workflow update failed because the workflow completed before the update completed",
                                fmt::format("The execution is {}.", to_string(status)), ""}));
    return update_answer(
        UpdateStage::rejected,
        outcome_of_failure({sqlstate::update_unfinished,
                            "workflow update failed because the workflow completed before it took the update",
                            fmt::format("The execution is {}; nothing of the update was done.", to_string(status)),
                            ""}));
}

UpdateStartOptions parse_update_start_options(std::string_view json) {
    static constexpr JsonDocumentRules kRules{"invalid start options", 4096, 4};
    nlohmann::json document = parse_json_document(json, kRules);
    const JsonNode root(document, "$", kRules.message);
    if (!document.is_object())
        root.fail_type("an object", "Options are an object.");
    UpdateStartOptions options;
    if (document.contains("update_id"))
        options.update_id = root.child(document["update_id"], "update_id").text(kMaxUpdateId);
    if (document.contains("start_delay"))
        root.child(document["start_delay"], "start_delay")
            .fail("cannot be given", "An update is for an execution that runs.");
    document.erase("update_id");
    if (!document.contains("conflict_policy"))
        document["conflict_policy"] = "use_existing";
    options.start_json = document.dump();
    return options;
}

} // namespace hc::core
