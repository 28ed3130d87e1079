// The table of settings. Sorted by name; docs/reference.md lists the same.
#include "pg/guc.hpp"

namespace hc::pg::guc {

bool allow_private_addresses = false;
char *allowed_addresses = nullptr;
int attempt_retention_s = 0;
int batch_size = 0;
char *ca_file = nullptr;
int condition_timeout_ms = 0;
char *databases = nullptr;
int delivery_log = kDeliveryLogFailures;
int delivery_retention_s = 0;
int dispatchers = 0;
int drain_timeout_ms = 0;
int executor_idle_timeout_ms = 0;
int executors_per_role = 0;
int fallback_poll_ms = 0;
int history_retention_s = 0;
int host_concurrency = 0;
int key_retention_s = 0;
int max_claims = 0;
int max_dispatchers = 0;
int max_executors = 0;
int max_message_size = 0;
int max_metric_series = 0;
bool outbound = true;
int receipt_log_retention_s = 0;
int turn_flush_delay_ms = 0;
bool workers = true;

namespace {

struct BoolSetting {
    const char *name, *description;
    bool *variable;
    bool boot;
    GucContext context;
};
struct IntSetting {
    const char *name, *description;
    int *variable;
    int boot, min, max;
    GucContext context;
    int flags;
};
struct StringSetting {
    const char *name, *description;
    char **variable;
    const char *boot;
    GucContext context;
};

struct EnumSetting {
    const char *name, *description;
    int *variable;
    int boot;
    const config_enum_entry *options;
    GucContext context;
};

constexpr int kDay = 24 * 3600;

constexpr BoolSetting kBools[] = {
    {"hermes.allow_private_addresses", "Allows outbound requests to private and loopback addresses.",
     &allow_private_addresses, false, PGC_SIGHUP},
    {"hermes.outbound", "Lets dispatchers send HTTP requests; off holds them all.", &outbound, true, PGC_SIGHUP},
    {"hermes.workers", "Runs the background workers; off stops them all.", &workers, true, PGC_SIGHUP},
};

constexpr IntSetting kInts[] = {
    {"hermes.attempt_retention", "How long the look-up from provider message id to attempt is kept.",
     &attempt_retention_s, 10 * kDay, 60, INT_MAX, PGC_SIGHUP, GUC_UNIT_S},
    {"hermes.batch_size", "Tasks claimed at once and cascades moved in one worker transaction.", &batch_size, 200, 1,
     10000, PGC_SIGHUP, 0},
    {"hermes.condition_timeout", "Time for the condition of a step, unless the step says otherwise.",
     &condition_timeout_ms, 1000, 1, 30000, PGC_SIGHUP, GUC_UNIT_MS},
    {"hermes.delivery_retention", "How long the log of webhook deliveries is kept.", &delivery_retention_s, 7 * kDay,
     60, INT_MAX, PGC_SIGHUP, GUC_UNIT_S},
    {"hermes.dispatchers", "Dispatcher processes per database that are always there.", &dispatchers, 1, 0, 16,
     PGC_SIGHUP, 0},
    {"hermes.drain_timeout", "Grace for requests in flight when a dispatcher stops.", &drain_timeout_ms, 5000, 0, 60000,
     PGC_SIGHUP, GUC_UNIT_MS},
    {"hermes.executor_idle_timeout", "An executor without work for so long ends.", &executor_idle_timeout_ms, 60000, 0,
     INT_MAX, PGC_SIGHUP, GUC_UNIT_MS},
    {"hermes.executors_per_role", "Executor processes of one role, per database, while its queue stays full.",
     &executors_per_role, 2, 1, 16, PGC_SIGHUP, 0},
    {"hermes.fallback_poll", "Longest sleep of a worker without looking for work.", &fallback_poll_ms, 5000, 10, 60000,
     PGC_SIGHUP, GUC_UNIT_MS},
    {"hermes.history_retention", "How long closed cascades are kept.", &history_retention_s, 30 * kDay, 60, INT_MAX,
     PGC_SIGHUP, GUC_UNIT_S},
    {"hermes.host_concurrency", "Requests under way at once to one host and port.", &host_concurrency, 256, 1, 1024,
     PGC_SIGHUP, 0},
    {"hermes.key_retention", "How long the key of a closed cascade still names it.", &key_retention_s, 7 * kDay, 60,
     INT_MAX, PGC_SIGHUP, GUC_UNIT_S},
    {"hermes.max_claims", "Claims of one task, over crashes, before it is given up as poison.", &max_claims, 20, 1,
     1000, PGC_SIGHUP, 0},
    {"hermes.max_dispatchers", "Dispatcher processes per database while the queues stay full.", &max_dispatchers, 2, 0,
     16, PGC_SIGHUP, 0},
    {"hermes.max_executors", "Executor processes per database; 0 lets SQL of rules wait.", &max_executors, 4, 0, 64,
     PGC_SIGHUP, 0},
    {"hermes.max_message_size", "Largest message, payload or configuration accepted.", &max_message_size, 256, 1, 65536,
     PGC_SUSET, GUC_UNIT_KB},
    {"hermes.max_metric_series", "Series of counters per tenant, channel and provider, in all databases together.",
     &max_metric_series, 2048, 16, 65536, PGC_POSTMASTER, 0},
    {"hermes.receipt_log_retention", "How long receive_receipts keeps what it was given; 0 keeps nothing.",
     &receipt_log_retention_s, 0, 0, INT_MAX, PGC_SIGHUP, GUC_UNIT_S},
    {"hermes.turn_flush_delay",
     "Longest time that commits of workflow turns wait for the disk together; 0: each by itself.", &turn_flush_delay_ms,
     5, 0, 1000, PGC_SIGHUP, GUC_UNIT_MS},
};

constexpr StringSetting kStrings[] = {
    {"hermes.allowed_addresses", "Private address blocks (CIDR list) that outbound requests may connect to.",
     &allowed_addresses, "", PGC_SIGHUP},
    {"hermes.ca_file", "File of certificate authorities for outbound TLS; empty for the system's.", &ca_file, "",
     PGC_SIGHUP},
    {"hermes.databases", "Databases (comma list) served by the workers; empty for all that have the extension.",
     &databases, "", PGC_SIGHUP},
};

constexpr config_enum_entry kDeliveryLogWords[] = {{"off", kDeliveryLogOff, false},
                                                   {"failures", kDeliveryLogFailures, false},
                                                   {"all", kDeliveryLogAll, false},
                                                   {nullptr, 0, false}};

constexpr EnumSetting kEnums[] = {
    {"hermes.delivery_log", "Tries of webhooks that are logged: off, failures, or all.", &delivery_log,
     kDeliveryLogFailures, kDeliveryLogWords, PGC_SIGHUP},
};

} // namespace

void define_settings() {
    for (const BoolSetting &s : kBools) {
        DefineCustomBoolVariable(s.name, s.description, nullptr, s.variable, s.boot, s.context, 0, nullptr, nullptr,
                                 nullptr);
    }
    for (const IntSetting &s : kInts) {
        // what needs a restart can be defined only by a library that is preloaded, and means nothing without that
        const bool late = s.context == PGC_POSTMASTER && !process_shared_preload_libraries_in_progress;
        DefineCustomIntVariable(s.name, s.description, nullptr, s.variable, s.boot, s.min, s.max,
                                late ? PGC_SIGHUP : s.context, s.flags, nullptr, nullptr, nullptr);
    }
    for (const StringSetting &s : kStrings) {
        DefineCustomStringVariable(s.name, s.description, nullptr, s.variable, s.boot, s.context, 0, nullptr, nullptr,
                                   nullptr);
    }
    for (const EnumSetting &s : kEnums) {
        DefineCustomEnumVariable(s.name, s.description, nullptr, s.variable, s.boot, s.options, s.context, 0, nullptr,
                                 nullptr, nullptr);
    }
    MarkGUCPrefixReserved("hermes");
}

} // namespace hc::pg::guc
