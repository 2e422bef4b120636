/* PyGaSe: what a package does (wire sections 5, 8 and 9), and the one interface that the engine drives. */
#include "proto/pygase/internal.h"

#include <assert.h>

void ump__pg_drop(struct ump_pygase *n, enum pg_count cause, const struct ump_addr *from, const char *text) {
  pg_count(n, cause);
  ump_log_text(n->log, UMP_DEBUG, "bad_package", from, text);
}

/* ---- a package ---- */

struct package {
  const struct ump_addr *from;
  uint16_t sequence, ack, time_order;
  uint32_t bits;
  struct ump_bytes events;
};

static bool read_header(struct package *p, struct ump_bytes in) {
  struct ump_reader r = ump_reader(in);
  uint32_t id = ump_read_u32be(&r);
  p->sequence = ump_read_u16be(&r);
  p->ack = ump_read_u16be(&r);
  p->bits = ump_read_u32be(&r);
  p->time_order = ump_read_u16be(&r);
  p->events = ump_bytes(r.p, ump_reader_left(&r));
  return !r.bad && id == PG_ID;
}

/* Section 5: a new client on an old port. */
static bool starts_over(const struct ump_pygase *n, const struct pg_session *s, const struct package *p) {
  return p->sequence == 1 && !p->ack && !p->time_order && n->now - s->heard >= PG_QUIET;
}

static bool in_window(struct ump_pygase *n, const struct pg_session *s, const struct package *p) {
  enum pg_place place = pg_window_place(&s->in, p->sequence);
  if (place == PG_DOUBLED) ump__pg_drop(n, PG_doubled, p->from, "a sequence that came before");
  if (place == PG_TOO_OLD) ump__pg_drop(n, PG_too_old, p->from, "more than 32 behind");
  return place == PG_NEWEST || place == PG_LATE;
}

/* ---- what it does, by the state of its session ---- */

static void hold(struct ump_pygase *n, struct pg_session *s, struct ump_bytes events) {
  if (!events.n) return;
  if (!s->held && !(s->held = ump_alloc(n->mem, PG_HELD))) {
    pg_count(n, PG_no_memory);
    return;
  }
  if (s->n_held + events.n > PG_HELD) {
    n->counts[PG_events_held_lost] += n->n_events;
    return;
  }
  memcpy(s->held + s->n_held, events.p, events.n);
  s->n_held = (uint16_t)(s->n_held + events.n);
  n->counts[PG_events_held] += n->n_events;
}

/* What was left out because its own sequences jumped proves nothing: jumps would make guessing cheap. */
static bool proves(const struct pg_session *s, const struct package *p) {
  int ago = p->ack && s->n_sendings ? pg_ahead(s->sequence, p->ack) : -1;
  return ago >= 0 && (uint32_t)ago < s->n_sendings && ago < PG_NEW_ANSWERS && s->really >> ago & 1;
}

/* It answers what we sent while it had a place, which others have taken since: hardening T5. */
static bool echoes(const struct ump_pygase *n, const struct package *p) {
  if (!p->ack || n->now >= n->pressed) return false;
  int ago = pg_ahead(pg_add(p->sequence, ump__pg_shift(n, p->from)), p->ack);
  return ago >= 0 && ago < PG_NEW_ECHOES;
}

static struct pg_session *newcomer(struct ump_pygase *n, const struct package *p) {
  bool echo = echoes(n, p);
  struct pg_session *s = ump__pg_new(n, p->from, p->sequence, echo ? 0 : p->ack, p->time_order);
  if (!s || !echo) return s;
  s->sequence = pg_add(p->sequence, s->shift); /* nothing newer can have been sent */
  s->n_sendings = PG_NEW_ECHOES;
  s->really = ((uint64_t)1 << PG_NEW_ECHOES) - 1;
  for (int i = 0; i < PG_NEW_ECHOES; i++) s->sent_us[i] = (uint32_t)(n->now / UMP_US);
  return s;
}

