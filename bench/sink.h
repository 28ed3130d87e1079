/* A provider in a thread of this process: it knows when the first byte of a request came, on the clock that saw the
 * start call return. It answers each request `delay` seconds after it is complete. */
#ifndef BENCH_SINK_H
#define BENCH_SINK_H

#define MARK "otp" /* recipient of the messages that are timed, one at a time */

void start_sink(int port, double delay);
double wait_for_marked(long number); /* time of the first byte of the number-th marked request */
long count_unmarked(void);

#endif
