// Writes the OpenMetrics 1.0 text format: families with TYPE, UNIT and HELP, samples, "# EOF". It knows the syntax
// (escapes, numbers, suffixes), not what is measured. Pure.
#pragma once

#include "core/latency_buckets.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace hc::core {

enum class MetricType : std::uint8_t { counter, gauge, histogram, summary, stateset, info };

struct Label {
    std::string_view name, value;
};
using Labels = std::span<const Label>;

class OpenMetrics {
public:
    // Samples that follow belong to it. A unit is a part of the name, as "seconds" of hermes_wait_seconds.
    void family(std::string_view name, MetricType type, std::string_view help, std::string_view unit = {});

    void counter(Labels labels, std::uint64_t value); // <name>_total
    void gauge(Labels labels, double value);
    void gauge(Labels labels, std::uint64_t value);
    void info(Labels labels); // <name>_info 1
    // One sample a word, 1 for the state that holds; the label that tells the state has the family's name.
    void state(Labels labels, std::span<const std::string_view> words, std::size_t holds);
    // Cumulative buckets at `bounds` (of kLatencyUpper), +Inf, _count and _sum.
    void histogram(Labels labels, LatencyCounts counts, Duration sum, std::span<const Duration> bounds);

    std::string finish(); // ends with "# EOF\n"

private:
    void sample(std::string_view suffix, Labels labels, std::string_view value, const Label *more = nullptr);

    std::string text_, family_;
};

// A number as the format wants it: the shortest digits that give the same double, a point or exponent in it.
std::string openmetrics_number(double value);

} // namespace hc::core
