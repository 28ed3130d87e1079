// Counters per tenant, channel and provider, driven in a backend: many of them in one transaction, and what one costs.
#include "failures.hpp"

#include "pg/guc.hpp"
#include "pg/series.hpp"
#include "pg/shmem.hpp"

#include <chrono>
#include <cstdlib>

using namespace hc;

namespace hc::test {

void join_shared_memory() {
    if (pg::shared() != nullptr) {
        return;
    }
    const char *series = pg::call([] { return GetConfigOption("hermes.max_metric_series", false, false); });
    pg::guc::max_metric_series = std::atoi(series); // the memory that is there has this size
    const shmem_request_hook_type request = shmem_request_hook;
    const shmem_startup_hook_type startup = shmem_startup_hook;
    shmem_startup_hook = nullptr; // those of the preloaded modules have run
    pg::request_shared_memory();
    pg::call([] { shmem_startup_hook(); });
    shmem_request_hook = request;
    shmem_startup_hook = startup;
}

} // namespace hc::test

namespace {

std::string tenant(std::int32_t n) { return "series test " + std::to_string(n); }

std::uint64_t total_of_tests() {
    std::uint64_t total = 0;
    for (const pg::SeriesSnapshot &snapshot : pg::series_snapshots()) {
        if (snapshot.tenant && snapshot.tenant->starts_with("series test ")) {
            for (const std::uint64_t value : snapshot.counters.values) {
                total += value;
            }
        }
    }
    return total;
}

} // namespace

// Nanoseconds an event, found, noted and published, over so many tenants in turn.
HC_FUNCTION(hc_test_series_cost) {
    const std::int32_t events = args.integer(0, "events");
    const std::int32_t tenants = args.integer(1, "tenants");
    test::join_shared_memory();
    std::vector<std::optional<std::string>> names;
    for (std::int32_t i = 0; i < tenants; ++i) {
        names.emplace_back(tenant(i));
    }
    const auto begin = std::chrono::steady_clock::now();
    for (std::int32_t i = 0; i < events; ++i) {
        const pg::SeriesIndex series = pg::series_of(names[static_cast<std::size_t>(i % tenants)], "sms", 7);
        pg::count_series(series, static_cast<std::uint16_t>(i % 5), 1);
        if (i % 200 == 199) { // a batch of a dispatcher
            pg::publish_series();
        }
    }
    pg::publish_series();
    const std::chrono::duration<double, std::nano> taken = std::chrono::steady_clock::now() - begin;
    return pg::make_int64(static_cast<std::int64_t>(taken.count() / events));
}

// Notes every counter of so many tenants, `rounds` times over, in one transaction; what was counted is published at its
// end.
HC_FUNCTION(hc_test_series_many) {
    const std::int32_t tenants = args.integer(0, "tenants");
    const std::int32_t rounds = args.integer(1, "rounds");
    test::join_shared_memory();
    std::int64_t noted = 0;
    for (std::int32_t round = 0; round < rounds; ++round) {
        for (std::int32_t i = 0; i < tenants; ++i) {
            const pg::SeriesIndex series = pg::series_of(tenant(i), "sms", 7);
            for (std::uint16_t counter = 0; counter < core::kSeriesCounters; ++counter) {
                pg::count_series(series, counter, 1);
                ++noted;
            }
        }
    }
    return pg::make_int64(noted);
}

// As the transaction callback does: the subtransaction of this level ends.
HC_FUNCTION(hc_test_series_end_level) {
    const std::int32_t level = args.integer(0, "level");
    const bool keep = args.boolean(1, "keep");
    pg::end_series_level(level, keep);
    return pg::make_void();
}

HC_FUNCTION(hc_test_series_publish) {
    pg::publish_series();
    return pg::make_void();
}

HC_FUNCTION(hc_test_series_total) {
    test::join_shared_memory();
    return pg::make_int64(static_cast<std::int64_t>(total_of_tests()));
}
