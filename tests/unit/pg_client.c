/* The client's part in pg_world.h: what the class pygase.Client does with a package, read by a reader of its own. */
#include "pg_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void pg_client_init(struct pg_client *c, struct ump_addr addr) {
  *c = (struct pg_client){.addr = addr, .game_status = -1};
}

bool pg_cells_equal(const struct pg_cells *a, const struct pg_cells *b) {
  for (int i = 0; i < PG_CELLS; i++) {
    if (a->kind[i] != b->kind[i]) return false;
    if (a->kind[i] == PG_SCALAR && a->value[i] != b->value[i]) return false;
    for (int j = 0; a->kind[i] == PG_MAP && j < PG_CELLS; j++)
      if (a->sub[i][j] != b->sub[i][j] || (a->sub[i][j] && a->sub_value[i][j] != b->sub_value[i][j])) return false;
  }
  return true;
}

/* Compared as the original does: with 0 outside of the numbers, so that who has nothing takes 1 to 32767 for newer. */
static int ahead(int a, int b) {
  int d = a - b;
  return d > 32767 ? d - 65535 : d < -32767 ? d + 65535 : d;
}

/* ---- msgpack, as much of it as the server may write ---- */

struct in {
  const uint8_t *p, *end;
};

static unsigned byte(struct in *r) {
  assert_true(r->p < r->end);
  return *r->p++;
}
static long number(struct in *r, int bytes) {
  long v = 0;
  while (bytes--) v = v << 8 | byte(r);
  return v;
}

enum what { INT, STR, BIN, MAP, OTHER };

static enum what get(struct in *r, long *v, const uint8_t **s) {
  unsigned b = byte(r);
  enum what what = INT;
  if (b < 0x80) return *v = b, INT;
  if (b < 0x90) return *v = b & 15, MAP;
  if (b >= 0xa0 && b < 0xc0)
    *v = b & 31, what = STR;
  else if (b == 0xc4)
    *v = byte(r), what = BIN;
  else if (b == 0xd9)
    *v = byte(r), what = STR;
  else if (b == 0xda)
    *v = number(r, 2), what = STR;
  else if (b == 0xcc)
    return *v = byte(r), INT;
  else if (b == 0xcd)
    return *v = number(r, 2), INT;
  else if (b == 0xce)
    return *v = number(r, 4), INT;
  else if (b == 0xde)
    return *v = number(r, 2), MAP;
  else
    return OTHER;
  *s = r->p;
  assert_true(r->end - r->p >= *v);
  r->p += *v;
  return what;
}

static bool is_marker(enum what what, long n, const uint8_t *s) {
  return what == BIN && n == 4 && !memcmp(s, "\xd2\x81\xe5\xba", 4);
}

static int scalar(enum what what, long v, const uint8_t *s) {
  char text[2048] = {0};
  if (what == INT) return (int)v;
  assert_int_equal(what, STR);
  assert_true(v < (long)sizeof text);
  memcpy(text, s, (size_t)v);
  return atoi(text);
}

static void merge_sub(struct pg_client *c, int i, long n, struct in *r) {
  for (long k = 0; k < n; k++) {
    long v;
    const uint8_t *s;
    assert_int_equal(get(r, &v, &s), STR);
    int j = s[1] - '0';
    enum what what = get(r, &v, &s);
    if (is_marker(what, v, s)) {
      c->markers++;
      c->stray_markers += !c->cells.sub[i][j];
      c->cells.sub[i][j] = 0;
    } else {
      c->cells.sub[i][j] = 1, c->cells.sub_value[i][j] = scalar(what, v, s);
    }
  }
}

static void merge(struct pg_client *c, int i, struct in *r) {
  long v;
  const uint8_t *s;
  enum what what = get(r, &v, &s);
  if (what == MAP) {
    if (c->cells.kind[i] != PG_MAP) memset(c->cells.sub[i], 0, sizeof c->cells.sub[i]);
    c->cells.kind[i] = PG_MAP;
    merge_sub(c, i, v, r);
  } else if (is_marker(what, v, s)) {
    c->markers++;
    c->stray_markers += c->cells.kind[i] == PG_ABSENT;
    c->cells.kind[i] = PG_ABSENT;
    memset(c->cells.sub[i], 0, sizeof c->cells.sub[i]);
  } else {
    c->cells.kind[i] = PG_SCALAR, c->cells.value[i] = scalar(what, v, s);
    memset(c->cells.sub[i], 0, sizeof c->cells.sub[i]);
  }
}

