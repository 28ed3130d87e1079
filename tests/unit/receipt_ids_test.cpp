// Provider message ids in two notations (R5): the exact text first, then declared conversions, never a guess.
#include "core/receipt_ids.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace {

using namespace hc::core;
using enum IdConversion;
using Ids = std::vector<std::string>;

Ids candidates(std::string_view id, const std::vector<IdConversion> &conversions, IdBase base = IdBase::same) {
    return id_candidates(id, conversions, base);
}

std::string of_answer(std::string_view id, const std::vector<IdConversion> &conversions, IdBase base = IdBase::same) {
    return normal_id(id, conversions, base, IdSide::answer);
}

std::string of_receipt(std::string_view id, const std::vector<IdConversion> &conversions, IdBase base = IdBase::same) {
    return normal_id(id, conversions, base, IdSide::receipt);
}

TEST(ReceiptIds, WithoutADeclarationTheExactTextIsAllThereIs) {
    for (const char *id : {"007", "0x1F", "ABC", "26", "wamid.HBg=="}) {
        EXPECT_EQ(candidates(id, {}), Ids{id});
        EXPECT_EQ(of_answer(id, {}), "");
        EXPECT_EQ(of_receipt(id, {}), "");
    }
}

TEST(ReceiptIds, TheExactTextComesFirstAndNothingTwice) {
    EXPECT_EQ(candidates("007", {strip_zeros}), (Ids{"007", "7"}));
    EXPECT_EQ(candidates("7", {strip_zeros}), Ids{"7"});
    EXPECT_EQ(candidates("000", {strip_zeros}), Ids{"000"}) << "nothing would be left";
    EXPECT_EQ(candidates("0a-B", {upper}), (Ids{"0a-B", "0A-B"}));
    EXPECT_EQ(candidates("0a-B", {lower}), (Ids{"0a-B", "0a-b"}));
    EXPECT_EQ(candidates("0a", {upper, upper, lower}), (Ids{"0a", "0A"}));
    EXPECT_EQ(candidates("\xc3\xa9z", {upper}), (Ids{"\xc3\xa9z", "\xc3\xa9Z"})) << "ASCII only";
    EXPECT_EQ(candidates("0aB", {strip_zeros, upper}), (Ids{"0aB", "aB", "0AB"}));
}

TEST(ReceiptIds, HexadecimalToDecimal) {
    EXPECT_EQ(candidates("1A", {hex_to_dec}), (Ids{"1A", "26"}));
    EXPECT_EQ(candidates("1a", {hex_to_dec}), (Ids{"1a", "26"}));
    EXPECT_EQ(candidates("0000001A", {hex_to_dec}), (Ids{"0000001A", "26"}));
    EXPECT_EQ(candidates("5", {hex_to_dec}), Ids{"5"}) << "the same";
    for (const char *id : {"", "1G", "0x1A", "-1", " 1A", "1A ", "1-A"})
        EXPECT_EQ(candidates(id, {hex_to_dec}), id[0] == '\0' ? Ids{} : Ids{id}) << id;
}

TEST(ReceiptIds, DecimalToHexadecimalInTheWidthsInUse) {
    EXPECT_EQ(candidates("26", {dec_to_hex}),
              (Ids{"26", "1a", "0000001a", "000000000000001a", "0000000000000000000000000000001a", "1A", "0000001A",
                   "000000000000001A", "0000000000000000000000000000001A"}));
    EXPECT_EQ(candidates("305419896", {dec_to_hex})[1], "12345678");
    EXPECT_EQ(candidates("1a", {dec_to_hex}), Ids{"1a"});
}

TEST(ReceiptIds, NumbersOf128Bits) {
    const std::string hex(32, 'f');
    const std::string dec = "340282366920938463463374607431768211455";
    EXPECT_EQ(candidates(hex, {hex_to_dec}), (Ids{hex, dec}));
    EXPECT_EQ(candidates(dec, {dec_to_hex}), (Ids{dec, hex, std::string(32, 'F')}));
    EXPECT_EQ(candidates("1" + hex, {hex_to_dec}), Ids{"1" + hex}) << "too large is no number";
    EXPECT_EQ(candidates("340282366920938463463374607431768211456", {dec_to_hex}).size(), 1U);
    EXPECT_EQ(candidates("00" + hex, {hex_to_dec}), (Ids{"00" + hex, dec})) << "zeros in front do not count";
    EXPECT_EQ(of_answer(hex, {}, IdBase::hex_in_answer), "#" + dec);
    EXPECT_EQ(of_answer("1" + hex, {}, IdBase::hex_in_answer), "#1" + hex) << "kept as text";
}

