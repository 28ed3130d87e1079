// Entry of the library: magic block, _PG_init (settings, hooks, shared memory, launcher) and the workers' main
// functions.
#include "pg/bgworker.hpp"
#include "pg/catalog.hpp"
#include "pg/guc.hpp"
#include "pg/hooks.hpp"
#include "pg/planning.hpp"
#include "pg/wake.hpp"
#include "workers/workers.hpp"

extern "C" {

// PostgreSQL 15 declares the magic function without visibility.
HC_EXPORT const Pg_magic_struct *Pg_magic_func(void);
PG_MODULE_MAGIC;

HC_EXPORT void _PG_init(void);
HC_EXPORT void hc_launcher_main(Datum argument);
HC_EXPORT void hc_supervisor_main(Datum argument);
HC_EXPORT void hc_dispatcher_main(Datum argument);
HC_EXPORT void hc_executor_main(Datum argument);

void _PG_init(void) {
    if (IsBinaryUpgrade) {
        return;
    }
    hc::pg::guc::define_settings();
    hc::pg::register_transaction_callbacks();
    hc::pg::register_invalidation_callbacks();
    if (!process_shared_preload_libraries_in_progress) {
        return;
    }
    hc::pg::note_server_start();
    hc::pg::request_shared_memory();
    hc::pg::install_hooks();
    hc::pg::install_planner_hook();
    hc::pg::register_launcher();
}

// Exit code 1 even on SIGTERM: the postmaster never restarts a worker that ends with 0, and at a shutdown it restarts
// none.
void hc_launcher_main(Datum /*argument*/) {
    hc::pg::worker_boundary([] {
        hc::workers::run_launcher();
        hc::pg::leave_worker(1);
    });
}

void hc_supervisor_main(Datum argument) {
    hc::pg::worker_boundary([argument] { hc::workers::run_supervisor(DatumGetInt32(argument)); });
}

void hc_dispatcher_main(Datum argument) {
    hc::pg::worker_boundary([argument] { hc::workers::run_dispatcher(DatumGetInt32(argument)); });
}

void hc_executor_main(Datum argument) {
    hc::pg::worker_boundary([argument] { hc::workers::run_executor(DatumGetInt32(argument)); });
}

} // extern "C"
