/* A laneya listener behind the real engine, for tests: a rulebook in C that judges by the action's name, and a driver
 * that serves connections as host/net/tcp.c does, from memory. Time is a number.
 *
 * The rulebook: "bad..." is illegal ("too far"), "wrong..." invalid ("no such thing"), "boom" fails. Legal ones return:
 * "echo" its data, "list" [1, 2], "text" a string, "big" an object of `big` bytes, others nothing. "shout" broadcasts
 * {"by": user} as "shouted", "tell" sends it to the one who asked, "kick" throws him out; these and "echo", "walk" and
 * "logout" are executed. */
#ifndef LN_WORLD_H
#define LN_WORLD_H

#include "engine/engine.h"
#include "proto/laneya/laneya.h"
#include "testing.h"

enum { LN_CONNS = 64, LN_DONE = 65536 };

struct ln_conn {
  bool open;         /* the driver has it */
  bool ended, reset; /* how it was closed by us: in order, at once */
  bool reading;
  size_t room;       /* bytes that its kernel still takes; SIZE_MAX: any number */
  char *out;         /* what was written to it */
  size_t n, cap, at; /* at: taken by the test */
};

struct ln_cfg {                    /* 0: the default given */
  uint32_t limit, per_address;     /* 4096, 64 */
  uint32_t payload, unsent, batch; /* 1 MiB, 1 MiB, 64 */
};

struct ln_world;
typedef int ln_judge(struct ln_world *w, struct ump_client *c, const struct ump_event *ev, struct ump_judgement *out);

struct ln_world {
  ln_judge *judge; /* in place of the rulebook above */
  void *user;      /* its own */
  struct testing_mem mem;
  struct testing_log log;
  struct testing_rng rng;
  struct ump_engine *engine;
  struct ump_rulebook rules;
  ump_time now;
  uint32_t listener;
  struct ln_conn conns[LN_CONNS];
  char *big_text;
  size_t big;         /* bytes that "big" returns */
  bool refuse;        /* connect says no */
  char done[LN_DONE]; /* "user action\n" for each that was executed, in order */
  size_t done_n, executed;
  char reason[128]; /* of the last disconnect */
  size_t connects, disconnects;
  char message[(1 << 20) + 64]; /* what ln_take gave last */
};

bool ln_make(struct ln_world *w, struct ln_cfg cfg); /* false: no memory; all else as ln_open. mem must be set up */
void ln_open(struct ln_world *w, struct ln_cfg cfg);
void ln_close(struct ln_world *w); /* everybody leaves; nothing may be left */

/* Connections are numbered by the test. False: refused. */
bool ln_dial(struct ln_world *w, uint32_t conn, unsigned host); /* from 10.0.0.host */
void ln_in(struct ln_world *w, uint32_t conn, const void *p, size_t n);
void ln_split(struct ln_world *w, uint32_t conn, const void *p, size_t n, size_t piece); /* pieces of so many bytes */
void ln_say(struct ln_world *w, uint32_t conn, const char *payload);                     /* as a netstring */
/* A request as the real client writes it. key and data are JSON. */
void ln_ask(struct ln_world *w, uint32_t conn, const char *key, const char *user, const char *action, const char *data);
void ln_eof(struct ln_world *w, uint32_t conn);
void ln_gone(struct ln_world *w, uint32_t conn);              /* the transport is lost */
void ln_read(struct ln_world *w, uint32_t conn, size_t room); /* its kernel takes so many bytes more */
void ln_pass(struct ln_world *w, ump_time t);
void ln_flush(struct ln_world *w); /* serves what is touched; for those who call the engine themselves */

/* The next message that was written to it, checked to be a netstring; NULL: none. */
const char *ln_take(struct ln_world *w, uint32_t conn);
size_t ln_taken(const struct ln_world *w);                              /* its length */
void ln_expect(struct ln_world *w, uint32_t conn, const char *payload); /* it is there, and is exactly this */
void ln_expect_status(struct ln_world *w, uint32_t conn, const char *key,
                      const char *status); /* a response with a message */
void ln_expect_nothing(struct ln_world *w, uint32_t conn);
void ln_expect_done(struct ln_world *w, const char *lines); /* executed since it was asked last */

uint64_t ln_count(struct ln_world *w, const char *counter); /* of the protocol */

#endif