TEST(ReceiptIds, TheBaseOfAnAccount) {
    EXPECT_EQ(candidates("26", {}, IdBase::hex_in_answer)[1], "1a");
    EXPECT_EQ(candidates("1A", {}, IdBase::hex_in_answer), Ids{"1A"});
    EXPECT_EQ(candidates("1A", {}, IdBase::hex_in_receipt), (Ids{"1A", "26"}));
    EXPECT_EQ(candidates("26", {}, IdBase::hex_in_receipt), (Ids{"26", "38"}));
    const Ids either = candidates("26", {}, IdBase::either);
    EXPECT_EQ(either.size(), 10U);
    EXPECT_EQ(either.front(), "26");
    EXPECT_EQ(either.back(), "38");
}

// ---- both sides meet ----

std::string hex_of(std::uint64_t number, bool upper_case, int width) {
    char text[40];
    std::snprintf(text, sizeof text, upper_case ? "%0*lX" : "%0*lx", width, static_cast<unsigned long>(number));
    return text;
}

TEST(ReceiptIds, BothSidesMeetWhateverTheNotation) {
    std::mt19937_64 random(4);
    for (int i = 0; i < 2000; ++i) {
        const std::uint64_t number = random() >> (random() % 64);
        const std::string decimal = std::to_string(number);
        const std::string zeros = std::string(random() % 4, '0') + decimal;
        for (const int width : {1, 8, 16, 32}) {
            const std::string hex = hex_of(number, random() % 2 == 0, width);
            for (const auto &[answer, receipt, conversions, base] :
                 {std::tuple(hex, zeros, std::vector<IdConversion>{}, IdBase::hex_in_answer),
                  std::tuple(zeros, hex, std::vector<IdConversion>{}, IdBase::hex_in_receipt),
                  std::tuple(hex, zeros, std::vector{dec_to_hex}, IdBase::same),
                  std::tuple(zeros, hex, std::vector{hex_to_dec}, IdBase::same),
                  std::tuple(hex, zeros, std::vector{strip_zeros, dec_to_hex, upper}, IdBase::same)}) {
                EXPECT_EQ(of_answer(answer, conversions, base), "#" + decimal) << answer;
                EXPECT_EQ(of_receipt(receipt, conversions, base), "#" + decimal) << receipt;
            }
        }
    }
}

TEST(ReceiptIds, OtherNumbersDoNotMeet) {
    std::mt19937_64 random(5);
    for (int i = 0; i < 2000; ++i) {
        const std::uint64_t a = random() >> (random() % 64);
        const std::uint64_t b = random() % 2 == 0 ? random() >> (random() % 64) : a + 1;
        if (a == b)
            continue;
        EXPECT_NE(of_answer(hex_of(a, true, 8), {}, IdBase::hex_in_answer),
                  of_receipt(std::to_string(b), {}, IdBase::hex_in_answer));
        EXPECT_NE(of_answer(std::to_string(a), {}, IdBase::hex_in_receipt),
                  of_receipt(hex_of(b, false, 1), {}, IdBase::hex_in_receipt));
    }
}

TEST(ReceiptIds, TextsMeetByZerosAndCase) {
    EXPECT_EQ(of_answer("000aBc", {strip_zeros}), "#aBc");
    EXPECT_EQ(of_answer("0000", {strip_zeros}), "#");
    EXPECT_EQ(of_answer("0aBC-\xc3\x89", {upper}), "#0abc-\xc3\x89");
    EXPECT_EQ(of_answer("0aBC", {lower}), "#0abc") << "one form for both";
    EXPECT_EQ(of_answer("00AB", {lower, strip_zeros}), "#ab");
    EXPECT_EQ(of_answer("00ab", {lower, strip_zeros}), of_receipt("AB", {lower, strip_zeros}));
    EXPECT_NE(of_answer("ab", {strip_zeros}), of_receipt("AB", {strip_zeros}));
    for (const std::string id : {"x-1", "0x1f", "", "message 5"}) {
        EXPECT_EQ(of_answer(id, {}, IdBase::hex_in_answer), "#" + id) << "no number: the text";
        EXPECT_EQ(of_receipt(id, {}, IdBase::hex_in_answer), "#" + id);
    }
}

