/* See bench_lib.h. */
#include "bench_lib.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { kJsonbOid = 3802 };

double now_seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

void sleep_seconds(double seconds) {
    if (seconds <= 0)
        return;
    const struct timespec pause = {.tv_sec = (time_t)seconds,
                                   .tv_nsec = (long)((seconds - (double)(time_t)seconds) * 1e9)};
    nanosleep(&pause, NULL);
}

static void *grow(void *memory, size_t bytes) {
    void *grown = realloc(memory, bytes);
    if (grown == NULL)
        fail("out of memory");
    return grown;
}

void add_sample(Samples *samples, double value) {
    if (samples->count == samples->room) {
        samples->room = samples->room == 0 ? 4096 : samples->room * 2;
        samples->values = grow(samples->values, samples->room * sizeof(double));
    }
    samples->values[samples->count++] = value;
}

static int compare(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double percentile_ms(Samples *samples, double share) {
    if (samples->count == 0)
        return 0;
    qsort(samples->values, samples->count, sizeof(double), compare);
    const size_t rank = (size_t)(share * (double)(samples->count - 1) + 0.5);
    return samples->values[rank] * 1000;
}

void fail(const char *format, ...) {
    va_list args;
    va_start(args, format);
    fputs("cascade_bench: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    exit(1);
}

PGconn *open_connection(const Options *options) {
    PGconn *conn = PQconnectdb(options->dsn);
    if (PQstatus(conn) != CONNECTION_OK)
        fail("%s", PQerrorMessage(conn));
    return conn;
}

void check_result(PGconn *conn, PGresult *result, ExecStatusType expected) {
    if (PQresultStatus(result) != expected)
        fail("%s", result != NULL ? PQresultErrorMessage(result) : PQerrorMessage(conn));
}

void prepare(PGconn *conn, const char *name, const char *sql) {
    PGresult *result = PQprepare(conn, name, sql, 0, NULL);
    check_result(conn, result, PGRES_COMMAND_OK);
    PQclear(result);
}

long read_counter(PGconn *conn, const char *name) {
    const char *values[] = {name};
    PGresult *result =
        PQexecParams(conn, "SELECT value FROM hermes.stats WHERE name = $1", 1, NULL, values, NULL, NULL, 0);
    check_result(conn, result, PGRES_TUPLES_OK);
    if (PQntuples(result) != 1)
        fail("hermes.stats has no counter \"%s\"", name);
    const long value = atol(PQgetvalue(result, 0, 0));
    PQclear(result);
    return value;
}

void make_message(char *to, long number) {
    char recipient[24];
    snprintf(recipient, sizeof recipient, "+1555%07ld", number % 10000000);
    make_message_to(to, recipient, number);
}

void make_message_to(char *to, const char *recipient, long number) {
    const int used = snprintf(to, kMessageBytes + 1, "{\"to\":\"%s\",\"order\":%ld,\"text\":\"", recipient, number);
    for (int i = used; i < kMessageBytes - 2; ++i)
        to[i] = "Your parcel is on its way. "[(i + number) % 27];
    memcpy(to + kMessageBytes - 2, "\"}", 3);
}

void id_to_text(const unsigned char *id, char *to) {
    static const char digits[] = "0123456789abcdef";
    for (int i = 0; i < kIdBytes; ++i) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *to++ = '-';
        *to++ = digits[id[i] >> 4];
        *to++ = digits[id[i] & 15];
    }
    *to = '\0';
}

int make_receipt(const Options *options, const unsigned char *id, char *to, size_t room) {
    char text[kIdText];
    id_to_text(id, text);
    return snprintf(to, room, "{\"status\":\"delivered\",\"provider_message_id\":\"%s%s-1\"}", options->id_prefix,
                    text);
}

static void append(Array *array, const void *data, size_t size) {
    if (array->size + size > array->room) {
        array->room = (array->size + size) * 2;
        array->data = grow(array->data, array->room);
    }
    memcpy(array->data + array->size, data, size);
    array->size += size;
}

static void append_int(Array *array, uint32_t value) {
    const uint32_t network = htonl(value);
    append(array, &network, sizeof network);
}

void begin_array(Array *array, Oid element) {
    array->size = 0;
    array->count = 0;
    append_int(array, 1); /* dimensions */
    append_int(array, 0); /* no null */
    append_int(array, element);
    append_int(array, 0); /* length, set by finish_array */
    append_int(array, 1); /* lower bound */
}

void add_element(Array *array, const void *data, size_t size) {
    append_int(array, (uint32_t)size);
    append(array, data, size);
    ++array->count;
}

void add_jsonb(Array *array, const char *text, size_t size) {
    append_int(array, (uint32_t)size + 1);
    append(array, "\1", 1); /* version of the format */
    append(array, text, size);
    ++array->count;
}

void finish_array(Array *array) {
    const uint32_t network = htonl(array->count);
    memcpy(array->data + 12, &network, sizeof network);
}

void prepare_set_start(PGconn *conn, const char *rule) {
    char sql[256];
    snprintf(sql, sizeof sql, "SELECT count(*) FROM hermes.start_cascades('%s', $1::jsonb[])", rule);
    prepare(conn, "starts", sql);
}

void start_set(PGconn *conn, Array *messages, long first, int size) {
    char message[kMessageBytes + 1];
    begin_array(messages, kJsonbOid);
    for (int i = 0; i < size; ++i) {
        make_message(message, first + i);
        add_jsonb(messages, message, kMessageBytes);
    }
    finish_array(messages);
    const char *values[] = {messages->data};
    const int lengths[] = {(int)messages->size}, formats[] = {1};
    PGresult *result = PQexecPrepared(conn, "starts", 1, values, lengths, formats, 0);
    check_result(conn, result, PGRES_TUPLES_OK);
    if (atoi(PQgetvalue(result, 0, 0)) != size)
        fail("a set of %d started %s cascades", size, PQgetvalue(result, 0, 0));
    PQclear(result);
}

void print_run(long count, double seconds, Samples *calls) {
    printf("{\"count\": %ld, \"seconds\": %.3f, \"rate\": %.1f, \"p50_ms\": %.3f, \"p99_ms\": %.3f}\n", count, seconds,
           (double)count / seconds, percentile_ms(calls, 0.5), percentile_ms(calls, 0.99));
}

unsigned char *open_ids(PGconn *conn, const Options *options, long *count) {
    char limit[24];
    snprintf(limit, sizeof limit, "%ld", options->count);
    const char *values[] = {options->rule, limit};
    PGresult *result = PQexecParams(conn,
                                    "SELECT w.id FROM hermes.workflow w JOIN hermes.rule_version r ON r.id = w.rule_id "
                                    "WHERE r.name = $1 ORDER BY w.id LIMIT $2::bigint",
                                    2, NULL, values, NULL, NULL, 1);
    check_result(conn, result, PGRES_TUPLES_OK);
    *count = PQntuples(result);
    unsigned char *ids = grow(NULL, (size_t)(*count + 1) * kIdBytes);
    for (int i = 0; i < *count; ++i)
        memcpy(ids + (size_t)i * kIdBytes, PQgetvalue(result, i, 0), kIdBytes);
    PQclear(result);
    return ids;
}
