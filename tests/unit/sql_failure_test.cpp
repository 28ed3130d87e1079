// What is told about an error of user SQL: the kind of it, never a value.
#include "core/sql_failure.hpp"

#include <gtest/gtest.h>

namespace hc::core {
namespace {

TEST(SqlFailureTest, FirstWordsWithoutQuotedParts) {
    EXPECT_EQ(short_sql_failure("42P01", "relation \"payroll\" does not exist"), "42P01: relation does not exist");
    EXPECT_EQ(short_sql_failure("22012", "division by zero"), "22012: division by zero");
    EXPECT_EQ(short_sql_failure("42501", "permission denied for table invoices"),
              "42501: permission denied for table invoices");
    EXPECT_EQ(short_sql_failure("0A000", "can't do, really"), "0A000: can't do, really");
}

TEST(SqlFailureTest, NothingBehindAColonOrALineEnd) {
    EXPECT_EQ(short_sql_failure("22P02", "invalid input syntax for type integer: \"4711\""),
              "22P02: invalid input syntax for type integer");
    EXPECT_EQ(short_sql_failure("XX000", "odd\nsecret"), "XX000: odd");
    EXPECT_EQ(short_sql_failure("XX000", "odd\r\nsecret"), "XX000: odd");
}

TEST(SqlFailureTest, WordsThatMayBeValuesAreLeftOut) {
    EXPECT_EQ(short_sql_failure("22003", "value 99999 of card 4242-4242 is too large"),
              "22003: value of card is too large");
    EXPECT_EQ(short_sql_failure("22023", "mail to jo@example.com failed (jo)"), "22023: mail to failed");
    EXPECT_EQ(short_sql_failure("22023", std::string(33, 'x') + " y"), "22023: y");
    EXPECT_EQ(short_sql_failure("22023", "schl\xc3\xbcssel fehlt"), "22023: fehlt");
}

TEST(SqlFailureTest, WhatAFunctionRaisesItselfIsLeftOut) {
    EXPECT_EQ(short_sql_failure("P0001", "balance of Smith is negative"), "P0001");
    EXPECT_EQ(short_sql_failure("P0004", "assertion failed"), "P0004");
}

TEST(SqlFailureTest, ShortWhateverTheMessage) {
    EXPECT_EQ(short_sql_failure("XX000", ""), "XX000");
    EXPECT_EQ(short_sql_failure("XX000", "   "), "XX000");
    EXPECT_EQ(short_sql_failure("XX000", "\"all of it"), "XX000");
    EXPECT_EQ(short_sql_failure("XX000", "a b c d e f g h i j"), "XX000: a b c d e f g h");
    std::string longest;
    for (int i = 0; i < 1000; ++i) {
        longest += std::string(32, 'a') + " ";
    }
    EXPECT_LE(short_sql_failure("XX000", longest).size(), 7 + 8 * 33U);
}

} // namespace
} // namespace hc::core
