// Receipts out of payloads: where fields come from, which row they meet, what is parked, ignored or refused, and how a
// parked element is read again; answers of send calls.
#include "core/receipt_parser.hpp"

#include "core/error.hpp"
#include "core/history.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <chrono>
#include <ctime>

namespace {

using namespace hc::core;
using Json = nlohmann::json;
using Receipts = std::vector<CanonicalReceipt>;

// Rows that most tests share.
constexpr const char *kRows = R"(, "statuses": [
    {"status": "sent", "state": "sent"}, {"status": "delivered", "state": "delivered"},
    {"status": "seen", "state": "read", "engagement": "opened"},
    {"status": "failed", "state": "failed", "reason": "unspecified", "by_code": true, "engagement": "complained"},
    {"status": "bounce", "state": "undeliverable", "reason": "invalid_address", "suppress": "invalid_address"},
    {"status": "bounce", "qualifier": "blocked", "state": "failed", "reason": "blocked_by_carrier"},
    {"status": "drop", "qualifier": "Bounced", "state": "undeliverable"},
    {"status": "stop", "disposition": "side_effect_only", "suppress": "opt_out"},
    {"status": "click", "disposition": "ignore"}, {"status": "odd", "disposition": "park"}],
    "errors": [{"code": "1", "failure_kind": "hard", "reason": "unknown_subscriber"},
    {"code": "2", "disposition": "ignore", "reason": "duplicate_submit"},
    {"code": "3", "failure_kind": "soft", "state": "unknown", "reason": "unspecified"},
    {"code": "5.*", "failure_kind": "policy", "reason": "spam_filtered"}]})";

Connector connector(const std::string &section, const std::string &rest = kRows) {
    return parse_connector(R"({"name": "x", "receipts": {"payload": ["json", "form"], )" + section + "}" + rest);
}

// Status and id as given, and further fields.
Connector with_fields(const std::string &fields = "", const std::string &section = "") {
    return connector(section + R"("fields": {"status": ["$.s"], "correlation_id": ["$.id"])" +
                     (fields.empty() ? "" : ", " + fields) + "}");
}

Receipts parse(const Connector &by, std::string_view payload, const ReceiptOptions &options = {}) {
    return parse_receipts(by, payload, {}, options);
}

CanonicalReceipt parse_one(const Connector &by, std::string_view payload, const ReceiptOptions &options = {}) {
    Receipts receipts = parse(by, payload, options);
    EXPECT_EQ(receipts.size(), 1U) << payload;
    return receipts.empty() ? CanonicalReceipt{} : std::move(receipts.front());
}

// The recipient, as the field under test, from this source.
std::optional<std::string> field(const std::string &source, std::string_view payload) {
    return parse_one(with_fields(R"("recipient": [)" + source + "]"), payload).recipient;
}

// "apply delivered", "park unknown_status" ...
std::string shown(const CanonicalReceipt &receipt) {
    std::string text(to_string(receipt.disposition));
    if (receipt.state)
        text.append(" ").append(to_string(*receipt.state));
    if (receipt.kind != FailureKind::none)
        text.append(" ").append(to_string(receipt.kind));
    return text + (receipt.reason.empty() ? "" : " " + receipt.reason);
}

std::vector<std::string> shown(const Receipts &receipts) {
    std::vector<std::string> lines;
    for (const CanonicalReceipt &receipt : receipts)
        lines.push_back(shown(receipt));
    return lines;
}

using Lines = std::vector<std::string>;

// ---- sources of fields ----

TEST(ReceiptFields, EveryFieldIsRead) {
    const Connector all = connector(R"("fields": {"correlation_id": ["$.id"], "client_ref": ["$.ref"],
        "recipient": ["$.to"], "event_id": ["$.eid"], "event_time": ["$.at"], "sequence": ["$.n"], "status": ["$.s"],
        "qualifier": ["$.q"], "code": ["$.c"], "code_fallback": ["$.d"]})");
    const CanonicalReceipt r = parse_one(all, R"({"id": "m1", "ref": "r1", "to": "+49", "eid": "e1",
        "at": "2026-01-02T03:04:05Z", "n": 7, "s": "bounce", "q": "blocked", "c": "x"})");
    EXPECT_EQ(r.correlation_id, "m1");
    EXPECT_EQ(r.id_candidates, std::vector<std::string>{"m1"});
    EXPECT_EQ(r.client_ref, "r1");
    EXPECT_EQ(r.recipient, "+49");
    EXPECT_EQ(r.event_id, "e1");
    EXPECT_EQ(r.event_time, parse_iso8601("2026-01-02T03:04:05Z"));
    EXPECT_EQ(r.sequence, 7);
    EXPECT_EQ(r.raw_status, "bounce/blocked");
    EXPECT_EQ(r.raw_code, "x");
    EXPECT_EQ(r.raw, "") << "kept of parked ones only";
    EXPECT_TRUE(r.final);
}

TEST(ReceiptFields, TheFirstSourceWithAValueCounts) {
    const std::string sources = R"("$.a", "$.b.c[1]", {"path": "$['d e']"}, {"value": "none of them"})";
    EXPECT_EQ(field(sources, R"({"s": "sent", "id": 1, "b": {"c": [0, 5]}, "a": "x"})"), "x");
    EXPECT_EQ(field(sources, R"({"s": "sent", "id": 1, "b": {"c": [0, 5]}, "d e": "y"})"), "5");
    EXPECT_EQ(field(sources, R"({"s": "sent", "id": 1, "b": {"c": [0]}, "d e": "y"})"), "y");
    EXPECT_EQ(field(sources, R"({"s": "sent", "id": 1, "a": null, "b": {"c": [0, ""]}, "d e": {}})"), "none of them");
    EXPECT_EQ(field(sources, R"({"s": "sent", "id": 1, "a": [], "b": [], "d e": ""})"), "none of them");
}

TEST(ReceiptFields, NumbersAreTakenAsTheirDigitsAndBooleansAsWords) {
    EXPECT_EQ(field("\"$.v\"", R"({"s": "sent", "id": 1, "v": 123456789012345678901234567890})"),
              "123456789012345678901234567890");
    EXPECT_EQ(field("\"$.v\"", R"({"s": "sent", "id": 1, "v": 1.50})"), "1.50");
    EXPECT_EQ(field("\"$.v\"", R"({"s": "sent", "id": 1, "v": 0})"), "0");
    EXPECT_EQ(field("\"$.v\"", R"({"s": "sent", "id": 1, "v": false})"), "false");
    EXPECT_EQ(field("\"$.v\"", R"({"s": "sent", "id": 1, "v": "false"})"), "false");
    EXPECT_EQ(parse_one(with_fields(), R"({"s": "sent", "id": 20260102030405060708})").correlation_id,
              "20260102030405060708");
}

