/* A load that is offered at a rate, whatever becomes of it, at a provider of this process that answers late. */
#include "sink.h"
#include "workloads.h"

#include <stdio.h>

void run_offered(const Options *options) {
    start_sink(options->port, options->delay);
    PGconn *conn = open_connection(options);
    const long before = read_counter(conn, options->counter);
    const double began = now_seconds();
    Samples calls = {0};
    const long started = start_paced(conn, options, &calls);
    const double seconds = now_seconds() - began;
    const long waiting = started - (read_counter(conn, options->counter) - before);
    while (read_counter(conn, options->counter) - before < started) {
        if (now_seconds() - began > options->seconds + 120)
            fail("not all sends were recorded");
        sleep_seconds(0.005);
    }
    printf("{\"count\": %ld, \"rate\": %.1f, \"waiting\": %ld, \"rest_ms\": %.1f}\n", started,
           (double)started / seconds, waiting, (now_seconds() - began - seconds) * 1000);
    PQfinish(conn);
}
