/* The workloads. Each prints one line of JSON. */
#ifndef WORKLOADS_H
#define WORKLOADS_H

#include "bench_lib.h"

void run_starts(const Options *options);     /* lanes.c: single start calls, closed loop */
void run_cascades(const Options *options);   /* lanes.c: whole cascades, options->clients in flight */
void run_set_starts(const Options *options); /* sets.c: start_cascades, one session */
void run_receipts(const Options *options);   /* sets.c: signal_cascades on waiting cascades, one session */
void run_paced(const Options *options);      /* sets.c: starts at options->rate a second */
void run_offered(const Options *options);   /* slow.c: the same at a provider of this process that answers late */
void run_latency(const Options *options);    /* sets.c: one receipt at a time on waiting cascades */
void run_receive(const Options *options);    /* receive.c: receive_receipts on waiting cascades */
void run_first_byte(const Options *options); /* first_byte.c: start to first byte at a provider that is this process */
void run_otp(const Options *options);        /* first_byte.c: the same, beside a campaign at that provider */

#endif