TEST(ReceiptFields, ShapesOfAValue) {
    const auto shaped = [](const std::string &members, const std::string &value) {
        return field(R"({"path": "$.v", )" + members + "}", Json{{"s", "sent"}, {"id", 1}, {"v", value}}.dump());
    };
    EXPECT_EQ(shaped(R"("before": ".")", "abc.filter.1"), "abc");
    EXPECT_EQ(shaped(R"("before": ".")", "abc"), "abc") << "no occurrence: all of it";
    EXPECT_EQ(shaped(R"("before": ".")", ".abc"), std::nullopt);
    EXPECT_EQ(shaped(R"("after": ": ")", "code: 5: 6"), "5: 6") << "the first occurrence";
    EXPECT_EQ(shaped(R"("after": ": ")", "code 5"), std::nullopt);
    EXPECT_EQ(shaped(R"("after": ":")", "code:"), std::nullopt);
    EXPECT_EQ(shaped(R"("after": "<", "before": ">")", "x>y<id@host>z>"), "id@host") << "cut in front first";
    EXPECT_EQ(shaped(R"("leading": "digits")", "550 5.1.1 no"), "550");
    EXPECT_EQ(shaped(R"("leading": "digits")", "+550"), std::nullopt);
    EXPECT_EQ(shaped(R"("leading": "digits")", "550"), "550");
    EXPECT_EQ(shaped(R"("case": "upper")", "aBz-{\xc3\xa9`"), "ABZ-{\xc3\xa9`");
    EXPECT_EQ(shaped(R"("case": "lower")", "aBZ-[@\xc3\x89"), "abz-[@\xc3\x89");
    EXPECT_EQ(shaped(R"("prefix": "EC_")", "7"), "EC_7");
    EXPECT_EQ(shaped(R"("prefix": "EC_")", ""), std::nullopt) << "a prefix is no value";
    EXPECT_EQ(shaped(R"("prefix": "EC_", "case": "upper")", "x"), "EC_X");
    EXPECT_EQ(shaped(R"("prefix": "ec_", "case": "upper")", "x"), "ec_X") << "the prefix is as written";
    EXPECT_EQ(shaped(R"("after": "(", "leading": "digits", "prefix": "#", "before": "0")", "a (1203)"), "#12");
}

TEST(ReceiptFields, AConstantTakesItsShapesToo) {
    EXPECT_EQ(field(R"({"value": "hello"})", R"({"s": "sent", "id": 1})"), "hello");
    EXPECT_EQ(field(R"({"value": "hello", "case": "upper", "prefix": "x"})", R"({"s": "sent", "id": 1})"), "xHELLO");
}

TEST(ReceiptFields, WhenHoldsForPresenceWordsAndParts) {
    const auto holds = [](const std::string &condition, const std::string &member) {
        return field(R"({"value": "yes", "when": {"path": "$.w")" + condition + "}}",
                     R"({"s": "sent", "id": 1)" + (member.empty() ? "" : ", \"w\": " + member) + "}")
            .has_value();
    };
    EXPECT_TRUE(holds("", "1"));
    EXPECT_TRUE(holds("", "{}"));
    EXPECT_TRUE(holds("", "[]"));
    EXPECT_FALSE(holds("", "null"));
    EXPECT_FALSE(holds("", ""));
    const std::string in = R"(, "in": ["a", "7", "true"])";
    for (const char *member : {"\"a\"", "\"7\"", "7", "true", "\"true\""})
        EXPECT_TRUE(holds(in, member)) << member;
    for (const char *member : {"\"A\"", "\"ab\"", "\"\"", "7.0", "false", "null", "[\"a\"]", "{\"a\": 1}", ""})
        EXPECT_FALSE(holds(in, member)) << member;
    const std::string contains = R"(, "contains": "Opt")";
    EXPECT_TRUE(holds(contains, "\"21610 Opted out\""));
    EXPECT_FALSE(holds(contains, "\"opted\""));
    EXPECT_FALSE(holds(contains, "[\"Opt\"]"));
    const std::string both = R"(, "contains": "a", "in": ["ab", "b"])";
    EXPECT_TRUE(holds(both, "\"ab\""));
    EXPECT_FALSE(holds(both, "\"b\""));
    EXPECT_FALSE(holds(both, "\"a\""));
}

TEST(ReceiptFields, ASourceWhoseConditionFailsIsPassedOver) {
    const std::string sources = R"({"path": "$.v", "when": {"path": "$.e", "in": ["dropped"]}}, "$.u")";
    EXPECT_EQ(field(sources, R"({"s": "sent", "id": 1, "e": "dropped", "v": "V", "u": "U"})"), "V");
    EXPECT_EQ(field(sources, R"({"s": "sent", "id": 1, "e": "bounce", "v": "V", "u": "U"})"), "U");
    EXPECT_EQ(field(sources, R"({"s": "sent", "id": 1, "e": "dropped", "u": "U"})"), "U");
}

TEST(ReceiptFields, PathsFromTheDocumentAndFromTheElement) {
    const Connector both = with_fields(R"("recipient": ["$$.to", "$$.list[0].to"], "event_id": ["$.to"])",
                                       R"("elements": ["$.list[*]"], )");
    const Receipts receipts =
        parse(both, R"({"to": "all", "list": [{"s": "sent", "id": "a", "to": "one"}, {"s": "sent", "id": "b"}]})");
    ASSERT_EQ(receipts.size(), 2U);
    EXPECT_EQ(receipts[0].recipient, "all");
    EXPECT_EQ(receipts[0].event_id, "one");
    EXPECT_EQ(receipts[1].recipient, "all");
    EXPECT_EQ(receipts[1].event_id, std::nullopt);
    EXPECT_EQ(
        parse(both, R"({"list": [{"s": "sent", "id": "a", "to": "one"}, {"s": "sent", "id": "b"}]})")[1].recipient,
        "one");
}

TEST(ReceiptFields, AWildcardIsTheFirstElementWhereTheRestExists) {
    EXPECT_EQ(field("\"$.e[*].code\"", R"({"s": "sent", "id": 1, "e": [{}, {"kode": 1}, {"code": 5}, {"code": 6}]})"),
              "5");
    EXPECT_EQ(field("\"$.e[*].code\"", R"({"s": "sent", "id": 1, "e": {"code": 5}})"), std::nullopt);
    EXPECT_EQ(field("\"$.e[*][*]\"", R"({"s": "sent", "id": 1, "e": [[], [8]]})"), "8");
    EXPECT_EQ(field("\"$['a b'].c-d\"", R"({"s": "sent", "id": 1, "a b": {"c-d": "x"}})"), "x");
}

TEST(ReceiptFields, OfRepeatedMembersTheLastCounts) {
    EXPECT_EQ(field("\"$.v\"", R"({"s": "sent", "id": 1, "v": "a", "v": "b"})"), "b");
    EXPECT_EQ(parse_one(with_fields(), "s=sent&id=1&id=2").correlation_id, "2");
}

TEST(ReceiptFields, SequencesAreWholeAndNotNegative) {
    const Connector by = with_fields(R"("sequence": ["$.n"])");
    const auto sequence = [&](const std::string &value) {
        return parse_one(by, R"({"s": "sent", "id": 1, "n": )" + value + "}").sequence;
    };
    EXPECT_EQ(sequence("0"), 0);
    EXPECT_EQ(sequence("\"12\""), 12);
    EXPECT_EQ(sequence("9223372036854775807"), INT64_MAX);
    for (const char *bad :
         {"9223372036854775808", "-1", "1.5", "1e3", "\"\"", "\"+1\"", "\" 1\"", "\"1 \"", "\"x\"", "true", "[]"})
        EXPECT_EQ(sequence(bad), std::nullopt) << bad;
}

TEST(ReceiptFields, TimesThatCannotBeReadAreNoValue) {
    const Connector by = with_fields(R"("event_time": [{"path": "$.t", "format": "epoch"}, {"path": "$.t"},
        {"path": "$.u", "format": "yymmddhhmm"}, {"path": "$.v", "before": "("}])");
    const auto time = [&](const std::string &members) {
        return parse_one(by, R"({"s": "sent", "id": 1)" + members + "}").event_time;
    };
    EXPECT_EQ(time(R"(, "t": 1767323045)"), parse_iso8601("2026-01-02T03:04:05Z"));
    EXPECT_EQ(time(R"(, "t": "2026-01-02 03:04:05")"), parse_iso8601("2026-01-02T03:04:05Z")) << "the next source";
    EXPECT_EQ(time(R"(, "t": "soon", "u": "2601020304")"), parse_iso8601("2026-01-02T03:04:00Z"));
    EXPECT_EQ(time(R"(, "v": "2026-01-02T03:04:05Z(")"), parse_iso8601("2026-01-02T03:04:05Z"));
    EXPECT_EQ(time(R"(, "t": "soon")"), std::nullopt);
    EXPECT_EQ(shown(parse_one(by, R"({"s": "sent", "id": 1, "t": "soon"})")), "apply sent")
        << "the receipt still applies";
}

TEST(ReceiptFields, TextIsCutAndCleanedForTheDatabase) {
    EXPECT_EQ(field("\"$.v\"", R"({"s": "sent", "id": 1, "v": ")" + std::string(2000, 'x') + "\"}"),
              std::string(512, 'x'));
    std::string umlauts;
    for (int i = 0; i < 300; ++i)
        umlauts += "\xc3\xbc";
    EXPECT_EQ(field("\"$.v\"", R"({"s": "sent", "id": 1, "v": "x)" + umlauts + "\"}"), "x" + umlauts.substr(0, 510));
    EXPECT_EQ(field("\"$.v\"", R"({"s": "sent", "id": 1, "v": "a\u0000b"})"), "a\xEF\xBF\xBD"
                                                                              "b");
}

// ---- rows ----

TEST(ReceiptRows, AStatusGivesAllItsRowSays) {
    const CanonicalReceipt seen = parse_one(with_fields(), R"({"s": "seen", "id": "1"})");
    EXPECT_EQ(shown(seen), "apply read");
    EXPECT_EQ(seen.raw_status, "seen");
    EXPECT_EQ(seen.engagement, "opened");
    EXPECT_TRUE(seen.final);
    EXPECT_FALSE(parse_one(with_fields(), R"({"s": "sent", "id": "1"})").final);
    const CanonicalReceipt stop = parse_one(with_fields(), R"({"s": "stop", "id": "1"})");
    EXPECT_EQ(shown(stop), "side_effect_only");
    EXPECT_EQ(stop.suppress, "opt_out");
    EXPECT_EQ(shown(parse_one(with_fields(), R"({"s": "click", "id": "1"})")), "ignore");
    EXPECT_EQ(shown(parse_one(with_fields(), R"({"s": "odd", "id": "1"})")), "park");
}

TEST(ReceiptRows, TheQualifiedRowComesFirst) {
    const Connector by = with_fields(R"("qualifier": ["$.q"])");
    const auto both = [&](const std::string &status, const std::string &qualifier) {
        const CanonicalReceipt r = parse_one(by, Json{{"s", status}, {"q", qualifier}, {"id", "1"}}.dump());
        return r.raw_status.value_or("none") + ": " + shown(r);
    };
    EXPECT_EQ(both("bounce", "blocked"), "bounce/blocked: apply failed soft blocked_by_carrier");
    EXPECT_EQ(both("bounce", "other"), "bounce: apply undeliverable hard invalid_address");
    EXPECT_EQ(both("bounce", ""), "bounce: apply undeliverable hard invalid_address");
    EXPECT_EQ(both("bounce", "Blocked"), "bounce: apply undeliverable hard invalid_address") << "words are exact";
    EXPECT_EQ(both("drop", "Bounced"), "drop/Bounced: apply undeliverable hard");
    EXPECT_EQ(both("drop", "Spam"), "drop: park unknown_status") << "no row without qualifier";
}

TEST(ReceiptRows, ACodeReplacesARowThatSaysSo) {
    const Connector by = with_fields(R"("code": ["$.c"], "code_fallback": ["$.d"])");
    const auto coded = [&](const std::string &status, const Json &code, const Json &fallback) {
        const CanonicalReceipt r = parse_one(by, Json{{"s", status}, {"c", code}, {"d", fallback}, {"id", "1"}}.dump());
        return shown(r) + (r.suppress.empty() ? "" : " suppress") + " code " + r.raw_code.value_or("none");
    };
    EXPECT_EQ(coded("failed", "1", {}), "apply undeliverable hard unknown_subscriber suppress code 1");
    EXPECT_EQ(coded("failed", 1, {}), "apply undeliverable hard unknown_subscriber suppress code 1");
    EXPECT_EQ(coded("failed", "5.7.1", {}), "apply rejected policy spam_filtered code 5.7.1");
    EXPECT_EQ(coded("failed", "9", {}), "apply failed soft unspecified code 9");
    EXPECT_EQ(coded("failed", {}, {}), "apply failed soft unspecified code none");
    EXPECT_EQ(coded("failed", "9", "5.1"), "apply rejected policy spam_filtered code 9") << "the code shown stays";
    EXPECT_EQ(coded("failed", {}, "1"), "apply undeliverable hard unknown_subscriber suppress code none");
    EXPECT_EQ(coded("failed", "1", "5.1"), "apply undeliverable hard unknown_subscriber suppress code 1");
    EXPECT_EQ(coded("failed", "2", {}), "ignore duplicate_submit code 2");
    EXPECT_EQ(coded("failed", "3", {}), "apply unknown unspecified code 3");
    EXPECT_EQ(coded("bounce", "5.7.1", {}), "apply undeliverable hard invalid_address suppress code 5.7.1")
        << "a row without by_code knows better";
    EXPECT_EQ(coded("nonsense", "1", {}), "park unknown_status code 1") << "a code alone is no status";
}

TEST(ReceiptRows, TheEngagementOfAStatusOutlivesItsCode) {
    const Connector by = with_fields(R"("code": ["$.c"])");
    EXPECT_EQ(parse_one(by, R"({"s": "failed", "c": "1", "id": "1"})").engagement, "complained");
}

TEST(ReceiptRows, OperatorRowsComeBeforeTheConnectors) {
    const Connector by = with_fields(R"("qualifier": ["$.q"], "code": ["$.c"], "code_fallback": ["$.d"])");
    const ReceiptOptions options = parse_receipt_options(R"({
        "connector_err_map": {"1": ["soft", "absent_subscriber"], "77": ["config", "account_problem"]},
        "connector_status_map": {"sent": "delivered", "bounce": "failed", "bounce/blocked": "rejected", "new": "expired"}})");
    const auto with = [&](const std::string &payload) { return shown(parse_one(by, payload, options)); };
    EXPECT_EQ(with(R"({"s": "failed", "c": "1", "id": 1})"), "apply failed soft absent_subscriber");
    EXPECT_EQ(with(R"({"s": "failed", "c": "77", "id": 1})"), "apply rejected config account_problem");
    EXPECT_EQ(with(R"({"s": "failed", "c": "9", "d": "77", "id": 1})"), "apply rejected config account_problem");
    EXPECT_EQ(with(R"({"s": "failed", "c": "5.1", "id": 1})"), "apply rejected policy spam_filtered");
    EXPECT_EQ(with(R"({"s": "sent", "id": 1})"), "apply delivered");
    EXPECT_EQ(with(R"({"s": "bounce", "id": 1})"), "apply failed soft unspecified");
    EXPECT_EQ(with(R"({"s": "bounce", "q": "blocked", "id": 1})"), "apply rejected policy unspecified");
    EXPECT_EQ(with(R"({"s": "new", "id": 1})"), "apply expired soft unspecified") << "a word the connector lacks";
    EXPECT_EQ(with(R"({"s": "new", "c": "77", "id": 1})"), "apply rejected config account_problem");
    EXPECT_EQ(with(R"({"s": "newer", "id": 1})"), "park unknown_status");
}

