// A background worker that fails in every way: inside iterations, in its main function, and while it is terminated.
// It runs on the extension's own start-up, loop and boundary, and tells what it saw in boundary_test.worker_log.
#include "failures.hpp"

#include "core/error.hpp"
#include "pg/bgworker.hpp"

using namespace hc;

extern "C" {
HC_EXPORT void hc_test_worker_main(Datum argument);
}

namespace {

// In a process-private slot: the launcher must not take this worker for one of its own.
pg::WorkerSlot &private_slot(Oid database) {
    static pg::WorkerSlot slot;
    slot.database = database;
    slot.state = static_cast<std::uint32_t>(pg::WorkerState::starting);
    return slot;
}

void record(const std::string &step, const std::string &result) {
    static pg::statement<void(std::string, std::string)> statement(
        "INSERT INTO boundary_test.worker_log (pid, step, result) VALUES (pg_catalog.pg_backend_pid(), $1, $2)");
    pg::Failure failure;
    pg::iterate(
        "recording",
        [&] {
            pg::worker_transaction transaction("recording");
            statement.execute(step, result);
            transaction.commit();
        },
        failure);
}

void insert_note() {
    static pg::statement<void()> statement("INSERT INTO boundary_test.notes VALUES ('worker')");
    statement.execute();
}

// One iteration that fails with a transaction, a snapshot, SPI, a lock and a private context open.
void fail_iteration(const std::string &kind) {
    pg::Failure failure;
    const bool good = pg::iterate(
        "test iteration",
        [&] {
            const test::Probe probe;
            pg::worker_transaction transaction("failing");
            {
                pg::context_scope memory("hermes boundary test");
                pg::vector<test::Probe> probes(4, memory.resource());
                insert_note();
                test::fail(kind);
            }
            transaction.commit();
        },
        failure);
    std::string result = good ? "good" : test::sqlstate_of(failure) + " " + test::message_of(failure);
    result += fmt::format(", live {}", test::live());
    result += IsTransactionState() ? ", transaction open" : "";
    result += InterruptHoldoffCount != 0 ? ", interrupts held" : "";
    record(kind, result);
}

// An error so early that there is no transaction yet.
void fail_outside_transaction() {
    pg::Failure failure;
    const bool good = pg::iterate(
        "test iteration",
        [] {
            const test::Probe probe;
            test::fail("postgres");
        },
        failure);
    record("outside", fmt::format("{} {}, live {}", good, test::sqlstate_of(failure), test::live()));
}

// The failure of an iteration outlives the memory of that iteration.
void read_failure_late() {
    pg::Failure failure;
    pg::Failure other;
    pg::iterate(
        "test iteration", [] { test::fail("postgres"); }, failure);
    pg::iterate(
        "filling memory",
        [] {
            pg::call([] {
                for (int i = 0; i < 100; ++i) {
                    std::memset(palloc(64), 0x7f, 64);
                }
            });
        },
        other);
    const bool data = failure.kind == pg::Failure::Kind::postgres && failure.data != nullptr;
    const int code = data ? failure.data->sqlerrcode : 0;
    record("late", data ? unpack_sql_state(code) : failure.sqlstate);
}

// A hold on interrupts lasts over an iteration that fails: the last records of a drain are not cut short.
void hold_over_failure() {
    pg::Failure failure;
    bool held = false;
    {
        const test::InterruptHold hold;
        pg::iterate(
            "test iteration", [] { test::fail("postgres"); }, failure);
        held = InterruptHoldoffCount == 1;
    }
    record("held", fmt::format("{}, afterwards {}", held, InterruptHoldoffCount));
}

// Many failing iterations: nothing of them stays.
void fail_often() {
    pg::Failure failure;
    const auto used = [] { return MemoryContextMemAllocated(TopMemoryContext, true); };
    Size before = 0;
    for (int i = 0; i < 1100; ++i) {
        if (i == 100) {
            before = used();
        }
        pg::iterate(
            "often",
            [] {
                pg::worker_transaction transaction("often");
                test::fail("hc");
            },
            failure);
    }
    record("often", used() <= before + 65536 ? "no growth" : fmt::format("grew by {} bytes", used() - before));
}

void run_all_kinds() {
    for (const char *kind : {"none", "postgres", "builtin", "canceled", "hc", "std", "unknown", "bad_alloc", "huge",
                             "starved", "spi", "spi_hc", "second", "second_hc", "in_destructor", "none"}) {
        fail_iteration(kind);
    }
    fail_outside_transaction();
    read_failure_late();
    hold_over_failure();
    fail_often();
}

// Where a worker drains, SIGTERM waits for it: what it is doing commits.
void drain() {
    record("draining", "");
    pg::Failure failure;
    const bool good = pg::iterate(
        "draining",
        [] {
            pg::worker_transaction transaction("draining");
            insert_note();
            while (!pg::shutdown_requested()) {
                const test::Probe probe;
                pg::check_interrupts();
            }
            transaction.commit();
        },
        failure);
    record("drained", good ? "committed" : test::message_of(failure));
}

struct CountRow {
    std::int64_t count = 0;
    auto fields() { return std::tie(count); }
};

// What another session commits in the middle of a transaction is seen by its next statement, one that only reads too.
void look_on() {
    static pg::statement<CountRow()> count(
        "SELECT pg_catalog.count(*) FROM boundary_test.worker_log WHERE step OPERATOR(pg_catalog.=) 'told'");
    pg::Failure failure;
    bool seen = false;
    pg::iterate(
        "looking on",
        [&seen] {
            pg::worker_transaction transaction("looking on");
            const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
            while (!seen && std::chrono::steady_clock::now() < end) {
                seen = count.query(true).front().count != 0;
                pg::check_interrupts();
            }
            transaction.commit();
        },
        failure);
    record("looked", seen ? "seen" : "not seen");
}

void run(const std::string &scenario, Oid database) {
    test::join_shared_memory();
    pg::begin_worker(&private_slot(database), database, scenario == "drain");
    const test::Probe probe;
    if (scenario == "all") {
        run_all_kinds();
    } else if (scenario == "wait") {
        fail_iteration("sleep");
    } else if (scenario == "spin") {
        record("spinning", "");
        fail_iteration("spin");
    } else if (scenario == "drain") {
        drain();
    } else if (scenario == "look") {
        look_on();
    } else {
        record("leaving", scenario);
        test::fail(scenario); // leaves the main function
    }
    record("end", "reached");
}

// Begins as what every worker is started with: its database, and the role it connects as.
struct Extra {
    Oid database;
    Oid user;
    char scenario[32];
};
static_assert(sizeof(Extra) <= BGW_EXTRALEN);

} // namespace

