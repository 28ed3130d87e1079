// See openmetrics.hpp.
#include "core/openmetrics.hpp"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <utility>

namespace hc::core {

namespace {

constexpr std::array<std::string_view, 6> kTypeNames{"counter", "gauge", "histogram", "summary", "stateset", "info"};

// Of label values and help texts; everything else is written as it is (UTF-8).
void append_escaped(std::string &to, std::string_view text) {
    for (const char c : text) {
        switch (c) {
        case '\\':
            to += "\\\\";
            break;
        case '"':
            to += "\\\"";
            break;
        case '\n':
            to += "\\n";
            break;
        default:
            to += c;
        }
    }
}

void append_label(std::string &to, const Label &label) {
    to.append(label.name).append("=\"");
    append_escaped(to, label.value);
    to += '"';
}

double seconds(Duration d) { return std::chrono::duration<double>(d).count(); }

} // namespace

std::string openmetrics_number(double value) {
    if (std::isnan(value))
        return "NaN";
    if (std::isinf(value))
        return value > 0 ? "+Inf" : "-Inf";
    std::string text = fmt::format("{}", value); // the shortest that is read back as the same
    if (text.find_first_of(".e") == std::string::npos)
        text += ".0";
    return text;
}

void OpenMetrics::family(std::string_view name, MetricType type, std::string_view help, std::string_view unit) {
    family_ = name;
    text_.append("# TYPE ").append(name).append(" ").append(kTypeNames[static_cast<std::size_t>(type)]).append("\n");
    if (!unit.empty())
        text_.append("# UNIT ").append(name).append(" ").append(unit).append("\n");
    text_.append("# HELP ").append(name).append(" ");
    append_escaped(text_, help);
    text_ += '\n';
}

void OpenMetrics::sample(std::string_view suffix, Labels labels, std::string_view value, const Label *more) {
    text_.append(family_).append(suffix);
    if (!labels.empty() || more != nullptr) {
        char before = '{';
        for (const Label &label : labels) {
            text_ += std::exchange(before, ',');
            append_label(text_, label);
        }
        if (more != nullptr) {
            text_ += before;
            append_label(text_, *more);
        }
        text_ += '}';
    }
    text_.append(" ").append(value).append("\n");
}

void OpenMetrics::counter(Labels labels, std::uint64_t value) { sample("_total", labels, fmt::to_string(value)); }
void OpenMetrics::gauge(Labels labels, double value) { sample("", labels, openmetrics_number(value)); }
void OpenMetrics::gauge(Labels labels, std::uint64_t value) { sample("", labels, fmt::to_string(value)); }
void OpenMetrics::info(Labels labels) { sample("_info", labels, "1"); }

void OpenMetrics::state(Labels labels, std::span<const std::string_view> words, std::size_t holds) {
    for (std::size_t i = 0; i < words.size(); ++i) {
        const Label word{family_, words[i]};
        sample("", labels, i == holds ? "1" : "0", &word);
    }
}

void OpenMetrics::histogram(Labels labels, LatencyCounts counts, Duration sum, std::span<const Duration> bounds) {
    for (const Duration bound : bounds) {
        const std::string text = openmetrics_number(seconds(bound));
        const Label le{"le", text};
        sample("_bucket", labels, fmt::to_string(latency_up_to(counts, bound)), &le);
    }
    const std::string total = fmt::to_string(latency_total(counts));
    const Label infinite{"le", "+Inf"};
    sample("_bucket", labels, total, &infinite);
    sample("_count", labels, total);
    sample("_sum", labels, openmetrics_number(seconds(sum)));
}

std::string OpenMetrics::finish() {
    text_ += "# EOF\n";
    return std::exchange(text_, {});
}

} // namespace hc::core
