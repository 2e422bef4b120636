/* See pg_world.h. */
#include "pg_world.h"

#include <stdlib.h>
#include <string.h>

#define OPS (&ump_pygase)

extern const struct ump_feed_ops pg_feed_ops; /* pg_feed.c */

void pg_open(struct pg_world *w, struct pg_cfg cfg) {
  memset(w, 0, sizeof *w);
  testing_mem_init(&w->mem);
  testing_log_init(&w->log);
  testing_rng_init(&w->rng, 7);
  w->now = 1000 * UMP_S;
  w->sent = calloc(PG_SENT_MOST, sizeof *w->sent);
  w->judged = calloc(PG_JUDGED_MOST, sizeof *w->judged);
  assert_non_null(w->sent);
  assert_non_null(w->judged);
  w->feed = (struct pg_feed){.face = {&pg_feed_ops, &w->feed}, .mem = &w->mem};
  struct ump_option_value options[] = {{.name = "host_shutdown", .number = cfg.host_shutdown}};
  struct ump_proto_cfg proto = {.mem = cfg.mem ? cfg.mem : &w->mem.mem,
                                .rng = &w->rng.rng,
                                .log = &w->log.log,
                                .feed = cfg.no_feed ? NULL : &w->feed.face,
                                .limit = cfg.limit ? cfg.limit : 50,
                                .per_address = cfg.per_address ? cfg.per_address : 64,
                                .options = options,
                                .n_options = 1};
  w->created = OPS->create(&w->proto, &proto, w->now);
}

void pg_close(struct pg_world *w) {
  if (w->created == 0) {
    assert_null(ump_pygase_check(w->proto));
    w->quiet = true;
    for (uint32_t i = 0; i < PG_SESSIONS; i++)
      if (w->sessions[i].there) pg_kick(w, i);
    pg_pass(w, 61 * UMP_S);
    assert_null(ump_pygase_check(w->proto));
    assert_int_equal(OPS->load(w->proto), 0);
    OPS->destroy(w->proto);
  }
  if (w->feed.cached) pg_feed_ops.patch_unref(&w->feed, w->feed.cached);
  assert_int_equal(w->feed.n_patches, 0);
  assert_int_equal(w->feed.n_moments, 0);
  testing_mem_assert_empty(&w->mem);
  free(w->feed.versions);
  free(w->sent);
  free(w->judged);
}

struct ump_addr pg_addr(unsigned host, uint16_t port) {
  return (struct ump_addr){.family = 4, .ip = {10, 0, (uint8_t)(host >> 8), (uint8_t)host}, .port = port};
}

/* ---- the engine's part ---- */

static struct ump_client *client_of(struct pg_there *t) {
  return (struct ump_client *)(void *)t;
}

static void connect(struct pg_world *w, const struct ump_event *ev) {
  struct pg_there *t = &w->sessions[ev->session];
  assert_true(ev->session < PG_SESSIONS);
  w->n_connects++;
  w->last_session = ev->session, w->last_again = ev->again;
  if (w->refuse) {
    OPS->admit(w->proto, ev->session, NULL, 0, ump_text("no"), w->now);
    return;
  }
  assert_false(t->there);
  *t = (struct pg_there){true, ev->again ? ev->again : ++w->serials};
  OPS->admit(w->proto, ev->session, client_of(t), t->serial, ump_bytes(NULL, 0), w->now);
}

