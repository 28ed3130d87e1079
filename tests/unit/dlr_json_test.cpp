// A receipt that a connector has read, as the payload of a signal, and back.
#include "core/dlr.hpp"

#include "core/error.hpp"
#include "core/recipient.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <random>

namespace hc::core {
namespace {

ReceiptInput back(const CanonicalReceipt &receipt) { return std::get<ReceiptInput>(parse_dlr(dlr_json(receipt), {})); }

CanonicalReceipt of_state(ReceiptState state) {
    CanonicalReceipt receipt;
    receipt.state = state;
    return receipt;
}

CanonicalReceipt full() {
    CanonicalReceipt receipt = of_state(ReceiptState::undeliverable);
    receipt.correlation_id = "SM1";
    receipt.id_candidates = {"SM1"};
    receipt.client_ref = "ref";
    receipt.recipient = "+4915112345678";
    receipt.event_id = "e1";
    receipt.event_time = parse_iso8601("2026-01-02T03:04:05.678901Z");
    receipt.sequence = 7;
    receipt.raw_status = "bounce/blocked";
    receipt.raw_code = "30005";
    receipt.final = true;
    receipt.kind = FailureKind::hard;
    receipt.reason = "unknown_subscriber";
    receipt.suppress = "invalid_address";
    return receipt;
}

TEST(DlrJson, WritesWhatTheHistoryNeeds) {
    EXPECT_EQ(nlohmann::json::parse(dlr_json(full())), (nlohmann::json{{"status", "undeliverable"},
                                                                       {"provider_message_id", "SM1"},
                                                                       {"error_code", "30005"},
                                                                       {"raw_status", "bounce/blocked"},
                                                                       {"event_id", "e1"},
                                                                       {"reason", "unknown_subscriber"},
                                                                       {"failure_kind", "hard"},
                                                                       {"timestamp", "2026-01-02T03:04:05.678901Z"},
                                                                       {"sequence", 7},
                                                                       {"suppress", "invalid_address"},
                                                                       {"recipient", "+4915112345678"}}));
    EXPECT_EQ(nlohmann::json::parse(dlr_json(of_state(ReceiptState::sent))), (nlohmann::json{{"status", "sent"}}));
    CanonicalReceipt told = of_state(ReceiptState::sent);
    told.recipient = "+4915112345678"; // nothing is said of it
    EXPECT_EQ(nlohmann::json::parse(dlr_json(told)), (nlohmann::json{{"status", "sent"}}));
}

TEST(DlrJson, WhatIsSaidOfTheAddress) {
    const DlrEffect effect = parse_dlr_effect(dlr_json(full()));
    EXPECT_EQ(effect.suppress, "invalid_address");
    EXPECT_EQ(effect.recipient, "+4915112345678");
    CanonicalReceipt receipt = full();
    receipt.recipient = std::string(kMaxAddressBytes + 1, 'x');
    EXPECT_EQ(parse_dlr_effect(dlr_json(receipt)).recipient, std::nullopt) << "a part of an address is another address";
    receipt.suppress.clear();
    EXPECT_EQ(parse_dlr_effect(dlr_json(receipt)).suppress, "");
    EXPECT_EQ(parse_dlr_effect(R"({"status": "sent", "suppress": "opt_out", "recipient": 15550100})").recipient,
              "15550100");
    EXPECT_EQ(parse_dlr_effect(R"({"status": "sent", "suppress": null})").suppress, "");
    EXPECT_EQ(parse_dlr_effect("[]").suppress, "");
    EXPECT_THROW(parse_dlr_effect(R"({"status": "sent", "suppress": "everything"})"), hc::Error);
    EXPECT_THROW(parse_dlr_effect(R"({"status": "sent", "suppress": "opt_out", "recipient": ""})"), hc::Error);
}

TEST(DlrJson, IsReadBack) {
    const ReceiptInput input = back(full());
    EXPECT_EQ(input.attempt, 0);
    EXPECT_EQ(input.provider_message_id, "SM1");
    EXPECT_EQ(input.facts.state, ReceiptState::undeliverable);
    EXPECT_EQ(input.facts.kind, FailureKind::hard);
    EXPECT_EQ(input.facts.time, full().event_time);
    EXPECT_EQ(input.facts.sequence, 7);
    EXPECT_EQ(input.reason, "unknown_subscriber (30005)");
    EXPECT_NE(input.hash, 0U);
    EXPECT_TRUE(input.providers.empty());
}

TEST(DlrJson, EveryStateAndKind) {
    for (int s = 0; s < kReceiptStates; ++s) {
        CanonicalReceipt receipt = of_state(static_cast<ReceiptState>(s));
        for (const FailureKind kind :
             {FailureKind::none, FailureKind::soft, FailureKind::hard, FailureKind::policy, FailureKind::config}) {
            receipt.kind = kind;
            EXPECT_EQ(back(receipt).facts.state, receipt.state);
            EXPECT_EQ(back(receipt).facts.kind, kind);
        }
    }
}

TEST(DlrJson, ReasonAndCodeMakeOneReason) {
    CanonicalReceipt receipt = full();
    receipt.raw_code.reset();
    EXPECT_EQ(back(receipt).reason, "unknown_subscriber");
    receipt.reason.clear();
    EXPECT_EQ(back(receipt).reason, "");
    receipt.raw_code = "7";
    EXPECT_EQ(back(receipt).reason, "7");
}

// Providers echo numbers and bodies in what they call a code: a text is recorded only if the connector has a row for
// it.
TEST(DlrJson, ACodeThatIsATextIsNotRecorded) {
    CanonicalReceipt receipt = full();
    receipt.raw_code = "The number +4915112345678 is not valid: hello Bob";
    EXPECT_EQ(back(receipt).reason, "unknown_subscriber");
    receipt.raw_code = "21211: the number +4915112345678 is not valid";
    EXPECT_EQ(back(receipt).reason, "unknown_subscriber (21211)");
    receipt.raw_code = "Phone is on a blocked list";
    EXPECT_EQ(back(receipt).reason, "unknown_subscriber");
    receipt.code_known = true;
    EXPECT_EQ(back(receipt).reason, "unknown_subscriber (Phone is on a blocked list)");
    receipt.reason.clear();
    receipt.code_known = false;
    EXPECT_EQ(back(receipt).reason, "");
}

TEST(DlrJson, WithoutAStateThereIsNone) { EXPECT_THROW(dlr_json(CanonicalReceipt{}), std::bad_optional_access); }

// R2
TEST(DlrJson, TheEventIdIsTheIdentity) {
    CanonicalReceipt other = full();
    other.state = ReceiptState::delivered;
    other.event_time.reset();
    EXPECT_EQ(back(full()).hash, back(other).hash);
    other.event_id = "e2";
    EXPECT_NE(back(full()).hash, back(other).hash);
    EXPECT_NE(parse_dlr(dlr_json(full()), "signal").index(), std::variant_npos);
    EXPECT_NE(std::get<ReceiptInput>(parse_dlr(dlr_json(full()), "signal")).hash, back(full()).hash);
}

TEST(DlrJson, WithoutOneTheContentIsTheIdentity) {
    CanonicalReceipt receipt = full();
    receipt.event_id.reset();
    const std::uint64_t hash = back(receipt).hash;
    EXPECT_EQ(back(receipt).hash, hash);
    const auto differs = [&](auto change) {
        CanonicalReceipt other = receipt;
        change(other);
        return back(other).hash != hash;
    };
    EXPECT_TRUE(differs([](CanonicalReceipt &r) { r.correlation_id = "SM2"; }));
    EXPECT_TRUE(differs([](CanonicalReceipt &r) { r.raw_status = "bounce"; }));
    EXPECT_TRUE(differs([](CanonicalReceipt &r) { r.raw_code = "30006"; }));
    EXPECT_TRUE(differs([](CanonicalReceipt &r) { *r.event_time += Duration(1); }));
    EXPECT_TRUE(differs([](CanonicalReceipt &r) { r.event_time.reset(); }));
    EXPECT_TRUE(differs([](CanonicalReceipt &r) { r.sequence = 8; }));
    EXPECT_TRUE(differs([](CanonicalReceipt &r) { r.state = ReceiptState::failed; }));
}

TEST(DlrJson, TextsAreCutToWhatIsReadBack) {
    CanonicalReceipt receipt = full();
    std::string umlauts;
    for (int i = 0; i < 256; ++i)
        umlauts += "\xc3\xbc";
    for (auto *member : {&receipt.correlation_id, &receipt.raw_code, &receipt.raw_status, &receipt.event_id})
        *member = umlauts;
    receipt.code_known = true;
    const ReceiptInput input = back(receipt);
    EXPECT_EQ(input.provider_message_id, umlauts.substr(0, 254)) << "between characters";
    EXPECT_EQ(input.reason, "unknown_subscriber (" + umlauts.substr(0, 254) + ")");
    receipt.reason = std::string(63, 'x');
    EXPECT_EQ(back(receipt).reason.substr(0, 65), receipt.reason + " (");
}

TEST(DlrJson, OddTextIsReadBack) {
    CanonicalReceipt receipt = full();
    receipt.code_known = true;
    for (const std::string text : {"\"", "\\", "a\nb", "{}", "\x01", "\xc3\xbc", "null", "0", " "}) {
        receipt.correlation_id = text;
        receipt.raw_code = text;
        EXPECT_EQ(back(receipt).provider_message_id, text);
        EXPECT_EQ(back(receipt).reason, "unknown_subscriber (" + text + ")");
    }
    receipt.correlation_id = "\xff";
    EXPECT_EQ(back(receipt).provider_message_id, "\xEF\xBF\xBD");
}

TEST(DlrJson, NumbersAtTheirLimits) {
    CanonicalReceipt receipt = full();
    for (const std::int64_t sequence : {std::int64_t{0}, std::int64_t{1}, INT64_MAX}) {
        receipt.sequence = sequence;
        EXPECT_EQ(back(receipt).facts.sequence, sequence);
    }
}

// A time that a payload can hold must not fail the batch that it stands in.
TEST(DlrJson, AnyTimeThatIsReadIsReadBack) {
    CanonicalReceipt receipt = of_state(ReceiptState::delivered);
    for (const auto &[text, format] :
         {std::pair("9999-12-31T23:59:59-01:00", TimeFormat::iso),
          std::pair("0000-01-01T00:00:00+01:00", TimeFormat::iso), std::pair("9999-12-31T23:59:60Z", TimeFormat::iso),
          std::pair("0000-01-01T00:00:00Z", TimeFormat::iso), std::pair("0001-01-01T00:00:00Z", TimeFormat::iso),
          std::pair("1969-12-31T23:59:59.5Z", TimeFormat::iso), std::pair("99991231235960", TimeFormat::yyyymmddhhmmss),
          std::pair("00000101000000", TimeFormat::yyyymmddhhmmss), std::pair("99999999999", TimeFormat::epoch),
          std::pair("99999999999999", TimeFormat::epoch), std::pair("0.000001", TimeFormat::epoch)}) {
        receipt.event_time = parse_provider_time(text, format);
        try {
            EXPECT_EQ(back(receipt).facts.time, receipt.event_time) << text;
        } catch (const Error &e) {
            ADD_FAILURE() << text << ": " << e.detail() << " " << dlr_json(receipt);
        }
    }
}

TEST(DlrJson, RandomReceiptsAreReadBack) {
    std::mt19937_64 random(8);
    for (int i = 0; i < 5000; ++i) {
        CanonicalReceipt receipt = of_state(static_cast<ReceiptState>(random() % kReceiptStates));
        const auto text = [&]() -> std::optional<std::string> {
            if (random() % 3 == 0)
                return std::nullopt;
            std::string word;
            for (std::size_t n = 1 + random() % 20; n > 0; --n)
                word.push_back(static_cast<char>(1 + random() % 127));
            return word;
        };
        receipt.correlation_id = text();
        receipt.raw_code = text();
        receipt.code_known = true;
        receipt.raw_status = text();
        receipt.event_id = text();
        receipt.kind = static_cast<FailureKind>(random() % 5);
        if (random() % 2 == 0)
            receipt.event_time = from_unix_micros(static_cast<std::int64_t>(random() % 4'000'000'000'000'000));
        if (random() % 2 == 0)
            receipt.sequence = static_cast<std::int64_t>(random() >> 1);
        const ReceiptInput input = back(receipt);
        EXPECT_EQ(input.facts, (ReceiptFacts{*receipt.state, receipt.kind, receipt.event_time, receipt.sequence}));
        EXPECT_EQ(input.provider_message_id, receipt.correlation_id.value_or(""));
        EXPECT_EQ(input.reason, receipt.raw_code.value_or(""));
    }
}

} // namespace
} // namespace hc::core
