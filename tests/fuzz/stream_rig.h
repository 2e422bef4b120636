/* What scripts of operations on a stream protocol share: the script, memory that is counted, the real engine with one
 * listener, and connections whose kernels take as much as the script says. The target brings the rulebook, the
 * operations and what must hold of the bytes that go out. */
#ifndef FUZZ_STREAM_RIG_H
#define FUZZ_STREAM_RIG_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "engine/accounts.h"
#include "engine/engine.h"
#include "idle_rules.h"

#define must(condition) must_at(condition, #condition, __FILE__, __LINE__)
static inline void must_at(bool so, const char *what, const char *file, int line) {
  if (so) return;
  fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, what);
  abort();
}

struct rig_conn {
  bool open, reading, halted;
  size_t room; /* what its kernel takes; SIZE_MAX: all */
  struct ump_addr addr;
  uint8_t *out; /* what came, and was not looked at yet */
  size_t out_n, out_cap;
};

struct rig {
  const uint8_t *p, *end; /* what is left of the script */
  size_t bytes;           /* allocated by engine and protocol */
  struct ump_mem mem;
  struct ump_rng_seeded seeded;
  struct ump_rng rng;
  struct ump_engine *engine;
  ump_time now;
};

/* ---- the script ---- */

static inline uint8_t rig_byte(struct rig *r) {
  return r->p < r->end ? *r->p++ : 0;
}

/* Up to 4095 bytes of it, as they are. */
static inline struct ump_bytes rig_bytes(struct rig *r) {
  size_t n = rig_byte(r);
  n |= (size_t)(rig_byte(r) & 15) << 8;
  if (n > (size_t)(r->end - r->p)) n = (size_t)(r->end - r->p);
  r->p += n;
  return ump_bytes(r->p - n, n);
}

/* ---- life ---- */

static inline void *rig_resize(void *ctx, void *p, size_t old, size_t n) {
  struct rig *r = ctx;
  r->bytes += n - (p ? old : 0);
  if (n) return realloc(p, n);
  free(p);
  return NULL;
}

static inline void rig_no_log(void *ctx, const struct ump_log_line *line) {
  (void)ctx, (void)line;
}

static inline void rig_begin(struct rig *r, const uint8_t *script, size_t n) {
  r->p = script, r->end = script + n;
  r->mem = (struct ump_mem){rig_resize, r};
  ump_rng_seed(&r->seeded, 1);
  r->rng = ump_rng_of(&r->seeded);
  r->now = 1000 * UMP_S;
}

/* The engine with one listener, number 0. cfg: limits and options. accounts may be NULL. */
static inline void rig_listen(struct rig *r, const struct ump_proto_ops *ops, struct ump_proto_cfg cfg,
                              const struct ump_accounts *accounts) {
  static const struct ump_log quiet = {rig_no_log, NULL};
  struct ump_engine_cfg ec = {.mem = &r->mem, .rng = &r->rng, .log = &quiet};
  uint32_t index;
  cfg.mem = &r->mem, cfg.rng = &r->rng, cfg.log = &quiet;
  must((r->engine = ump_engine_new(&ec, r->now)) != NULL);
  if (accounts) ump_engine_set_accounts(r->engine, accounts);
  must(ump_engine_listen(r->engine, ops, &cfg, 100, &index, r->now) == 0);
}

/* Everybody is gone by now: everything is given back. */
static inline void rig_end(struct rig *r) {
  must(ump_engine_load(r->engine) == 0);
  ump_engine_free(r->engine);
  must(r->bytes == 0);
}

/* ---- connections ---- */

static inline void rig_closed(struct rig *r, struct rig_conn *c, uint32_t number) {
  if (!c->open) return;
  c->open = c->reading = false;
  ump_engine_closed(r->engine, 0, number, r->now);
}

static inline void rig_dial(struct rig *r, struct rig_conn *c, uint32_t number, uint8_t host) {
  free(c->out);
  *c = (struct rig_conn){.room = SIZE_MAX};
  c->addr = (struct ump_addr){.family = 4, .ip = {10, 0, 0, (uint8_t)(host % 8)}, .port = (uint16_t)(1000 + number)};
  if (ump_engine_open(r->engine, 0, number, &c->addr, r->now) == 0) c->open = c->reading = true;
}

/* Takes what its kernel has room for. True: that was all. */
static inline bool rig_write(struct rig *r, struct rig_conn *c, uint32_t number) {
  for (;;) {
    struct ump_bytes s[3];
    size_t n = ump_engine_output(r->engine, 0, number, s, 3), total = 0;
    for (size_t i = 0; i < n && c->room; i++) {
      size_t part = s[i].n < c->room ? s[i].n : c->room;
      must(s[i].n > 0);
      if (c->out_n + part > c->out_cap) c->out = realloc(c->out, c->out_cap = (c->out_n + part) * 2);
      memcpy(c->out + c->out_n, s[i].p, part);
      c->out_n += part, total += part;
      if (c->room != SIZE_MAX) c->room -= part;
    }
    if (total == 0) return n == 0;
    ump_engine_sent(r->engine, 0, number, total, r->now);
  }
}

/* As net/tcp.c does: writes, closes when that is wanted, reads on when that is. */
static inline void rig_serve(struct rig *r, struct rig_conn *c, uint32_t number) {
  unsigned wants = ump_engine_wants(r->engine, 0, number);
  bool all = (wants & UMP_WANTS_ABORT) || rig_write(r, c, number);
  wants = ump_engine_wants(r->engine, 0, number);
  c->reading = (wants & UMP_WANTS_INPUT) && !c->halted;
  if ((wants & UMP_WANTS_ABORT) || ((wants & UMP_WANTS_CLOSE) && all)) rig_closed(r, c, number);
}

/* Time passes; settle(ctx) after each thing that was due. Nothing may be due for ever. */
static inline void rig_pass(struct rig *r, ump_time t, void (*settle)(void *ctx), void *ctx) {
  ump_time until = r->now + t;
  int same = 0;
  for (ump_time next; (next = ump_engine_deadline(r->engine)) <= until;) {
    must(next > r->now || ++same < 100);
    if (next > r->now) r->now = next, same = 0;
    ump_engine_expire(r->engine, r->now);
    settle(ctx);
  }
  r->now = until;
}

#endif
