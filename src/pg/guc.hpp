// Settings of the extension: one sorted table. Prefix `hermes.`; times in the unit named beside each.
#pragma once

#include <cstddef>

#include "pg/postgres.hpp"

namespace hc::pg {

inline constexpr int kMaxArrayElements = 100000; // elements of one array argument

namespace guc {

extern bool allow_private_addresses; // sighup: outbound requests may go to private and loopback addresses
extern char *allowed_addresses;      // sighup: CIDR list allowed although private
extern int attempt_retention_s;      // sighup: seconds, partitions of attempts older than this are dropped
extern int batch_size;               // sighup: tasks of one claim, cascades of one worker transaction
extern char *ca_file;                // sighup: certificate authorities for outbound TLS
extern int condition_timeout_ms;     // sighup: of a condition whose step sets none
extern char *databases;              // sighup: comma list of databases to look for the extension in; empty: all
extern int delivery_log;             // sighup: which tries of webhooks are logged: one of kDeliveryLog*
extern int delivery_retention_s;     // sighup: seconds, partitions of the delivery log older than this are dropped
extern int dispatchers;              // sighup: dispatcher processes per database that are always there
extern int drain_timeout_ms;         // sighup: grace for requests in flight at shutdown
extern int executor_idle_timeout_ms; // sighup: an executor without work ends after it
extern int executors_per_role;       // sighup: executor processes of one role, per database
extern int fallback_poll_ms;         // sighup: longest sleep of a worker, covers what a latch misses
extern int history_retention_s;      // sighup: seconds, partitions whose newest close is older than this are dropped
extern int host_concurrency;         // sighup: requests under way to one host and port, of all dispatchers
extern int key_retention_s;          // sighup: seconds an idempotency key outlives its closed cascade
extern int max_claims;               // sighup: claims of one task before it is a poison task
extern int max_dispatchers;          // sighup: dispatcher processes per database while the queues stay full
extern int max_executors;            // sighup: executor processes per database
extern int max_message_size;         // superuser: kB, largest message or payload
inline std::size_t max_message_bytes() { return static_cast<std::size_t>(max_message_size) * 1024; }
extern int max_metric_series;       // restart: series of counters per (tenant, channel, provider), in all databases
extern bool outbound;               // sighup: false holds all HTTP
extern int receipt_log_retention_s; // sighup: seconds, payloads of receive_receipts are kept; 0: they are not
extern int turn_flush_delay_ms;     // sighup: longest time that commits of turns wait for the disk together
extern bool workers;                // sighup: false stops all workers

inline constexpr int kDeliveryLogOff = 0;
inline constexpr int kDeliveryLogFailures = 1;
inline constexpr int kDeliveryLogAll = 2;

void define_settings(); // in _PG_init

} // namespace guc
} // namespace hc::pg
