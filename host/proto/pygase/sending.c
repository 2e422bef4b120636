/* One package to one client: when, and what is in it. Wire sections 3 and 5. */
#include "proto/pygase/internal.h"

/* ---- confirmations ---- */

static uint32_t micros(ump_time t) {
  return (uint32_t)(t / UMP_US);
}

/* The field's highest bit is ack - 1; here bit 0 is. */
static uint32_t reversed(uint32_t v) {
  v = (v >> 1 & 0x55555555u) | (v & 0x55555555u) << 1;
  v = (v >> 2 & 0x33333333u) | (v & 0x33333333u) << 2;
  v = (v >> 4 & 0x0f0f0f0fu) | (v & 0x0f0f0f0fu) << 4;
  return __builtin_bswap32(v);
}

static void sample(struct ump_pygase *n, struct pg_session *s, uint64_t fresh) {
  for (; fresh; fresh &= fresh - 1) {
    unsigned ago = (unsigned)__builtin_ctzll(fresh);
    uint32_t us = micros(n->now) - s->sent_us[(s->n_sendings - 1 - ago) % PG_SENDINGS];
    s->latency += ((ump_time)us * UMP_US - s->latency) / 10;
  }
}

/* A clear bit says nothing: the real client forgets the package before a gap (section 10). The lowest one says nothing
 * either: it never looks at it, so neither do we. */
void ump__pg_acked(struct ump_pygase *n, struct pg_session *s, uint16_t ack, uint32_t bits) {
  int ago = ack && s->n_sendings ? pg_ahead(s->sequence, ack) : -1;
  uint64_t sent = s->n_sendings < PG_SENDINGS ? ((uint64_t)1 << s->n_sendings) - 1 : UINT64_MAX;
  if (ago < 0 || ago >= PG_SENDINGS || !(sent >> ago & 1)) {
    if (ack && ack != s->knew && ago < 0) pg_count(n, PG_unknown_ack);
    return;
  }
  uint64_t said = ((uint64_t)reversed(bits & ~1u) << 1 | 1) << ago, fresh = said & sent & ~s->confirmed;
  if (!fresh) return;
  s->confirmed |= fresh;
  sample(n, s, fresh);
  if (!ump_list_empty(&s->flight)) ump__pg_confirm_outs(n, s);
}

/* ---- congestion: section 5 ---- */

static void look_at_congestion(struct ump_pygase *n, struct pg_session *s) {
  bool high = s->latency > PG_CONGESTED;
  if (n->now < s->look) return;
  s->look = n->now + PG_LOOK;
  if (!s->congested && high) {
    s->congested = true;
    if (n->now - s->good_since < s->throttle) s->throttle = ump_time_min(2 * s->throttle, PG_THROTTLE_MOST);
    s->calm_since = n->now;
    pg_count(n, PG_congested);
  } else if (!s->congested) {
    if (n->now - s->eased < s->throttle) return;
    s->eased = n->now;
    s->throttle = s->throttle / 2 < PG_THROTTLE_LEAST ? PG_THROTTLE_LEAST : s->throttle / 2;
  } else if (high) {
    s->calm_since = n->now;
  } else if (n->now - s->calm_since >= s->throttle) {
    s->congested = false;
    s->good_since = s->eased = n->now;
    pg_count(n, PG_relieved);
  }
}

/* ---- a package ---- */

static void number(struct ump_pygase *n, struct pg_session *s) {
  if (s->n_sendings >= PG_SENDINGS && !(s->confirmed >> (PG_SENDINGS - 1))) pg_count(n, PG_packages_lost);
  s->confirmed <<= 1, s->really <<= 1;
  s->sent_us[s->n_sendings++ % PG_SENDINGS] = micros(n->now);
}

/* Sequences that are left out count as sent now: nobody confirms them. */
static void write_header(struct ump_pygase *n, struct pg_session *s, struct ump_writer *w, uint16_t sequence) {
  int ahead = s->n_sendings ? pg_ahead(sequence, s->sequence) : 1;
  s->sequence = sequence;
  for (int i = ahead < PG_SENDINGS ? ahead : PG_SENDINGS; i > 0; i--) number(n, s);
  s->really |= 1;
  ump_write_u32be(w, PG_ID);
  ump_write_u16be(w, sequence);
  ump_write_u16be(w, s->in.newest);
  ump_write_u32be(w, s->in.before);
}

