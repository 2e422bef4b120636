#include "record/replay.h"

#include "codec/json.h"
#include "record/inside.h"

/* A timer that was due less than this before the recorded ones is one of them: ticks count from another beginning after
 * a snapshot in the middle, and differ by the last bit of a double. */
#define SLACK UMP_US

enum { FAR_TOO_MANY = 1000000, ID_MAX = 64, CHANNEL_MAX = 255 };

/* ---- chance ---- */

static void fill(void *ctx, void *out, size_t n) {
  struct ump_replay *r = ctx;
  size_t left = r->draws.n - r->drawn, taken = n < left ? n : left;
  if (taken) memcpy(out, r->draws.v + r->drawn, taken);
  r->drawn += taken;
  struct ump_rng more = ump_rng_of(&r->more);
  if (taken < n) ump_rng_fill(&more, (uint8_t *)out + taken, n - taken);
}

static void load_draws(struct ump_replay *r, const struct ump_entry *out, size_t n) {
  r->draws.n = r->drawn = 0;
  for (size_t i = 0; i < n; i++) {
    if (out[i].kind != UMP_ENTRY_DRAW) continue;
    for (size_t k = 0; k < out[i].data.n; k++)
      if (!UMP__ADD(r, r->draws, out[i].data.p[k])) return;
  }
}

/* ---- what was recorded of a group ---- */

static struct ump__notice *notice_of(struct ump_replay *r, uint64_t number) {
  const struct ump__side *s = &r->was;
  for (size_t i = s->notices.n; i-- > 0;)
    if (s->notices.v[i]->number == number) return s->notices.v[i];
  struct ump__notice *n = &r->recent[number % UMP__RECENT];
  return n->number == number ? n : NULL;
}

static void take_notice(struct ump_replay *r, const struct ump_entry *e) {
  struct ump__notice *n = ump__arena_take(&r->arena, sizeof *n);
  if (!n) return;
  *n = (struct ump__notice){.listener = e->listener,
                            .encoding = e->code <= UMP_PLAIN ? (enum ump_encoding)e->code : UMP_RAW,
                            .flags = e->flags & (UMP_ENTRY_HAS_NAME | UMP_ENTRY_HAS_DATA),
                            .name = e->name,
                            .data = e->data,
                            .number = e->number[0]};
  r->recent[n->number % UMP__RECENT] = *n;
  UMP__ADD(r, r->was.notices, n);
}

static void take_output(struct ump_replay *r, const struct ump_entry *e) {
  struct ump__side *s = &r->was;
  struct ump__delivery d = {e->listener, e->session, NULL};
  struct ump__kick k = {e->listener, e->session, e->text, false};
  switch (e->kind) {
  case UMP_ENTRY_ADMIT:
    s->admitted = true, s->yes = e->flags & UMP_ENTRY_YES;
    s->reason = e->text;
    break;
  case UMP_ENTRY_ANSWER:
    s->answered = true;
    s->verdict = e->code <= UMP_INTERNAL ? (enum ump_verdict)e->code : UMP_INTERNAL;
    s->reason = e->text, s->data = e->data;
    break;
  case UMP_ENTRY_NOTICE:
    take_notice(r, e);
    break;
  case UMP_ENTRY_DELIVER:
    if ((d.notice = notice_of(r, e->number[0]))) UMP__ADD(r, s->deliveries, d);
    break;
  case UMP_ENTRY_KICK:
    UMP__ADD(r, s->kicks, k);
    break;
  default:
    break;
  }
}

/* ---- feeding ---- */

static void feed(struct ump_replay *r, uint32_t listener, const struct ump_event *ev, ump_time at) {
  static const struct ump_addr nobody = {.family = 4};
  r->pending = *ev;
  r->pending_at = r->lanes.v[listener];
  ump_engine_recv(r->engine, listener, &nobody, ump_bytes(NULL, 0), at);
}

/* What we do to keep both worlds alike: nothing of it is compared. */
static void feed_quietly(struct ump_replay *r, uint32_t listener, const struct ump_event *ev, ump_time at) {
  r->draws.n = r->drawn = 0;
  feed(r, listener, ev, at);
  ump__side_clear(&r->is);
}

static void send_away(struct ump_replay *r, struct ump__seat *s, const char *reason, ump_time at) {
  struct ump_event ev = {.type = UMP_EVENT_DISCONNECT, .session = s->session, .client = s->client, .reason = reason};
  s->client = NULL;
  feed_quietly(r, s->listener, &ev, at);
}

