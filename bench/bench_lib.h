/* What the load generator's workloads share: clock, samples, connections, messages, binary parameters. */
#ifndef BENCH_LIB_H
#define BENCH_LIB_H

#include <libpq-fe.h>
#include <stddef.h>
#include <stdint.h>

enum { kIdBytes = 16, kIdText = 37, kMessageBytes = 300 };

typedef struct {
    const char *dsn;
    const char *rule;
    const char *counter;   /* of hermes.stats: how many cascades have come so far as the client waits for */
    const char *id_prefix; /* provider message id = prefix, cascade id, "-1" */
    const char *keys;      /* prefix of idempotency keys, or NULL: no key */
    const char *provider;  /* whose receipts are posted */
    const char *form;      /* of receipts: see receive.c */
    const char *campaign_rule;
    long campaign; /* messages in line beside those that are timed */
    int clients;
    int size;    /* members of a set-based call */
    int signals; /* 0: the provider reports by itself */
    long count;
    long rate;
    int port;
    int tenants; /* single starts are spread over so many; 0: they have no tenant */
    double delay; /* of the answers of a provider that is this process, in seconds */
    double seconds;
} Options;

/* Durations in seconds. */
typedef struct {
    double *values;
    size_t count, room;
} Samples;

double now_seconds(void);
void sleep_seconds(double seconds);
void add_sample(Samples *samples, double value);
double percentile_ms(Samples *samples, double share); /* sorts */

/* Exits with a message: a figure of a run with an error would be no figure. */
_Noreturn void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

PGconn *open_connection(const Options *options);
void prepare(PGconn *conn, const char *name, const char *sql);
void check_result(PGconn *conn, PGresult *result, ExecStatusType expected);
long read_counter(PGconn *conn, const char *name);

/* A JSON object of exactly kMessageBytes bytes, different for each number. */
void make_message(char *to, long number);
void make_message_to(char *to, const char *recipient, long number);
void id_to_text(const unsigned char *id, char *to);
/* Payload of a delivered receipt as the provider would send it: its own message id, no attempt number. */
int make_receipt(const Options *options, const unsigned char *id, char *to, size_t room);

/* A one-dimensional array in PostgreSQL's binary format. */
typedef struct {
    char *data;
    size_t size, room;
    uint32_t count;
} Array;

void begin_array(Array *array, Oid element);
void add_element(Array *array, const void *data, size_t size);
void add_jsonb(Array *array, const char *text, size_t size);
void finish_array(Array *array);

/* Starts messages first, first + 1, .. of a rule by start_cascades; `conn` has it prepared. */
void prepare_set_start(PGconn *conn, const char *rule);
void start_set(PGconn *conn, Array *messages, long first, int size);

/* At options->rate a second, for options->seconds; how many. */
long start_paced(PGconn *conn, const Options *options, Samples *calls);

void print_run(long count, double seconds, Samples *calls);

/* Ids of open cascades of options->rule, oldest first; 16 bytes each. */
unsigned char *open_ids(PGconn *conn, const Options *options, long *count);

#endif
