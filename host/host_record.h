/* umpire run --record and --gate: what passes is written down, to a file, and the latest of it is kept in memory. */
#ifndef UMP_HOST_RECORD_H
#define UMP_HOST_RECORD_H

#include "bindings/rules.h"
#include "record/tap.h"

struct host;
struct host_gate;
struct host_record;

/* "last:10000" gives 10000; 0: it is a file; -1: neither (error says so). */
long long ump_gate_window(const char *text, char *error, size_t cap);

/* Before the engine is made; nothing is done unless the options ask for it. An exit code. */
int ump_host_record_open(struct host *h);
/* What the engine and VMs draw from: h->rng, or what records it. */
struct ump_rng ump_host_record_rng(struct host *h);
/* Unix time in seconds, by the engine's clock: what the rulebook is told, so that it can be told again. */
int64_t ump_host_record_wall(struct host *h);
/* Before the rulebook is opened at `now`, and once it judges. */
void ump_host_record_begin(struct host *h, struct ump_bytes saved, int64_t version, ump_time now);
void ump_host_record_ready(struct host *h);
/* For ump_engine_listen. 0 or UMP_ENOMEM. */
int ump_host_record_listen(struct host *h, const struct ump_proto_ops **ops, struct ump_proto_cfg *cfg);
/* A line for status, NUL-terminated: what is recorded; empty: nothing is. */
void ump_host_record_status(struct host *h, char *out, size_t cap);
int ump_host_record_start(struct host *h); /* once the loop is there; an exit code */
void ump_host_record_reload(struct host *h, ump_time now);
void ump_host_record_reloaded(struct host *h, bool ok);
/* Whoever writes in the console changes what no recording holds: a new beginning. */
void ump_host_record_touched(struct host *h);
/* The latest events, with how things stood before them, as entries (malloc). *entries NULL: no window is kept. 0,
 * UMP_ENOMEM */
int ump_host_record_window(struct host *h, uint8_t **entries, size_t *n);
void ump_host_record_stop(struct host *h, ump_time now); /* before the drain */
void ump_host_record_end(struct host *h);                /* before the loop goes */
void ump_host_record_close(struct host *h);              /* after the engine has gone */

/* ---- host_gate.c ---- */
int ump_host_gate_open(struct host *h); /* 0 or UMP_ENOMEM */
/* A reload is wanted. True: the gate looks first, and reloads or refuses; then it answers whoever asked on the control
 * socket (ticket; 0: nobody). False: there is no gate. */
bool ump_host_gate(struct host *h, const char *why, uint64_t ticket);
void ump_host_gate_end(struct host *h);   /* before the loop goes: what it does ends soon */
void ump_host_gate_close(struct host *h); /* after the loop */

#endif