static void judge(struct pg_world *w, const struct ump_event *ev) {
  assert_true(w->n_judged < PG_JUDGED_MOST);
  assert_true(w->sessions[ev->session].there);
  assert_ptr_equal(ev->client, &w->sessions[ev->session]);
  assert_int_equal(ev->encoding, UMP_PLAIN);
  assert_false(ev->once);
  assert_int_equal(ev->id.n, 0);
  struct pg_judged *j = &w->judged[w->n_judged++];
  size_t n = ev->name.n < sizeof j->name - 1 ? ev->name.n : sizeof j->name - 1;
  memcpy(j->name, ev->name.p, n);
  j->name[n] = 0;
  j->session = ev->session;
  j->n = ev->data.n < sizeof j->data ? ev->data.n : sizeof j->data;
  if (j->n) memcpy(j->data, ev->data.p, j->n);
  assert_int_equal(ev->has_data, ev->data.n > 0);
  struct ump_answer a = {.verdict = strncmp(j->name, "bad", 3) ? UMP_LEGAL : UMP_ILLEGAL};
  OPS->answer(w->proto, ev, &a, w->now);
  if (w->kick_next) {
    w->kick_next = false;
    pg_kick(w, ev->session);
  }
}

static void disconnect(struct pg_world *w, const struct ump_event *ev) {
  assert_true(w->sessions[ev->session].there);
  assert_ptr_equal(ev->client, &w->sessions[ev->session]);
  w->sessions[ev->session].there = false;
  w->n_disconnects++;
  strncpy(w->last_reason, ev->reason, sizeof w->last_reason - 1);
}

static void pull(struct pg_world *w) {
  struct ump_event ev;
  while (OPS->next(w->proto, &ev, w->now)) {
    switch (ev.type) {
    case UMP_EVENT_CONNECT:
      connect(w, &ev);
      break;
    case UMP_EVENT_JUDGE:
      judge(w, &ev);
      break;
    case UMP_EVENT_DISCONNECT:
      disconnect(w, &ev);
      break;
    case UMP_EVENT_STOP:
      w->n_stops++;
      break;
    default:
      fail_msg("an event that PyGaSe has no use for");
    }
  }
}

/* ---- what comes out ---- */

static unsigned u16(const uint8_t *p) {
  return (unsigned)p[0] << 8 | p[1];
}

static int find_int(struct ump_bytes map, const char *key) { /* a small map of ours; the value is an integer */
  size_t n = strlen(key);
  for (size_t i = 0; i + n < map.n; i++) {
    const uint8_t *p = map.p + i + n;
    if (memcmp(map.p + i, key, n)) continue;
    return *p < 0x80 ? *p : *p == 0xcc ? p[1] : *p == 0xcd ? (int)u16(p + 1) : -2;
  }
  return -1;
}

static void take_apart(struct pg_sent_package *p) {
  assert_in_range(p->n, 15, 2048);
  assert_memory_equal(p->bytes, "\xff\xd0\xfa\xb9", 4);
  p->sequence = (uint16_t)u16(p->bytes + 4), p->ack = (uint16_t)u16(p->bytes + 6);
  p->bits = u16(p->bytes + 8) << 16 | u16(p->bytes + 10);
  size_t n = u16(p->bytes + 12);
  assert_true(p->sequence != 0 && n > 0 && 14 + n <= p->n);
  p->update = ump_bytes(p->bytes + 14, n);
  p->events = ump_bytes(p->bytes + 14 + n, p->n - 14 - n);
  p->time_order = find_int(p->update, "time_order");
  p->game_status = find_int(p->update, "game_status");
  p->n_events = 0;
  for (size_t at = 0; at < p->events.n; at += 2 + u16(p->events.p + at)) p->n_events++;
  assert_true(p->n_events <= 5);
}

static void flush(struct pg_world *w) {
  static struct pg_sent_package nowhere;
  for (;;) {
    assert_true(w->quiet || w->n_sent < PG_SENT_MOST);
    struct pg_sent_package *p = w->quiet ? &nowhere : &w->sent[w->n_sent];
    struct ump_writer out = ump_writer(p->bytes, 2048);
    if (!OPS->flush(w->proto, &p->to, &out, w->now)) return;
    assert_false(out.full);
    p->n = out.n, p->at = w->now;
    take_apart(p);
    if (w->on_sent) w->on_sent(w->ctx, p);
    if (!w->quiet) w->n_sent++;
  }
}

