// See dlr.hpp.
#include "core/dlr.hpp"

#include "core/crypto.hpp"
#include "core/flat_json.hpp"
#include "core/json_reader.hpp"
#include "core/recipient.hpp"
#include "core/redact.hpp"

#include <nlohmann/json.hpp>

namespace hc::core {

namespace {

constexpr JsonDocumentRules kRules{"invalid delivery report", 64 * 1024, 16};
constexpr std::size_t kMaxIdBytes = 255;
constexpr std::array<JsonWord<FailureKind>, 4> kKinds{{{"soft", FailureKind::soft},
                                                       {"hard", FailureKind::hard},
                                                       {"policy", FailureKind::policy},
                                                       {"config", FailureKind::config}}};

// The members that mean something, as indexes of their names.
enum class Member : std::uint8_t {
    status,
    attempt,
    provider_message_id,
    error_code,
    error_code_known,
    failure_kind,
    timestamp,
    sequence,
    event_id,
    reason,
    suppress,
    recipient,
};
constexpr std::array<std::string_view, 12> kNames{"status",     "attempt",          "provider_message_id",
                                                  "error_code", "error_code_known", "failure_kind",
                                                  "timestamp",  "sequence",         "event_id",
                                                  "reason",     "suppress",         "recipient"};

// The members of a payload; one that is no object has none.
class Payload {
public:
    explicit Payload(std::string_view json) {
        if (json.size() > kRules.max_bytes || !read_flat_json(json, kNames, values_))
            read_document(json);
    }

    bool is_object() const { return is_object_; }

    // To refuse the whole by; its value is kept only if it is no object.
    JsonNode root() const { return {misfit_, "$", kRules.message}; }

    // A member that is there and not null.
    std::optional<JsonNode> find(Member member) const {
        const auto i = static_cast<std::size_t>(member);
        if (values_[i].is_null())
            return std::nullopt;
        return JsonNode(values_[i], std::string("$.").append(kNames[i]), kRules.message);
    }

private:
    void read_document(std::string_view json) {
        nlohmann::json document = parse_json_document(json, kRules);
        is_object_ = document.is_object();
        if (!is_object_) {
            misfit_ = std::move(document);
            return;
        }
        for (std::size_t i = 0; i < kNames.size(); ++i) {
            const auto it = document.find(kNames[i]);
            values_[i] = it == document.end() ? nlohmann::json() : std::move(*it);
        }
    }

    std::array<nlohmann::json, kNames.size()> values_;
    nlohmann::json misfit_;
    bool is_object_ = true;
};

// Providers send codes as numbers or as text.
std::string text_or_number(const JsonNode &node) {
    return node.value().is_number_integer() ? node.value().dump() : node.text(kMaxIdBytes);
}

void read_facts(const Payload &payload, ReceiptInput &receipt) {
    if (const auto kind = payload.find(Member::failure_kind)) {
        receipt.facts.kind = kind->word(kKinds);
    }
    if (const auto timestamp = payload.find(Member::timestamp)) {
        receipt.facts.time = parse_iso8601(timestamp->text(64));
        if (!receipt.facts.time) {
            timestamp->fail("must be an ISO 8601 time with a zone", "Example: \"2026-01-01T00:00:00Z\".");
        }
    }
    if (const auto sequence = payload.find(Member::sequence)) {
        receipt.facts.sequence = sequence->integer(0, INT64_MAX);
    }
}

// A word, and in parentheses the code; of a code that is a text, only what is one.
std::string read_reason(const Payload &payload) {
    const auto word = payload.find(Member::reason);
    const auto raw = payload.find(Member::error_code);
    const std::string text = raw ? text_or_number(*raw) : std::string();
    const auto known = payload.find(Member::error_code_known);
    const bool whole = known && known->value() == true;
    const std::string_view code = whole ? std::string_view(text) : plain_code(text);
    if (!word)
        return std::string(code);
    return word->text(kMaxIdBytes) + (code.empty() ? "" : " (" + std::string(code) + ")");
}

} // namespace

std::string dlr_json(const CanonicalReceipt &receipt) {
    nlohmann::json payload{{"status", to_string(receipt.state.value())}};
    const auto put = [&payload](const char *name, const std::optional<std::string> &value) {
        if (value)
            payload[name] = cut_utf8(*value, kMaxIdBytes);
    };
    put("provider_message_id", receipt.correlation_id);
    put("error_code", receipt.raw_code);
    if (receipt.code_known)
        payload["error_code_known"] = true;
    put("raw_status", receipt.raw_status);
    put("event_id", receipt.event_id);
    if (!receipt.reason.empty())
        payload["reason"] = receipt.reason;
    if (receipt.kind != FailureKind::none)
        payload["failure_kind"] = to_string(receipt.kind);
    if (receipt.event_time)
        payload["timestamp"] = format_iso8601(*receipt.event_time);
    if (receipt.sequence)
        payload["sequence"] = *receipt.sequence;
    if (!receipt.suppress.empty()) {
        payload["suppress"] = receipt.suppress;
        const bool fits =
            receipt.recipient && !receipt.recipient->empty() && receipt.recipient->size() <= kMaxAddressBytes;
        if (fits) // a part of an address is another address
            payload["recipient"] = *receipt.recipient;
    }
    return payload.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

DlrEffect parse_dlr_effect(std::string_view json) {
    static constexpr std::array<std::string_view, 4> kWords{"opt_out", "invalid_address", "complaint", "clear_opt_out"};
    const Payload payload(json);
    DlrEffect effect;
    if (const auto suppress = payload.find(Member::suppress))
        effect.suppress = suppress->word(kWords);
    if (const auto recipient = payload.find(Member::recipient))
        effect.recipient =
            recipient->value().is_number_integer() ? recipient->value().dump() : recipient->text(kMaxAddressBytes);
    return effect;
}

Input parse_dlr(std::string_view json, std::string_view identity) {
    const Payload payload(json);
    if (!payload.is_object()) {
        payload.root().fail_type("an object", "");
    }
    const auto status = payload.find(Member::status);
    if (!status) {
        payload.root().fail("member \"status\" is required", "Example: {\"status\": \"delivered\", \"attempt\": 1}.");
    }
    const std::string word = status->text(kMaxIdBytes);
    std::string own_identity;
    if (const auto event_id = identity.empty() ? payload.find(Member::event_id) : std::nullopt) {
        own_identity = text_or_number(*event_id);
        identity = own_identity;
    }
    // the text of a jsonb value is canonical, so it identifies the content; 0 means "no identity" elsewhere
    const std::uint64_t hash = hash64(identity.empty() ? "content" : "id", identity.empty() ? json : identity) | 1U;
    const std::optional<ReceiptState> state = parse_receipt_state(word);
    if (!state) {
        return ParkInput{std::string(json), hash, word};
    }
    ReceiptInput receipt;
    receipt.hash = hash;
    receipt.facts.state = *state;
    read_facts(payload, receipt);
    if (const auto attempt = payload.find(Member::attempt)) {
        receipt.attempt = static_cast<std::uint16_t>(attempt->integer(1, static_cast<std::int64_t>(kMaxAttempts)));
    }
    if (const auto id = payload.find(Member::provider_message_id)) {
        receipt.provider_message_id = text_or_number(*id);
    }
    receipt.reason = read_reason(payload);
    return receipt;
}

} // namespace hc::core
