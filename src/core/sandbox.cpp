// The sandbox provider: scripted answers and receipts, for tests and for trying rules out; any process.
#include "core/error.hpp"
#include "core/json_path.hpp"
#include "core/provider_reader.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace hc::core {

namespace {

constexpr std::size_t kMaxScriptEntries = 100;
constexpr std::size_t kMaxScriptReceipts = 32;
constexpr std::size_t kMaxStatusBytes = 64;
constexpr std::size_t kMaxScriptDepth = 8;

constexpr JsonDocumentRules kOverride{"invalid sandbox script in the message", kMaxProviderConfigBytes,
                                      kMaxScriptDepth};

constexpr std::array<std::string_view, 6> kEntryKeys{"answer", "kind", "reason", "retry_after", "code", "receipts"};
constexpr std::array<std::string_view, 3> kReceiptKeys{"status", "after", "reason"};

SandboxReceipt read_receipt(const JsonNode &node) {
    const JsonObject object(node, kReceiptKeys);
    SandboxReceipt receipt;
    receipt.status = object.require("status").text(kMaxStatusBytes);
    if (auto n = object.find("after"))
        receipt.after = n->duration(Duration::zero(), kMaxConfigDuration);
    if (auto n = object.find("reason"))
        receipt.reason = n->text(kMaxReasonBytes);
    return receipt;
}

SandboxStep read_entry(const JsonNode &node) {
    const JsonObject object(node, kEntryKeys);
    SandboxStep step;
    if (auto n = object.find("answer"))
        step.answer.verdict = n->word(kSendVerdictWords);
    step.answer.kind = default_kind(step.answer.verdict);
    if (auto n = object.find("kind"))
        step.answer.kind = n->word(kFailureKindWords);
    if (auto n = object.find("reason"))
        step.answer.reason = n->text(kMaxReasonBytes);
    if (auto n = object.find("retry_after"))
        step.answer.retry_after = n->duration(Duration::zero(), kMaxRetryAfter);
    if (auto n = object.find("code"))
        step.answer.code = static_cast<std::int32_t>(n->integer(0, 599));
    if (auto n = object.find("receipts"); n && !(n->value().is_array() && n->value().empty())) {
        for (const JsonNode &receipt : n->items(kMaxScriptReceipts))
            step.receipts.push_back(read_receipt(receipt));
    }
    return step;
}

SandboxStep default_entry() {
    SandboxStep step;
    step.receipts.push_back({.status = "delivered", .after = Duration::zero(), .reason = {}});
    return step;
}

SandboxStep pick(const std::vector<SandboxStep> &script, std::uint32_t nth) {
    if (script.empty())
        return default_entry();
    const std::size_t index = nth == 0 ? 0 : nth - 1;
    return script[std::min(index, script.size() - 1)];
}

// The text of message.sandbox.<channel>.
std::optional<std::string_view> find_override(const ProviderConfig &config, std::string_view message_json) {
    if (message_json.find("sandbox") == std::string_view::npos || !is_valid_json(message_json))
        return std::nullopt;
    return find_json(message_json, JsonPath{{{.member = "sandbox"}, {.member = config.channel}}});
}

} // namespace

std::vector<SandboxStep> read_sandbox_script(const JsonNode &node) {
    std::vector<SandboxStep> script;
    for (const JsonNode &entry : node.items(kMaxScriptEntries))
        script.push_back(read_entry(entry));
    return script;
}

SandboxStep sandbox_step(const ProviderConfig &config, std::string_view message_json, std::uint32_t nth) {
    const auto text = find_override(config, message_json);
    if (!text || *text == "null")
        return pick(config.script, nth);
    std::string path = "$.sandbox";
    append_json_member(path, config.channel);
    const nlohmann::json document = parse_json_document(*text, kOverride, path);
    return pick(read_sandbox_script(JsonNode(document, std::move(path), kOverride.message)), nth);
}

} // namespace hc::core
