// The payload of signal dlr: every member, every refusal, identity of receipts.
#include "core/dlr.hpp"

#include "core/error.hpp"

#include <gtest/gtest.h>

#include <random>

namespace hc::core {
namespace {

ReceiptInput receipt(std::string_view json, std::string_view identity = {}) {
    return std::get<ReceiptInput>(parse_dlr(json, identity));
}

std::string refusal(std::string_view json) {
    try {
        parse_dlr(json, {});
    } catch (const Error &e) {
        return std::string(e.sqlstate()) + " " + e.detail();
    }
    return "accepted";
}

TEST(Dlr, ReadsEveryMember) {
    const ReceiptInput r =
        receipt(R"({"status": "undeliverable", "attempt": 3, "provider_message_id": "SM1", "error_code": 30005,
        "failure_kind": "policy", "timestamp": "2026-01-02T03:04:05.5Z", "sequence": 7})");
    EXPECT_EQ(r.facts.state, ReceiptState::undeliverable);
    EXPECT_EQ(r.facts.kind, FailureKind::policy);
    EXPECT_EQ(r.attempt, 3);
    EXPECT_EQ(r.provider_message_id, "SM1");
    EXPECT_EQ(r.reason, "30005");
    EXPECT_EQ(r.facts.time, parse_iso8601("2026-01-02T03:04:05.5Z"));
    EXPECT_EQ(r.facts.sequence, 7);
    EXPECT_NE(r.hash, 0U);
}

TEST(Dlr, NeedsOnlyTheStatus) {
    const ReceiptInput r = receipt(R"({"status": "Delivered"})");
    EXPECT_EQ(r.facts.state, ReceiptState::delivered);
    EXPECT_EQ(r.attempt, 0);
    EXPECT_TRUE(r.provider_message_id.empty());
    EXPECT_FALSE(r.facts.time.has_value());
}

TEST(Dlr, EveryCanonicalWordIsAReceipt) {
    for (int s = 0; s < kReceiptStates; ++s) {
        const auto state = static_cast<ReceiptState>(s);
        const std::string json = R"({"status": ")" + std::string(to_string(state)) + R"("})";
        EXPECT_EQ(receipt(json).facts.state, state) << json;
    }
}

TEST(Dlr, ParksAnUnknownWordWithItsBytes) {
    const Input input = parse_dlr(R"({"status": "bounced?", "x": 1})", {});
    const auto *park = std::get_if<ParkInput>(&input);
    ASSERT_NE(park, nullptr);
    EXPECT_EQ(park->raw, R"({"status": "bounced?", "x": 1})");
    EXPECT_NE(park->hash, 0U);
}

TEST(Dlr, IgnoresMembersItDoesNotKnow) {
    EXPECT_EQ(receipt(R"({"status": "sent", "price": {"amount": 1}, "tags": []})").facts.state, ReceiptState::sent);
}

TEST(Dlr, NullMembersAreAbsent) {
    const ReceiptInput r = receipt(R"({"status": "sent", "attempt": null, "error_code": null, "timestamp": null})");
    EXPECT_EQ(r.attempt, 0);
    EXPECT_TRUE(r.reason.empty());
}

TEST(Dlr, ASignalIdIsTheIdentityElseTheContent) {
    const std::string_view a = R"({"status": "sent"})";
    const std::string_view b = R"({"status": "delivered"})";
    EXPECT_EQ(receipt(a, "id-1").hash, receipt(b, "id-1").hash);
    EXPECT_NE(receipt(a, "id-1").hash, receipt(a, "id-2").hash);
    EXPECT_EQ(receipt(a).hash, receipt(a).hash);
    EXPECT_NE(receipt(a).hash, receipt(b).hash);
    EXPECT_NE(receipt(a).hash, receipt(b, a).hash) << "an id that looks like a payload is another identity";
}

TEST(Dlr, RefusesWhatCannotBeMeant) {
    EXPECT_EQ(refusal("[]").substr(0, 7), "22023 $");
    EXPECT_NE(refusal("{}").find("\"status\" is required"), std::string::npos);
    EXPECT_EQ(refusal(R"({"status": 5})").substr(0, 14), "22023 $.status");
    EXPECT_EQ(refusal(R"({"status": "sent", "attempt": 0})").substr(0, 15), "22023 $.attempt");
    EXPECT_EQ(refusal(R"({"status": "sent", "attempt": 1001})").substr(0, 15), "22023 $.attempt");
    EXPECT_EQ(refusal(R"({"status": "sent", "attempt": "1"})").substr(0, 15), "22023 $.attempt");
    EXPECT_EQ(refusal(R"({"status": "sent", "timestamp": "yesterday"})").substr(0, 17), "22023 $.timestamp");
    EXPECT_EQ(refusal(R"({"status": "sent", "timestamp": "2026-01-01T00:00:00"})").substr(0, 17), "22023 $.timestamp");
    EXPECT_EQ(refusal(R"({"status": "sent", "failure_kind": "mild"})").substr(0, 20), "22023 $.failure_kind");
    EXPECT_EQ(refusal(R"({"status": "sent", "sequence": -1})").substr(0, 16), "22023 $.sequence");
    EXPECT_EQ(refusal(R"({"status": "sent", "provider_message_id": ")" + std::string(300, 'x') + "\"}").substr(0, 27),
              "54000 $.provider_message_id");
}

