/* Closed loops over many connections in one thread: each lane has one call, or one cascade, in flight. */
#include "workloads.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

typedef enum { kIdle, kStarting, kRecording, kSignaling } Phase;

typedef struct {
    PGconn *conn;
    Phase phase;
    double began, called;
    unsigned char id[kIdBytes];
} Lane;

typedef struct {
    const Options *options;
    Lane *lanes;
    int epoll;
    double deadline;
    double counting; /* from here on: until then each lane prepares its plans */
    long next_number, started, done, counted, buffered;
    long warm_done; /* since `counting`, those after the deadline too */
    int busy;
    int whole;      /* cascades, not only their starts */
    Lane **waiting; /* ring of lanes whose cascade is not recorded yet, in the order of their commits */
    long passed;    /* how many of them have been passed on */
    PGconn *poller;
    int polling;
    double polled;
    long base, reached; /* the counter before the run, and last seen less that */
    Samples call, cascade;
} Run;

static void send_prepared(Lane *lane, const char *name, int count, const char *const *values, const int *lengths,
                          const int *formats) {
    if (!PQsendQueryPrepared(lane->conn, name, count, values, lengths, formats, 1) || PQflush(lane->conn) < 0)
        fail("%s", PQerrorMessage(lane->conn));
    lane->called = now_seconds();
}

static void start_next(Run *run, Lane *lane) {
    lane->phase = kIdle;
    if (now_seconds() >= run->deadline)
        return;
    char message[kMessageBytes + 1], key[96], tenant[32];
    make_message(message, run->next_number);
    snprintf(key, sizeof key, "%s-%ld", run->options->keys != NULL ? run->options->keys : "", run->next_number++);
    if (run->options->tenants > 0)
        snprintf(tenant, sizeof tenant, "tenant-%ld", run->next_number % run->options->tenants);
    const char *values[] = {message, run->options->keys != NULL ? key : NULL, run->options->tenants > 0 ? tenant : NULL};
    lane->phase = kStarting;
    ++run->busy;
    send_prepared(lane, "start", 3, values, NULL, NULL);
    lane->began = lane->called;
}

static void finish_cascade(Run *run, Lane *lane) {
    const double now = now_seconds();
    ++run->done;
    --run->busy;
    run->warm_done += now >= run->counting;
    if (now >= run->counting && now < run->deadline) {
        ++run->counted;
        add_sample(&run->cascade, now - lane->began);
    }
    start_next(run, lane);
}

static void send_receipt(Run *run, Lane *lane) {
    char payload[128];
    make_receipt(run->options, lane->id, payload, sizeof payload);
    const char *values[] = {(const char *)lane->id, payload};
    const int lengths[] = {kIdBytes, 0}, formats[] = {1, 0};
    lane->phase = kSignaling;
    send_prepared(lane, "signal", 2, values, lengths, formats);
}

/* The counter tells how many cascades have come so far; the oldest ones are taken to be those. */
static void pass_on(Run *run) {
    while (run->passed < run->reached && run->passed < run->started) {
        Lane *lane = run->waiting[run->passed++ % run->options->clients];
        if (run->options->signals)
            send_receipt(run, lane);
        else
            finish_cascade(run, lane);
    }
}

static void note_call(Run *run, const Lane *lane) {
    const double now = now_seconds();
    if (now >= run->counting)
        add_sample(&run->call, now - lane->called);
}

static void took_result(Run *run, Lane *lane, PGresult *result) {
    check_result(lane->conn, result, PGRES_TUPLES_OK);
    if (lane->phase == kSignaling) {
        const char *word = PQgetvalue(result, 0, 0);
        if (strcmp(word, "buffered") == 0)
            ++run->buffered;
        else if (strcmp(word, "applied") != 0)
            fail("a receipt was \"%s\"", word);
        note_call(run, lane);
        finish_cascade(run, lane);
        return;
    }
    ++run->started;
    if (!run->whole) {
        note_call(run, lane);
        finish_cascade(run, lane);
        return;
    }
    memcpy(lane->id, PQgetvalue(result, 0, 0), kIdBytes);
    lane->phase = kRecording;
    run->waiting[(run->started - 1) % run->options->clients] = lane;
    pass_on(run);
}

/* Takes the result when it is complete, and the null that ends it. */
static PGresult *read_result(PGconn *conn) {
    if (!PQconsumeInput(conn))
        fail("%s", PQerrorMessage(conn));
    if (PQisBusy(conn))
        return NULL;
    PGresult *result = PQgetResult(conn);
    PGresult *rest = result != NULL ? PQgetResult(conn) : NULL;
    if (rest != NULL)
        fail("more than one result");
    return result;
}