// What the exact text or a candidate of the receipt's id hits, its normal form hits.
TEST(ReceiptIds, TheNormalFormFindsWhatTheCandidatesFind) {
    std::mt19937_64 random(6);
    const std::vector<std::pair<std::vector<IdConversion>, IdBase>> declarations{
        {{strip_zeros}, IdBase::same}, {{upper}, IdBase::same},      {{lower, strip_zeros}, IdBase::same},
        {{dec_to_hex}, IdBase::same},  {{hex_to_dec}, IdBase::same}, {{}, IdBase::hex_in_answer},
        {{}, IdBase::hex_in_receipt}};
    for (int i = 0; i < 3000; ++i) {
        std::string receipt;
        for (std::size_t n = 1 + random() % 10; n > 0; --n)
            receipt.push_back("00123456789abcdefABCDEFxZ"[random() % (random() % 2 == 0 ? 11 : 25)]);
        const auto &[conversions, base] = declarations[random() % declarations.size()];
        for (const std::string &answer : candidates(receipt, conversions, base)) {
            const bool exact_text = answer == receipt; // is looked up as it is
            EXPECT_TRUE(exact_text || of_answer(answer, conversions, base) == of_receipt(receipt, conversions, base))
                << answer << " " << receipt;
        }
    }
}

// ---- which one a receipt shows ----

TEST(ReceiptIds, TheKnownCandidateIsChosen) {
    const Ids ids = candidates("26", {dec_to_hex});
    const auto choose = [&](Ids known, IdBase base = IdBase::same) {
        ReceiptOptions options;
        options.known_ids = std::move(known);
        options.id_base = base;
        return choose_known_id(ids, options);
    };
    EXPECT_EQ(choose({}), "26");
    EXPECT_EQ(choose({"0000001A"}), "0000001A");
    EXPECT_EQ(choose({"1A", "26"}), "26") << "the exact text comes first";
    EXPECT_EQ(choose({"1A", "1a"}), "1a") << "by the order of the candidates";
    EXPECT_EQ(choose({"27", "1b"}), "26") << "none is known: the exact text";
    EXPECT_EQ(choose({"27"}, IdBase::hex_in_answer), "26");
    EXPECT_EQ(choose({}, IdBase::hex_in_answer), "1a") << "declared";
    EXPECT_EQ(choose({}, IdBase::hex_in_receipt), "1a");
    EXPECT_EQ(choose({}, IdBase::either), "26") << "not declared which";
    ReceiptOptions hex;
    hex.id_base = IdBase::hex_in_answer;
    EXPECT_EQ(choose_known_id(Ids{"x"}, hex), "x") << "nothing to convert";
}

// A look-up has to begin with the id as the provider wrote it: the one that is shown is converted already.
TEST(ReceiptIds, TheIdOfAParsedReceiptMeetsItsAnswer) {
    const Connector by =
        parse_connector(R"({"name": "x", "receipts": {"payload": ["json"], "fields": {"status": ["$.s"],
        "correlation_id": ["$.id"]}}, "statuses": [{"status": "D", "state": "delivered"}]})");
    for (const auto &[base, answer, receipt, stranger] :
         {std::tuple(IdBase::hex_in_answer, "5FA1B2C3", "1604432579", "1604432579"),
          std::tuple(IdBase::hex_in_answer, "0000001a", "26", "26"),
          std::tuple(IdBase::hex_in_receipt, "0026", "1A", "38")}) {
        ReceiptOptions options;
        options.id_base = base;
        const auto parsed = parse_receipts(by, R"({"s": "D", "id": ")" + std::string(receipt) + "\"}", {}, options);
        ASSERT_EQ(parsed.size(), 1U);
        ASSERT_FALSE(parsed[0].id_candidates.empty());
        EXPECT_EQ(parsed[0].id_candidates.front(), receipt);
        const std::string normal = of_receipt(parsed[0].id_candidates.front(), {}, base);
        EXPECT_EQ(of_answer(answer, {}, base), normal);
        EXPECT_NE(of_answer(stranger, {}, base), normal);
    }
}

} // namespace
