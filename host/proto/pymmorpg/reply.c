/* Replies: [value, flag, flag, ...] with the size in front. */
#include "proto/pymmorpg/internal.h"

enum { SMALL = 1024, EXPANSION = 8 }; /* a byte that is no text takes 6 bytes of plain data and 37 of a pickle */

static void out_of_memory(struct pymmorpg *p, struct conn *c, ump_time now) {
  p->counts[NO_MEMORY]++;
  ump__pm_abort(p, c, "out of memory", now);
}

static void put_flags(struct conn *c, struct ump_writer *w) {
  for (unsigned i = 0; i < c->n_flags; i++) ump_pickle_put_text(w, ump_bytes(c->flags[i]->p, c->flags[i]->n));
  ump_write_text(w, "e.");
}

/* The size, a list's beginning, the value (shared if it is a blob), the flags. */
static int queue(struct conn *c, struct ump_bytes value, struct ump_blob *shared, struct ump_bytes tail) {
  uint8_t head[24];
  struct ump_writer w = ump_writer(head, sizeof head);
  ump_write_decimal(&w, (int64_t)(4 + value.n + tail.n));
  ump_write_u8(&w, ' ');
  ump_pickle_begin(&w);
  ump_write_text(&w, "](");
  int err = ump_outqueue_copy(&c->out, ump_written(&w));
  if (!err) err = shared ? ump_outqueue_share(&c->out, shared, 0, shared->n) : ump_outqueue_copy(&c->out, value);
  return err ? err : ump_outqueue_copy(&c->out, tail);
}

static void send(struct pymmorpg *p, struct conn *c, struct ump_bytes value, struct ump_blob *shared, ump_time now) {
  uint8_t tail[FLAGS_MAX * 262 + 2]; /* a flag is at most 256 bytes, and 5 before them */
  struct ump_writer w = ump_writer(tail, sizeof tail);
  put_flags(c, &w);
  if (4 + value.n + w.n > MESSAGE_MAX) {
    p->counts[REPLY_TOO_LARGE]++;
    ump_log_text(p->log, UMP_WARN, "reply_too_large", &c->addr, "a reply of more than 1 MiB is answered False");
    value = ump_bytes("\x89", 1), shared = NULL;
  }
  bool was_full = c->out.n >= UNSENT_MAX;
  if (queue(c, value, shared, ump_written(&w))) {
    out_of_memory(p, c, now);
    return;
  }
  p->counts[REPLIES]++;
  p->counts[FLAGS] += c->n_flags;
  ump__pm_drop_flags(p, c);
  if (!was_full && c->out.n >= UNSENT_MAX) ump__pm_arm(p, c, T_STUCK, now);
  ump__pm_touch(p, c);
}

void ump__pm_say(struct pymmorpg *p, struct conn *c, uint8_t opcode, ump_time now) {
  send(p, c, ump_bytes(&opcode, 1), NULL, now);
}

void ump__pm_say_false(struct pymmorpg *p, struct conn *c, ump_time now) {
  ump__pm_say(p, c, 0x89, now);
}

void ump__pm_say_encoded(struct pymmorpg *p, struct conn *c, struct ump_blob *value, ump_time now) {
  if (value)
    send(p, c, ump_bytes(value->p, value->n), value, now);
  else
    ump__pm_say_false(p, c, now);
}

/* ---- plain data ---- */

static bool three_numbers(struct ump_reader r) {
  struct ump_plain v;
  for (int i = 0; i < 3; i++)
    if (!ump_plain_get(&r, &v) || (v.tag != UMP_PLAIN_INT && v.tag != UMP_PLAIN_FLOAT)) return false;
  return true;
}

/* One value under the key `pos`: a list of three numbers becomes a tuple. Both are written alike but for the tag. */
static bool mark_pos(struct ump_reader *r, uint8_t *tag) {
  struct ump_reader here = *r;
  struct ump_plain v;
  if (!ump_plain_get(&here, &v)) return false;
  if (v.tag == UMP_PLAIN_ARRAY && v.count == 3 && three_numbers(here)) *tag = UMP_PLAIN_TUPLE;
  return ump_plain_skip(r);
}

/* In place, in an update's list of dicts. */
static void mark_positions(uint8_t *p, size_t n) {
  struct ump_reader r = ump_reader(ump_bytes(p, n));
  struct ump_plain list, thing, key;
  if (!ump_plain_get(&r, &list) || list.tag != UMP_PLAIN_ARRAY) return;
  for (uint32_t i = 0; i < list.count; i++) {
    struct ump_reader here = r;
    if (!ump_plain_get(&here, &thing)) return;
    for (uint32_t k = 0; thing.tag == UMP_PLAIN_MAP && k < thing.count; k++) {
      if (!ump_plain_get(&here, &key)) return;
      bool scalar = key.tag < UMP_PLAIN_ARRAY,
           pos = key.tag == UMP_PLAIN_STRING && ump_bytes_equal(key.s, ump_text("pos"));
      if (!scalar) return; /* bindings write no such keys */
      if (pos ? !mark_pos(&here, p + (here.p - p)) : !ump_plain_skip(&here)) return;
    }
    if (!ump_plain_skip(&r)) return;
  }
}

static void encode(struct pymmorpg *p, struct conn *c, struct ump_bytes plain, uint8_t *to, size_t cap, ump_time now) {
  struct ump_writer w = ump_writer(to, cap);
  int err = ump_pickle_put_plain(&w, plain);
  if (err) { /* a table with both a list and named fields, or over 1 MiB */
    p->counts[REPLY_TOO_LARGE] += err == UMP_ETOOBIG;
    ump_log_text(p->log, UMP_ERROR, "bad_reply", &c->addr,
                 err == UMP_ETOOBIG ? "what execute returned is more than 1 MiB: the client is told False"
                                    : "what execute returned is both a list and named fields, and Python has no such "
                                      "thing: return one or the other; the client is told False");
    ump__pm_say_false(p, c, now);
    return;
  }
  send(p, c, ump_written(&w), NULL, now);
}

static void encode_large(struct pymmorpg *p, struct conn *c, struct ump_bytes plain, ump_time now) {
  size_t cap = plain.n < MESSAGE_MAX / EXPANSION ? plain.n * EXPANSION + 64 : MESSAGE_MAX;
  uint8_t *to = ump_alloc(p->mem, cap);
  if (!to) {
    out_of_memory(p, c, now);
    return;
  }
  encode(p, c, plain, to, cap, now);
  ump_free(p->mem, to, cap);
}

static void say_plain(struct pymmorpg *p, struct conn *c, struct ump_bytes plain, ump_time now) {
  uint8_t small[SMALL];
  if (plain.n * EXPANSION + 64 <= sizeof small)
    encode(p, c, plain, small, sizeof small, now);
  else
    encode_large(p, c, plain, now);
}

void ump__pm_say_plain(struct pymmorpg *p, struct conn *c, struct ump_bytes plain, ump_time now) {
  if (c->command != UPDATE) {
    say_plain(p, c, plain, now);
    return;
  }
  uint8_t *copy = ump_alloc(p->mem, plain.n);
  if (!copy) {
    out_of_memory(p, c, now);
    return;
  }
  memcpy(copy, plain.p, plain.n);
  mark_positions(copy, plain.n);
  say_plain(p, c, ump_bytes(copy, plain.n), now);
  ump_free(p->mem, copy, plain.n);
}