static void note_name(struct ump__seat *s) {
  const char *name = s->client ? s->client->name : NULL;
  if (!name) return;
  size_t n = strlen(name);
  if (n >= sizeof s->name) n = sizeof s->name - 1;
  memcpy(s->name, name, n);
  s->name[n] = 0;
}

static void give_id(struct ump_replay *r, struct ump_bytes id) {
  struct ump_uuid u;
  if (id.n != sizeof u.b) return;
  memcpy(u.b, id.p, sizeof u.b);
  ump_engine_give_id(r->engine, &u);
}

/* ---- one kind after the other ---- */

static struct ump_event connect_event(const struct ump_entry *e) {
  return (struct ump_event){.type = UMP_EVENT_CONNECT,
                            .session = e->session,
                            .from = &e->from,
                            .has_version = e->flags & UMP_ENTRY_HAS_VERSION,
                            .version = e->text,
                            .channel = e->channel};
}

static void play_connect(struct ump_replay *r, const struct ump_entry *e) {
  struct ump__seat *s = ump__seat_find(r, e->listener, e->session);
  if (s && s->client) send_away(r, s, "left", e->at);
  if (s) ump__seat_remove(r, e->listener, e->session);
  if (!(s = ump__seat_add(r, e->listener, e->session)) || e->channel.n > CHANNEL_MAX) return;
  struct ump_event ev = connect_event(e);
  for (size_t i = 0; i < r->out.n; i++)
    if (r->out.v[i].kind == UMP_ENTRY_ADMIT) give_id(r, r->out.v[i].id);
  feed(r, e->listener, &ev, e->at);
  ump_engine_give_id(r->engine, NULL);
  ump__compare(r, e);
  bool stays = r->was.yes;
  if (!stays && s->client) send_away(r, s, "left", e->at);
  if (!stays) ump__seat_remove(r, e->listener, e->session);
}

/* A checked text is what rules are given; who can say what a recording holds? */
static bool is_sound(const struct ump_entry *e, unsigned *holds) {
  struct ump_json_value top;
  if (e->id.n > ID_MAX || e->code > UMP_PLAIN) return false;
  if (!(e->flags & UMP_ENTRY_HAS_DATA) || e->code != UMP_JSON) return true;
  if (ump_json_check(e->data, &top, NULL) != 0) return false;
  *holds = top.holds;
  return true;
}

static void play_judge(struct ump_replay *r, const struct ump_entry *e) {
  struct ump__seat *s = ump__seat_find(r, e->listener, e->session);
  unsigned holds = 0;
  if (!is_sound(e, &holds)) return;
  if (s && s->client) {
    struct ump_event ev = {.type = UMP_EVENT_JUDGE,
                           .session = e->session,
                           .client = s->client,
                           .id = e->id,
                           .high = e->flags & UMP_ENTRY_HIGH,
                           .has_name = e->flags & UMP_ENTRY_HAS_NAME,
                           .has_data = e->flags & UMP_ENTRY_HAS_DATA,
                           .name = e->name,
                           .data = e->data,
                           .encoding = (enum ump_encoding)e->code,
                           .holds = holds,
                           .malformed = e->flags & UMP_ENTRY_MALFORMED,
                           .touches_other = e->flags & UMP_ENTRY_TOUCHES_OTHER};
    feed(r, e->listener, &ev, e->at);
    note_name(s);
  }
  ump__compare(r, e);
}

static int ask_accounts(void *self, const struct ump_account_question *q) {
  (void)q;
  return ((struct ump_replay *)self)->login_was_right;
}

/* The rulebook's word counts only for what else it does. */
static void follow_login(struct ump_replay *r, struct ump__seat *s, const struct ump_entry *e, const char *before) {
  bool was = r->was.verdict == UMP_LEGAL;
  if (was == (r->is.verdict == UMP_LEGAL) || !s->client) return;
  struct ump_event ev = {.type = UMP_EVENT_NAME, .session = s->session, .client = s->client};
  ev.user = was ? e->name : ump_text(before);
  feed_quietly(r, e->listener, &ev, e->at);
}