/* E1. */
static void of_new(struct ump_pygase *n, struct pg_session *s, const struct package *p, bool newest) {
  if (proves(s, p)) {
    pg_count(n, PG_proven);
    ump__pg_connect(n, s);
    return;
  }
  if (p->ack && p->ack != s->knew && ++s->guesses >= PG_NEW_GUESSES) {
    ump__pg_silence(n, s);
    return;
  }
  hold(n, s, p->events);
  if (!newest || s->answers >= PG_NEW_ANSWERS || ump_list_linked(&s->answer)) return;
  ump_list_push(&n->answers, &s->answer);
  n->n_answers++;
}

static void take(struct ump_pygase *n, struct pg_session *s, const struct package *p) {
  bool newest = pg_window_place(&s->in, p->sequence) == PG_NEWEST;
  pg_window_put(&s->in, p->sequence);
  s->heard = n->now;
  if (s->leaving) {
    s->leaving = 0;
    pg_count(n, PG_shutdowns_forged);
  }
  if (s->state == PG_STATE_NEW)
    of_new(n, s, p, newest);
  else if (s->state == PG_STATE_AWAY)
    ump__pg_connect(n, s);
  if (s->state != PG_STATE_CONNECTED && s->state != PG_STATE_CONNECTING) return;
  ump__pg_acked(n, s, p->ack, p->bits);
  if (newest) ump__pg_update_confirmed(n, s, p->time_order);
  n->judged = s, n->at_held = 0;
}

/* ---- commands: section 9 ---- */

/* The host is who has been connected for longest. */
static bool is_host(const struct ump_pygase *n, const struct pg_session *s) {
  return n->connected.next == &s->at;
}

static void on_shutdown(struct ump_pygase *n, const struct ump_addr *from) {
  struct pg_session *s = ump__pg_find(n, from);
  if (!s || s->state != PG_STATE_CONNECTED) {
    ump__pg_drop(n, PG_shutdowns_ignored, from, "shutdown, from nobody we know");
    return;
  }
  pg_count(n, PG_shutdowns);
  if (n->host_shutdown && is_host(n, s))
    n->stop = true;
  else if (!s->leaving)
    s->leaving = n->now;
}

/* ---- bytes in ---- */

static void forget_unanswered(struct ump_pygase *n) {
  n->n_events = n->at_event = 0;
  n->judged = NULL;
  if (n->connecting) ump__pg_silence(n, n->connecting); /* the engine did not say */
}

static void on_package(struct ump_pygase *n, const struct package *p) {
  struct pg_session *s = ump__pg_find(n, p->from);
  bool over = s && starts_over(n, s, p);
  if (s && (s->state == PG_STATE_REFUSED || (!over && !in_window(n, s, p)))) return;
  if (!ump__pg_events(n, p->events)) {
    ump__pg_drop(n, PG_bad_event, p->from,
                 "an event that is cut, broken, or lacks type, handler_args or handler_kwargs");
    return;
  }
  if (over) {
    pg_count(n, PG_started_over);
    ump__pg_end(n, s, "started over");
    s = NULL;
  }
  if (!s) s = newcomer(n, p);
  if (s) take(n, s, p);
}

static void pg_recv(void *self, const struct ump_addr *from, struct ump_bytes in, ump_time now) {
  struct ump_pygase *n = self;
  struct package p = {.from = from};
  n->now = now;
  forget_unanswered(n);
  pg_count(n, PG_datagrams_in);
  n->counts[PG_bytes_in] += in.n;
  if (in.n > UMP_PYGASE_DATAGRAM) {
    ump__pg_drop(n, PG_bad_size, from, "longer than 2048 bytes");
  } else if (ump_bytes_equal(in, ump_bytes("shutdown", 8))) {
    on_shutdown(n, from);
  } else if (in.n >= 4 && in.n < PG_CLIENT_HEADER && memcmp(in.p, "\xff\xd0\xfa\xb9", 4) == 0) {
    ump__pg_drop(n, PG_bad_size, from, "shorter than a header");
  } else if (!read_header(&p, in)) {
    ump__pg_drop(n, PG_bad_id, from, "no package of PyGaSe's");
  } else if (!p.sequence) {
    ump__pg_drop(n, PG_bad_sequence, from, "sequence 0");
  } else {
    on_package(n, &p);
  }
}

/* ---- events out, answers in ---- */

