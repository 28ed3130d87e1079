// When a recipient may be written to: a daily window in the recipient's own time (S1, quiet hours).
//
//   {"from": "08:00", "to": "20:00", "days": ["mon", "tue", "wed", "thu", "fri"], "outside": "hold"}
//   from, to   clock times, "HH:MM"; from after to: over midnight, and the day is that of the beginning. "00:00" to
//              "24:00" is the whole day.
//   days       of the week, default all
//   outside    hold (default): wait for the opening; skip: the step is passed over
//
// Daylight saving: a window that would open in the hour that is left out opens right after it; of an hour that comes
// twice a window opens and closes at the first one. Times of the day are those of the zone's rules at that date.
#pragma once

#include "core/time.hpp"

#include <cstdint>
#include <functional>
#include <optional>

namespace hc::core {

class JsonNode;

enum class OutsideWindow : std::uint8_t { hold, skip };

struct SendWindow {
    std::uint16_t from = 0;        // minutes after midnight
    std::uint16_t to = 24 * 60;    // of the same day, or below or equal `from`: of the next
    std::uint8_t days = 0b1111111; // bit 0: Monday
    OutsideWindow outside = OutsideWindow::hold;

    bool operator==(const SendWindow &) const = default;
};

// Seconds east of Greenwich that a zone's clocks have at a time. Empty: UTC.
using ZoneOffset = std::function<std::int32_t(Time)>;

// The time at which the zone's clocks show what `local` shows as UTC: the first one, where they show it twice; where
// they leave it out, the time of the change.
Time time_of_clock(const ZoneOffset &zone, Time local);

// The first time from `t` on that lies in the window.
Time next_open(const SendWindow &window, const ZoneOffset &zone, Time t);

inline bool is_open(const SendWindow &window, const ZoneOffset &zone, Time t) {
    return next_open(window, zone, t) == t;
}

// The time at which `amount` of allowed time has passed since `t`: time outside of the window does not count.
Time add_open_time(const SendWindow &window, const ZoneOffset &zone, Time t, Duration amount);

// Throws hc::Error like parse_rule.
SendWindow read_send_window(const JsonNode &node);

} // namespace hc::core
