// Connector documents: every key, every refusal with its JSON path, look-up of error rows.
#include "core/connector.hpp"

#include "core/error.hpp"

#include <gtest/gtest.h>

namespace {

using namespace hc::core;

struct Refusal {
    std::string sqlstate, message, detail, hint;
};

Refusal refusal(const std::string &json) {
    try {
        parse_connector(json);
    } catch (const hc::Error &e) {
        return {e.sqlstate(), e.message(), e.detail(), e.hint()};
    }
    return {"none", "accepted", "", ""};
}

// The detail of a refusal with 22023.
std::string detail(const std::string &json) {
    const Refusal r = refusal(json);
    EXPECT_EQ(r.sqlstate, "22023") << json;
    EXPECT_EQ(r.message, "invalid connector") << json;
    return r.detail;
}

std::string limit(const std::string &json) {
    const Refusal r = refusal(json);
    EXPECT_EQ(r.sqlstate, "54000") << r.detail;
    EXPECT_EQ(r.message, "invalid connector");
    return r.detail;
}

std::string with(const std::string &members) { return R"({"name": "x", )" + members + "}"; }
std::string with_section(const std::string &members) {
    return with(R"("receipts": {"fields": {"status": ["$.s"]}, )" + members + "}");
}
std::string with_source(const std::string &source) {
    return with(R"("receipts": {"fields": {"status": [)" + source + "]}}");
}
std::string with_status(const std::string &row) { return with(R"("statuses": [)" + row + "]"); }
std::string with_error(const std::string &row) { return with(R"("errors": [)" + row + "]"); }

FieldSource source_of(const std::string &source) {
    return parse_connector(with_source(source)).receipts.value().sources(Field::status).at(0);
}
Meaning status_of(const std::string &members) {
    const Connector connector = parse_connector(with_status(R"({"status": "w", )" + members + "}"));
    return connector.statuses.at({"w", ""});
}
Meaning error_of(const std::string &members) {
    return parse_connector(with_error(R"({"code": "1", )" + members + "}")).errors.at("1");
}

// ---- what is read ----

TEST(ConnectorTest, DefaultsOfTheSmallestDocument) {
    const Connector connector = parse_connector(R"({"name": "tiny-1_a"})");
    EXPECT_EQ(connector.name, "tiny-1_a");
    EXPECT_EQ(connector.signature, "");
    EXPECT_EQ(connector.part_mode, PartMode::provider);
    EXPECT_TRUE(connector.id_conversions.empty());
    EXPECT_FALSE(connector.receipts.has_value());
    EXPECT_FALSE(connector.response.has_value());
    EXPECT_TRUE(connector.statuses.empty() && connector.response_statuses.empty());
    EXPECT_TRUE(connector.errors.empty() && connector.error_prefixes.empty());
}

TEST(ConnectorTest, ReadsEveryKeyOfTheTop) {
    const Connector connector = parse_connector(R"({"name": "x", "title": "X", "documentation": "https://x",
        "signature": "twilio", "part_mode": "all",
        "id_conversions": ["strip_zeros", "hex_to_dec", "dec_to_hex", "upper", "lower"],
        "receipts": {"payload": ["json", "form", "smpp"], "fields": {}}, "response": {"fields": {}},
        "statuses": [{"status": "a", "state": "sent"}], "response_statuses": [{"status": "2xx", "state": "accepted"}],
        "errors": [{"code": "1", "failure_kind": "soft"}]})");
    EXPECT_EQ(connector.signature, "twilio");
    EXPECT_EQ(connector.part_mode, PartMode::all);
    using enum IdConversion;
    EXPECT_EQ(connector.id_conversions, (std::vector{strip_zeros, hex_to_dec, dec_to_hex, upper, lower}));
    EXPECT_EQ(connector.receipts.value().payload,
              (std::vector{PayloadKind::json, PayloadKind::form, PayloadKind::smpp}));
    EXPECT_TRUE(connector.response.has_value());
    EXPECT_EQ(connector.statuses.count({"a", ""}), 1U);
    EXPECT_EQ(connector.response_statuses.count({"2xx", ""}), 1U);
    EXPECT_EQ(connector.errors.count("1"), 1U);
    EXPECT_EQ(parse_connector(with(R"("part_mode": "any")")).part_mode, PartMode::any);
    EXPECT_EQ(parse_connector(with(R"("part_mode": "provider")")).part_mode, PartMode::provider);
}