extern "C" void hc_test_worker_main(Datum /*argument*/) {
    pg::worker_boundary([] {
        Extra extra;
        std::memcpy(&extra, MyBgworkerEntry->bgw_extra, sizeof extra);
        run(extra.scenario, extra.database);
    });
}

// start_worker(scenario): its pid, once it runs.
HC_FUNCTION(hc_test_start_worker) {
    const std::string scenario = args.text(0, "scenario");
    Extra extra{MyDatabaseId, InvalidOid, {}};
    strlcpy(extra.scenario, scenario.c_str(), sizeof extra.scenario);
    const pid_t pid = pg::call([&extra]() -> pid_t {
        BackgroundWorker worker;
        std::memset(&worker, 0, sizeof worker);
        worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
        worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
        worker.bgw_restart_time = BGW_NEVER_RESTART;
        strlcpy(worker.bgw_library_name, "hermes_cascade_test", sizeof worker.bgw_library_name);
        strlcpy(worker.bgw_function_name, "hc_test_worker_main", sizeof worker.bgw_function_name);
        strlcpy(worker.bgw_name, "hermes_cascade boundary test", sizeof worker.bgw_name);
        strlcpy(worker.bgw_type, "hermes_cascade boundary test", sizeof worker.bgw_type);
        std::memcpy(worker.bgw_extra, &extra, sizeof extra);
        worker.bgw_notify_pid = MyProcPid;
        BackgroundWorkerHandle *handle = nullptr;
        pid_t started = 0;
        if (!RegisterDynamicBackgroundWorker(&worker, &handle)) {
            elog(ERROR, "no process slot is free");
        }
        WaitForBackgroundWorkerStartup(handle, &started); // one that has ended meanwhile has no pid: 0
        return started;
    });
    return pg::make_int32(pid);
}
