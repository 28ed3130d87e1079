/* From the answer of a start call to the first byte of its request. */
#include "sink.h"
#include "workloads.h"

#include <stdio.h>
#include <string.h>

static void prepare_start(PGconn *conn, const Options *options) {
    char sql[256];
    snprintf(sql, sizeof sql, "SELECT hermes.start_cascade('%s', $1::jsonb)", options->rule);
    prepare(conn, "start", sql);
}

/* Starts the number-th marked message (from 0) and waits for its request; adds the time between. */
static void time_one(PGconn *conn, const Options *options, long number, Samples *samples, unsigned char *id) {
    char message[kMessageBytes + 1];
    make_message_to(message, MARK, number);
    const char *values[] = {message};
    PGresult *result = PQexecPrepared(conn, "start", 1, values, NULL, NULL, 1);
    const double committed = now_seconds();
    check_result(conn, result, PGRES_TUPLES_OK);
    memcpy(id, PQgetvalue(result, 0, 0), kIdBytes);
    PQclear(result);
    const double first_byte = wait_for_marked(number + 1);
    if (number >= options->count / 20) /* the first ones connect and prepare plans */
        add_sample(samples, first_byte > committed ? first_byte - committed : 0);
}

static void wait_delivered(PGconn *conn, long delivered, double seconds) {
    const double deadline = now_seconds() + seconds;
    while (read_counter(conn, "cascades_delivered") < delivered) {
        if (now_seconds() > deadline)
            fail("cascades did not end within %g s", seconds);
        sleep_seconds(0.0005);
    }
}

static void signal_one(PGconn *conn, const Options *options, const unsigned char *id) {
    char payload[128];
    make_receipt(options, id, payload, sizeof payload);
    const char *values[] = {(const char *)id, payload};
    const int lengths[] = {kIdBytes, 0}, formats[] = {1, 0};
    PGresult *result = PQexecPrepared(conn, "signal", 2, values, lengths, formats, 0);
    check_result(conn, result, PGRES_TUPLES_OK);
    PQclear(result);
}

/* One cascade at a time, each ended by its receipt before the next begins. */
void run_first_byte(const Options *options) {
    start_sink(options->port, options->delay);
    PGconn *conn = open_connection(options);
    prepare_start(conn, options);
    prepare(conn, "signal", "SELECT hermes.signal_cascade($1::uuid, 'dlr', $2::jsonb)::text");
    const long delivered = read_counter(conn, "cascades_delivered");
    Samples samples = {0};
    const double began = now_seconds();
    for (long i = 0; i < options->count; ++i) {
        unsigned char id[kIdBytes];
        time_one(conn, options, i, &samples, id);
        signal_one(conn, options, id);
        wait_delivered(conn, delivered + i + 1, 10); /* early: it ends when the answer is recorded */
    }
    print_run(options->count, now_seconds() - began, &samples);
    PQfinish(conn);
}

static void start_campaign(const Options *options) {
    PGconn *conn = open_connection(options);
    prepare_set_start(conn, options->campaign_rule);
    Array messages = {0};
    for (long done = 0; done < options->campaign; done += options->size) {
        const long left = options->campaign - done;
        start_set(conn, &messages, done, left < options->size ? (int)left : options->size);
    }
    PQfinish(conn);
    const double deadline = now_seconds() + 10;
    while (count_unmarked() == 0) {
        if (now_seconds() > deadline)
            fail("the campaign did not begin");
        sleep_seconds(0.001);
    }
}

/* A message every few milliseconds, at no fixed distance, while the campaign goes out; both end with the provider's
 * answer. */
void run_otp(const Options *options) {
    start_sink(options->port, options->delay);
    PGconn *conn = open_connection(options);
    prepare_start(conn, options);
    const long delivered = read_counter(conn, "cascades_delivered");
    if (options->campaign > 0)
        start_campaign(options);
    Samples samples = {0};
    const double began = now_seconds();
    for (long i = 0; i < options->count; ++i) {
        unsigned char id[kIdBytes];
        time_one(conn, options, i, &samples, id);
        sleep_seconds(0.002 + (double)(i * 7919 % 5000) / 1e6);
    }
    const double seconds = now_seconds() - began;
    const long left = options->campaign - count_unmarked();
    if (options->campaign > 0 && left <= 0)
        fail("the campaign ended before the last message was timed");
    wait_delivered(conn, delivered + options->count + options->campaign, 300);
    const double all = now_seconds() - began;
    printf("{\"count\": %ld, \"seconds\": %.3f, \"p50_ms\": %.3f, \"p99_ms\": %.3f, \"left\": %ld, "
           "\"campaign_rate\": %.1f}\n",
           options->count + options->campaign, seconds, percentile_ms(&samples, 0.5), percentile_ms(&samples, 0.99),
           left, (double)options->campaign / all);
    PQfinish(conn);
}