TEST(ConnectorTest, ReadsEveryKeyOfASection) {
    const Connector connector = parse_connector(with_section(R"("unwrap": ["$.Message", "$.detail"],
        "elements": ["$.results[*]", "$"], "ignore": [{"path": "$.Type", "in": ["a", "b"]}, {"path": "$$.x[*].y"},
        {"path": "$.t", "contains": "part"}])"));
    const Section &section = connector.receipts.value();
    ASSERT_EQ(section.unwrap.size(), 2U);
    EXPECT_EQ(to_string(section.unwrap[1]), "$.detail");
    ASSERT_EQ(section.elements.size(), 2U);
    EXPECT_EQ(to_string(section.elements[0]), "$.results[*]");
    EXPECT_EQ(to_string(section.elements[1]), "$");
    ASSERT_EQ(section.ignore.size(), 3U);
    EXPECT_EQ(section.ignore[0].in, (std::vector<std::string>{"a", "b"}));
    EXPECT_FALSE(section.ignore[0].path.from_root);
    EXPECT_TRUE(section.ignore[1].path.from_root);
    EXPECT_TRUE(section.ignore[1].in.empty());
    EXPECT_EQ(to_string(section.ignore[1].path.path), "$.x[*].y");
    EXPECT_EQ(section.ignore[2].contains, "part");
}

TEST(ConnectorTest, ReadsEveryField) {
    const std::array<std::pair<const char *, Field>, kFields> names{{{"correlation_id", Field::correlation_id},
                                                                     {"client_ref", Field::client_ref},
                                                                     {"recipient", Field::recipient},
                                                                     {"event_id", Field::event_id},
                                                                     {"event_time", Field::event_time},
                                                                     {"sequence", Field::sequence},
                                                                     {"status", Field::status},
                                                                     {"qualifier", Field::qualifier},
                                                                     {"code", Field::code},
                                                                     {"code_fallback", Field::code_fallback}}};
    for (const auto &[name, field] : names) {
        const Connector connector =
            parse_connector(with(R"("receipts": {"fields": {")" + std::string(name) + R"(": ["$.a", "$$.b"]}})"));
        for (const auto &[other_name, other] : names)
            EXPECT_EQ(connector.receipts.value().sources(other).size(), other == field ? 2U : 0U) << name << other_name;
        EXPECT_FALSE(connector.receipts.value().sources(field)[0].path.from_root);
        EXPECT_TRUE(connector.receipts.value().sources(field)[1].path.from_root);
        EXPECT_EQ(to_string(connector.receipts.value().sources(field)[1].path.path), "$.b");
    }
}

TEST(ConnectorTest, ReadsEveryKeyOfASource) {
    const FieldSource all = source_of(R"({"path": "$['message id']", "when": {"path": "$$.e", "in": ["x"]},
        "before": ".", "after": ":", "prefix": "p/", "leading": "digits", "case": "upper", "format": "epoch"})");
    EXPECT_EQ(to_string(all.path.path), "$['message id']");
    EXPECT_TRUE(all.when.value().path.from_root);
    EXPECT_EQ(all.before, ".");
    EXPECT_EQ(all.after, ":");
    EXPECT_EQ(all.prefix, "p/");
    EXPECT_TRUE(all.leading_digits);
    EXPECT_EQ(all.letter_case, LetterCase::upper);
    EXPECT_EQ(all.format, TimeFormat::epoch);
    EXPECT_FALSE(all.constant.has_value());

    const FieldSource constant = source_of(R"({"value": "sent", "case": "lower"})");
    EXPECT_EQ(constant.constant, "sent");
    EXPECT_EQ(constant.letter_case, LetterCase::lower);

    const FieldSource plain = source_of(R"({"path": "$.a"})");
    EXPECT_FALSE(plain.when.has_value());
    EXPECT_FALSE(plain.leading_digits);
    EXPECT_EQ(plain.letter_case, LetterCase::as_is);
    EXPECT_EQ(plain.format, TimeFormat::iso);
    EXPECT_EQ(plain.before + plain.after + plain.prefix, "");
    EXPECT_EQ(source_of(R"({"path": "$.a", "format": "iso"})").format, TimeFormat::iso);
    EXPECT_EQ(source_of(R"({"path": "$.a", "format": "yymmddhhmm"})").format, TimeFormat::yymmddhhmm);
    EXPECT_EQ(source_of(R"({"path": "$.a", "format": "yyyymmddhhmmss"})").format, TimeFormat::yyyymmddhhmmss);
}

// ---- statuses ----