static void judge(struct ump_pygase *n, const struct pg_event *event, struct ump_event *ev) {
  struct pg_session *s = n->judged;
  pg_count(n, PG_events);
  *ev = (struct ump_event){.type = UMP_EVENT_JUDGE,
                           .session = s->handle,
                           .client = s->client,
                           .has_name = true,
                           .name = event->name,
                           .has_data = event->data.n > 0,
                           .data = event->data,
                           .encoding = UMP_PLAIN};
}

/* What came before there was a client; it was looked at when it came. */
static bool judge_held(struct ump_pygase *n, struct ump_event *ev) {
  struct pg_session *s = n->judged;
  struct ump_reader r = ump_reader(ump_bytes(s->held + n->at_held, s->n_held - n->at_held));
  struct ump_writer plain = ump_writer(n->held_plain, sizeof n->held_plain);
  struct pg_event event;
  if (!ump_reader_left(&r) || !ump__pg_event(&r, &plain, &event)) {
    ump_free(n->mem, s->held, PG_HELD);
    s->held = NULL, s->n_held = 0;
    return false;
  }
  n->at_held = (size_t)(r.p - s->held);
  judge(n, &event, ev);
  return true;
}

static bool ask(struct ump_pygase *n, struct ump_event *ev) {
  struct pg_session *s = n->connecting;
  if (!s || n->asked) return false;
  n->asked = true;
  n->from = s->addr;
  *ev = (struct ump_event){.type = UMP_EVENT_CONNECT, .session = s->handle, .from = &n->from, .again = s->serial};
  return true;
}

static int pg_next(void *self, struct ump_event *ev, ump_time now) {
  struct ump_pygase *n = self;
  n->now = now;
  if (ump__pg_report(n, ev) || ask(n, ev)) return 1;
  if (n->stop) {
    n->stop = false;
    *ev = (struct ump_event){.type = UMP_EVENT_STOP};
    return 1;
  }
  if (n->judged && n->judged->state != PG_STATE_CONNECTED) n->judged = NULL;
  if (!n->judged) return 0;
  if (n->judged->held && judge_held(n, ev)) return 1;
  if (n->at_event == n->n_events) return n->judged = NULL, 0;
  judge(n, &n->events[n->at_event++], ev);
  return 1;
}

static void pg_admit(void *self, uint32_t session, struct ump_client *client, uint64_t serial, struct ump_bytes reason,
                     ump_time now) {
  struct ump_pygase *n = self;
  struct pg_session *s = ump__pg_session(n, session);
  (void)reason; /* the wire has no word for it */
  n->now = now;
  if (s && s == n->connecting) ump__pg_admit(n, s, client, serial);
}

/* There is no verdict on the wire. */
static void pg_answer(void *self, const struct ump_event *ev, const struct ump_answer *a, ump_time now) {
  struct ump_pygase *n = self;
  (void)ev;
  n->now = now;
  if (a->verdict != UMP_LEGAL) pg_count(n, PG_events_illegal);
}

/* ---- notices ---- */

static int pg_pack(void *self, const struct ump_notice *notice, struct ump_blob **out) {
  return ump__pg_pack(self, notice, out);
}

static int pg_notify(void *self, uint32_t session, struct ump_blob *payload, ump_time now) {
  struct ump_pygase *n = self;
  struct pg_session *s = ump__pg_session(n, session);
  n->now = now;
  return s ? ump__pg_notify(n, s, payload) : UMP_EGONE;
}

static size_t pg_room(void *self, uint32_t session) {
  struct pg_session *s = ump__pg_session(self, session);
  return s && s->state == PG_STATE_CONNECTED ? PG_QUEUE - s->n_outs : 0;
}

static void pg_kick(void *self, uint32_t session, struct ump_bytes reason, ump_time now) {
  struct ump_pygase *n = self;
  struct pg_session *s = ump__pg_session(n, session);
  (void)reason; /* no word for that either: silence, until the client has counted its 5 s */
  n->now = now;
  if (!s) return;
  pg_count(n, PG_kicked);
  if (s->state == PG_STATE_CONNECTED || s->state == PG_STATE_CONNECTING) {
    ump__pg_silence(n, s);
  } else { /* the engine was about to be told that it is gone */
    ump__pg_told(n, s);
  }
}

/* ---- bytes out, time ---- */

