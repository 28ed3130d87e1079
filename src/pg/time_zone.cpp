// See time_zone.hpp. Runs in backends and workers.
#include "pg/time_zone.hpp"

#include "pg/call.hpp"
#include "pg/postgres.hpp"

namespace hc::pg {

std::optional<core::ZoneOffset> find_time_zone(const std::string &name) {
    if (name.empty()) {
        return core::ZoneOffset();
    }
    pg_tz *zone = call([&name]() -> pg_tz * { return pg_tzset(name.c_str()); }); // kept by the server for ever
    if (zone == nullptr || !pg_tz_acceptable(zone)) {
        return std::nullopt;
    }
    return core::ZoneOffset([zone](core::Time t) -> std::int32_t {
        const auto seconds =
            static_cast<pg_time_t>(std::chrono::floor<std::chrono::seconds>(t).time_since_epoch().count());
        const struct pg_tm *local = pg_localtime(&seconds, zone);
        return local == nullptr ? 0 : static_cast<std::int32_t>(local->tm_gmtoff);
    });
}

} // namespace hc::pg