TEST(ConnectorTest, AStatusTakesFinalityAndKindFromItsState) {
    struct Case {
        const char *state;
        bool final;
        FailureKind kind;
    };
    using enum FailureKind;
    for (const Case &c : {Case{"accepted", false, none}, Case{"sent", false, none}, Case{"deferred", false, none},
                          Case{"unknown", false, none}, Case{"failed", true, soft}, Case{"expired", true, soft},
                          Case{"undeliverable", true, hard}, Case{"rejected", true, policy},
                          Case{"canceled", true, none}, Case{"delivered", true, none}, Case{"read", true, none}}) {
        const Meaning meaning = status_of(R"("state": ")" + std::string(c.state) + "\"");
        EXPECT_EQ(meaning.disposition, Disposition::apply) << c.state;
        EXPECT_EQ(meaning.state, parse_receipt_state(c.state)) << c.state;
        EXPECT_EQ(meaning.final, c.final) << c.state;
        EXPECT_EQ(meaning.kind, c.kind) << c.state;
        EXPECT_EQ(meaning.reason + meaning.suppress + meaning.engagement, "") << c.state;
        EXPECT_FALSE(meaning.by_code) << c.state;
    }
}

TEST(ConnectorTest, AStatusMaySayMore) {
    const Meaning meaning = status_of(R"("state": "failed", "failure_kind": "config", "reason": "account_problem",
        "suppress": "opt_out", "engagement": "complained", "by_code": true, "note": "why")");
    EXPECT_EQ(meaning.kind, FailureKind::config);
    EXPECT_EQ(meaning.reason, "account_problem");
    EXPECT_EQ(meaning.suppress, "opt_out");
    EXPECT_EQ(meaning.engagement, "complained");
    EXPECT_TRUE(meaning.by_code);
    EXPECT_TRUE(status_of(R"("state": "unknown", "final": true)").final);
    for (const std::string word : {"opt_out", "invalid_address", "complaint", "clear_opt_out"})
        EXPECT_EQ(status_of(R"("state": "failed", "suppress": ")" + word + "\"").suppress, word);
    EXPECT_EQ(status_of(R"("state": "failed", "suppress": "none")").suppress, "");
}

TEST(ConnectorTest, AStatusThatIsNotAppliedHasNoState) {
    for (const auto &[word, disposition] :
         {std::pair("ignore", Disposition::ignore), std::pair("side_effect_only", Disposition::side_effect_only),
          std::pair("park", Disposition::park)}) {
        const Meaning meaning = status_of(R"("disposition": ")" + std::string(word) +
                                          R"(", "suppress": "complaint", "engagement": "opened")");
        EXPECT_EQ(meaning.disposition, disposition);
        EXPECT_EQ(meaning.state, std::nullopt);
        EXPECT_EQ(meaning.suppress, "complaint");
        EXPECT_EQ(meaning.engagement, "opened");
        EXPECT_FALSE(meaning.final);
    }
}

