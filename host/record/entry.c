#include "record/entry.h"

/* The fields, in the order in which they are written. */
enum {
  AT = 1,
  WHERE = 2,
  FLAGS = 4,
  CODE = 8,
  NUMBER = 16,
  NUMBERS = 32,
  ID = 64,
  NAME = 128,
  DATA = 256,
  TEXT = 512,
  CHANNEL = 1024,
  FROM = 2048,
};

static const uint16_t fields[256] = {
    [UMP_ENTRY_SNAPSHOT] = AT | FLAGS | NUMBERS | DATA,
    [UMP_ENTRY_LISTENER] = WHERE | CODE | FLAGS | NAME,
    [UMP_ENTRY_CLIENT] = WHERE | FLAGS | ID | NAME | DATA | TEXT | CHANNEL | FROM,
    [UMP_ENTRY_READY] = AT | FLAGS | NUMBERS | NAME | TEXT,
    [UMP_ENTRY_STATE] = DATA,
    [UMP_ENTRY_CONNECT] = AT | WHERE | FLAGS | TEXT | CHANNEL | FROM,
    [UMP_ENTRY_JUDGE] = AT | WHERE | FLAGS | CODE | NUMBER | ID | NAME | DATA,
    [UMP_ENTRY_LOGIN] = AT | WHERE | FLAGS | ID | NAME | DATA,
    [UMP_ENTRY_NAME] = AT | WHERE | NAME,
    [UMP_ENTRY_LOGOUT] = AT | WHERE | FLAGS | FROM,
    [UMP_ENTRY_DISCONNECT] = AT | WHERE | TEXT,
    [UMP_ENTRY_EXPIRE] = AT | FLAGS | NUMBER,
    [UMP_ENTRY_RELOAD] = AT,
    [UMP_ENTRY_STOP] = AT,
    [UMP_ENTRY_GAP] = AT | NUMBER,
    [UMP_ENTRY_DRAW] = DATA,
    [UMP_ENTRY_ADMIT] = FLAGS | ID | TEXT,
    [UMP_ENTRY_ANSWER] = FLAGS | CODE | DATA | TEXT,
    [UMP_ENTRY_NOTICE] = WHERE | FLAGS | CODE | NUMBER | NAME | DATA,
    [UMP_ENTRY_DELIVER] = WHERE | NUMBER,
    [UMP_ENTRY_KICK] = WHERE | TEXT,
    [UMP_ENTRY_RELOADED] = FLAGS | NUMBER | NAME | TEXT,
};

enum { LONGEST_NUMBER = 10, ADDRESS = 6 };

/* ---- writing: this is on the path of each event, and there is room for all of it ---- */

static uint8_t *put_number(uint8_t *p, uint64_t v) {
  for (; v > 127; v >>= 7) *p++ = (uint8_t)(v | 128);
  *p++ = (uint8_t)v;
  return p;
}

static uint8_t *put_bytes(uint8_t *p, struct ump_bytes b) {
  p = put_number(p, b.n);
  if (b.n) memcpy(p, b.p, b.n);
  return p + b.n;
}

size_t ump_entry_room(const struct ump_entry *e) {
  return UMP_ENTRY_HEAD + (6 + UMP_ENTRY_NUMBERS + 5) * LONGEST_NUMBER + ADDRESS + e->id.n + e->name.n + e->data.n +
         e->text.n + e->channel.n;
}

static uint8_t *put_body(uint8_t *p, ump_time *last, const struct ump_entry *e) {
  unsigned has = fields[e->kind];
  if (has & AT) {
    ump_time at = e->kind == UMP_ENTRY_SNAPSHOT ? e->at : e->at > *last ? e->at - *last : 0;
    p = put_number(p, (uint64_t)at);
    *last = e->kind == UMP_ENTRY_SNAPSHOT ? e->at : *last + at;
  }
  if (has & WHERE) p = put_number(p, e->listener), p = put_number(p, e->session);
  if (has & FLAGS) p = put_number(p, e->flags);
  if (has & CODE) p = put_number(p, e->code);
  if (has & NUMBER) p = put_number(p, e->number[0]);
  for (int i = 0; has & NUMBERS && i < UMP_ENTRY_NUMBERS; i++) p = put_number(p, e->number[i]);
  if (has & ID) p = put_bytes(p, e->id);
  if (has & NAME) p = put_bytes(p, e->name);
  if (has & DATA) p = put_bytes(p, e->data);
  if (has & TEXT) p = put_bytes(p, e->text);
  if (has & CHANNEL) p = put_bytes(p, e->channel);
  if (has & FROM) {
    memcpy(p, e->from.ip, 4);
    p[4] = (uint8_t)e->from.port, p[5] = (uint8_t)(e->from.port >> 8);
    p += ADDRESS;
  }
  return p;
}