// ---- parked, ignored, refused ----

TEST(ReceiptParked, WhatIsNotUnderstoodIsKeptAndItsSiblingsApply) {
    const Receipts receipts = parse(with_fields(R"("recipient": ["$.to"])"), R"([
        {"s": "delivered", "id": "a"}, {"s": "beamed", "id": "b", "to": "+49"}, {"id": "c"}, {"s": "delivered"},
        7, null, {"s": {"x": 1}, "id": "d"}, {"s": "stop"}, {"s": "sent", "id": "e"}])");
    EXPECT_EQ(shown(receipts),
              (Lines{"apply delivered", "park unknown_status", "park no_status", "park no_message_id", "park no_status",
                     "park no_status", "park no_status", "side_effect_only", "apply sent"}));
    EXPECT_EQ(receipts[1].raw_status, "beamed");
    EXPECT_EQ(receipts[1].correlation_id, "b");
    EXPECT_EQ(receipts[1].recipient, "+49");
    EXPECT_EQ(receipts[1].raw, R"({"s": "beamed", "id": "b", "to": "+49"})");
    EXPECT_EQ(receipts[3].raw, R"({"s": "delivered"})");
    EXPECT_EQ(receipts[4].raw, "7");
    for (const std::size_t i : {1U, 2U, 3U}) {
        EXPECT_EQ(receipts[i].state, std::nullopt);
        EXPECT_FALSE(receipts[i].final);
    }
    for (const std::size_t i : {0U, 7U, 8U})
        EXPECT_EQ(receipts[i].raw, "");
}

