// See fake_activity.hpp. Pure.
#include "core/fake_activity.hpp"

#include "core/activity.hpp"
#include "core/json_reader.hpp"
#include "core/workflow_options.hpp"

#include <nlohmann/json.hpp>

namespace hc::core {

namespace {

constexpr std::size_t kMaxBytes = 64UL * 1024 * 1024; // hermes.max_message_size is checked before
constexpr std::size_t kMaxSignature = 1000;

FakeAnswer read_answer(const JsonNode &node) {
    static constexpr std::array<std::string_view, 4> kKeys{"result", "failure", "function", "delay"};
    const JsonObject object(node, kKeys);
    FakeAnswer answer;
    const auto failure = object.find("failure");
    const auto function = object.find("function");
    if (object.find("result").has_value() + failure.has_value() + function.has_value() != 1)
        node.fail("must have one answer", "Give it one of result, failure and function.");
    if (failure)
        (void)parse_attempt_failure(failure->value().dump());
    if (function)
        answer.function = function->text(kMaxSignature);
    if (const auto delay = object.find("delay"))
        answer.delay = delay->duration(Duration::zero(), kLongestWait);
    return answer;
}

} // namespace

std::vector<FakeAnswer> parse_fake_answers(std::string_view json) {
    static constexpr JsonDocumentRules kRules{"invalid fake activity", kMaxBytes, 100};
    const nlohmann::json document = parse_json_document(json, kRules);
    const JsonNode root(document, "$", kRules.message);
    if (!document.is_array())
        return {read_answer(root)};
    std::vector<FakeAnswer> answers;
    for (const JsonNode &item : root.items(kMaxFakeAnswers))
        answers.push_back(read_answer(item));
    return answers;
}

} // namespace hc::core
