/* Receipts as providers post them, by hermes.receive_receipts: a thread and a connection a client.
 * Forms: sendgrid-id (a JSON array of events, found by the provider's message id), sendgrid-reference (the same, by our
 * own reference), twilio (a form of one receipt, by the provider's message id). */
#include "workloads.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { kReceiptRoom = 320, kMaxClients = 64 };

typedef struct {
    const Options *options;
    const unsigned char *ids;
    long count;
    Samples calls;
    pthread_t thread;
} Client;

static int add_receipt(const Options *options, const unsigned char *id, char *to, const char *separator) {
    char text[kIdText];
    id_to_text(id, text);
    if (strcmp(options->form, "twilio") == 0)
        return snprintf(to, kReceiptRoom, "MessageSid=%s%s-1&MessageStatus=delivered&To=%%2B15005550006&AccountSid=AC1",
                        options->id_prefix, text);
    const int by_id = strcmp(options->form, "sendgrid-id") == 0;
    return snprintf(
        to, kReceiptRoom,
        "%s{\"event\":\"delivered\",\"email\":\"user@example.com\",\"timestamp\":%ld,\"sg_event_id\":\"%s\","
        "\"sg_message_id\":\"%s%s-1.filter0307p1las1-0\"%s%s%s}",
        separator, (long)time(NULL), text, by_id ? options->id_prefix : "other-", text,
        by_id ? "" : ",\"attempt_id\":\"", by_id ? "" : text, by_id ? "" : "-1\"");
}

static void make_payload(const Options *options, const unsigned char *ids, int size, char *to) {
    const int array = strcmp(options->form, "twilio") != 0;
    if (array)
        *to++ = '[';
    for (int i = 0; i < size; ++i)
        to += add_receipt(options, ids + (size_t)i * kIdBytes, to, i > 0 ? "," : "");
    strcpy(to, array ? "]" : "");
}

static void *run_client(void *argument) {
    Client *client = argument;
    const Options *options = client->options;
    PGconn *conn = open_connection(options);
    char sql[256];
    snprintf(sql, sizeof sql,
             "SELECT count(*) FILTER (WHERE result = 'applied') FROM hermes.receive_receipts('%s', $1::text)",
             options->provider);
    prepare(conn, "receive", sql);
    char *payload = malloc((size_t)options->size * kReceiptRoom + 3);
    if (payload == NULL)
        fail("out of memory");
    for (long done = 0; done < client->count; done += options->size) {
        const int size = client->count - done < options->size ? (int)(client->count - done) : options->size;
        make_payload(options, client->ids + (size_t)done * kIdBytes, size, payload);
        const char *values[] = {payload};
        const double called = now_seconds();
        PGresult *result = PQexecPrepared(conn, "receive", 1, values, NULL, NULL, 0);
        add_sample(&client->calls, now_seconds() - called);
        check_result(conn, result, PGRES_TUPLES_OK);
        if (atoi(PQgetvalue(result, 0, 0)) != size)
            fail("of a post of %d receipts %s were applied", size, PQgetvalue(result, 0, 0));
        PQclear(result);
    }
    free(payload);
    PQfinish(conn);
    return NULL;
}

void run_receive(const Options *options) {
    static Client clients[kMaxClients];
    PGconn *conn = open_connection(options);
    long count = 0;
    unsigned char *ids = open_ids(conn, options, &count);
    PQfinish(conn);
    const long share = count / options->clients;
    if (options->clients > kMaxClients || share < 1 || count != options->count)
        fail("%ld waiting cascades for %d clients, %ld are to be reported on", count, options->clients, options->count);
    const double began = now_seconds();
    for (int i = 0; i < options->clients; ++i) {
        clients[i] = (Client){.options = options, .ids = ids + (size_t)(share * i) * kIdBytes, .count = share};
        if (pthread_create(&clients[i].thread, NULL, run_client, &clients[i]) != 0)
            fail("cannot start a thread");
    }
    Samples calls = {0};
    for (int i = 0; i < options->clients; ++i) {
        pthread_join(clients[i].thread, NULL);
        for (size_t k = 0; k < clients[i].calls.count; ++k)
            add_sample(&calls, clients[i].calls.values[k]);
    }
    print_run(share * options->clients, now_seconds() - began, &calls);
    free(ids);
}