TEST(ReceiptParked, AReferenceOfOursIsAnAddressToo) {
    const Connector by = with_fields(R"("client_ref": ["$.ref"])");
    EXPECT_EQ(shown(parse_one(by, R"({"s": "failed", "ref": "r"})")), "apply failed soft unspecified");
    const CanonicalReceipt lost = parse_one(by, R"({"s": "failed", "to": "r"})");
    EXPECT_EQ(shown(lost), "park no_message_id");
    EXPECT_EQ(lost.suppress + lost.engagement, "");
    EXPECT_EQ(shown(parse_one(by, R"({"s": "failed", "id": "", "ref": null})")), "park no_message_id");
}

TEST(ReceiptParked, RawIsTheElementCutToItsCap) {
    const std::string text(40'000, 'x');
    const CanonicalReceipt parked = parse_one(with_fields(), R"({"s": "beamed", "t": ")" + text + "\"}");
    EXPECT_EQ(parked.raw.size(), kMaxParkedReceiptBytes);
    EXPECT_EQ(shown(parse_parked(with_fields(), parked.raw, {})), Lines{"park unreadable"});
    EXPECT_EQ(parse_parked(with_fields(), parked.raw, {})[0].raw, parked.raw) << "kept as it is";
}

TEST(ReceiptParked, IsReadAgainFromItsRawText) {
    const Connector old_rows = with_fields(R"("recipient": ["$.to"])", R"("elements": ["$.list[*]"], )");
    Connector new_rows = old_rows;
    new_rows.statuses[{"beamed", ""}] = {
        .state = ReceiptState::delivered, .final = true, .reason = "", .suppress = "", .engagement = ""};
    const Receipts receipts =
        parse(old_rows, R"({"list": [{"s": "sent", "id": "a"}, {"s": "beamed", "id": "b", "to": "T"}]})");
    ASSERT_EQ(shown(receipts), (Lines{"apply sent", "park unknown_status"}));
    const Receipts still = parse_parked(old_rows, receipts[1].raw, {});
    EXPECT_EQ(shown(still), Lines{"park unknown_status"});
    EXPECT_EQ(still[0].raw, receipts[1].raw);
    const Receipts again = parse_parked(new_rows, receipts[1].raw, {});
    ASSERT_EQ(shown(again), Lines{"apply delivered"});
    EXPECT_EQ(again[0].correlation_id, "b");
    EXPECT_EQ(again[0].recipient, "T");
    const ReceiptOptions by_operator = parse_receipt_options(R"({"connector_status_map": {"beamed": "read"}})");
    EXPECT_EQ(shown(parse_parked(old_rows, receipts[1].raw, by_operator)), Lines{"apply read"});
}