// All that comes of a payload, as text.
std::string outcome(const std::string &json, std::string_view identity) {
    try {
        const Input input = parse_dlr(json, identity);
        if (const auto *park = std::get_if<ParkInput>(&input))
            return "parked " + park->word + " " + std::to_string(park->hash);
        const auto &r = std::get<ReceiptInput>(input);
        std::string text(to_string(r.facts.state));
        text.append(" ").append(to_string(r.facts.kind)).append(" ").append(r.provider_message_id).append(" ");
        text.append(r.reason).append(r.part ? " part" : "");
        for (const auto number :
             {std::int64_t{r.attempt}, to_unix_micros(r.facts.time.value_or(kNever)), r.facts.sequence.value_or(-1)})
            text.append(" ").append(std::to_string(number));
        return text + " " + std::to_string(r.hash);
    } catch (const Error &e) {
        return std::string(e.sqlstate()) + " " + e.what() + " " + e.detail() + " " + e.hint();
    }
}

std::string effect(const std::string &json) {
    try {
        const DlrEffect effect = parse_dlr_effect(json);
        return effect.suppress + " " + effect.recipient.value_or("none");
    } catch (const Error &e) {
        return std::string(e.sqlstate()) + " " + e.what() + " " + e.detail() + " " + e.hint();
    }
}

// Plain payloads are read by a short cut, which one member more that is not plain rules out. `members` are not empty.
void expect_one_meaning(const std::string &members) {
    const std::string plain = "{" + members + "}";
    const std::string odd = "{" + members + R"(, "unknown": []})";
    EXPECT_EQ(outcome(plain, "id"), outcome(odd, "id")) << plain;
    EXPECT_EQ(effect(plain), effect(odd)) << plain;
    const std::string own = R"(, "event_id": 17)"; // the identity, for the text of the two differs
    EXPECT_EQ(outcome("{" + members + own + "}", {}), outcome("{" + members + own + R"(, "unknown": []})", {}))
        << plain;
}

TEST(Dlr, PlainAndOddPayloadsMeanTheSame) {
    for (const std::string members :
         {R"("status": "delivered", "attempt": 1, "provider_message_id": "sandbox-1")",
          R"("x": 1)",
          R"("status": null)",
          R"("status": "")",
          R"("status": true)",
          R"("status": "odd")",
          R"("status": "sent", "status": "read")",
          R"("status": "sent", "attempt": 1, "attempt": null)",
          R"("status": "sent", "attempt": -1)",
          R"("status": "sent", "attempt": "1")",
          R"("status": "sent", "attempt": false)",
          R"("status": "sent", "sequence": 999999999999999999)",
          R"("status": "sent", "sequence": 9223372036854775808)",
          R"("status": "sent", "provider_message_id": 17, "error_code": -5)",
          R"("status": "failed", "error_code": "two words", "error_code_known": true, "reason": "why")",
          R"("status": "failed", "error_code": "two words", "error_code_known": 1)",
          R"("status": "sent", "suppress": "opt_out", "recipient": 15550100)",
          R"("status": "sent", "suppress": 1)",
          R"("status": "sent", "recipient": false)",
          R"("status": "sent", "attempt": 01)"})
        expect_one_meaning(members);
    expect_one_meaning(R"("status": "sent", "reason": ")" + std::string(256, 'x') + "\"");
    const std::string large = R"({"status": "sent", "x": ")" + std::string(64 * 1024, 'x') + "\"}";
    EXPECT_EQ(outcome(large, "id").substr(0, 6), "54000 ");
}

TEST(Dlr, RandomPayloadsMeanTheSame) {
    std::mt19937 random(11);
    const auto one_of = [&random](const std::vector<std::string> &choices) {
        return choices[random() % choices.size()];
    };
    for (int i = 0; i < 3'000; ++i) {
        std::string members = R"("status": )" + one_of({"\"sent\"", "\"Failed\"", "\"read\"", "\"odd\"", "7"});
        for (std::size_t n = random() % 5; n > 0; --n)
            members += ", \"" +
                       one_of({"attempt", "provider_message_id", "error_code", "error_code_known", "failure_kind",
                               "timestamp", "sequence", "event_id", "reason", "suppress", "recipient", "status", "x"}) +
                       "\": " +
                       one_of({"0", "1", "1000", "1001", "-3", "-0", "2.5", "null", "true", "false", "\"\"", "\"text\"",
                               "\"two words\"", "\"\\u0000\"", "\"hard\"", "\"opt_out\"", "[1]", "{}",
                               "\"2026-01-02T03:04:05Z\""});
        expect_one_meaning(members);
    }
}

} // namespace
} // namespace hc::core