static void play_login(struct ump_replay *r, const struct ump_entry *e) {
  struct ump__seat *s = ump__seat_find(r, e->listener, e->session);
  char before[65];
  if (!r->was.answered || !s || !s->client || e->id.n > ID_MAX) return;
  r->totals->logins++;
  memcpy(before, s->name, sizeof before);
  r->login_was_right = r->was.verdict == UMP_LEGAL;
  struct ump_event ev = {.type = UMP_EVENT_LOGIN,
                         .session = e->session,
                         .client = s->client,
                         .id = e->id,
                         .high = e->flags & UMP_ENTRY_HIGH,
                         .user = e->name,
                         .password = e->data,
                         .create = e->flags & UMP_ENTRY_CREATE};
  feed(r, e->listener, &ev, e->at);
  if (r->is.answered && (r->is.verdict == UMP_LEGAL) == r->login_was_right) ump__compare(r, e);
  follow_login(r, s, e, before);
  note_name(s);
}

static void play_other(struct ump_replay *r, const struct ump_entry *e) {
  struct ump__seat *s = ump__seat_find(r, e->listener, e->session);
  struct ump_event ev = {.type = e->kind == UMP_ENTRY_NAME     ? UMP_EVENT_NAME
                                 : e->kind == UMP_ENTRY_LOGOUT ? UMP_EVENT_LOGOUT
                                                               : UMP_EVENT_DISCONNECT,
                         .session = e->session,
                         .user = e->name};
  if (s && s->client) {
    ev.client = s->client;
    if (e->kind == UMP_ENTRY_LOGOUT && e->flags & UMP_ENTRY_MOVED) ev.from = &e->from;
    char *reason = ump__arena_take(&r->arena, e->text.n + 1);
    if (!reason) return;
    if (e->text.n) memcpy(reason, e->text.p, e->text.n);
    reason[e->text.n] = 0;
    ev.reason = reason;
    if (e->kind == UMP_ENTRY_DISCONNECT) s->client = NULL;
    feed(r, e->listener, &ev, e->at);
    note_name(s);
  }
  ump__compare(r, e);
  if (e->kind == UMP_ENTRY_DISCONNECT) ump__seat_remove(r, e->listener, e->session);
}

static void play_reload(struct ump_replay *r, const struct ump_entry *e) {
  bool took_place = false;
  for (size_t i = 0; i < r->out.n; i++)
    took_place |= r->out.v[i].kind == UMP_ENTRY_RELOADED && r->out.v[i].flags & UMP_ENTRY_YES;
  if (!took_place || !r->cfg->reload(r->cfg->ctx, e->at)) return;
  ump__compare(r, e);
}

/* Whoever was kicked then is gone now. */
static void follow_kicks(struct ump_replay *r, ump_time at) {
  for (size_t i = 0; i < r->was.kicks.n; i++) {
    struct ump__kick *k = &r->was.kicks.v[i];
    struct ump__seat *s = ump__seat_find(r, k->listener, k->session);
    if (s && s->client) send_away(r, s, "kicked", at);
    if (s) ump__seat_remove(r, k->listener, k->session);
  }
}

static bool is_of_listener(const struct ump_entry *e) {
  return e->kind >= UMP_ENTRY_CONNECT && e->kind <= UMP_ENTRY_DISCONNECT;
}

static void begin_group(struct ump_replay *r, const struct ump_entry *out, size_t n) {
  ump__arena_reset(&r->arena);
  ump__side_clear(&r->was), ump__side_clear(&r->is);
  ump_blob_unref(r->told_blob), r->told_blob = NULL;
  load_draws(r, out, n);
}

static void play(struct ump_replay *r, const struct ump_entry *e) {
  begin_group(r, r->out.v, r->out.n);
  for (size_t i = 0; i < r->out.n; i++) take_output(r, &r->out.v[i]);
  switch (e->kind) {
  case UMP_ENTRY_CONNECT:
    play_connect(r, e);
    break;
  case UMP_ENTRY_JUDGE:
    play_judge(r, e);
    break;
  case UMP_ENTRY_LOGIN:
    play_login(r, e);
    break;
  case UMP_ENTRY_NAME:
  case UMP_ENTRY_LOGOUT:
  case UMP_ENTRY_DISCONNECT:
    play_other(r, e);
    break;
  case UMP_ENTRY_EXPIRE:
    if (r->tells_state) ump_engine_tell_state_at(r->engine, e->flags & UMP_ENTRY_YES ? e->at : UMP_NEVER);
    ump_engine_expire(r->engine, e->at);
    ump__compare(r, e);
    break;
  case UMP_ENTRY_RELOAD:
    play_reload(r, e);
    break;
  case UMP_ENTRY_STOP:
    ump_engine_drain(r->engine, e->at);
    ump__compare(r, e);
    break;
  default:
    break;
  }
  follow_kicks(r, e->at);
}

/* ---- the rulebook's own time ---- */

