/* The load generator of bench/run: a client of the extension on libpq, no more privileged than its connection.
 *   cascade_bench WORKLOAD [--dsn S] [--rule S] [--clients N] [--seconds N] [--count N] ...
 * Prints one line of JSON; any error ends it with status 1. */
#include "workloads.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    void (*run)(const Options *options);
} kWorkloads[] = {
    {"starts", run_starts},         {"cascades", run_cascades}, {"set-starts", run_set_starts},
    {"receipts", run_receipts},     {"paced", run_paced},       {"offered", run_offered},
    {"latency", run_latency},
    {"first-byte", run_first_byte}, {"otp", run_otp},           {"receive", run_receive},
};

static int set_option(Options *options, const char *name, const char *value) {
    if (strcmp(name, "--dsn") == 0)
        options->dsn = value;
    else if (strcmp(name, "--rule") == 0)
        options->rule = value;
    else if (strcmp(name, "--counter") == 0)
        options->counter = value;
    else if (strcmp(name, "--id-prefix") == 0)
        options->id_prefix = value;
    else if (strcmp(name, "--keys") == 0)
        options->keys = value;
    else if (strcmp(name, "--provider") == 0)
        options->provider = value;
    else if (strcmp(name, "--form") == 0)
        options->form = value;
    else if (strcmp(name, "--campaign-rule") == 0)
        options->campaign_rule = value;
    else if (strcmp(name, "--campaign") == 0)
        options->campaign = atol(value);
    else if (strcmp(name, "--clients") == 0)
        options->clients = atoi(value);
    else if (strcmp(name, "--size") == 0)
        options->size = atoi(value);
    else if (strcmp(name, "--signals") == 0)
        options->signals = atoi(value);
    else if (strcmp(name, "--count") == 0)
        options->count = atol(value);
    else if (strcmp(name, "--rate") == 0)
        options->rate = atol(value);
    else if (strcmp(name, "--port") == 0)
        options->port = atoi(value);
    else if (strcmp(name, "--tenants") == 0)
        options->tenants = atoi(value);
    else if (strcmp(name, "--delay") == 0)
        options->delay = atof(value);
    else if (strcmp(name, "--seconds") == 0)
        options->seconds = atof(value);
    else
        return 0;
    return 1;
}

int main(int argc, char **argv) {
    Options options = {.dsn = "",
                       .rule = "bench",
                       .counter = "sends_recorded",
                       .id_prefix = "",
                       .provider = "",
                       .form = "",
                       .campaign_rule = "",
                       .clients = 1,
                       .size = 1000,
                       .signals = 1,
                       .count = 1000,
                       .rate = 1000,
                       .seconds = 5};
    for (int i = 2; i < argc; i += 2) {
        if (i + 1 == argc || !set_option(&options, argv[i], argv[i + 1]))
            fail("bad option \"%s\"", argv[i]);
    }
    if (options.clients < 1 || options.clients > 512 || options.size < 1 || options.size > 100000 || options.rate < 1)
        fail("option out of range");
    for (size_t i = 0; argc > 1 && i < sizeof kWorkloads / sizeof kWorkloads[0]; ++i) {
        if (strcmp(argv[1], kWorkloads[i].name) == 0) {
            kWorkloads[i].run(&options);
            return 0;
        }
    }
    fail("usage: cascade_bench starts|cascades|set-starts|receipts|paced|offered|latency|first-byte|otp|receive [options]");
}