TEST(ReceiptParked, FormsAndSmppTextsAreKeptAsJson) {
    const CanonicalReceipt form = parse_one(with_fields(), "s=beamed&id=1&t=a+b");
    EXPECT_EQ(Json::parse(form.raw), (Json{{"s", "beamed"}, {"id", "1"}, {"t", "a b"}}));
    EXPECT_EQ(parse_parked(with_fields(), form.raw, {})[0].correlation_id, "1");
    const Connector smpp = parse_connector(R"({"name": "x", "receipts": {"payload": ["smpp"],
        "fields": {"status": ["$.stat"], "correlation_id": ["$.tlv.receipted_message_id", "$.id"]}}})");
    ReceiptOptions options;
    options.smpp_parameters.tlvs["receipted_message_id"] = "T1";
    const CanonicalReceipt parked = parse_one(smpp, "id:1 stat:BEAMED", options);
    EXPECT_EQ(shown(parked), "park unknown_status");
    EXPECT_EQ(parse_parked(smpp, parked.raw, {})[0].correlation_id, "T1");
    EXPECT_EQ(parse_parked(smpp, parked.raw, {})[0].raw_status, "BEAMED");
}

TEST(ReceiptParked, RawIsTheDocumentWhereAFieldStandsOutside) {
    const Connector by = with_fields(R"("recipient": ["$$.to"])", R"("elements": ["$.list[*]"], )");
    const std::string payload = R"({"to": "T", "list": [{"s": "sent", "id": "a"}, {"s": "beamed", "id": "b"}]})";
    const Receipts receipts = parse(by, payload);
    ASSERT_EQ(shown(receipts), (Lines{"apply sent", "park unknown_status"}));
    EXPECT_EQ(receipts[1].raw, payload);
    const Receipts again = parse_parked(by, receipts[1].raw, {});
    EXPECT_EQ(shown(again), shown(receipts));
    EXPECT_EQ(again[1].recipient, "T");
}

TEST(ReceiptParked, ADocumentOverTheCapIsNotKeptForOneElement) {
    const Connector by = with_fields(R"("recipient": ["$$.to"])", R"("elements": ["$.list[*]"], )");
    const auto raw_with = [&](std::size_t bytes) {
        return parse(by, R"({"to":")" + std::string(bytes, 'x') + R"(","list":[{"s":"beamed","id":"b"}]})").at(0).raw;
    };
    EXPECT_TRUE(raw_with(16'000).starts_with(R"({"to":"xxx)"));
    EXPECT_EQ(raw_with(kMaxParkedReceiptBytes), R"({"s":"beamed","id":"b"})");
    EXPECT_EQ(parse_parked(by, raw_with(kMaxParkedReceiptBytes), {}).at(0).correlation_id, "b");
}

TEST(ReceiptParked, RawIsTheDocumentWhereAConditionLooksAtIt) {
    const Connector by = connector(R"("elements": ["$.list[*]"], "fields": {"correlation_id": ["$.id"],
        "status": [{"path": "$.s", "when": {"path": "$$.type", "in": ["dlr"]}}]})");
    const Receipts receipts = parse(by, R"({"type": "dlr", "list": [{"id": "1", "s": "beamed"}]})");
    ASSERT_EQ(shown(receipts), Lines{"park unknown_status"});
    EXPECT_EQ(shown(parse_parked(by, receipts[0].raw, {})), Lines{"park unknown_status"}) << receipts[0].raw;
}

TEST(ReceiptParked, RubbishStaysParked) {
    EXPECT_EQ(shown(parse_parked(with_fields(), "", {})), Lines{"park unreadable"});
    EXPECT_EQ(shown(parse_parked(with_fields(), "{\"s\":", {})), Lines{"park unreadable"});
    EXPECT_EQ(shown(parse_parked(with_fields(), "{}", {})), Lines{"park no_status"});
    Connector without = with_fields();
    without.receipts.reset();
    EXPECT_EQ(shown(parse_parked(without, "{}", {})), Lines{"park unreadable"});
}

TEST(ReceiptIgnored, DocumentsThatAreNoReceipts) {
    const Connector by = with_fields("", R"("elements": ["$.list[*]"], "ignore": [{"path": "$.messages[*].text"},
        {"path": "$.Type", "in": ["SubscriptionConfirmation"]}], )");
    EXPECT_EQ(shown(parse(by, R"({"messages": [{"text": "hi"}]})")), Lines{"ignore not_a_receipt"});
    EXPECT_EQ(shown(parse(by, R"({"Type": "SubscriptionConfirmation", "list": []})")), Lines{"ignore not_a_receipt"});
    EXPECT_EQ(shown(parse(by, R"({"Type": "Notification"})")), Lines{"park no_receipt_found"});
    EXPECT_EQ(shown(parse(by, "{}")), Lines{"park no_receipt_found"});
    EXPECT_EQ(parse(by, R"({"Type":"Notification"})")[0].raw, R"({"Type":"Notification"})");
    EXPECT_EQ(shown(parse(by, R"({"messages": [{"text": "hi"}], "list": [{"s": "sent", "id": "a"}]})")),
              Lines{"apply sent"})
        << "a receipt beside it counts";
    EXPECT_EQ(shown(parse(by, R"({"messages": [{"text": "hi"}], "list": [{"s": "beamed", "id": "a"}]})")),
              Lines{"park unknown_status"});
    EXPECT_EQ(shown(parse(by, R"({"messages": [{"text": "hi"}], "list": [{"id": "a"}, {}]})")),
              Lines{"ignore not_a_receipt"})
        << "elements without a status are none";
}

