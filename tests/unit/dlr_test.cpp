// The payload of signal dlr: every member, every refusal, identity of receipts.
#include "core/dlr.hpp"

#include "core/error.hpp"

#include <gtest/gtest.h>

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

} // namespace
} // namespace hc::core