TEST(ConnectorTest, AQualifierMakesAnotherRow) {
    const Connector connector = parse_connector(with_status(R"({"status": "bounce", "state": "undeliverable"},
            {"status": "bounce", "qualifier": "blocked", "state": "failed"}, {"status": "Bounce", "state": "sent"})"));
    EXPECT_EQ(connector.statuses.size(), 3U);
    EXPECT_EQ(connector.statuses.at({"bounce", ""}).state, ReceiptState::undeliverable);
    EXPECT_EQ(connector.statuses.at({"bounce", "blocked"}).state, ReceiptState::failed);
    EXPECT_EQ(connector.statuses.at({"Bounce", ""}).state, ReceiptState::sent);
}

// ---- errors ----

TEST(ConnectorTest, MeaningOfFailure) {
    struct Case {
        FailureKind kind;
        const char *reason;
        ReceiptState state;
        const char *suppress;
    };
    for (const Case &c : {
             Case{FailureKind::none, "unspecified", ReceiptState::failed, ""},
             Case{FailureKind::soft, "absent_subscriber", ReceiptState::failed, ""},
             Case{FailureKind::hard, "unknown_subscriber", ReceiptState::undeliverable, "invalid_address"},
             Case{FailureKind::policy, "spam_filtered", ReceiptState::rejected, ""},
             Case{FailureKind::config, "account_problem", ReceiptState::rejected, ""},
             Case{FailureKind::policy, "opted_out", ReceiptState::rejected, "opt_out"},
             Case{FailureKind::soft, "opted_out", ReceiptState::failed, "opt_out"},
             Case{FailureKind::hard, "opted_out", ReceiptState::undeliverable, "opt_out"},
             Case{FailureKind::policy, "complaint", ReceiptState::rejected, "complaint"},
             Case{FailureKind::hard, "complaint", ReceiptState::undeliverable, "complaint"},
             Case{FailureKind::soft, "", ReceiptState::failed, ""},
         }) {
        const Meaning meaning = meaning_of_failure(c.kind, c.reason);
        EXPECT_EQ(meaning.disposition, Disposition::apply);
        EXPECT_EQ(meaning.state, c.state) << c.reason;
        EXPECT_EQ(meaning.kind, c.kind);
        EXPECT_EQ(meaning.reason, c.reason);
        EXPECT_EQ(meaning.suppress, c.suppress) << c.reason;
        EXPECT_EQ(meaning.engagement, "");
        EXPECT_TRUE(meaning.final);
        EXPECT_FALSE(meaning.by_code);
    }
}

TEST(ConnectorTest, AnErrorRowSaysWhatItsKindDoesNot) {
    const Meaning plain = error_of(R"("failure_kind": "hard", "note": "x")");
    EXPECT_EQ(plain.state, ReceiptState::undeliverable);
    EXPECT_EQ(plain.reason, "unspecified");
    EXPECT_EQ(plain.suppress, "invalid_address");
    EXPECT_TRUE(plain.final);

    EXPECT_EQ(error_of(R"("failure_kind": "hard", "suppress": "none")").suppress, "");
    EXPECT_EQ(error_of(R"("failure_kind": "soft", "suppress": "clear_opt_out")").suppress, "clear_opt_out");
    EXPECT_EQ(error_of(R"("failure_kind": "policy", "reason": "opted_out")").suppress, "opt_out");
    EXPECT_EQ(error_of(R"("failure_kind": "soft", "engagement": "unsubscribed")").engagement, "unsubscribed");

    const Meaning expired = error_of(R"("failure_kind": "soft", "state": "expired", "reason": "expired_validity")");
    EXPECT_EQ(expired.state, ReceiptState::expired);
    EXPECT_EQ(expired.kind, FailureKind::soft);
    EXPECT_TRUE(expired.final);
    const Meaning unknown = error_of(R"("failure_kind": "soft", "state": "unknown")");
    EXPECT_EQ(unknown.state, ReceiptState::unknown);
    EXPECT_EQ(unknown.kind, FailureKind::none) << "no failure, no kind";
    EXPECT_FALSE(unknown.final);
    EXPECT_TRUE(error_of(R"("failure_kind": "soft", "state": "unknown", "final": true)").final);
    EXPECT_EQ(error_of(R"("disposition": "apply", "failure_kind": "soft")").state, ReceiptState::failed);
}

TEST(ConnectorTest, AnErrorRowMayTakeTheStateAway) {
    const Meaning ignored = error_of(R"("disposition": "ignore", "reason": "duplicate_submit")");
    EXPECT_EQ(ignored.disposition, Disposition::ignore);
    EXPECT_EQ(ignored.state, std::nullopt);
    EXPECT_EQ(ignored.reason, "duplicate_submit");
    EXPECT_EQ(ignored.kind, FailureKind::none);
    const Meaning effect = error_of(R"("disposition": "side_effect_only", "suppress": "opt_out")");
    EXPECT_EQ(effect.disposition, Disposition::side_effect_only);
    EXPECT_EQ(effect.suppress, "opt_out");
}

TEST(ConnectorTest, FindsTheExactCodeElseTheLongestPrefix) {
    const Connector connector = parse_connector(with_error(R"(
        {"code": "5.1.1", "failure_kind": "hard", "reason": "exact"},
        {"code": "5.1.*", "failure_kind": "soft", "reason": "long"},
        {"code": "5.*", "failure_kind": "soft", "reason": "short"},
        {"code": "77*", "failure_kind": "soft", "reason": "seven"},
        {"code": "a*b", "failure_kind": "soft", "reason": "star"})"));
    EXPECT_EQ(connector.errors.size(), 2U);
    EXPECT_EQ(connector.error_prefixes.size(), 3U);
    const auto reason = [&](std::string_view code) {
        const Meaning *found = find_error(connector, code);
        return found == nullptr ? "none" : found->reason;
    };
    EXPECT_EQ(reason("5.1.1"), "exact");
    EXPECT_EQ(reason("5.1.10"), "long");
    EXPECT_EQ(reason("5.1."), "long");
    EXPECT_EQ(reason("5.1"), "short");
    EXPECT_EQ(reason("5."), "short");
    EXPECT_EQ(reason("5.2.1"), "short");
    EXPECT_EQ(reason("5"), "none");
    EXPECT_EQ(reason("77"), "seven");
    EXPECT_EQ(reason("7"), "none");
    EXPECT_EQ(reason("177"), "none");
    EXPECT_EQ(reason(""), "none");
    EXPECT_EQ(reason("a*b"), "star");
    EXPECT_EQ(reason("axb"), "none");
    EXPECT_EQ(reason(" 5.1.1"), "none");
}

TEST(ConnectorTest, AStarAloneIsEveryCode) {
    const Connector connector = parse_connector(with_error(R"({"code": "*", "failure_kind": "soft", "reason": "any"},
        {"code": "1", "failure_kind": "soft", "reason": "one"})"));
    for (const auto &[code, reason] : {std::pair("1", "one"), std::pair("2", "any"), std::pair("", "any")})
        EXPECT_EQ(find_error(connector, code)->reason, reason) << code;
    EXPECT_EQ(find_error(Connector{}, "1"), nullptr);
}

TEST(ConnectorTest, DispositionWords) {
    EXPECT_EQ(to_string(Disposition::apply), "apply");
    EXPECT_EQ(to_string(Disposition::ignore), "ignore");
    EXPECT_EQ(to_string(Disposition::side_effect_only), "side_effect_only");
    EXPECT_EQ(to_string(Disposition::park), "park");
    EXPECT_EQ(to_string(Disposition::reject), "reject");
}

// ---- refusals ----

TEST(ConnectorTest, TheTopIsRefused) {
    EXPECT_EQ(detail("[]"), "$: must be an object, not an array.");
    EXPECT_EQ(detail("{}"), "$.name: is missing.");
    EXPECT_EQ(detail("{"), "$: not valid JSON at byte 2.");
    EXPECT_EQ(detail(R"({"name": "a", "nam": 1})"), "$.nam: unknown key.");
    EXPECT_EQ(detail(R"({"name": 1})"), "$.name: must be a string, not a number.");
    for (const char *name : {"", "Big", "a b", "a.b"})
        EXPECT_EQ(detail(R"({"name": ")" + std::string(name) + "\"}"), "$.name: is not a valid name.");
    EXPECT_EQ(detail(with(R"("signature": "A!")")), "$.signature: is not a valid name.");
    EXPECT_EQ(detail(with(R"("part_mode": "each")")), "$.part_mode: is not an allowed value.");
    EXPECT_EQ(refusal(with(R"("part_mode": "each")")).hint, "Allowed values are provider, all, any.");
    EXPECT_EQ(detail(with(R"("part_mode": null)")), "$.part_mode: must be a string, not null.");
    EXPECT_EQ(detail(with(R"("id_conversions": "upper")")), "$.id_conversions: must be an array, not a string.");
    EXPECT_EQ(detail(with(R"("id_conversions": [])")), "$.id_conversions: must not be empty.");
    EXPECT_EQ(detail(with(R"("id_conversions": ["upper", "rot13"])")), "$.id_conversions[1]: is not an allowed value.");
    EXPECT_EQ(detail(with(R"("receipts": [])")), "$.receipts: must be an object, not an array.");
    EXPECT_EQ(detail(with(R"("response": 1)")), "$.response: must be an object, not a number.");
    EXPECT_EQ(detail(with(R"("title": "a\u0000b")")), "$.title: must not contain the character U+0000.");
}

TEST(ConnectorTest, SectionsAreRefused) {
    EXPECT_EQ(detail(with(R"("receipts": {})")), "$.receipts.fields: is missing.");
    EXPECT_EQ(detail(with(R"("response": {"fields": {}, "field": {}})")), "$.response.field: unknown key.");
    EXPECT_EQ(detail(with_section(R"("payload": ["xml"])")), "$.receipts.payload[0]: is not an allowed value.");
    EXPECT_EQ(detail(with_section(R"("payload": [])")), "$.receipts.payload: must not be empty.");
    EXPECT_EQ(detail(with_section(R"("unwrap": ["Message"])")), "$.receipts.unwrap[0]: must be a JSON path.");
    EXPECT_EQ(detail(with_section(R"("unwrap": ["$.a", "$$.b"])")), "$.receipts.unwrap[1]: must be a JSON path.");
    EXPECT_EQ(detail(with_section(R"("elements": ["$$.a"])")), "$.receipts.elements[0]: must be a JSON path.");
    EXPECT_EQ(detail(with_section(R"("elements": [5])")), "$.receipts.elements[0]: must be a string, not a number.");
    EXPECT_EQ(detail(with_section(R"("elements": "$.a")")), "$.receipts.elements: must be an array, not a string.");
    EXPECT_EQ(detail(with_section(R"("ignore": ["$.a"])")), "$.receipts.ignore[0]: must be an object, not a string.");
    EXPECT_EQ(detail(with_section(R"("ignore": [{"in": ["a"]}])")), "$.receipts.ignore[0].path: is missing.");
    EXPECT_EQ(detail(with_section(R"("ignore": [{"path": "$.a", "in": []}])")),
              "$.receipts.ignore[0].in: must not be empty.");
    EXPECT_EQ(detail(with_section(R"("ignore": [{"path": "$.a", "in": ["b", "b"]}])")),
              "$.receipts.ignore[0].in[1]: appears twice.");
    EXPECT_EQ(detail(with_section(R"("ignore": [{"path": "$.a", "contains": ""}])")),
              "$.receipts.ignore[0].contains: must not be empty.");
    EXPECT_EQ(detail(with_section(R"("ignore": [{"path": "$.a", "is": "b"}])")),
              "$.receipts.ignore[0].is: unknown key.");
}

TEST(ConnectorTest, FieldsAreRefused) {
    EXPECT_EQ(detail(with(R"("receipts": {"fields": []})")), "$.receipts.fields: must be an object, not an array.");
    EXPECT_EQ(detail(with(R"("receipts": {"fields": {"state": ["$.a"]}})")), "$.receipts.fields.state: unknown key.");
    EXPECT_EQ(detail(with(R"("receipts": {"fields": {"status": "$.a"}})")),
              "$.receipts.fields.status: must be an array, not a string.");
    EXPECT_EQ(detail(with(R"("receipts": {"fields": {"status": []}})")),
              "$.receipts.fields.status: must not be empty.");
    const std::string at = "$.receipts.fields.status[0]";
    EXPECT_EQ(detail(with_source("\"a\"")), at + ": must be a JSON path.");
    EXPECT_EQ(detail(with_source("\"$$$.a\"")), at + ": must be a JSON path.");
    EXPECT_EQ(detail(with_source("\"$.a[-1]\"")), at + ": must be a JSON path.");
    EXPECT_EQ(detail(with_source("\"\"")), at + ": must not be empty.");
    EXPECT_EQ(detail(with_source("1")), at + ": must be an object, not a number.");
    EXPECT_EQ(detail(with_source("{}")), at + ".path: is missing.");
    EXPECT_EQ(detail(with_source(R"({"path": "x"})")), at + ".path: must be a JSON path.");
    EXPECT_EQ(detail(with_source(R"({"value": ""})")), at + ".value: must not be empty.");
    EXPECT_EQ(detail(with_source(R"({"value": 1})")), at + ".value: must be a string, not a number.");
    EXPECT_EQ(detail(with_source(R"({"path": "$.a", "when": "$.b"})")), at + ".when: must be an object, not a string.");
    EXPECT_EQ(detail(with_source(R"({"path": "$.a", "when": {"path": "b"}})")),
              at + ".when.path: must be a JSON path.");
    EXPECT_EQ(detail(with_source(R"({"path": "$.a", "before": ""})")), at + ".before: must not be empty.");
    EXPECT_EQ(detail(with_source(R"({"path": "$.a", "after": 1})")), at + ".after: must be a string, not a number.");
    EXPECT_EQ(detail(with_source(R"({"path": "$.a", "prefix": null})")), at + ".prefix: must be a string, not null.");
    EXPECT_EQ(detail(with_source(R"({"path": "$.a", "leading": "letters"})")),
              at + ".leading: is not an allowed value.");
    EXPECT_EQ(detail(with_source(R"({"path": "$.a", "leading": true})")),
              at + ".leading: must be a string, not a boolean.");
    EXPECT_EQ(detail(with_source(R"({"path": "$.a", "case": "title"})")), at + ".case: is not an allowed value.");
    EXPECT_EQ(detail(with_source(R"({"path": "$.a", "format": "rfc822"})")), at + ".format: is not an allowed value.");
    EXPECT_EQ(detail(with_source(R"({"path": "$.a", "wen": {}})")), at + ".wen: unknown key.");
}

TEST(ConnectorTest, StatusRowsAreRefused) {
    EXPECT_EQ(detail(with(R"("statuses": {})")), "$.statuses: must be an array, not an object.");
    EXPECT_EQ(detail(with(R"("response_statuses": [])")), "$.response_statuses: must not be empty.");
    EXPECT_EQ(detail(with_status(R"("sent")")), "$.statuses[0]: must be an object, not a string.");
    EXPECT_EQ(detail(with_status(R"({"state": "sent"})")), "$.statuses[0].status: is missing.");
    EXPECT_EQ(detail(with_status(R"({"status": 1, "state": "sent"})")),
              "$.statuses[0].status: must be a string, not a number.");
    EXPECT_EQ(detail(with_status(R"({"status": "a", "qualifier": "", "state": "sent"})")),
              "$.statuses[0].qualifier: must not be empty.");
    EXPECT_EQ(detail(with_status(R"({"status": "a", "state": "send"})")),
              "$.statuses[0].state: must be a receipt state.");
    EXPECT_EQ(detail(with_status(R"({"status": "a", "state": "queued"})")),
              "$.statuses[0].state: must be a receipt state.");
    const std::string wants = "$.statuses[0]: must have a \"state\" when, and only when, it is applied.";
    EXPECT_EQ(detail(with_status(R"({"status": "a"})")), wants);
    EXPECT_EQ(detail(with_status(R"({"status": "a", "disposition": "apply"})")), wants);
    for (const char *word : {"ignore", "side_effect_only", "park"})
        EXPECT_EQ(
            detail(with_status(R"({"status": "a", "state": "sent", "disposition": ")" + std::string(word) + "\"}")),
            wants);
    EXPECT_EQ(detail(with_status(R"({"status": "a", "disposition": "reject"})")),
              "$.statuses[0].disposition: is not an allowed value.");
    EXPECT_EQ(detail(with_status(R"({"status": "a", "state": "sent", "failure_kind": "soft"})")),
              "$.statuses[0].failure_kind: belongs to a failure state.");
    EXPECT_EQ(detail(with_status(R"({"status": "a", "disposition": "ignore", "failure_kind": "soft"})")),
              "$.statuses[0].failure_kind: belongs to a failure state.");
    EXPECT_EQ(detail(with_status(R"({"status": "a", "state": "failed", "failure_kind": "none"})")),
              "$.statuses[0].failure_kind: is not an allowed value.");
    EXPECT_EQ(detail(with_status(R"({"status": "a", "state": "failed", "reason": "No Credit"})")),
              "$.statuses[0].reason: is not a valid name.");
    EXPECT_EQ(detail(with_status(R"({"status": "a", "state": "failed", "engagement": "Opened"})")),
              "$.statuses[0].engagement: is not a valid name.");
    EXPECT_EQ(detail(with_status(R"({"status": "a", "state": "failed", "suppress": "all"})")),
              "$.statuses[0].suppress: is not an allowed value.");
    EXPECT_EQ(detail(with_status(R"({"status": "a", "state": "failed", "final": "yes"})")),
              "$.statuses[0].final: must be a boolean, not a string.");
    EXPECT_EQ(detail(with_status(R"({"status": "a", "state": "failed", "by_code": 1})")),
              "$.statuses[0].by_code: must be a boolean, not a number.");
    EXPECT_EQ(detail(with_status(R"({"status": "a", "state": "failed", "code": "1"})")),
              "$.statuses[0].code: unknown key.");
    EXPECT_EQ(detail(with_status(R"({"status": "a", "state": "sent"}, {"status": "a", "state": "sent"})")),
              "$.statuses[1]: repeats a status.");
    EXPECT_EQ(detail(with_status(R"({"status": "a", "qualifier": "b", "state": "sent"},
                                    {"status": "a", "state": "sent"}, {"status": "a", "qualifier": "b", "state": "sent"})")),
              "$.statuses[2]: repeats a status.");
    EXPECT_EQ(detail(with(R"("response_statuses": [{"status": "2xx"}])")),
              "$.response_statuses[0]: must have a \"state\" when, and only when, it is applied.");
}

TEST(ConnectorTest, ErrorRowsAreRefused) {
    EXPECT_EQ(detail(with(R"("errors": {})")), "$.errors: must be an array, not an object.");
    EXPECT_EQ(detail(with_error(R"({"failure_kind": "soft"})")), "$.errors[0].code: is missing.");
    EXPECT_EQ(detail(with_error(R"({"code": 1, "failure_kind": "soft"})")),
              "$.errors[0].code: must be a string, not a number.");
    EXPECT_EQ(detail(with_error(R"({"code": "1"})")), "$.errors[0].failure_kind: is missing.");
    EXPECT_EQ(detail(with_error(R"({"code": "1", "disposition": "apply"})")), "$.errors[0].failure_kind: is missing.");
    EXPECT_EQ(detail(with_error(R"({"code": "1", "failure_kind": "mild"})")),
              "$.errors[0].failure_kind: is not an allowed value.");
    EXPECT_EQ(detail(with_error(R"({"code": "1", "disposition": "reject"})")),
              "$.errors[0].disposition: is not an allowed value.");
    EXPECT_EQ(detail(with_error(R"({"code": "1", "failure_kind": "soft", "state": "bad"})")),
              "$.errors[0].state: must be a receipt state.");
    EXPECT_EQ(detail(with_error(R"({"code": "1", "failure_kind": "soft", "state": "queued"})")),
              "$.errors[0].state: must be a receipt state.");
    EXPECT_EQ(detail(with_error(R"({"code": "1", "failure_kind": "soft", "reason": ""})")),
              "$.errors[0].reason: is not a valid name.");
    EXPECT_EQ(detail(with_error(R"({"code": "1", "failure_kind": "soft", "suppress": "no"})")),
              "$.errors[0].suppress: is not an allowed value.");
    EXPECT_EQ(detail(with_error(R"({"code": "1", "failure_kind": "soft", "final": 1})")),
              "$.errors[0].final: must be a boolean, not a number.");
    EXPECT_EQ(detail(with_error(R"({"code": "1", "failure_kind": "soft", "status": "a"})")),
              "$.errors[0].status: unknown key.");
    EXPECT_EQ(detail(with_error(R"({"code": "1", "failure_kind": "soft"}, {"code": "1", "failure_kind": "hard"})")),
              "$.errors[1]: repeats a code.");
    EXPECT_EQ(detail(with_error(R"({"code": "1*", "failure_kind": "soft"}, {"code": "1*", "failure_kind": "hard"})")),
              "$.errors[1]: repeats a code.");
    EXPECT_EQ(refusal(with_error(R"({"code": "1*", "failure_kind": "soft"}, {"code": "1", "failure_kind": "hard"})"))
                  .sqlstate,
              "none")
        << "a prefix is not the code itself";
}

TEST(ConnectorTest, LimitsAreKept) {
    const auto repeated = [](const std::string &one, std::size_t n) {
        std::string all = one;
        for (std::size_t i = 1; i < n; ++i)
            all += ", " + one;
        return all;
    };
    const auto sources = [&](std::size_t n) { return with_source(repeated("\"$.a\"", n)); };
    EXPECT_EQ(refusal(sources(kMaxFieldSources)).sqlstate, "none");
    EXPECT_EQ(limit(sources(kMaxFieldSources + 1)), "$.receipts.fields.status: has 17 values.");
    EXPECT_EQ(limit(with_section(R"("elements": [)" + repeated("\"$.a\"", 17) + "]")),
              "$.receipts.elements: has 17 values.");
    EXPECT_EQ(limit(with_section(R"("ignore": [)" + repeated(R"({"path": "$.a"})", 17) + "]")),
              "$.receipts.ignore: has 17 values.");
    const auto word = [](std::size_t n) {
        return with_status(R"({"state": "sent", "status": ")" + std::string(n, 'a') + "\"}");
    };
    EXPECT_EQ(refusal(word(255)).sqlstate, "none");
    EXPECT_EQ(limit(word(256)), "$.statuses[0].status: has 256 bytes.");
    EXPECT_EQ(limit(with_source("\"$." + std::string(kMaxJsonPathBytes, 'a') + "\"")),
              "$.receipts.fields.status[0]: has 514 bytes.");
    const auto rows = [](std::size_t n) {
        std::string all;
        for (std::size_t i = 0; i < n; ++i)
            all += std::string(i == 0 ? "" : ",") + R"({"code":")" + std::to_string(i) + R"(","failure_kind":"soft"})";
        return with_error(all);
    };
    EXPECT_EQ(parse_connector(rows(kMaxConnectorRows)).errors.size(), kMaxConnectorRows);
    EXPECT_EQ(limit(rows(kMaxConnectorRows + 1)), "$.errors: has 5001 values.");
    EXPECT_TRUE(
        limit(with(R"("title": ")" + std::string(kMaxConnectorBytes, 'a') + "\"")).starts_with("$: the document has "));
    EXPECT_EQ(limit(R"({"name": )" + std::string(16, '[') + std::string(16, ']') + "}"),
              "$: the document is nested too deeply.");
}

} // namespace
