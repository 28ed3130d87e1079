/* Set-based calls and calls one at a time, in one session. */
#include "workloads.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { kUuidOid = 2950, kJsonbOid = 3802, kTextOid = 25 };

void run_set_starts(const Options *options) {
    PGconn *conn = open_connection(options);
    prepare_set_start(conn, options->rule);
    Array messages = {0};
    Samples calls = {0};
    const double began = now_seconds();
    long done = 0;
    while (done < options->count) {
        const int size = options->count - done < options->size ? (int)(options->count - done) : options->size;
        const double called = now_seconds();
        start_set(conn, &messages, done, size);
        add_sample(&calls, now_seconds() - called);
        done += size;
    }
    print_run(done, now_seconds() - began, &calls);
    PQfinish(conn);
}

/* Ten milliseconds' worth of starts in one call, each ten milliseconds. */
long start_paced(PGconn *conn, const Options *options, Samples *calls) {
    const double tick = 0.01;
    prepare_set_start(conn, options->rule);
    Array messages = {0};
    const double began = now_seconds();
    long done = 0;
    for (long i = 0; (double)i * tick < options->seconds; ++i) {
        sleep_seconds(began + (double)i * tick - now_seconds());
        const int size = (int)((double)options->rate * (double)(i + 1) * tick) - (int)done;
        if (size == 0)
            continue;
        const double called = now_seconds();
        start_set(conn, &messages, done, size);
        add_sample(calls, now_seconds() - called);
        done += size;
    }
    return done;
}

void run_paced(const Options *options) {
    PGconn *conn = open_connection(options);
    Samples calls = {0};
    const double began = now_seconds();
    const long done = start_paced(conn, options, &calls);
    print_run(done, now_seconds() - began, &calls);
    PQfinish(conn);
}

static void signal_set(PGconn *conn, const Options *options, const unsigned char *ids, int size, Array arrays[3]) {
    char payload[128];
    begin_array(&arrays[0], kUuidOid);
    begin_array(&arrays[1], kTextOid);
    begin_array(&arrays[2], kJsonbOid);
    for (int i = 0; i < size; ++i) {
        const unsigned char *id = ids + (size_t)i * kIdBytes;
        add_element(&arrays[0], id, kIdBytes);
        add_element(&arrays[1], "dlr", 3);
        add_jsonb(&arrays[2], payload, (size_t)make_receipt(options, id, payload, sizeof payload));
    }
    const char *values[3];
    int lengths[3];
    const int formats[] = {1, 1, 1};
    for (int i = 0; i < 3; ++i) {
        finish_array(&arrays[i]);
        values[i] = arrays[i].data;
        lengths[i] = (int)arrays[i].size;
    }
    PGresult *result = PQexecPrepared(conn, "signals", 3, values, lengths, formats, 0);
    check_result(conn, result, PGRES_TUPLES_OK);
    if (atoi(PQgetvalue(result, 0, 0)) != size)
        fail("of a set of %d receipts %s were applied", size, PQgetvalue(result, 0, 0));
    PQclear(result);
}

void run_receipts(const Options *options) {
    PGconn *conn = open_connection(options);
    prepare(conn, "signals",
            "SELECT count(*) FILTER (WHERE s = 'applied') "
            "FROM hermes.signal_cascades($1::uuid[], $2::text[], $3::jsonb[]) s");
    long count = 0;
    unsigned char *ids = open_ids(conn, options, &count);
    Array arrays[3] = {0};
    Samples calls = {0};
    const double began = now_seconds();
    for (long done = 0; done < count; done += options->size) {
        const int size = count - done < options->size ? (int)(count - done) : options->size;
        const double called = now_seconds();
        signal_set(conn, options, ids + (size_t)done * kIdBytes, size, arrays);
        add_sample(&calls, now_seconds() - called);
    }
    print_run(count, now_seconds() - began, &calls);
    free(ids);
    PQfinish(conn);
}

void run_latency(const Options *options) {
    PGconn *conn = open_connection(options);
    prepare(conn, "signal", "SELECT hermes.signal_cascade($1::uuid, 'dlr', $2::jsonb)::text");
    long count = 0;
    unsigned char *ids = open_ids(conn, options, &count);
    Samples calls = {0};
    const double began = now_seconds();
    for (long i = 0; i < count; ++i) {
        const unsigned char *id = ids + (size_t)i * kIdBytes;
        char payload[128];
        make_receipt(options, id, payload, sizeof payload);
        const char *values[] = {(const char *)id, payload};
        const int lengths[] = {kIdBytes, 0}, formats[] = {1, 0};
        const double called = now_seconds();
        PGresult *result = PQexecPrepared(conn, "signal", 2, values, lengths, formats, 0);
        const double answered = now_seconds();
        check_result(conn, result, PGRES_TUPLES_OK);
        if (strcmp(PQgetvalue(result, 0, 0), "applied") != 0)
            fail("a receipt was \"%s\"", PQgetvalue(result, 0, 0));
        PQclear(result);
        if (i >= count / 20) /* the first ones prepare plans */
            add_sample(&calls, answered - called);
    }
    print_run(count, now_seconds() - began, &calls);
    free(ids);
    PQfinish(conn);
}
