/* A world for tests of the joint protocol: the real protocol, the real engine, a rulebook in C and connections whose
 * bytes are collected. What the engine asks of the rulebook is written to a trace, a line each:
 *
 *   struct jt w;
 *   jt_init(&w);
 *   jt_open(&w, 1);
 *   jt_hex(&w, 1, "00 00 01 05 6c6f626279");     connection 1 creates "lobby"
 *   jt_sent(&w, 1, "00 03 01 00 00");            and that is all it was sent since the last look
 *   jt_end(&w);                                  everybody goes; nothing is left allocated or queued
 */
#ifndef TESTS_JT_WORLD_H
#define TESTS_JT_WORLD_H

#include "engine/engine.h"
#include "testing.h"

enum { JT_CONNS = 320, JT_CLIENTS = 512, JT_TRACE = 16384 };

struct jt_conn {
  bool open, closed, stuck; /* closed: by the server; stuck: takes nothing that it is sent */
  uint8_t *out;
  size_t n, cap;
};

struct jt {
  struct testing_mem mem;
  struct testing_rng rng;
  struct testing_log log;
  struct ump_engine *engine;
  struct ump_rulebook rules;
  ump_time now;
  uint32_t listener;
  size_t piece; /* input is fed in pieces of so many bytes; 0: whole */
  struct jt_conn conns[JT_CONNS];
  uint8_t plain[8192]; /* the declarations */
  struct ump_writer config;
  struct ump_client *clients[JT_CLIENTS]; /* in order of coming */
  size_t n_clients;
  const char *refuse;  /* connect says no, with this reason */
  const char *illegal; /* judge says no, with this reason */
  int (*judge)(struct jt *w, struct ump_client *c, const struct ump_event *ev);
  char trace[JT_TRACE];
  size_t n_trace;
  void *user;
};

struct jt_options {
  const char *origin;
  bool unmasked;
  uint32_t limit, per_address, users, unsent, payload; /* 0: the default */
};

void jt_init(struct jt *w);
void jt_init_with(struct jt *w, const struct jt_options *o);
bool jt_make(struct jt *w, const struct jt_options *o); /* after testing_mem_init; false: no memory */
void jt_end(struct jt *w);
void jt_drop(struct jt *w); /* without leaving first */

void jt_open(struct jt *w, uint32_t conn);
bool jt_try_open(struct jt *w, uint32_t conn, unsigned last_byte_of_address);
void jt_send(struct jt *w, uint32_t conn, const void *p, size_t n);
void jt_hex(struct jt *w, uint32_t conn, const char *hex);
void jt_eof(struct jt *w, uint32_t conn);
void jt_lost(struct jt *w, uint32_t conn);              /* the transport is gone */
void jt_pump(struct jt *w);                             /* everything that is due goes out */
void jt_unstick(struct jt *w, uint32_t conn, size_t n); /* takes so many bytes of what waits */
void jt_advance(struct jt *w, ump_time by);

/* What connection conn was sent since the last look is exactly this. */
#define jt_sent(w, conn, hex) jt_sent_(w, conn, hex, __FILE__, __LINE__)
void jt_sent_(struct jt *w, uint32_t conn, const char *hex, const char *file, int line);
#define jt_closed(w, conn) jt_closed_(w, conn, __FILE__, __LINE__) /* the server closed it */
void jt_closed_(struct jt *w, uint32_t conn, const char *file, int line);
bool jt_is_closed(struct jt *w, uint32_t conn);
bool jt_reads(struct jt *w, uint32_t conn);  /* the server wants its bytes */
void jt_forget(struct jt *w, uint32_t conn); /* what it was sent so far */

/* The trace since the last look. */
#define jt_trace(w, ...) jt_trace_(w, __FILE__, __LINE__, (const char *const[]){__VA_ARGS__, NULL})
#define jt_no_trace(w)   jt_trace_(w, __FILE__, __LINE__, (const char *const[]){NULL})
void jt_trace_(struct jt *w, const char *file, int line, const char *const *lines);

/* A channel of the rulebook's: "mode=chunk max_chunk=100" and, for rpc, procedures "0:step(Int32,Int32)
 * 3<moved(String)"
 * (`:` ours, `<` theirs). jt_declare puts all that were said since jt_undeclared in place. */
void jt_undeclared(struct jt *w);
void jt_channel(struct jt *w, const char *name, const char *what);
void jt_declare(struct jt *w);

uint64_t jt_count(struct jt *w, const char *counter);
struct ump_client *jt_client(struct jt *w, size_t i);
int jt_notify_bytes(struct jt *w, struct ump_client *c, const char *bytes, size_t n);
int jt_call(struct jt *w, struct ump_client *c, const char *name,
            const struct ump_writer *plain); /* c NULL: broadcast */

#endif