/* Asked behind every call into the rulebook, since each may take its whole budget, ticks as well as events. */
static bool enough(struct ump_replay *r) {
  return r->totals->stopped = r->totals->stopped || (r->cfg->enough && r->cfg->enough(r->cfg->ctx));
}

/* Timers that the recording knows nothing of, before its next entry. Those that it served later wait for that. */
static void run_own_timers(struct ump_replay *r, ump_time until) {
  for (int i = 0; i < FAR_TOO_MANY && !enough(r); i++) {
    if (r->tells_state) ump_engine_tell_state_at(r->engine, UMP_NEVER);
    ump_time due = ump_engine_deadline(r->engine);
    if (due > until || r->arena.failed) return;
    if (r->served_at < r->served.n && r->served.v[r->served_at].due - SLACK <= due) return;
    begin_group(r, NULL, 0);
    ump_engine_expire(r->engine, due);
    ump__compare(r, NULL);
  }
}

/* ---- how it begins ---- */

struct beginning {
  struct ump_entry snapshot;
  struct ump_bytes state;
  UMP__LIST(struct ump_entry) clients;
};

/* Lets everybody in who was there: nobody judges yet. */
static int yes_connect(void *self, struct ump_client *c, struct ump_bytes *reason) {
  return (void)self, (void)c, (void)reason, 1;
}
static int yes_judge(void *self, struct ump_client *c, const struct ump_event *ev, struct ump_judgement *out) {
  return (void)self, (void)c, (void)ev, (void)out, UMP_EINVAL;
}
static int yes_disconnect(void *self, struct ump_client *c, struct ump_bytes reason) {
  return (void)self, (void)c, (void)reason, 0;
}
static int yes_login(void *self, struct ump_client *c, struct ump_bytes name, struct ump_bytes password, bool create,
                     struct ump_bytes *reason) {
  return (void)self, (void)c, (void)name, (void)password, (void)create, (void)reason, 0;
}
static int yes_tick(void *self, ump_time dt) {
  return (void)self, (void)dt, 0;
}
static int yes_timer(void *self, uint64_t id) {
  return (void)self, (void)id, 0;
}
static void yes_timer_gone(void *self, uint64_t id) {
  (void)self, (void)id;
}
static void yes_forget(void *self, struct ump_client *c) {
  (void)self, (void)c;
}
static const struct ump_rulebook_ops everybody = {.connect = yes_connect,
                                                  .judge = yes_judge,
                                                  .disconnect = yes_disconnect,
                                                  .login = yes_login,
                                                  .tick = yes_tick,
                                                  .timer = yes_timer,
                                                  .timer_gone = yes_timer_gone,
                                                  .forget = yes_forget};

static int seat_client(struct ump_replay *r, const struct ump_entry *e) {
  if (e->listener >= r->lanes.n || e->id.n != 16 || e->channel.n > CHANNEL_MAX) return UMP_EMALFORMED;
  if (ump__seat_find(r, e->listener, e->session)) return UMP_EMALFORMED;
  struct ump__seat *s = ump__seat_add(r, e->listener, e->session);
  if (!s) return UMP_ENOMEM;
  struct ump_event ev = connect_event(e);
  begin_group(r, NULL, 0);
  give_id(r, e->id);
  feed(r, e->listener, &ev, r->base);
  if (!s->client) return UMP_ENOMEM;
  if (e->flags & UMP_ENTRY_HAS_NAME) {
    ev = (struct ump_event){.type = UMP_EVENT_NAME, .session = e->session, .client = s->client, .user = e->name};
    feed(r, e->listener, &ev, r->base);
    note_name(s);
  }
  return 0;
}

