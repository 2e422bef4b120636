/* A world for tests of the engine: the engine, fake protocols and a fake rulebook. Everything that the engine does to
 * either is written to one trace, in order, and tests say what they expect to find there:
 *
 *   struct world w;
 *   world_init(&w, NULL);
 *   world_connect(&w, 0, 1);                      session 1 of listener 0 ("a") wants in
 *   expect(&w, "connect a1", "admit a1");
 *   world_event(&w, 0, 1, "e1", "move");
 *   expect(&w, "judge a1 move", "answer a1 e1 legal");
 *   world_end(&w);                                everybody leaves; nothing is left allocated or queued
 */
#ifndef TESTS_WORLD_H
#define TESTS_WORLD_H

#include "engine/engine.h"
#include "testing.h"

enum { WORLD_PROTOS = 2, FAKE_QUEUE = 256, FAKE_SESSIONS = 64 };
struct world;

struct fake_proto {
  struct ump_proto_ops ops; /* a copy, so that tests can change the encoding or effects_first before world_listen */
  struct world *w;
  uint32_t index;                     /* of the listener */
  struct ump_event queue[FAKE_QUEUE]; /* events to be pulled; slices are borrowed from the test */
  size_t n_queue, at;
  struct ump_client *clients[FAKE_SESSIONS]; /* by session */
  uint64_t serials[FAKE_SESSIONS];
  size_t n_clients;
  /* how it behaves */
  size_t room, max_notice;
  int notify_err;
  ump_time deadline;
  bool disconnects_on_notify; /* a notify that it cannot take ends the session, as a stream's full buffer does */
};

/* Called in every function of the rulebook; what is "connect", "judge", "disconnect", "login", "tick" or "timer", arg
 * the event's name, the reason, the user name. Returns what the function returns, or WORLD_DEFAULT. */
enum { WORLD_DEFAULT = 1000 };
typedef int world_hook(struct world *w, const char *what, struct ump_client *c, const char *arg);

struct world {
  struct testing_mem mem;
  struct testing_rng rng;
  struct testing_log log;
  struct ump_engine *engine;
  ump_time now;
  struct fake_proto proto[WORLD_PROTOS];
  struct ump_rulebook rules;
  world_hook *hook;
  struct ump_judgement judgement; /* what judge says */
  const char *reason;             /* of connect and login */
  void *user;                     /* the hook's own */
  uint64_t timer;                 /* id of the last timer that fired */
  size_t judged;                  /* calls of judge */
  bool quiet;                     /* no trace */
  char trace[8192];
  size_t n_trace;
};

/* A world with listener "a" and a rulebook that admits everybody, finds everything legal and has no accounts. */
void world_init(struct world *w, const struct ump_limits *limits);
/* The same in steps, where a test must see a step fail: false: no memory. */
bool world_make(struct world *w, const struct ump_limits *limits);
int world_listen(struct world *w, uint32_t i); /* listener i of fake protocol i; prepared by world_make */
void world_end(struct world *w);               /* everybody leaves, everything is freed, nothing is left */
void world_drop(struct world *w);              /* the same, without leaving first */

/* Each of these drives the engine. */
void world_connect(struct world *w, uint32_t proto, uint32_t session);
void world_event(struct world *w, uint32_t proto, uint32_t session, const char *id, const char *name);
void world_login(struct world *w, uint32_t proto, uint32_t session, const char *id, const char *user);
void world_leave(struct world *w, uint32_t proto, uint32_t session);
void world_push(struct world *w, uint32_t proto,
                struct ump_event ev); /* session filled in by the caller, client here */
void world_drive(struct world *w, uint32_t proto);
void world_advance(struct world *w, ump_time by); /* virtual time, from deadline to deadline */

struct ump_client *world_client(struct world *w, uint32_t proto, uint32_t session);
uint64_t world_count(struct world *w, const char *counter);
void world_trace(struct world *w, const char *format, ...) __attribute__((format(printf, 2, 3)));

int notify(struct world *w, struct ump_client *c, const char *name);
int broadcast(struct world *w, const char *name, struct ump_client *except);
int kick(struct world *w, struct ump_client *c, const char *reason);

/* The trace since the last expect is exactly these lines. */
#define expect(w, ...)    world_expect(w, __FILE__, __LINE__, (const char *const[]){__VA_ARGS__, NULL})
#define expect_nothing(w) world_expect(w, __FILE__, __LINE__, (const char *const[]){NULL})
void world_expect(struct world *w, const char *file, int line, const char *const *lines);

#endif
