#define _POSIX_C_SOURCE 200809L
#include "bindings/costs.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/hash.h"
#include "engine/client.h"

enum {
  SLOTS = 256,   /* of the table; at most UMP_COST_ROWS are used */
  SURE = 64,     /* calls of a kind that are all measured */
  ONE_IN = 16,   /* of those behind them */
  FIRST_BIT = 4, /* 16 ns or bytes: less is not told apart */
  QUARTERS = 4,  /* parts of a power of two: a percentile is right to a fifth */
  BUCKETS = 160, /* up to 2^44 */
};

struct samples {
  uint64_t n, most;
  uint32_t bucket[BUCKETS];
};

struct part { /* of an event: legal, execute; of anything else the one handler */
  uint64_t calls, errors;
  struct samples time, bytes;
};

struct ump_cost_row {
  enum ump_deed deed;
  const char *protocol; /* a constant; NULL: nobody's */
  uint8_t n_name;       /* 0xFF: all events without a row of their own */
  char name[UMP_COST_NAME];
  uint64_t verdicts[4];
  struct part part[2]; /* the second only of events */
};

enum { NO_NAME = 0, OTHERS = 0xFF };

struct ump_costs {
  const struct ump_mem *mem;
  struct ump_cost_row *slot[SLOTS];
  struct ump_cost_row *last; /* of the event before: most events are like it */
  size_t n;
};

static ump_time clock_now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (ump_time)t.tv_sec * UMP_S + t.tv_nsec;
}

/* ---- samples ---- */

static unsigned bucket_of(uint64_t v) {
  if (v < 1u << FIRST_BIT) return 0;
  unsigned bit = 63u - (unsigned)__builtin_clzll(v), at = (bit - FIRST_BIT) * QUARTERS + (v >> (bit - 2) & 3) + 1;
  return at < BUCKETS ? at : BUCKETS - 1;
}

static uint64_t upper_end(unsigned bucket) {
  if (bucket == 0) return 1u << FIRST_BIT;
  unsigned bit = (bucket - 1) / QUARTERS + FIRST_BIT, quarter = (bucket - 1) % QUARTERS;
  return ((uint64_t)(QUARTERS + quarter + 1) << bit) / QUARTERS;
}

static void add(struct samples *s, uint64_t v) {
  s->n++;
  s->bucket[bucket_of(v)]++;
  if (v > s->most) s->most = v;
}

static uint64_t percentile(const struct samples *s, double share) {
  uint64_t want = (uint64_t)((double)s->n * share), seen = 0;
  for (unsigned i = 0; i < BUCKETS; i++) {
    seen += s->bucket[i];
    if (seen > want) return upper_end(i) < s->most ? upper_end(i) : s->most;
  }
  return s->most;
}

/* ---- rows ---- */

/* A stranger may choose names that fall together: the row limit bounds what that costs, and only legal names have rows.
 */
static size_t start_of(enum ump_deed deed, const char *protocol, struct ump_bytes name) {
  uint64_t h = (uint64_t)(uintptr_t)protocol ^ (uint64_t)deed << 32 ^ name.n, word;
  for (size_t i = 0; i < name.n; i += 8) {
    word = 0;
    memcpy(&word, name.p + i, name.n - i < 8 ? name.n - i : 8);
    h = (h ^ word) * 0x9E3779B97F4A7C15u;
    h ^= h >> 29;
  }
  return (size_t)((h * 0x9E3779B97F4A7C15u) >> 56);
}

/* Most names are short ones: two words that overlap tell those. */
static bool same_text(const char *a, const uint8_t *b, size_t n) {
  uint32_t x[2], y[2];
  if (n < sizeof *x || n > sizeof x) return !n || memcmp(a, b, n) == 0; /* without a name there is no pointer */
  memcpy(x, a, sizeof *x), memcpy(x + 1, a + n - sizeof *x, sizeof *x);
  memcpy(y, b, sizeof *y), memcpy(y + 1, b + n - sizeof *y, sizeof *y);
  return x[0] == y[0] && x[1] == y[1];
}

static bool is_row(const struct ump_cost_row *r, enum ump_deed deed, const char *protocol, struct ump_bytes name,
                   bool others) {
  if (r->deed != deed || r->protocol != protocol) return false;
  if (others || r->n_name == OTHERS) return others && r->n_name == OTHERS;
  return r->n_name == name.n && same_text(r->name, name.p, name.n);
}

/* make: a new row if it is not there; NULL: not there, or no room. */
static struct ump_cost_row *row_of(struct ump_costs *costs, enum ump_deed deed, const char *protocol,
                                   struct ump_bytes name, bool others, bool make) {
  size_t at = start_of(deed, protocol, name);
  for (; costs->slot[at]; at = (at + 1) % SLOTS)
    if (is_row(costs->slot[at], deed, protocol, name, others)) return costs->slot[at];
  /* the last places are kept for what is not by name */
  if (!make || costs->n >= UMP_COST_ROWS || (name.n && costs->n >= UMP_COST_ROWS - 32)) return NULL;
  struct ump_cost_row *r = ump_zalloc(costs->mem, sizeof *r);
  if (!r) return NULL;
  r->deed = deed;
  r->protocol = protocol;
  r->n_name = others ? OTHERS : (uint8_t)name.n;
  if (name.n) memcpy(r->name, name.p, name.n);
  costs->n++;
  return costs->slot[at] = r;
}

static struct ump_bytes name_of(const struct ump_cause *cause) {
  return cause->event && cause->event->has_name ? cause->event->name : ump_bytes(NULL, 0);
}