TEST(ReceiptIgnored, WithoutElementsTheDocumentIsOne) {
    const Connector by = with_fields("", R"("ignore": [{"path": "$.inbound"}], )");
    EXPECT_EQ(shown(parse(by, R"({"inbound": 1})")), Lines{"ignore not_a_receipt"});
    EXPECT_EQ(shown(parse(by, R"({"outbound": 1})")), Lines{"park no_status"});
    EXPECT_EQ(shown(parse(by, "7")), Lines{"park no_status"});
}

TEST(ReceiptIgnored, AnEmptyListHoldsNoReceipt) {
    const Lines ignored{"ignore no_receipts"};
    const Connector bare = with_fields();
    EXPECT_EQ(shown(parse(bare, "[]")), ignored);
    EXPECT_EQ(shown(parse(bare, " [ ] ")), ignored);
    EXPECT_EQ(shown(parse(bare, "[{}]")), Lines{"park no_status"});
    const Connector listed = with_fields("", R"("elements": ["$.a[*].b.list[*]", "$.list[*]"], )");
    EXPECT_EQ(shown(parse(listed, R"({"list": []})")), ignored);
    EXPECT_EQ(shown(parse(listed, R"({"a": [ ]})")), ignored);
    EXPECT_EQ(shown(parse(listed, R"({"a": [{}, {"b": {"list": []}}]})")), ignored);
    EXPECT_EQ(shown(parse(listed, R"({"list": [], "a": [{"b": {"list": [{"s": "sent", "id": 1}]}}]})")),
              Lines{"apply sent"});
    for (const char *json :
         {"[]", "{}", R"({"list": {}})", R"({"list": null})", R"({"list": "[]"})", R"({"a": {}})", R"({"other": []})"})
        EXPECT_EQ(shown(parse(listed, json)), Lines{"park no_receipt_found"}) << json;
    const Connector whole = with_fields("", R"("elements": ["$[*].x", "$"], )");
    EXPECT_EQ(shown(parse(whole, "[]")), ignored) << "although the document itself is taken for an element";
}

TEST(ReceiptRefused, WhatCannotBeReadAtAll) {
    const Receipts json = parse(with_fields(), R"({"s": )");
    EXPECT_EQ(shown(json), Lines{"reject It is not valid JSON."});
    EXPECT_EQ(json[0].raw, R"({"s": )");
    EXPECT_EQ(json[0].state, std::nullopt);
    EXPECT_EQ(shown(parse_receipts(with_fields(), "&&", {{"content-type", "application/x-www-form-urlencoded"}}, {})),
              Lines{"reject It has no form field."});
    EXPECT_EQ(shown(parse(with_fields(), "")), Lines{"reject It is not valid JSON."});
}

TEST(ReceiptRefused, KindsTheConnectorDoesNotTake) {
    const auto only = [](const std::string &kinds) {
        return parse_connector(R"({"name": "x", "receipts": {"payload": [)" + kinds +
                               R"(], "fields": {"status": ["$.s", "$.stat"], "correlation_id": ["$.id"]}})" + kRows);
    };
    const auto refused = [](const std::string &kind, const std::string &taken) {
        return Lines{"reject It is taken for " + kind + ", and this connector takes " + taken + "."};
    };
    EXPECT_EQ(shown(parse(only("\"json\""), "s=sent&id=1")), refused("a form", "JSON"));
    EXPECT_EQ(shown(parse(only("\"form\""), R"({"s": "sent", "id": 1})")), refused("JSON", "a form"));
    EXPECT_EQ(shown(parse(only("\"form\", \"json\""), R"({"s": "sent", "id": 1})")), Lines{"apply sent"});
    ReceiptOptions smpp;
    smpp.smpp = true;
    EXPECT_EQ(shown(parse(only("\"form\", \"json\""), "id:1 stat:sent", smpp)), refused("SMPP text", "a form or JSON"));
    EXPECT_EQ(shown(parse(only("\"smpp\", \"json\""), "id:1 stat:sent", smpp)), Lines{"apply sent"});
    EXPECT_EQ(shown(parse(only("\"smpp\""), "id:1 stat:sent")), Lines{"apply sent"}) << "nothing else is possible";
    ReceiptOptions query;
    query.query = true;
    EXPECT_EQ(shown(parse(only("\"form\""), "?s=sent&id=1", query)), Lines{"apply sent"});
    EXPECT_EQ(shown(parse(only("\"json\""), "{}", query)), refused("a form", "JSON"));
}

TEST(ReceiptRefused, AnSmppMessageThatIsNoReceiptIsIgnored) {
    const Connector smpp = parse_connector(R"({"name": "x", "receipts": {"payload": ["smpp"],
        "fields": {"status": ["$.stat"], "correlation_id": ["$.id"]}})" +
                                           std::string(kRows));
    const auto esm_class = [&](std::int32_t esm) {
        ReceiptOptions options;
        options.smpp_parameters.esm_class = esm;
        return shown(parse(smpp, "id:1 stat:sent", options));
    };
    EXPECT_EQ(esm_class(4), Lines{"apply sent"});
    EXPECT_EQ(esm_class(0x20), Lines{"apply sent"});
    EXPECT_EQ(esm_class(0), Lines{"ignore not_a_receipt"});
    EXPECT_EQ(esm_class(0x40), Lines{"ignore not_a_receipt"});
}

// Such texts are parked as they came; this is how an operator reads them.
TEST(ReceiptParked, CommaSeparatedTextsOfAnSmsc) {
    const std::string rows = kRows;
    const Connector shipped = parse_connector(R"({"name": "x", "receipts": {"payload": ["smpp"],
        "fields": {"status": ["$.stat"], "correlation_id": ["$.id"]}})" +
                                              rows);
    const Receipts parked = parse(shipped, "7,sent,000");
    EXPECT_EQ(shown(parked), Lines{"park no_status"});
    EXPECT_EQ(parked[0].raw, R"({"short_message":"7,sent,000"})");
    const Connector taught = parse_connector(R"({"name": "x", "receipts": {"payload": ["smpp"],
        "fields": {"status": [{"path": "$.short_message", "after": ",", "before": ","}],
                   "correlation_id": [{"path": "$.short_message", "before": ","}]}})" +
                                             rows);
    EXPECT_EQ(shown(parse(taught, "7,sent,000")), Lines{"apply sent"});
    EXPECT_EQ(shown(parse_parked(taught, parked[0].raw, {})), Lines{"apply sent"});
    EXPECT_EQ(parse_parked(taught, parked[0].raw, {})[0].correlation_id, "7");
}

