/* A provider in a thread of this process: it knows when the first byte of a request came, on the clock that saw the
 * start call return. One request at a time. */
#include "workloads.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

enum { kRequestRoom = 16384, kConnections = 16 };

typedef struct {
    int socket;
    size_t used;
    char request[kRequestRoom + 1];
} Peer;

static struct {
    pthread_mutex_t mutex;
    pthread_cond_t came;
    long requests;
    double first_byte; /* of the last request */
} g_sink = {.mutex = PTHREAD_MUTEX_INITIALIZER, .came = PTHREAD_COND_INITIALIZER};

static const char *header_value(const char *request, const char *name) {
    const char *found = strcasestr(request, name);
    return found != NULL ? found + strlen(name) : NULL;
}

/* Answers once the request is complete: the provider's id is the idempotency key it was given. */
static void answer_if_complete(Peer *peer) {
    peer->request[peer->used] = '\0';
    const char *end = strstr(peer->request, "\r\n\r\n");
    const char *length = header_value(peer->request, "\r\nContent-Length: ");
    if (end == NULL || length == NULL || peer->used < (size_t)(end + 4 - peer->request) + strtoul(length, NULL, 10))
        return;
    const char *key = header_value(peer->request, "\r\nIdempotency-Key: ");
    if (key == NULL)
        fail("a request without Idempotency-Key");
    char body[160], answer[512];
    const int body_size = snprintf(body, sizeof body, "{\"id\":\"%.*s\"}", (int)strcspn(key, "\r"), key);
    const int size =
        snprintf(answer, sizeof answer,
                 "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", body_size, body);
    if (write(peer->socket, answer, (size_t)size) != size)
        fail("cannot answer a request");
    peer->used = 0;
}

static void note_request(double at) {
    pthread_mutex_lock(&g_sink.mutex);
    g_sink.first_byte = at;
    ++g_sink.requests;
    pthread_cond_signal(&g_sink.came);
    pthread_mutex_unlock(&g_sink.mutex);
}

static void read_peer(Peer *peer, double at) {
    const ssize_t got = read(peer->socket, peer->request + peer->used, kRequestRoom - peer->used);
    if (got <= 0) {
        close(peer->socket);
        peer->socket = -1;
        peer->used = 0;
        return;
    }
    const int first = peer->used == 0;
    peer->used += (size_t)got;
    answer_if_complete(peer);
    if (first)
        note_request(at);
}

static void accept_peer(Peer *peers, int listener) {
    const int accepted = accept(listener, NULL, NULL);
    const int on = 1;
    if (accepted < 0)
        fail("accept: %s", strerror(errno));
    setsockopt(accepted, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    for (int i = 0; i < kConnections; ++i) {
        if (peers[i].socket < 0) {
            peers[i].socket = accepted;
            return;
        }
    }
    close(accepted);
}

static void *serve(void *argument) {
    const int listener = *(const int *)argument;
    static Peer peers[kConnections];
    for (int i = 0; i < kConnections; ++i)
        peers[i].socket = -1;
    for (;;) {
        struct pollfd fds[kConnections + 1];
        for (int i = 0; i < kConnections; ++i)
            fds[i] = (struct pollfd){.fd = peers[i].socket, .events = POLLIN};
        fds[kConnections] = (struct pollfd){.fd = listener, .events = POLLIN};
        if (poll(fds, kConnections + 1, -1) < 0)
            continue;
        const double at = now_seconds();
        for (int i = 0; i < kConnections; ++i) {
            if (fds[i].revents != 0)
                read_peer(&peers[i], at);
        }
        if (fds[kConnections].revents != 0)
            accept_peer(peers, listener);
    }
    return NULL;
}

static int listen_on(int port) {
    const int on = 1, listener = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof address) != 0 || listen(listener, 64) != 0)
        fail("cannot listen on port %d: %s", port, strerror(errno));
    return listener;
}

static double wait_for_request(long number) {
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 10;
    pthread_mutex_lock(&g_sink.mutex);
    while (g_sink.requests < number) {
        if (pthread_cond_timedwait(&g_sink.came, &g_sink.mutex, &until) == ETIMEDOUT)
            fail("no request came within 10 s of a start");
    }
    const double at = g_sink.first_byte;
    pthread_mutex_unlock(&g_sink.mutex);
    return at;
}

static void finish_one(PGconn *conn, const Options *options, const unsigned char *id, long delivered) {
    char payload[128];
    make_receipt(options, id, payload, sizeof payload);
    const char *values[] = {(const char *)id, payload};
    const int lengths[] = {kIdBytes, 0}, formats[] = {1, 0};
    PGresult *result = PQexecPrepared(conn, "signal", 2, values, lengths, formats, 0);
    check_result(conn, result, PGRES_TUPLES_OK);
    PQclear(result);
    const double deadline = now_seconds() + 10;
    while (read_counter(conn, "cascades_delivered") < delivered) { /* early: it ends when the answer is recorded */
        if (now_seconds() > deadline)
            fail("a cascade did not end within 10 s of its receipt");
        const struct timespec pause = {.tv_nsec = 500000};
        nanosleep(&pause, NULL);
    }
}

void run_first_byte(const Options *options) {
    int listener = listen_on(options->port);
    pthread_t thread;
    if (pthread_create(&thread, NULL, serve, &listener) != 0)
        fail("cannot start a thread");
    PGconn *conn = open_connection(options);
    char sql[256], message[kMessageBytes + 1];
    snprintf(sql, sizeof sql, "SELECT hermes.start_cascade('%s', $1::jsonb)", options->rule);
    prepare(conn, "start", sql);
    prepare(conn, "signal", "SELECT hermes.signal_cascade($1::uuid, 'dlr', $2::jsonb)::text");
    const long delivered = read_counter(conn, "cascades_delivered");
    Samples samples = {0};
    const double began = now_seconds();
    for (long i = 0; i < options->count; ++i) {
        make_message(message, i);
        const char *values[] = {message};
        PGresult *result = PQexecPrepared(conn, "start", 1, values, NULL, NULL, 1);
        const double committed = now_seconds();
        check_result(conn, result, PGRES_TUPLES_OK);
        const double first_byte = wait_for_request(i + 1);
        if (i >= options->count / 20) /* the first ones connect and prepare plans */
            add_sample(&samples, first_byte - committed);
        finish_one(conn, options, (const unsigned char *)PQgetvalue(result, 0, 0), delivered + i + 1);
        PQclear(result);
    }
    printf("{\"count\": %ld, \"seconds\": %.3f, \"p50_ms\": %.3f, \"p99_ms\": %.3f}\n", options->count,
           now_seconds() - began, percentile_ms(&samples, 0.5), percentile_ms(&samples, 0.99));
    PQfinish(conn);
}
