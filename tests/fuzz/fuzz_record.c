/* A recording from strangers: a file of blocks, or entries as they are, played through a rulebook that notifies, rolls
 * dice, kicks, starts timers and ticks. Whatever the bytes are: no crash, no endless loop, memory bounded by what was
 * read, and all of it given back. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "record/block.h"
#include "record/datum.h"
#include "record/replay.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum { MOST_MEMORY = 64 << 20, MOST_CALLS = 20000 };

struct fuzz {
  struct ump_mem mem;
  size_t bytes;
  struct ump_engine *engine;
  struct ump_rulebook rules;
  size_t calls;
  struct ump_proto_ops ops[3];
};

static void *resize(void *ctx, void *p, size_t old_n, size_t n) {
  struct fuzz *f = ctx;
  if (f->bytes - (p ? old_n : 0) + n > MOST_MEMORY) return NULL;
  void *q = NULL;
  if (n == 0)
    free(p);
  else if (!(q = realloc(p, n)))
    return NULL;
  f->bytes = f->bytes - (p ? old_n : 0) + n;
  return q;
}

/* ---- a protocol that only packs ---- */

static int fuzz_create(void **self, const struct ump_proto_cfg *cfg, ump_time now) {
  (void)now;
  *self = (void *)cfg->mem;
  return 0;
}
static void fuzz_destroy(void *self) {
  (void)self;
}
static int fuzz_pack(void *self, const struct ump_notice *n, struct ump_blob **out) {
  if (n->data.n > 60000) return UMP_ETOOBIG;
  return (*out = ump_blob_new(self, n->data.n)) ? 0 : UMP_ENOMEM;
}

static const struct ump_proto_ops *protocol(void *ctx, struct ump_bytes scheme, struct ump_proto_cfg *cfg) {
  struct fuzz *f = ctx;
  (void)cfg;
  if (scheme.n == 0 || scheme.p[0] == '?') return NULL;
  return &f->ops[strchr("nl", scheme.p[0]) ? UMP_JSON : strchr("jp", scheme.p[0]) ? UMP_PLAIN : UMP_RAW];
}

/* ---- a rulebook ---- */

static void tell(struct fuzz *f, struct ump_client *c, struct ump_bytes name, struct ump_bytes data) {
  struct ump_notice n = {.has_name = true, .name = name, .has_data = true, .data = data};
  const struct ump_notice *by_encoding[3] = {&n, &n, &n};
  if (name.n % 2)
    ump_engine_broadcast(f->engine, by_encoding, c);
  else
    ump_engine_notify(f->engine, c, &n);
}

static int on_connect(void *self, struct ump_client *c, struct ump_bytes *reason) {
  struct fuzz *f = self;
  *reason = ump_text(c->version ? c->version : "");
  tell(f, c, ump_text("in"), ump_text("1"));
  return f->calls++ < MOST_CALLS && ump_rng_below(ump_engine_rng(f->engine), 8) != 0;
}

static int on_judge(void *self, struct ump_client *c, const struct ump_event *ev, struct ump_judgement *out) {
  struct fuzz *f = self;
  uint64_t roll = ump_rng_below(ump_engine_rng(f->engine), 16), id;
  if (f->calls++ > MOST_CALLS) return UMP_EINVAL;
  *out = (struct ump_judgement){.verdict = roll < 4 ? UMP_ILLEGAL : UMP_LEGAL, .data = ev->data};
  tell(f, c, ev->name, ev->data);
  if (roll == 5) ump_engine_kick(f->engine, c, ev->name);
  if (roll == 6) ump_engine_timer(f->engine, UMP_S, ev->name.n % 2 ? UMP_S : 0, &id);
  if (roll == 7) ump_engine_set_name(f->engine, c, &ev->name);
  return roll == 8 ? UMP_EINVAL : 0;
}