static int open_rules(struct ump_replay *r, struct beginning *b, const struct ump_entry *ready) {
  struct ump_rulebook rb = {.ops = &everybody};
  const struct ump_entry *s = &b->snapshot;
  int err = 0;
  ump_engine_set_rulebook(r->engine, &rb, r->base);
  for (size_t i = 0; i < b->clients.n && !err; i++) err = seat_client(r, &b->clients.v[i]);
  ump_engine_set_rulebook(r->engine, NULL, r->base);
  if (err) return err;
  struct ump_state_fault fault;
  if (b->state.n) err = ump_engine_update(r->engine, b->state, &fault);
  if (err) return err == UMP_ENOMEM ? err : UMP_EMALFORMED;
  struct ump_bytes *data = ump_alloc(r->cfg->mem, (b->clients.n + 1) * sizeof *data);
  if (!data) return UMP_ENOMEM;
  for (size_t i = 0; i < b->clients.n; i++) data[i] = b->clients.v[i].data;
  struct ump_replay_start start = {.engine = r->engine,
                                   .rng = &r->rng,
                                   .now = r->base,
                                   .wall_at = s->at,
                                   .wall_ns = (int64_t)s->number[1],
                                   .fresh = s->flags & UMP_ENTRY_FRESH,
                                   .saved = s->data,
                                   .saved_version = (int64_t)s->number[0],
                                   .path = ready->name,
                                   .hash = ready->text,
                                   .has_random = ready->flags & UMP_ENTRY_HAS_DATA,
                                   .n_clients = b->clients.n,
                                   .data = data};
  memcpy(start.random, ready->number + 1, sizeof start.random);
  begin_group(r, r->out.v, r->out.n); /* chance that loading drew */
  start.draws = ump_bytes(r->draws.v, r->draws.n);
  r->opened = true;
  bool ok = r->cfg->open(r->cfg->ctx, &start);
  ump_free(r->cfg->mem, data, (b->clients.n + 1) * sizeof *data);
  r->ready = ok;
  return ok ? 0 : UMP_EINVAL;
}

static int begin_part(struct ump_replay *r, const struct ump_entry *snapshot) {
  bool fresh = snapshot->flags & UMP_ENTRY_FRESH;
  ump_time beat = (ump_time)snapshot->number[2];
  r->base = !fresh && beat > 0 && beat < snapshot->at ? beat : snapshot->at;
  struct ump_engine_cfg cfg = {.mem = r->cfg->mem, .rng = &r->rng, .log = r->cfg->log};
  cfg.limits.window_bytes = 1 << 20; /* nothing is remembered: the recording holds no copies */
  r->engine = ump_engine_new(&cfg, r->base);
  if (!r->engine) return UMP_ENOMEM;
  r->accounts = (struct ump_accounts){ask_accounts, r};
  ump_engine_set_accounts(r->engine, &r->accounts);
  return 0;
}

static void end_part(struct ump_replay *r) {
  if (r->opened) r->cfg->close(r->cfg->ctx);
  ump_engine_free(r->engine);
  for (size_t i = 0; i < r->lanes.n; i++) ump__lane_deinit(r, r->lanes.v[i]);
  for (size_t i = 0; i < UMP__SEAT_BUCKETS; i++)
    while (r->seats[i]) ump__seat_remove(r, r->seats[i]->listener, r->seats[i]->session);
  r->lanes.n = 0;
  r->engine = NULL;
  r->opened = r->ready = false;
}

/* ---- reading ---- */

/* The group that begins with `in`, whose outcomes are in out, is whole. */
static int end_group(struct ump_replay *r, const struct ump_entry *in) {
  r->totals->seconds = ump_seconds(in->at - r->started);
  if (in->kind == UMP_ENTRY_EXPIRE && r->served_at < r->served.n) {
    run_own_timers(r, in->at);
    r->served_at++; /* only now: timers that are due with it are its own */
  } else {
    run_own_timers(r, in->at);
  }
  if (r->totals->stopped) return 0;
  if (in->kind != UMP_ENTRY_EXPIRE) r->totals->events++;
  if (is_of_listener(in) && in->listener >= r->lanes.n) return UMP_EMALFORMED;
  play(r, in);
  if (r->cfg->group) r->cfg->group(r->cfg->ctx, in, r->out.v, r->out.n);
  if (r->arena.failed) return UMP_ENOMEM;
  enough(r);
  return 0;
}

/* When timers were called, so that those of another rulebook can be told from these. */
static int find_served(struct ump_replay *r, struct ump_bytes entries) {
  struct ump_entry_reader in = ump_entry_reader(entries);
  struct ump_entry e;
  while (ump_entry_get(&in, &e)) {
    if (e.kind == UMP_ENTRY_GAP) r->totals->lost += e.number[0];
    if (e.kind != UMP_ENTRY_EXPIRE) continue;
    r->tells_state |= (e.flags & UMP_ENTRY_YES) != 0;
    uint64_t late = e.number[0] < (uint64_t)e.at ? e.number[0] : (uint64_t)e.at;
    struct ump__served s = {e.at, e.at - (ump_time)late};
    if (!UMP__ADD(r, r->served, s)) return UMP_ENOMEM;
  }
  return 0;
}

struct course {
  struct beginning b;
  struct ump_entry in;
  bool in_group, skipping; /* skipping: a snapshot that nothing is missing before */
};