static void write_update(struct ump_writer *w, const struct pg_update *u) {
  static const char time_order[] = "\xaatime_order", game_status[] = "\xabgame_status\x01";
  uint8_t head[32];
  struct ump_writer h = ump_writer(head, sizeof head);
  ump_msgpack_put_map(&h, u->n_entries + 1u + u->game_status);
  ump_write_bytes(&h, ump_bytes(time_order, sizeof time_order - 1));
  ump_msgpack_put_int(&h, u->time_order);
  if (u->game_status) ump_write_bytes(&h, ump_bytes(game_status, sizeof game_status - 1));
  ump_write_u16be(w, (uint16_t)(h.n + u->entries.n));
  ump_write_bytes(w, ump_written(&h));
  ump_write_bytes(w, u->entries);
}

/* An event of up to 600 bytes goes beside any update. Larger ones and large updates take turns. */
static void choose_update(struct ump_pygase *n, struct pg_session *s, struct pg_update *u) {
  enum { BESIDE = UMP_PYGASE_DATAGRAM - PG_CLIENT_HEADER - 32 };
  size_t event = s->n_outs ? ump__pg_next_event(n, s) : 0;
  ump__pg_update(n, s, u);
  if (event + 2 + u->entries.n <= BESIDE || !event) return;
  s->gave_events = !s->gave_events;
  if (s->gave_events) ump__pg_idle_update(s, u);
}

static void compose(struct ump_pygase *n, struct pg_session *s, struct ump_writer *out) {
  struct pg_update u;
  struct ump_writer w =
      ump_writer(out->p + out->n, out->cap - out->n < UMP_PYGASE_DATAGRAM ? out->cap - out->n : UMP_PYGASE_DATAGRAM);
  choose_update(n, s, &u);
  write_header(n, s, &w, pg_after(s->sequence));
  write_update(&w, &u);
  if (s->n_outs) ump__pg_write_events(n, s, &w);
  out->n += w.n;
}

/* E1: what an address gets that has proven nothing: 27 bytes, of which the client takes no more than the sequence. */
static void compose_answer(struct ump_pygase *n, struct pg_session *s, struct ump_writer *out) {
  struct pg_update u;
  ump__pg_idle_update(s, &u);
  write_header(n, s, out, pg_add(s->in.newest, s->shift));
  write_update(out, &u);
  s->answers++;
}

static int sent(struct ump_pygase *n, const struct pg_session *s, struct ump_addr *to, size_t bytes) {
  *to = s->addr;
  pg_count(n, PG_datagrams_out);
  n->counts[PG_bytes_out] += bytes;
  return 1;
}

/* False: it is gone, or on its way out. */
static bool still_there(struct ump_pygase *n, struct pg_session *s) {
  if (n->now - s->heard >= PG_TIMEOUT) return ump__pg_away(n, s), false;
  if (s->leaving && n->now - s->leaving >= PG_LEAVING) {
    pg_count(n, PG_left);
    return ump__pg_end(n, s, "left"), false;
  }
  return true;
}

int ump__pg_flush(struct ump_pygase *n, struct ump_addr *to, struct ump_writer *out) {
  size_t start = out->n;
  if (!ump_list_empty(&n->answers)) {
    struct pg_session *s = UMP_CONTAINER(n->answers.next, struct pg_session, answer);
    ump_list_remove(&s->answer);
    n->n_answers--;
    compose_answer(n, s, out);
    return sent(n, s, to, out->n - start);
  }
  struct pg_wheel_node *node;
  while ((node = ump__pg_wheel_pop(&n->wheel, n->now))) {
    struct pg_session *s = UMP_CONTAINER(node, struct pg_session, due);
    if (!still_there(n, s)) continue;
    look_at_congestion(n, s);
    ump__pg_wheel_again(&n->wheel, node, n->now, s->congested ? PG_CONGESTED_INTERVAL : PG_INTERVAL);
    compose(n, s, out);
    return sent(n, s, to, out->n - start);
  }
  return 0;
}