static int on_disconnect(void *self, struct ump_client *c, struct ump_bytes reason) {
  tell(self, c, reason, ump_text("0"));
  return 0;
}
static int on_login(void *self, struct ump_client *c, struct ump_bytes name, struct ump_bytes password, bool create,
                    struct ump_bytes *reason) {
  (void)c, (void)create;
  *reason = password;
  tell(self, c, ump_text("login"), name);
  return name.n % 3 == 0 ? UMP_ENOSUPPORT : name.n % 3 == 1;
}
static int on_tick(void *self, ump_time dt) {
  (void)dt;
  return ((struct fuzz *)self)->calls++ > MOST_CALLS ? UMP_EINVAL : 0;
}
static int on_timer(void *self, uint64_t id) {
  (void)id;
  return ((struct fuzz *)self)->calls++ > MOST_CALLS ? UMP_EINVAL : 0;
}
static void on_timer_gone(void *self, uint64_t id) {
  (void)self, (void)id;
}
static void on_forget(void *self, struct ump_client *c) {
  (void)self, (void)c;
}

static const struct ump_rulebook_ops ops = {.connect = on_connect,
                                            .judge = on_judge,
                                            .disconnect = on_disconnect,
                                            .login = on_login,
                                            .tick = on_tick,
                                            .timer = on_timer,
                                            .timer_gone = on_timer_gone,
                                            .forget = on_forget};

/* ---- the player ---- */

static bool open_rules(void *ctx, const struct ump_replay_start *s) {
  struct fuzz *f = ctx;
  f->engine = s->engine;
  f->rules = (struct ump_rulebook){.ops = &ops, .self = f, .tick_rate = s->saved.n % 3};
  ump_engine_set_rulebook(s->engine, &f->rules, s->now);
  return s->saved.n != 7;
}
static bool reload(void *ctx, ump_time now) {
  return ((struct fuzz *)ctx)->calls++, now % 2 == 0;
}
static void close_rules(void *ctx) {
  ump_engine_set_rulebook(((struct fuzz *)ctx)->engine, NULL, 0);
}

static void differs(void *ctx, const struct ump_difference *d) {
  char text[200];
  struct ump_writer w = ump_writer(text, sizeof text);
  (void)ctx;
  assert(d->kind < UMP_N_DIFFERENCES && d->who.n <= 64);
  ump_datum_show(&w, d->encoding, d->was.data, true);
  ump_datum_show(&w, d->encoding, d->is.data, false);
}
static bool enough(void *ctx) {
  return ((struct fuzz *)ctx)->calls > MOST_CALLS;
}

static void play(struct fuzz *f, struct ump_bytes entries) {
  struct ump_replay_cfg cfg = {.mem = &f->mem,
                               .protocol = protocol,
                               .open = open_rules,
                               .reload = reload,
                               .close = close_rules,
                               .differs = differs,
                               .enough = enough,
                               .ctx = f};
  struct ump_replay_totals totals;
  ump_replay_run(&cfg, entries, &totals);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
  struct fuzz f = {.calls = 0};
  uint8_t *entries = NULL;
  size_t got = 0, cap = 0, read = 0;
  f.mem = (struct ump_mem){resize, &f};
  for (int i = 0; i < 3; i++)
    f.ops[i] = (struct ump_proto_ops){.scheme = "fuzz",
                                      .encoding = (enum ump_encoding)i,
                                      .create = fuzz_create,
                                      .destroy = fuzz_destroy,
                                      .pack = fuzz_pack};
  if (n && data[0] == 'U') {
    int end = ump_blocks_read(&f.mem, ump_bytes(data, n), &entries, &got, &cap, &read);
    assert(end == UMP_ENOMEM || (read <= n && got <= n));
    (void)end;
    play(&f, ump_bytes(entries, got));
    ump_free(&f.mem, entries, cap);
  } else {
    uint8_t *copy = malloc(n ? n : 1); /* so that a byte too far is seen */
    if (!copy) return 0;
    if (n) memcpy(copy, data, n);
    play(&f, ump_bytes(copy, n));
    free(copy);
  }
  assert(f.bytes == 0);
  return 0;
}
