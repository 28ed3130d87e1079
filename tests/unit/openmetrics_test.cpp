// The OpenMetrics writer: every line exactly, and the page of hermes.metrics() by its rules.
#include "core/metrics_page.hpp"
#include "core/openmetrics.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <limits>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

namespace hc::core {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(OpenMetrics, FamiliesAndSamples) {
    OpenMetrics out;
    out.family("a", MetricType::counter, "Counts.");
    out.counter({}, 7);
    out.counter(std::array{Label{"x", "1"}, Label{"y", "2"}}, UINT64_MAX);
    out.family("b_seconds", MetricType::gauge, "Waits.", "seconds");
    out.gauge({}, 0.25);
    out.gauge(std::array{Label{"x", ""}}, std::uint64_t{3});
    out.family("c", MetricType::info, "Tells.");
    out.info(std::array{Label{"version", "1"}});
    out.family("d", MetricType::stateset, "Is.");
    constexpr std::array<std::string_view, 2> kWords{"on", "off"};
    out.state(std::array{Label{"x", "1"}}, kWords, 1);
    out.state({}, kWords, 0);
    EXPECT_EQ(out.finish(), "# TYPE a counter\n# HELP a Counts.\n"
                            "a_total 7\na_total{x=\"1\",y=\"2\"} 18446744073709551615\n"
                            "# TYPE b_seconds gauge\n# UNIT b_seconds seconds\n# HELP b_seconds Waits.\n"
                            "b_seconds 0.25\nb_seconds{x=\"\"} 3\n"
                            "# TYPE c info\n# HELP c Tells.\nc_info{version=\"1\"} 1\n"
                            "# TYPE d stateset\n# HELP d Is.\n"
                            "d{x=\"1\",d=\"on\"} 0\nd{x=\"1\",d=\"off\"} 1\nd{d=\"on\"} 1\nd{d=\"off\"} 0\n"
                            "# EOF\n");
}

TEST(OpenMetrics, Histograms) {
    std::array<std::uint64_t, kLatencyBuckets> counts{};
    counts[latency_bucket(milliseconds(1))] = 2;
    counts[latency_bucket(milliseconds(100))] = 3;
    counts[latency_bucket(milliseconds(101))] = 4;
    counts[kLatencyBuckets - 1] = 1;
    OpenMetrics out;
    out.family("h_seconds", MetricType::histogram, "H.", "seconds");
    out.histogram(std::array{Label{"t", "x"}}, counts, seconds(3),
                  std::array<Duration, 2>{milliseconds(100), seconds(1)});
    EXPECT_EQ(out.finish(), "# TYPE h_seconds histogram\n# UNIT h_seconds seconds\n# HELP h_seconds H.\n"
                            "h_seconds_bucket{t=\"x\",le=\"0.1\"} 5\nh_seconds_bucket{t=\"x\",le=\"1.0\"} 9\n"
                            "h_seconds_bucket{t=\"x\",le=\"+Inf\"} 10\nh_seconds_count{t=\"x\"} 10\n"
                            "h_seconds_sum{t=\"x\"} 3.0\n# EOF\n");
}

TEST(OpenMetrics, EscapesExactly) {
    OpenMetrics out;
    out.family("a", MetricType::gauge, "A \\ \"line\"\nand another");
    out.gauge(std::array{Label{"x", "back\\slash \"quote\"\nline, {brace} = \xC3\xA9\t"}}, std::uint64_t{1});
    EXPECT_EQ(out.finish(), "# TYPE a gauge\n# HELP a A \\\\ \\\"line\\\"\\nand another\n"
                            "a{x=\"back\\\\slash \\\"quote\\\"\\nline, {brace} = \xC3\xA9\t\"} 1\n# EOF\n");
}

TEST(OpenMetrics, Numbers) {
    EXPECT_EQ(openmetrics_number(0), "0.0");
    EXPECT_EQ(openmetrics_number(-1), "-1.0");
    EXPECT_EQ(openmetrics_number(0.1), "0.1");
    EXPECT_EQ(openmetrics_number(100000), "100000.0");
    EXPECT_EQ(openmetrics_number(1e-9), "1e-09");
    EXPECT_EQ(openmetrics_number(1e300), "1e+300");
    EXPECT_EQ(openmetrics_number(std::numeric_limits<double>::infinity()), "+Inf");
    EXPECT_EQ(openmetrics_number(-std::numeric_limits<double>::infinity()), "-Inf");
    EXPECT_EQ(openmetrics_number(std::nan("")), "NaN");
    for (const double value : {1.0 / 3, 123456.789, 2.2250738585072014e-308, 1.7976931348623157e308})
        EXPECT_EQ(std::stod(openmetrics_number(value)), value);
}

MetricsPage page_with_everything() {
    MetricsPage page;
    page.version = "9.9";
    page.started = 5;
    page.workflow[static_cast<std::size_t>(WorkflowCount::failed)] = 3;
    page.ended = {1, 2, 3, 4};
    page.receipts = {1, 2, 3, 4, 5};
    page.timer_lateness[3] = 7;
    page.timer_lateness_sum = seconds(2);
    page.outbound_open = true;
    SeriesCounters counters;
    for (std::size_t i = 0; i < kSeriesCounters; ++i)
        counters.values[i] = i + 1;
    page.series.push_back({"acme \"1\"", "sms", "texts", counters});
    page.series.push_back({"", "email", "mail", {}});
    page.providers.push_back({"texts", "sms", BreakerPhase::half_open, true, 3, 10, 11, 12});
    page.queues.push_back({"sends", "texts", "otp", milliseconds(1500)});
    page.queues.push_back({"timers", "", "", {}});
    page.workers.push_back({"dispatcher", "running", 2});
    return page;
}

TEST(MetricsPage, ShowsWhatItWasGiven) {
    const std::string text = render_metrics(page_with_everything());
    for (const std::string_view line :
         {"hermes_build_info{version=\"9.9\"} 1",
          "hermes_cascades_started_total 5",
          "hermes_workflow_failed_total 3",
          "hermes_schedule_missed_catchup_window_total 0",
          "hermes_cascades_ended_total{outcome=\"canceled\"} 4",
          "hermes_receipts_total{result=\"dropped\"} 5",
          "hermes_timer_lateness_seconds_bucket{le=\"0.0025\"} 7",
          "hermes_timer_lateness_seconds_sum 2.0",
          "hermes_messages_total{tenant=\"acme \\\"1\\\"\",channel=\"sms\",provider=\"texts\",result=\"accepted\"} 1",
          "hermes_messages_total{tenant=\"acme \\\"1\\\"\",channel=\"sms\",provider=\"texts\",result=\"corrected\"} 10",
          "hermes_message_states_total{tenant=\"acme \\\"1\\\"\",channel=\"sms\",provider=\"texts\",state=\"queued\"} "
          "11",
          "hermes_message_states_total{tenant=\"acme \\\"1\\\"\",channel=\"sms\",provider=\"texts\",state=\"read\"} 22",
          "hermes_breaker_state{provider=\"texts\",channel=\"sms\",hermes_breaker_state=\"half_open\"} 1",
          "hermes_breaker_state{provider=\"texts\",channel=\"sms\",hermes_breaker_state=\"closed\"} 0",
          "hermes_provider_throttled{provider=\"texts\",channel=\"sms\"} 1",
          "hermes_provider_answers_total{provider=\"texts\",channel=\"sms\",result=\"throttled\"} 12",
          "hermes_queue_oldest_seconds{queue=\"sends\",provider=\"texts\",lane=\"otp\"} 1.5",
          "hermes_queue_oldest_seconds{queue=\"timers\"} 0.0",
          "hermes_workers{role=\"dispatcher\",state=\"running\"} 2",
          "hermes_outbound_open 0"}) // the setting is off
        EXPECT_NE(text.find("\n" + std::string(line) + "\n"), std::string::npos) << line;
}

// The rules of the format that hold for the whole text.
TEST(MetricsPage, FollowsTheFormat) {
    const std::string text = render_metrics(page_with_everything());
    std::istringstream lines(text);
    std::set<std::string> families, samples;
    std::string family, line, last;
    while (std::getline(lines, line)) {
        last = line;
        ASSERT_FALSE(line.empty());
        if (line.starts_with("# TYPE ")) {
            family = line.substr(7, line.find(' ', 7) - 7);
            EXPECT_TRUE(families.insert(family).second) << "one block a family: " << family;
            EXPECT_EQ(family.find_first_not_of("abcdefghijklmnopqrstuvwxyz_"), std::string::npos) << family;
            EXPECT_TRUE(family.starts_with("hermes_"));
        } else if (line.starts_with("# UNIT ")) {
            EXPECT_TRUE(family.ends_with("_" + line.substr(line.rfind(' ') + 1))) << line;
        } else if (!line.starts_with("#")) {
            EXPECT_TRUE(line.starts_with(family)) << line << " in " << family;
            EXPECT_TRUE(samples.insert(line.substr(0, line.rfind(' '))).second) << "twice: " << line;
        }
    }
    EXPECT_EQ(last, "# EOF");
    EXPECT_TRUE(text.ends_with("# EOF\n"));
    EXPECT_GT(families.size(), 20U);
}

TEST(MetricsPage, BoundsAreThoseOfTheBuckets) {
    const std::string text = render_metrics(page_with_everything());
    std::istringstream lines(text);
    std::string line;
    std::size_t seen = 0;
    while (std::getline(lines, line)) {
        const std::size_t at = line.find("_bucket{") == std::string::npos ? std::string::npos : line.find("le=\"");
        if (at == std::string::npos || line.find("+Inf", at) != std::string::npos)
            continue;
        const double bound = std::stod(line.substr(at + 4));
        const bool known = std::any_of(kLatencyUpper.begin(), kLatencyUpper.end(),
                                       [bound](Duration d) { return d.count() == std::llround(bound * 1e6); });
        EXPECT_TRUE(known) << line; // else a cumulative count would be that of another bound
        ++seen;
    }
    EXPECT_GT(seen, 30U);
}

} // namespace
} // namespace hc::core