/* The time_order comes first in what the server writes. */
static void update(struct pg_client *c, struct ump_bytes bytes) {
  struct in r = {bytes.p, bytes.p + bytes.n};
  long n, v;
  const uint8_t *s;
  assert_int_equal(get(&r, &n, &s), MAP);
  assert_int_equal(get(&r, &v, &s), STR);
  assert_memory_equal(s, "time_order", 10);
  assert_int_equal(get(&r, &v, &s), INT);
  if (ahead((int)v, c->time_order) <= 0) return;
  c->time_order = (uint16_t)v;
  while (--n) {
    assert_int_equal(get(&r, &v, &s), STR);
    if (v == 11 && !memcmp(s, "game_status", 11))
      assert_int_equal(get(&r, &v, &s), INT), c->game_status = (int)v;
    else
      merge(c, s[1] - '0', &r);
  }
  assert_ptr_equal(r.p, r.end);
}

static void events(struct pg_client *c, struct ump_bytes bytes) {
  while (bytes.n) {
    size_t n = (size_t)bytes.p[0] << 8 | bytes.p[1];
    assert_true(n && n + 2 <= bytes.n);
    assert_memory_equal(bytes.p + 2, "\x83\xa4type", 6);
    size_t name = bytes.p[8] & 31u;
    assert_true(name < sizeof c->last_event);
    memcpy(c->last_event, bytes.p + 9, name);
    c->last_event[name] = 0;
    c->events++;
    bytes = ump_bytes(bytes.p + 2 + n, bytes.n - 2 - n);
  }
}

void pg_client_hear(struct pg_client *c, const struct pg_sent_package *p) {
  int d = c->newest ? ahead(p->sequence, c->newest) : 1;
  if (d == 0 || d < -32 || (d < 0 && c->before >> (32 + d) & 1)) {
    c->died++; /* DuplicateSequenceError, IndexError */
    return;
  }
  if (d < 0) {
    c->before |= 1u << (32 + d);
  } else {
    c->before = !c->newest ? 0 : (d < 32 ? c->before >> d : 0) | (d <= 32 ? 1u << (32 - d) : 0);
    if (d > 1 && c->newest && d <= 32) c->before &= ~(1u << (32 - d)); /* it forgets the one before a gap: section 10 */
    c->newest = p->sequence;
  }
  update(c, p->update);
  events(c, p->events);
}

void pg_client_package(struct pg_client *c, struct pg_package *out) {
  c->sequence = c->sequence == 65535 ? 1 : (uint16_t)(c->sequence + 1);
  *out = pg_package(c->sequence, c->newest, c->before, c->time_order);
}

void pg_client_speak(struct pg_world *w, struct pg_client *c) {
  struct pg_package p;
  pg_client_package(c, &p);
  pg_in(w, c->addr, p.bytes, p.n);
}

static void hear_all(struct pg_world *w, struct pg_client *c) {
  const struct pg_sent_package *p;
  while ((p = pg_take(w)))
    if (ump_addr_equal(&p->to, &c->addr)) pg_client_hear(c, p);
  pg_forget_sent(w);
}

void pg_client_run(struct pg_world *w, struct pg_client *c, ump_time t) {
  for (ump_time end = w->now + t; w->now < end;) {
    pg_client_speak(w, c);
    hear_all(w, c);
    pg_pass(w, ump_time_min(25 * UMP_MS, end - w->now));
    hear_all(w, c);
  }
}

uint32_t pg_client_connect(struct pg_world *w, struct pg_client *c) {
  size_t had = w->n_connects;
  for (int i = 0; i < 8 && w->n_connects == had; i++) pg_client_run(w, c, 25 * UMP_MS);
  assert_int_equal(w->n_connects, had + 1);
  return w->last_session;
}