void ump_entry_put(struct ump_writer *w, ump_time *last, const struct ump_entry *e) {
  if (w->full || w->cap - w->n < ump_entry_room(e)) {
    w->full = true;
    return;
  }
  uint8_t *start = w->p + w->n, *end = put_body(start + UMP_ENTRY_HEAD, last, e);
  uint32_t n = (uint32_t)(end - start - UMP_ENTRY_HEAD);
  start[0] = (uint8_t)e->kind;
  for (int i = 0; i < 4; i++) start[1 + i] = (uint8_t)(n >> (8 * i));
  w->n = (size_t)(end - w->p);
}

/* ---- reading ---- */

static uint64_t get_number(struct ump_reader *r) {
  uint64_t v = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    uint8_t b = ump_read_u8(r);
    v |= (uint64_t)(b & 127) << shift;
    if (b < 128) return v;
  }
  r->bad = true;
  return 0;
}

static uint32_t get_number32(struct ump_reader *r) {
  uint64_t v = get_number(r);
  if (v > UINT32_MAX) r->bad = true;
  return (uint32_t)v;
}

static struct ump_bytes get_bytes(struct ump_reader *r) {
  uint64_t n = get_number(r);
  if (n > ump_reader_left(r)) return r->bad = true, ump_bytes(NULL, 0);
  return ump_read_bytes(r, (size_t)n);
}

static void get_from(struct ump_reader *r, struct ump_addr *a) {
  struct ump_bytes ip = ump_read_bytes(r, 4);
  *a = (struct ump_addr){.family = 4, .port = ump_read_u16le(r)};
  if (ip.n == 4) memcpy(a->ip, ip.p, 4);
}

/* A century from now is far from overflow whatever is added. */
static ump_time get_time(struct ump_reader *r, ump_time last, bool absolute) {
  uint64_t v = get_number(r), most = (uint64_t)INT64_MAX / 4;
  uint64_t base = absolute ? 0 : (uint64_t)last;
  if (v > most || base + v > most) return r->bad = true, last;
  return (ump_time)(base + v);
}

static void get_body(struct ump_reader *r, ump_time last, struct ump_entry *e) {
  unsigned has = fields[e->kind];
  e->at = has & AT ? get_time(r, last, e->kind == UMP_ENTRY_SNAPSHOT) : last;
  if (has & WHERE) e->listener = get_number32(r), e->session = get_number32(r);
  if (has & FLAGS) e->flags = get_number32(r);
  if (has & CODE) e->code = get_number32(r);
  if (has & NUMBER) e->number[0] = get_number(r);
  for (int i = 0; has & NUMBERS && i < UMP_ENTRY_NUMBERS; i++) e->number[i] = get_number(r);
  if (has & ID) e->id = get_bytes(r);
  if (has & NAME) e->name = get_bytes(r);
  if (has & DATA) e->data = get_bytes(r);
  if (has & TEXT) e->text = get_bytes(r);
  if (has & CHANNEL) e->channel = get_bytes(r);
  if (has & FROM) get_from(r, &e->from);
}

struct ump_entry_reader ump_entry_reader(struct ump_bytes in) {
  return (struct ump_entry_reader){.r = ump_reader(in)};
}

int ump_entry_get(struct ump_entry_reader *r, struct ump_entry *out) {
  for (;;) {
    if (r->bad || ump_reader_left(&r->r) == 0) return 0;
    uint8_t kind = ump_read_u8(&r->r);
    uint32_t n = ump_read_u32le(&r->r);
    struct ump_bytes body = ump_read_bytes(&r->r, n);
    if (r->r.bad || body.n != n) return r->bad = true, 0;
    if (!fields[kind]) continue; /* of a later version */
    struct ump_reader in = ump_reader(body);
    *out = (struct ump_entry){.kind = kind};
    get_body(&in, r->last, out);
    if (in.bad) return r->bad = true, 0;
    r->last = out->at;
    return 1;
  }
}
