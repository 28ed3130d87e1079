// Time zones of the tests of schedules, as functions, so that no zone files are needed.
#pragma once

#include "core/history.hpp"
#include "core/schedule_spec.hpp"

namespace hc::core {

inline Time at(std::string_view text) { return parse_iso8601(text).value(); }

// Europe/Warsaw in 2026 and 2027: an hour ahead, two in summer.
inline std::int32_t warsaw_offset(Time t) {
    static const Time kChanges[] = {at("2026-03-29T01:00:00Z"), at("2026-10-25T01:00:00Z"), at("2027-03-28T01:00:00Z"),
                                    at("2027-10-31T01:00:00Z")};
    return (t >= kChanges[0] && t < kChanges[1]) || (t >= kChanges[2] && t < kChanges[3]) ? 7200 : 3600;
}
// America/Sao_Paulo in 2018: clocks are changed at midnight, on 18 February back and on 4 November on.
inline std::int32_t sao_paulo_offset(Time t) {
    static const Time kBack = at("2018-02-18T02:00:00Z"), kOn = at("2018-11-04T03:00:00Z");
    return t >= kBack && t < kOn ? -10800 : -7200;
}
// Pacific/Apia in 2011: the whole of 30 December is left out.
inline std::int32_t apia_offset(Time t) {
    static const Time kLeap = at("2011-12-30T10:00:00Z");
    return t < kLeap ? -36000 : 50400;
}

inline const ZoneOffset kWarsaw = warsaw_offset;
inline const ZoneOffset kSaoPaulo = sao_paulo_offset;
inline const ZoneOffset kApia = apia_offset;

} // namespace hc::core