static int on_snapshot(struct ump_replay *r, struct course *c, const struct ump_entry *e) {
  c->skipping = r->ready && !(e->flags & UMP_ENTRY_BROKEN);
  if (c->skipping) return 0;
  if (r->engine) end_part(r);
  c->b.snapshot = *e;
  c->b.clients.n = r->out.n = 0;
  c->b.state = ump_bytes(NULL, 0);
  if (!r->totals->events && !r->clients) r->started = e->at;
  return begin_part(r, e);
}

static int step(struct ump_replay *r, struct course *c, const struct ump_entry *e) {
  int err = 0;
  bool ends = e->kind < UMP_ENTRY_DRAW;
  if (ends && c->in_group && !r->totals->stopped) err = end_group(r, &c->in);
  if (ends) c->in_group = false;
  if (ends && e->kind != UMP_ENTRY_READY) r->out.n = 0;
  if (err || r->totals->stopped) return err;
  if (e->kind == UMP_ENTRY_SNAPSHOT) return on_snapshot(r, c, e);
  if (!r->engine) return UMP_EMALFORMED;
  switch (e->kind) {
  case UMP_ENTRY_LISTENER:
    return e->listener == r->lanes.n ? ump__lane_add(r, e->name) : 0;
  case UMP_ENTRY_STATE:
    if (!c->skipping) c->b.state = e->data;
    return 0;
  case UMP_ENTRY_CLIENT:
    return c->skipping || UMP__ADD(r, c->b.clients, *e) ? 0 : UMP_ENOMEM;
  case UMP_ENTRY_READY:
    if (!c->skipping) err = r->ready ? UMP_EMALFORMED : open_rules(r, &c->b, e);
    c->skipping = false;
    r->out.n = 0;
    return err;
  default:
    break;
  }
  if (ump_entry_is_input(e)) {
    c->in = *e;
    c->in_group = r->ready && !c->skipping;
    return 0;
  }
  return UMP__ADD(r, r->out, *e) ? 0 : UMP_ENOMEM;
}

static int run(struct ump_replay *r, struct ump_bytes entries) {
  struct ump_entry_reader in = ump_entry_reader(entries);
  struct course c = {0};
  struct ump_entry e;
  int err = find_served(r, entries);
  while (!err && !r->totals->stopped && ump_entry_get(&in, &e)) err = step(r, &c, &e);
  if (!err && c.in_group && !r->totals->stopped) err = end_group(r, &c.in);
  if (!err && (in.bad || !r->engine)) err = UMP_EMALFORMED;
  ump_free(r->cfg->mem, c.b.clients.v, c.b.clients.cap * sizeof *c.b.clients.v);
  return err;
}

static void side_deinit(struct ump_replay *r, struct ump__side *s) {
  ump_free(r->cfg->mem, s->notices.v, s->notices.cap * sizeof *s->notices.v);
  ump_free(r->cfg->mem, s->deliveries.v, s->deliveries.cap * sizeof *s->deliveries.v);
  ump_free(r->cfg->mem, s->kicks.v, s->kicks.cap * sizeof *s->kicks.v);
}

int ump_replay_run(const struct ump_replay_cfg *cfg, struct ump_bytes entries, struct ump_replay_totals *out) {
  struct ump_replay *r = ump_zalloc(cfg->mem, sizeof *r);
  *out = (struct ump_replay_totals){0};
  if (!r) return UMP_ENOMEM;
  r->cfg = cfg, r->totals = out;
  r->arena.mem = cfg->mem;
  r->rng = (struct ump_rng){fill, r};
  ump_rng_seed(&r->more, 1);
  r->recent = ump_zalloc(cfg->mem, UMP__RECENT * sizeof *r->recent);
  int err = r->recent ? run(r, entries) : UMP_ENOMEM;
  ump_blob_unref(r->told_blob);
  if (r->engine) end_part(r);
  ump__arena_deinit(&r->arena);
  side_deinit(r, &r->was), side_deinit(r, &r->is);
  ump_free(cfg->mem, r->recent, UMP__RECENT * sizeof *r->recent);
  ump_free(cfg->mem, r->lanes.v, r->lanes.cap * sizeof *r->lanes.v);
  ump_free(cfg->mem, r->served.v, r->served.cap * sizeof *r->served.v);
  ump_free(cfg->mem, r->draws.v, r->draws.cap);
  ump_free(cfg->mem, r->out.v, r->out.cap * sizeof *r->out.v);
  ump_free(cfg->mem, r, sizeof *r);
  return err;
}