TEST(ReceiptRefused, ConnectorsWithoutReceipts) {
    const Connector none = parse_connector(R"({"name": "fcm"})");
    try {
        parse(none, "{}");
        FAIL();
    } catch (const hc::Error &e) {
        EXPECT_STREQ(e.sqlstate(), "0A000");
        EXPECT_EQ(e.message(), "connector \"fcm\" has no receipts");
    }
}

TEST(ReceiptRefused, CapsOfAPayload) {
    const auto sqlstate = [](const std::string &payload) -> std::string {
        try {
            parse(with_fields(), payload);
        } catch (const hc::Error &e) {
            return e.sqlstate();
        }
        return "none";
    };
    const std::string large = R"({"s": "sent", "id": ")" + std::string(kMaxReceiptPayloadBytes - 23, 'x') + "\"}";
    ASSERT_EQ(large.size(), kMaxReceiptPayloadBytes);
    EXPECT_EQ(sqlstate(large), "none");
    EXPECT_EQ(sqlstate(large + " "), "54000");
    std::string many = "[1";
    for (std::size_t i = 1; i < kMaxReceiptElements; ++i)
        many += ",1";
    EXPECT_EQ(parse(with_fields(), many + "]").size(), kMaxReceiptElements);
    EXPECT_EQ(sqlstate(many + ",1]"), "54000");
}

// Half a megabyte would take a quarter of a minute if each element walked the document.
TEST(ReceiptRefused, ALargePayloadIsReadInLinearTime) {
    const Connector by = with_fields(
        R"("recipient": ["$$.a.none", "$$.b[*].to", "$$.a.to"], "event_id": ["$$.a.e"], "client_ref": ["$$.a.r"])",
        R"("elements": ["$.a.list[*]"], )");
    const std::string element = R"({"s": "sent", "id": ")" + std::string(100, 'x') + "\"}";
    std::string payload = R"({"a": {"list": [)" + element;
    for (int i = 1; i < 4000; ++i)
        payload += "," + element;
    payload += R"(], "to": "T"}, "b": []})";
    const std::clock_t began = std::clock(); // of the processor: other work on the machine does not count
    const Receipts receipts = parse(by, payload);
    EXPECT_LT(std::clock() - began, 5 * CLOCKS_PER_SEC);
    ASSERT_EQ(receipts.size(), 4000U);
    EXPECT_EQ(receipts.back().recipient, "T");
}

// ---- elements and wrappings ----

TEST(ReceiptElements, TheFirstPathThatFindsSomethingGivesThemInOrder) {
    const Connector by = with_fields("", R"("elements": ["$.none[*]", "$.a[*].b[*]", "$"], )");
    const auto ids = [&](std::string_view payload) {
        Lines found;
        for (const CanonicalReceipt &receipt : parse(by, payload))
            found.push_back(receipt.correlation_id.value_or("none"));
        return found;
    };
    EXPECT_EQ(
        ids(R"({"a": [{"b": [{"s": "sent", "id": 1}, {"s": "sent", "id": 2}]}, {}, {"b": []}, {"b": [{"s": "sent", "id": 3}]}]})"),
        (Lines{"1", "2", "3"}));
    EXPECT_EQ(ids(R"({"none": [], "a": [], "s": "sent", "id": 4})"), Lines{"4"});
    EXPECT_EQ(ids(R"({"none": [{"s": "sent", "id": 5}], "s": "sent", "id": 4})"), Lines{"5"});
}

TEST(ReceiptElements, AnArrayIsItsElementsAnythingElseIsOne) {
    EXPECT_EQ(shown(parse(with_fields(), "\n [{\"s\": \"sent\", \"id\": 1},\t{\"s\": \"delivered\", \"id\": 2}]")),
              (Lines{"apply sent", "apply delivered"}));
    EXPECT_EQ(shown(parse(with_fields(), R"({"s": "sent", "id": 1, "list": [1, 2]})")), Lines{"apply sent"});
}

