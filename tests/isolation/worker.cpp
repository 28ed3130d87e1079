// See worker.hpp. Runs in backends.
#include "worker.hpp"

#include "core/error.hpp"
#include "pg/guc.hpp"
#include "pg/shmem.hpp"
#include "pg/wake.hpp"

#include <cstdlib>

namespace hc::test_iso {

namespace {

// The hooks of the server's start, run again in this backend: they find the memory that is there.
void attach_shared_memory() {
    const shmem_request_hook_type request = std::exchange(shmem_request_hook, nullptr);
    const shmem_startup_hook_type startup = std::exchange(shmem_startup_hook, nullptr);
    pg::request_shared_memory();
    const shmem_startup_hook_type attach = std::exchange(shmem_startup_hook, startup);
    shmem_request_hook = request;
    pg::call([attach] { attach(); });
}

int setting(const char *name) {
    const char *value = pg::call([name] { return GetConfigOption(name, false, false); });
    return std::atoi(value);
}

} // namespace

void join_server() {
    static bool joined = false;
    if (joined) {
        return;
    }
    pg::guc::max_metric_series = setting("hermes.max_metric_series"); // the memory that is there has this size
    attach_shared_memory();
    if (pg::my_database() == nullptr) {
        throw Error(sqlstate::not_prerequisite, "no slot in shared memory is left for this database");
    }
    pg::register_transaction_callbacks();
    pg::register_invalidation_callbacks();
    pg::guc::batch_size = setting("hermes.batch_size");
    pg::guc::max_claims = setting("hermes.max_claims");
    pg::guc::max_message_size = setting("hermes.max_message_size");
    joined = true;
}

} // namespace hc::test_iso