static void poll_counter(Run *run) {
    const double now = now_seconds();
    if (run->polling || run->passed == run->started || now - run->polled < 0.0008)
        return;
    const char *values[] = {run->options->counter};
    if (!PQsendQueryPrepared(run->poller, "counter", 1, values, NULL, NULL, 0) || PQflush(run->poller) < 0)
        fail("%s", PQerrorMessage(run->poller));
    run->polling = 1;
    run->polled = now;
}

static void on_ready(Run *run, Lane *lane) {
    PGresult *result = read_result(lane != NULL ? lane->conn : run->poller);
    if (result == NULL)
        return;
    if (lane != NULL) {
        took_result(run, lane, result);
    } else {
        check_result(run->poller, result, PGRES_TUPLES_OK);
        run->reached = atol(PQgetvalue(result, 0, 0)) - run->base;
        run->polling = 0;
        pass_on(run);
    }
    PQclear(result);
}

static void watch(Run *run, PGconn *conn, Lane *lane) {
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = lane};
    if (PQsetnonblocking(conn, 1) != 0 || epoll_ctl(run->epoll, EPOLL_CTL_ADD, PQsocket(conn), &event) != 0)
        fail("cannot watch a connection");
}

static void open_lanes(Run *run) {
    char sql[256];
    snprintf(sql, sizeof sql, "SELECT hermes.start_cascade('%s', $1::jsonb, $2::text, $3::text)", run->options->rule);
    for (int i = 0; i < run->options->clients; ++i) {
        Lane *lane = &run->lanes[i];
        lane->conn = open_connection(run->options);
        prepare(lane->conn, "start", sql);
        prepare(lane->conn, "signal", "SELECT hermes.signal_cascade($1::uuid, 'dlr', $2::jsonb)::text");
        watch(run, lane->conn, lane);
    }
    run->poller = open_connection(run->options);
    prepare(run->poller, "counter", "SELECT value FROM hermes.stats WHERE name = $1::text");
    run->base = read_counter(run->poller, run->options->counter);
    watch(run, run->poller, NULL);
}

static void loop(Run *run) {
    struct epoll_event events[128];
    const double stuck = run->deadline + 60;
    while (run->busy > 0) {
        if (run->whole)
            poll_counter(run);
        const int count = epoll_wait(run->epoll, events, 128, run->whole && run->passed < run->started ? 1 : 100);
        if (count < 0 && errno != EINTR)
            fail("epoll_wait: %s", strerror(errno));
        for (int i = 0; i < count; ++i)
            on_ready(run, events[i].data.ptr);
        if (now_seconds() > stuck)
            fail("%d cascades are still open 60 s after the end", run->busy);
    }
}

static void run_lanes(const Options *options, int whole) {
    Run run = {.options = options, .whole = whole, .epoll = epoll_create1(0)};
    run.lanes = calloc((size_t)options->clients, sizeof(Lane));
    run.waiting = calloc((size_t)options->clients, sizeof(Lane *));
    if (run.lanes == NULL || run.waiting == NULL || run.epoll < 0)
        fail("out of memory");
    open_lanes(&run);
    run.counting = now_seconds() + (options->seconds > 4 ? 1 : options->seconds / 4);
    run.deadline = run.counting + options->seconds;
    for (int i = 0; i < options->clients; ++i)
        start_next(&run, &run.lanes[i]);
    loop(&run);
    printf("{\"count\": %ld, \"seconds\": %.3f, \"rate\": %.1f, \"p50_ms\": %.3f, \"p99_ms\": %.3f, "
           "\"whole_p50_ms\": %.3f, \"whole_p99_ms\": %.3f, \"early_receipts\": %ld, "
           "\"warm_at\": %.6f, \"warm_done\": %ld}\n",
           run.done, options->seconds, (double)run.counted / options->seconds, percentile_ms(&run.call, 0.5),
           percentile_ms(&run.call, 0.99), percentile_ms(&run.cascade, 0.5), percentile_ms(&run.cascade, 0.99),
           run.buffered, run.counting, run.warm_done);
    for (int i = 0; i < options->clients; ++i)
        PQfinish(run.lanes[i].conn);
    PQfinish(run.poller);
}

void run_starts(const Options *options) { run_lanes(options, 0); }
void run_cascades(const Options *options) { run_lanes(options, 1); }
