/* See sink.h. */
#include "sink.h"

#include "bench_lib.h"

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

enum { kRequestRoom = 16384, kConnections = 1024 };

typedef struct Peer {
    int socket;
    size_t used;
    double first_byte;
    double due;        /* of the answer, while there is one */
    struct Peer *next; /* whose answer is due after it */
    char request[kRequestRoom + 1];
} Peer;

static struct {
    pthread_mutex_t mutex;
    pthread_cond_t came;
    long marked, unmarked;
    double first_byte; /* of the last marked request */
} g_sink = {.mutex = PTHREAD_MUTEX_INITIALIZER, .came = PTHREAD_COND_INITIALIZER};

static const char *header_value(const char *request, const char *name) {
    const char *found = strcasestr(request, name);
    return found != NULL ? found + strlen(name) : NULL;
}

static void note_request(const Peer *peer, const char *body) {
    const int marked = strstr(body, "\"" MARK "\"") != NULL;
    pthread_mutex_lock(&g_sink.mutex);
    if (marked) {
        g_sink.first_byte = peer->first_byte;
        ++g_sink.marked;
        pthread_cond_signal(&g_sink.came);
    } else {
        ++g_sink.unmarked;
    }
    pthread_mutex_unlock(&g_sink.mutex);
}

static double g_delay;
static Peer *g_first_due, *g_last_due; /* all answers wait equally long */

/* The provider's id is the idempotency key it was given. */
static void answer(Peer *peer) {
    const char *key = header_value(peer->request, "\r\nIdempotency-Key: ");
    if (key == NULL)
        fail("a request without Idempotency-Key");
    char body[160], text[512];
    const int body_size = snprintf(body, sizeof body, "{\"id\":\"%.*s\"}", (int)strcspn(key, "\r"), key);
    const int size =
        snprintf(text, sizeof text,
                 "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", body_size, body);
    if (write(peer->socket, text, (size_t)size) != size)
        fail("cannot answer a request");
    peer->used = 0;
}

static void put_off(Peer *peer) {
    peer->due = now_seconds() + g_delay;
    peer->next = NULL;
    if (g_first_due == NULL)
        g_first_due = peer;
    else
        g_last_due->next = peer;
    g_last_due = peer;
}

/* Milliseconds until the next one; -1: none waits. */
static int answer_due(void) {
    while (g_first_due != NULL) {
        const double left = g_first_due->due - now_seconds();
        if (left > 0)
            return (int)(left * 1000) + 1;
        Peer *peer = g_first_due;
        g_first_due = peer->next;
        answer(peer);
    }
    return -1;
}

static void answer_if_complete(Peer *peer) {
    peer->request[peer->used] = '\0';
    const char *end = strstr(peer->request, "\r\n\r\n");
    const char *length = header_value(peer->request, "\r\nContent-Length: ");
    if (end == NULL || length == NULL || peer->used < (size_t)(end + 4 - peer->request) + strtoul(length, NULL, 10))
        return;
    note_request(peer, end + 4);
    if (g_delay > 0)
        put_off(peer);
    else
        answer(peer);
}

static void read_peer(Peer *peer, double at) {
    const ssize_t got = read(peer->socket, peer->request + peer->used, kRequestRoom - peer->used);
    if (got <= 0) {
        close(peer->socket);
        peer->socket = -1;
        peer->used = 0;
        return;
    }
    if (peer->used == 0)
        peer->first_byte = at;
    peer->used += (size_t)got;
    answer_if_complete(peer);
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
    static Peer peers[kConnections]; /* more than the provider has slots */
    for (int i = 0; i < kConnections; ++i)
        peers[i].socket = -1;
    for (;;) {
        struct pollfd fds[kConnections + 1];
        for (int i = 0; i < kConnections; ++i)
            fds[i] = (struct pollfd){.fd = peers[i].socket, .events = POLLIN};
        fds[kConnections] = (struct pollfd){.fd = listener, .events = POLLIN};
        if (poll(fds, kConnections + 1, answer_due()) < 0)
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
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof address) != 0 || listen(listener, 1024) != 0)
        fail("cannot listen on port %d: %s", port, strerror(errno));
    return listener;
}

void start_sink(int port, double delay) {
    g_delay = delay;
    static int listener;
    pthread_t thread;
    listener = listen_on(port);
    if (pthread_create(&thread, NULL, serve, &listener) != 0)
        fail("cannot start a thread");
}

double wait_for_marked(long number) {
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 10;
    pthread_mutex_lock(&g_sink.mutex);
    while (g_sink.marked < number) {
        if (pthread_cond_timedwait(&g_sink.came, &g_sink.mutex, &until) == ETIMEDOUT)
            fail("no request came within 10 s of a start");
    }
    const double at = g_sink.first_byte;
    pthread_mutex_unlock(&g_sink.mutex);
    return at;
}

long count_unmarked(void) {
    pthread_mutex_lock(&g_sink.mutex);
    const long count = g_sink.unmarked;
    pthread_mutex_unlock(&g_sink.mutex);
    return count;
}
