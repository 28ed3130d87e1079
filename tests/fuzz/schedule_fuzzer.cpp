// Fuzzes schedules. Whatever the bytes, they are refused with hc::Error and a JSON path, or name times that come one
// after the other, within the years and bounds, in bounded work; each of them is found again from just before it.
#include "core/error.hpp"
#include "core/schedule_spec.hpp"

#include <cstdlib>
#include <cstring>

namespace {

using namespace hc::core;

void require(bool condition) {
    if (!condition)
        std::abort();
}

// An hour ahead, two hours in the middle half of each year.
std::int32_t offset_at(Time t) {
    constexpr std::int64_t kYear = 31'556'952;
    const std::int64_t of_year = std::chrono::floor<std::chrono::seconds>(t).time_since_epoch().count() % kYear;
    return of_year > kYear / 4 && of_year < kYear / 4 * 3 ? 7200 : 3600;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
    const std::string_view input(reinterpret_cast<const char *>(data), size);
    ScheduleSpec spec;
    try {
        spec = parse_schedule_spec(input);
    } catch (const hc::Error &e) {
        require(e.message() == "invalid schedule" && e.detail().starts_with('$') && !e.hint().empty());
        require(std::strcmp(e.sqlstate(), "22023") == 0 || std::strcmp(e.sqlstate(), "54000") == 0);
        return 0;
    }
    const ZoneOffset zone = size % 2 == 0 ? ZoneOffset(offset_at) : ZoneOffset();
    Time t = from_unix_micros(1'790'000'000'000'000);
    for (int i = 0; i < 4; ++i) {
        const NextOccurrence next = next_occurrence(spec, zone, "seed", t);
        if (!next.occurrence) {
            require(!next.looked_until || *next.looked_until > t);
            break;
        }
        const auto [nominal, actual] = *next.occurrence;
        require(nominal > t && actual >= nominal);
        require(actual == nominal || actual - nominal < spec.jitter);
        require((!spec.start_at || nominal >= *spec.start_at) && (!spec.end_at || nominal <= *spec.end_at));
        require(next_time(spec, zone, nominal - Duration(1)).time == nominal);
        t = nominal;
    }
    return 0;
}