static int pg_flush(void *self, struct ump_addr *to, struct ump_writer *out, ump_time now) {
  struct ump_pygase *n = self;
  n->now = now;
  return ump__pg_flush(n, to, out);
}

static ump_time pg_deadline(const void *self) {
  const struct ump_pygase *n = self;
  if (!ump_list_empty(&n->reports) || !ump_list_empty(&n->answers) || n->judged || n->connecting || n->stop)
    return n->now;
  ump_time t = ump_time_min(ump__pg_wheel_deadline(&n->wheel), ump__pg_session_deadline(n));
  return t > n->now ? t : n->now;
}

static void pg_expire(void *self, ump_time now) {
  struct ump_pygase *n = self;
  n->now = now;
  ump__pg_expire_sessions(n);
}

/* ---- looking ---- */

static struct ump_counters pg_counters(const void *self) {
  static const char *const names[PG_N_COUNTS] = {
#define COUNTER_NAME(name) #name,
      PG_COUNTERS(COUNTER_NAME)};
  const struct ump_pygase *n = self;
  return (struct ump_counters){names, n->counts, PG_N_COUNTS};
}

/* Strangers, those who are away and those who are met with silence are not counted: nobody waits for anything of
 * theirs. */
static size_t pg_load(const void *self) {
  const struct ump_pygase *n = self;
  return n->n_connected + n->n_gone + n->n_reports + n->n_answers + n->n_outs + (n->connecting != NULL) +
         (n->judged != NULL) + n->stop;
}

/* ---- life ---- */

static const struct ump_option options[] = {
    {"host_shutdown", "0", "let the client that has been connected for longest stop the host with its shutdown command",
     UMP_OPTION_SWITCH, 0, 1},
};

static bool switched_on(const struct ump_proto_cfg *cfg, const char *name) {
  for (size_t i = 0; i < cfg->n_options; i++)
    if (strcmp(cfg->options[i].name, name) == 0) return cfg->options[i].number != 0;
  return false;
}

static int pg_create(void **self, const struct ump_proto_cfg *cfg, ump_time now) {
  struct ump_pygase *n = ump_zalloc(cfg->mem, sizeof *n);
  if (!n) return UMP_ENOMEM;
  n->mem = cfg->mem, n->rng = cfg->rng, n->log = cfg->log, n->feed = cfg->feed;
  n->limit = cfg->limit, n->per_address = cfg->per_address;
  n->host_shutdown = switched_on(cfg, "host_shutdown");
  n->now = now;
  ump_rng_fill(n->rng, &n->key, sizeof n->key);
  struct ump_list *heads[] = {&n->fresh, &n->connected, &n->away, &n->refused, &n->reports, &n->answers, &n->free_outs};
  for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) ump_list_init(heads[i]);
  ump__pg_wheel_init(&n->wheel, now);
  ump_tally_init(&n->tally, n->mem, &n->key, n->limit);
  if (ump_table_init(&n->sessions, n->mem)) {
    ump_free(cfg->mem, n, sizeof *n);
    return UMP_ENOMEM;
  }
  *self = n;
  return 0;
}

static void pg_destroy(void *self) {
  struct ump_pygase *n = self;
  ump__pg_free_sessions(n);
  ump__pg_free_outs(n);
  ump__pg_free_form_buffer(n);
  ump_tally_deinit(&n->tally);
  ump_table_deinit(&n->sessions);
  ump_free(n->mem, n, sizeof *n);
}

const struct ump_proto_ops ump_pygase = {
    .scheme = "pygase",
    .transport = UMP_DATAGRAM,
    .encoding = UMP_PLAIN,
    .default_port = UMP_PYGASE_PORT,
    .max_datagram = UMP_PYGASE_DATAGRAM,
    .options = options,
    .n_options = sizeof options / sizeof *options,
    .create = pg_create,
    .destroy = pg_destroy,
    .recv = pg_recv,
    .next = pg_next,
    .admit = pg_admit,
    .answer = pg_answer,
    .state_fits = ump__pg_state_fits,
    .pack = pg_pack,
    .notify = pg_notify,
    .room = pg_room,
    .kick = pg_kick,
    .flush = pg_flush,
    .deadline = pg_deadline,
    .expire = pg_expire,
    .counters = pg_counters,
    .load = pg_load,
};