void pg_in(struct pg_world *w, struct ump_addr from, const void *p, size_t n) {
  OPS->recv(w->proto, &from, ump_bytes(p, n), w->now);
  pull(w);
  flush(w);
}

void pg_pass(struct pg_world *w, ump_time t) {
  ump_time end = w->now + t;
  unsigned stuck = 0;
  for (;;) {
    ump_time at = OPS->deadline(w->proto);
    if (at > end) break;
    stuck = at <= w->now ? stuck + 1 : 0;
    assert_true(stuck < 1000);
    if (at > w->now) w->now = at;
    OPS->expire(w->proto, w->now);
    pull(w);
    flush(w);
  }
  w->now = end;
}

const struct pg_sent_package *pg_take(struct pg_world *w) {
  return w->seen < w->n_sent ? &w->sent[w->seen++] : NULL;
}

const struct pg_sent_package *pg_last(struct pg_world *w) {
  assert_true(w->n_sent > 0);
  w->seen = w->n_sent;
  return &w->sent[w->n_sent - 1];
}

void pg_forget_sent(struct pg_world *w) {
  w->n_sent = w->seen = 0;
}

uint64_t pg_counter(struct pg_world *w, const char *name) {
  struct ump_counters c = OPS->counters(w->proto);
  for (size_t i = 0; i < c.n; i++)
    if (!strcmp(c.names[i], name)) return c.counts[i];
  fail_msg("no counter %s", name);
  return 0;
}

int pg_notify(struct pg_world *w, uint32_t session, const char *name, struct ump_bytes plain) {
  struct ump_blob *blob;
  struct ump_notice notice = {.has_name = true, .name = ump_text(name), .has_data = plain.n > 0, .data = plain};
  int err = OPS->pack(w->proto, &notice, &blob);
  if (err) return err;
  err = OPS->notify(w->proto, session, blob, w->now);
  ump_blob_unref(blob);
  return err;
}

void pg_kick(struct pg_world *w, uint32_t session) {
  assert_true(w->sessions[session].there);
  OPS->kick(w->proto, session, ump_text("bye"), w->now);
  w->sessions[session].there = false;
}

/* ---- packages of a client ---- */

static void put(struct pg_package *p, uint32_t v, int bytes) {
  while (bytes--) p->bytes[p->n++] = (uint8_t)(v >> 8 * bytes);
}

struct pg_package pg_package(unsigned sequence, unsigned ack, uint32_t bits, unsigned time_order) {
  struct pg_package p = {.n = 0};
  put(&p, 0xffd0fab9, 4), put(&p, sequence, 2), put(&p, ack, 2), put(&p, bits, 4), put(&p, time_order, 2);
  return p;
}

void pg_add_event(struct pg_package *p, const char *name, const char *rest, size_t n) {
  size_t name_n = strlen(name);
  assert_true(name_n < 32);
  put(p, (uint32_t)(6 + 1 + name_n + n), 2);
  memcpy(p->bytes + p->n, "\x83\xa4type", 6), p->n += 6;
  put(p, 0xa0 | (uint32_t)name_n, 1);
  memcpy(p->bytes + p->n, name, name_n), p->n += name_n;
  memcpy(p->bytes + p->n, rest, n), p->n += n;
}

void pg_add_plain_event(struct pg_package *p, const char *name) {
  pg_add_event(p, name, "\xachandler_args\x90\xaehandler_kwargs\x80", 13 + 1 + 15 + 1);
}

void pg_say(struct pg_world *w, struct ump_addr from, unsigned sequence, unsigned ack, unsigned time_order) {
  struct pg_package p = pg_package(sequence, ack, 0, time_order);
  pg_in(w, from, p.bytes, p.n);
}

void pg_say_event(struct pg_world *w, struct ump_addr from, unsigned sequence, unsigned ack, unsigned time_order,
                  const char *name) {
  struct pg_package p = pg_package(sequence, ack, 0, time_order);
  pg_add_plain_event(&p, name);
  pg_in(w, from, p.bytes, p.n);
}