static const char *protocol_of(const struct ump_cause *cause) {
  return cause->client ? cause->client->protocol : NULL;
}

struct ump_costs *ump_costs_new(const struct ump_mem *mem) {
  struct ump_costs *costs = ump_zalloc(mem, sizeof *costs);
  if (costs) costs->mem = mem;
  return costs;
}

void ump_costs_free(struct ump_costs *costs) {
  if (!costs) return;
  for (size_t i = 0; i < SLOTS; i++) ump_free(costs->mem, costs->slot[i], sizeof *costs->slot[i]);
  ump_free(costs->mem, costs, sizeof *costs);
}

/* ---- a call ---- */

void ump_costs_begin(struct ump_costs *costs, const struct ump_cause *cause, uint64_t allocated,
                     struct ump_costing *out) {
  struct ump_bytes name = name_of(cause);
  out->row = NULL, out->measured = true, out->part = 0; /* the rest is read of those that are measured */
  if (costs->last && is_row(costs->last, cause->deed, protocol_of(cause), name, false))
    out->row = costs->last;
  else if (name.n <= UMP_COST_NAME)
    out->row = costs->last = row_of(costs, cause->deed, protocol_of(cause), name, false, cause->deed != UMP_DO_EVENT);
  if (out->row) {
    uint64_t calls = out->row->part[0].calls;
    out->measured = calls < SURE || calls % ONE_IN == 0;
  }
  if (!out->measured) return;
  out->at = clock_now();
  out->allocated = allocated;
}

/* The part under way has ended; a row that is made only now gets what was measured of both parts at the end. */
static void close_part(struct ump_cost_row *r, const struct ump_costing *c, ump_time now, uint64_t allocated) {
  struct part *p = &r->part[c->part];
  p->calls++;
  if (!c->measured) return;
  add(&p->time, (uint64_t)(now - c->at));
  add(&p->bytes, allocated - c->allocated);
}

void ump_costs_next_part(struct ump_costing *c, uint64_t allocated) {
  ump_time now = c->measured ? clock_now() : 0;
  if (c->row) close_part(c->row, c, now, allocated);
  c->part = 1;
  c->at = now;
  c->allocated = allocated;
}

void ump_costs_end(struct ump_costs *costs, const struct ump_cause *cause, struct ump_costing *c, uint64_t allocated,
                   enum ump_verdict verdict, bool failed) {
  struct ump_bytes name = name_of(cause);
  if (!c->row) { /* the first of its name: what its legal took was not kept */
    bool known = verdict == UMP_LEGAL && !failed && name.n <= UMP_COST_NAME;
    const char *protocol = protocol_of(cause);
    if (known) c->row = row_of(costs, cause->deed, protocol, name, false, true);
    if (!c->row) c->row = row_of(costs, cause->deed, protocol, ump_bytes(NULL, 0), true, true);
    if (!c->row) return;
    if (c->part) c->row->part[0].calls++;
  }
  close_part(c->row, c, c->measured ? clock_now() : 0, allocated);
  if (cause->deed == UMP_DO_EVENT) c->row->verdicts[failed ? UMP_INTERNAL : verdict]++;
  c->row->part[c->part].errors += failed;
}

/* ---- telling ---- */

static int by_name(const void *a, const void *b) {
  const struct ump_cost_row *x = *(struct ump_cost_row *const *)a, *y = *(struct ump_cost_row *const *)b;
  if (x->deed != y->deed) return x->deed < y->deed ? -1 : 1;
  if ((x->n_name == OTHERS) != (y->n_name == OTHERS)) return x->n_name == OTHERS ? 1 : -1;
  int order = strncmp(x->name, y->name, UMP_COST_NAME);
  if (order == 0) order = strcmp(x->protocol ? x->protocol : "", y->protocol ? y->protocol : "");
  return order;
}

static void tell_part(const struct ump_cost_row *r, unsigned part, ump_rules_cost_fn *tell, void *ctx) {
  static const char *const handlers[UMP_N_DEEDS] = {"legal", "connect", "disconnect",   "login",
                                                    "tick",  "timer",   "micro-thread", "view"};
  const struct part *p = &r->part[part];
  struct ump_rules_cost cost = {.handler = part ? "execute" : handlers[r->deed],
                                .protocol = r->protocol,
                                .event = ump_bytes(r->name, r->n_name == OTHERS ? 0 : r->n_name),
                                .others = r->n_name == OTHERS,
                                .is_event = r->deed == UMP_DO_EVENT,
                                .calls = p->calls,
                                .errors = p->errors,
                                .measured = p->time.n};
  memcpy(cost.verdicts, r->verdicts, sizeof cost.verdicts);
  cost.p50 = percentile(&p->time, 0.5), cost.p99 = percentile(&p->time, 0.99), cost.most = p->time.most;
  cost.bytes_p50 = percentile(&p->bytes, 0.5), cost.bytes_p99 = percentile(&p->bytes, 0.99);
  tell(ctx, &cost);
}

void ump_costs_each(const struct ump_costs *costs, ump_rules_cost_fn *tell, void *ctx) {
  struct ump_cost_row *rows[SLOTS];
  size_t n = 0;
  for (size_t i = 0; i < SLOTS; i++)
    if (costs->slot[i]) rows[n++] = costs->slot[i];
  qsort(rows, n, sizeof *rows, by_name);
  for (size_t i = 0; i < n; i++)
    for (unsigned part = 0; part < 2; part++)
      if (rows[i]->part[part].calls) tell_part(rows[i], part, tell, ctx);
}
