/* A PyGaSe listener without an engine, for tests of the protocol alone: time is a number, datagrams go in as bytes,
 * what comes out is kept. The engine's part is played by a few lines that judge by name: "bad..." is illegal. The
 * state's part is a feed over a world of 8 times 8 cells, with every version of it kept.
 *
 * struct pg_world w; pg_open(&w, (struct pg_cfg){0}); ... pg_close(&w), which shows that the world is empty. */
#ifndef PG_WORLD_H
#define PG_WORLD_H

#include "base/err.h"
#include "base/list.h"
#include "base/plain.h"
#include "proto/pygase/pygase.h"
#include "testing.h"

#ifndef PG_SENT_MOST
#define PG_SENT_MOST 65536
#endif
#ifndef PG_SESSIONS
#define PG_SESSIONS 16384
#endif
#ifndef PG_JUDGED_MOST
#define PG_JUDGED_MOST 4096
#endif
#define PG_CELLS 8

enum pg_kind { PG_ABSENT, PG_SCALAR, PG_MAP };

/* The state, in a version: keys k0..k7, each nothing, a number, or a map of s0..s7 to numbers. */
struct pg_cells {
  uint8_t kind[PG_CELLS], sub[PG_CELLS][PG_CELLS]; /* sub: is it there? */
  int value[PG_CELLS], sub_value[PG_CELLS][PG_CELLS];
};

struct pg_feed {
  struct ump_feed face;
  struct testing_mem *mem;
  struct pg_cells *versions; /* [0] is empty */
  size_t n, cap;             /* the present is versions[n - 1] */
  size_t written[PG_CELLS], sub_written[PG_CELLS][PG_CELLS];
  size_t removed[PG_CELLS], sub_removed[PG_CELLS][PG_CELLS]; /* last, as a version */
  size_t n_moments, n_patches, asked, made;
  struct ump_patch *cached; /* the last one made; one reference */
  size_t cached_from;
  struct ump_moment *present;
  int fat; /* so many bytes more in each number's place: a string, to make updates large */
};

void pg_set(struct pg_feed *f, int i, int value);
void pg_set_sub(struct pg_feed *f, int i, int j, int value); /* makes k<i> a map if it is none */
void pg_remove(struct pg_feed *f, int i);
void pg_remove_sub(struct pg_feed *f, int i, int j);

struct pg_sent_package { /* a datagram that came out, taken apart */
  ump_time at;
  struct ump_addr to;
  size_t n;
  uint8_t bytes[2049];
  uint16_t sequence, ack;
  uint32_t bits;
  struct ump_bytes update, events; /* in bytes */
  int time_order, game_status;     /* -1: not there */
  unsigned n_events;
};

struct pg_judged {
  uint32_t session;
  char name[256];
  size_t n;
  uint8_t data[512]; /* plain, cut */
};

struct pg_cfg {                /* 0 in a field: the default given */
  uint32_t limit, per_address; /* 50, 64 */
  bool host_shutdown, no_feed;
  const struct ump_mem *mem; /* the world's own */
};

struct pg_world {
  struct testing_mem mem;
  struct testing_log log;
  struct testing_rng rng;
  struct pg_feed feed;
  void *proto;
  int created;
  ump_time now;
  uint64_t serials;
  bool refuse, quiet; /* connect says no; nothing is kept of what comes out */
  struct pg_sent_package *sent;
  size_t n_sent, seen;
  struct pg_judged *judged;
  size_t n_judged, n_connects, n_disconnects, n_stops;
  char last_reason[128];
  uint32_t last_session;
  uint64_t last_again;
  bool kick_next; /* the next event's client is thrown out by its handler */
  struct pg_there {
    bool there;
    uint64_t serial;
  } sessions[PG_SESSIONS];
  void (*on_sent)(void *ctx, const struct pg_sent_package *p);
  void *ctx;
};

void pg_open(struct pg_world *w, struct pg_cfg cfg);
void pg_close(struct pg_world *w);
struct ump_addr pg_addr(unsigned host, uint16_t port);                         /* 10.0.x.x */
void pg_in(struct pg_world *w, struct ump_addr from, const void *p, size_t n); /* and what is due is flushed */
void pg_pass(struct pg_world *w, ump_time t);              /* lets time pass, stopping at each deadline */
const struct pg_sent_package *pg_take(struct pg_world *w); /* the next that was not taken; NULL: none */
const struct pg_sent_package *pg_last(struct pg_world *w); /* the last one; the others are forgotten */
void pg_forget_sent(struct pg_world *w);
uint64_t pg_counter(struct pg_world *w, const char *name);
int pg_notify(struct pg_world *w, uint32_t session, const char *name, struct ump_bytes plain); /* packs, and notifies */
void pg_kick(struct pg_world *w, uint32_t session);

/* ---- packages of a client ---- */
struct pg_package {
  uint8_t bytes[4096];
  size_t n;
};
struct pg_package pg_package(unsigned sequence, unsigned ack, uint32_t bits, unsigned time_order);
void pg_add_event(struct pg_package *p, const char *name, const char *args_kwargs,
                  size_t n);                                     /* both as msgpack, keys in place */
void pg_add_plain_event(struct pg_package *p, const char *name); /* [] and {} */
void pg_say(struct pg_world *w, struct ump_addr from, unsigned sequence, unsigned ack, unsigned time_order);
void pg_say_event(struct pg_world *w, struct ump_addr from, unsigned sequence, unsigned ack, unsigned time_order,
                  const char *name);

/* A client as the original is: window, time_order, merging. It speaks when pg_client_speak is called. */
struct pg_client {
  struct ump_addr addr;
  uint16_t sequence, newest; /* the last sent; the newest received */
  uint32_t before;
  uint16_t time_order;
  int game_status;
  struct pg_cells cells;
  unsigned markers, stray_markers, events, died; /* stray: for a key that it does not have */
  char last_event[64];
};
void pg_client_init(struct pg_client *c, struct ump_addr addr);
void pg_client_hear(struct pg_client *c, const struct pg_sent_package *p);
void pg_client_package(struct pg_client *c, struct pg_package *out); /* the next one that it sends */
void pg_client_speak(struct pg_world *w, struct pg_client *c);
/* Speaks, hears, every 25 ms, without loss. */
void pg_client_run(struct pg_world *w, struct pg_client *c, ump_time t);
uint32_t pg_client_connect(struct pg_world *w, struct pg_client *c); /* until it is connected; the session */
bool pg_cells_equal(const struct pg_cells *a, const struct pg_cells *b);

#endif