TEST(ReceiptElements, WrappingsAreTakenOffInOrder) {
    const Connector by =
        with_fields("", R"("unwrap": ["$.Message", "$.detail", "$.Message"], "elements": ["$", "$.e[*]"], )");
    const auto one = [&](const std::string &payload) { return shown(parse_one(by, payload)); };
    EXPECT_EQ(one(R"({"s": "sent", "id": 1})"), "apply sent") << "nothing to take off";
    EXPECT_EQ(one(R"({"Message": {"s": "delivered", "id": 1}, "s": "sent", "id": 2})"), "apply delivered");
    EXPECT_EQ(one(R"({"Message": "{\"s\": \"delivered\", \"id\": \"q\\\"\"}"})"), "apply delivered")
        << "JSON in a string";
    EXPECT_EQ(one(R"({"Message": "{\"detail\": {\"s\": \"seen\", \"id\": 1}}"})"), "apply read");
    EXPECT_EQ(one(R"({"detail": {"s": "sent", "id": 1, "Message": {"s": "seen", "id": 2}}})"), "apply read");
    EXPECT_EQ(one(R"({"detail": {"s": "sent", "id": 1, "detail": {"s": "seen", "id": 2}}})"), "apply sent")
        << "each once";
    EXPECT_EQ(one(R"({"s": "sent", "id": 1, "Message": "not JSON"})"), "apply sent") << "text is no wrapping";
    EXPECT_EQ(one(R"({"s": "sent", "id": 1, "Message": ")" + std::string(40, '[') + R"("})"), "apply sent");
    EXPECT_EQ(one(R"({"Message": "not JSON", "detail": {"s": "seen", "id": 1}})"), "apply read") << "the next one is";
    EXPECT_EQ(one(R"({"Message": "\ufeff{\"s\": \"delivered\", \"id\": 1}"})"), "apply delivered");
}

TEST(ReceiptElements, AWrappedTextIsRepairedToo) {
    const Connector by = with_fields("", R"("unwrap": ["$.Message"], )");
    const CanonicalReceipt r = parse_one(by, R"({"Message": "{\"s\": \"sent\", \"id\": \"a\\u0000b\"}"})");
    EXPECT_EQ(r.correlation_id, "a\xEF\xBF\xBD"
                                "b");
}

TEST(ReceiptElements, AWrappedArrayIsItsElements) {
    const Connector by = with_fields("", R"("unwrap": ["$.Message"], )");
    EXPECT_EQ(shown(parse(by, R"({"Message": "[{\"s\": \"sent\", \"id\": 1}, {\"s\": \"seen\", \"id\": 2}]"})")),
              (Lines{"apply sent", "apply read"}));
}

// ---- answers of send calls ----

Connector responder(const std::string &rows) {
    return parse_connector(R"({"name": "x", "response": {"elements": ["$.body.messages[*]", "$"], "fields": {
        "correlation_id": ["$.id", "$.body.id", "$$.headers.x-message-id"], "status": ["$.status", "$$.body.status", "$$.http_status"],
        "code": ["$.code", "$.body.code"]}}, "response_statuses": [)" +
                           rows + R"(], "errors": [{"code": "7", "failure_kind": "policy", "reason": "opted_out"}]})");
}

TEST(ReceiptResponse, ReadsStatusHeadersAndBody) {
    const Connector by = responder(R"({"status": "2xx", "state": "accepted"}, {"status": "ok", "state": "sent"})");
    EXPECT_EQ(parse_response(by, 202, {{"X-Message-ID", "h1"}}, "")[0].correlation_id, "h1");
    EXPECT_EQ(parse_response(by, 202, {{"X-Message-ID", "h1"}}, "")[0].raw_status, "202");
    EXPECT_EQ(parse_response(by, 200, {}, R"({"id": 17})")[0].correlation_id, "17");
    EXPECT_EQ(shown(parse_response(by, 200, {}, R"({"id": 17, "status": "ok"})")), Lines{"apply sent"});
    const Receipts several =
        parse_response(by, 200, {}, R"({"messages": [{"id": "a", "status": "ok"}, {"id": "b", "status": "ok"}]})");
    EXPECT_EQ(shown(several), (Lines{"apply sent", "apply sent"}));
    EXPECT_EQ(several[1].correlation_id, "b");
}

TEST(ReceiptResponse, RowsOfTheClassOfTheHttpStatus) {
    const Connector by =
        responder(R"({"status": "2xx", "state": "accepted"}, {"status": "404", "state": "undeliverable"},
        {"status": "4xx", "state": "failed", "by_code": true, "reason": "unspecified"}, {"status": "*", "state": "deferred"})");
    const auto of = [&](std::int32_t status, std::string_view body = "") {
        return shown(parse_response(by, status, {}, body)[0]);
    };
    EXPECT_EQ(of(200), "apply accepted");
    EXPECT_EQ(of(299), "apply accepted");
    EXPECT_EQ(of(404), "apply undeliverable hard");
    EXPECT_EQ(of(400), "apply failed soft unspecified");
    EXPECT_EQ(of(400, R"({"code": 7})"), "apply rejected policy opted_out");
    EXPECT_EQ(of(500), "apply deferred");
    EXPECT_EQ(of(200, R"({"status": "new word"})"), "apply accepted") << "a word without a row: the class";
    const Connector strict = responder(R"({"status": "2xx", "state": "accepted"})");
    EXPECT_EQ(shown(parse_response(strict, 500, {}, "")), Lines{"park unknown_status"});
}

TEST(ReceiptResponse, ReceiptsHaveNoRowsOfClasses) {
    const Connector by =
        parse_connector(R"({"name": "x", "receipts": {"payload": ["json"], "fields": {"status": ["$.s"],
        "correlation_id": ["$.id"]}}, "statuses": [{"status": "*", "state": "sent"}, {"status": "2xx", "state": "sent"}]})");
    EXPECT_EQ(shown(parse(by, R"({"s": "beamed", "id": 1})")), Lines{"park unknown_status"});
}

TEST(ReceiptResponse, AnIdIsNotRequired) {
    EXPECT_EQ(shown(parse_response(responder(R"({"status": "2xx", "state": "accepted"})"), 200, {}, "{}")),
              Lines{"apply accepted"});
}

TEST(ReceiptResponse, ABodyThatIsNoJsonIsAText) {
    const Connector by = parse_connector(R"({"name": "x", "response": {"fields": {
        "correlation_id": [{"path": "$.body", "after": "Accepted; Message ID: "}, {"path": "$.body", "when": {"path": "$.http_status", "in": ["207"]}}],
        "status": ["$.http_status"]}}, "response_statuses": [{"status": "2xx", "state": "accepted"}]})");
    EXPECT_EQ(parse_response(by, 200, {}, "0: Accepted; Message ID: 42")[0].correlation_id, "42");
    using namespace std::string_view_literals;
    EXPECT_EQ(parse_response(by, 207, {}, "a\"b\\\xff\0c"sv)[0].correlation_id, "a\"b\\\xEF\xBF\xBD"
                                                                                "c");
    EXPECT_EQ(parse_response(by, 200, {{"\xff", "\xfe\"\0"}}, "")[0].correlation_id, std::nullopt);
}

TEST(ReceiptResponse, AFieldOfNulBytesIsNoValue) {
    const Connector by = parse_connector(R"({"name": "x", "response": {"fields": {
        "correlation_id": [{"path": "$.body", "after": "ID: "}], "recipient": [{"path": "$.body", "after": "ID: ", "prefix": "+"}],
        "status": ["$.http_status"]}}, "response_statuses": [{"status": "2xx", "state": "accepted"}]})");
    using namespace std::string_view_literals;
    EXPECT_EQ(parse_response(by, 200, {}, "ID: \0\0"sv)[0].correlation_id, std::nullopt);
    EXPECT_EQ(parse_response(by, 200, {}, "ID: \0\0"sv)[0].recipient, std::nullopt);
    EXPECT_EQ(parse_response(by, 200, {}, "ID: \0a\0"sv)[0].correlation_id, "a");
}

TEST(ReceiptResponse, ConnectorsWithoutOne) {
    try {
        parse_response(with_fields(), 200, {}, "{}");
        FAIL();
    } catch (const hc::Error &e) {
        EXPECT_STREQ(e.sqlstate(), "0A000");
        EXPECT_EQ(e.message(), "connector \"x\" has no reading of answers");
    }
}

} // namespace
