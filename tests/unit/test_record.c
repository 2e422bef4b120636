/* Recordings: the format, the tap that writes them, the player that holds another rulebook against them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "record/block.h"
#include "record/datum.h"
#include "record/replay.h"
#include "record/tap.h"
#include "world.h"

/* ---- a world that is recorded ---- */

struct rec {
  struct world w;
  struct ump_tap *tap;
  struct ump_rng chance; /* behind the tap */
  uint8_t *entries;
  size_t n;
  bool full; /* nobody takes chunks */
};

static bool keep(void *ctx, struct ump_tap_chunk *c) {
  struct rec *r = ctx;
  if (r->full) return false;
  r->entries = realloc(r->entries, r->n + c->n);
  assert_non_null(r->entries);
  memcpy(r->entries + r->n, c->p, c->n);
  r->n += c->n;
  ump_free(&r->w.mem.mem, c->p, c->cap);
  return true;
}

static void put_snapshot(struct rec *r, unsigned flags) {
  ump_tap_put(r->tap, &(struct ump_entry){.kind = UMP_ENTRY_SNAPSHOT, .at = r->w.now, .flags = flags});
  ump_tap_put_listeners(r->tap);
  for (struct ump_client *c = NULL; (c = ump_engine_next_client(r->w.engine, c));)
    ump_tap_put(r->tap, &(struct ump_entry){.kind = UMP_ENTRY_CLIENT,
                                            .listener = c->listener,
                                            .session = c->session,
                                            .id = ump_bytes(c->id.b, 16),
                                            .flags = c->name ? UMP_ENTRY_HAS_NAME : 0,
                                            .name = ump_text(c->name ? c->name : "")});
  ump_tap_put(r->tap, &(struct ump_entry){.kind = UMP_ENTRY_READY, .at = r->w.now, .name = ump_text("rules.lua")});
}

static void rec_init(struct rec *r, world_hook *hook, double tick_rate) {
  memset(r, 0, sizeof *r);
  testing_mem_init(&r->w.mem);
  assert_true(world_make(&r->w, NULL));
  r->chance = r->w.rng.rng;
  struct ump_tap_cfg cfg = {.mem = &r->w.mem.mem, .rng = &r->chance, .keep = keep, .ctx = r, .chunk = 512};
  r->tap = ump_tap_new(&cfg);
  r->w.rng.rng = ump_tap_rng(r->tap);
  struct fake_proto *p = &r->w.proto[0];
  struct ump_option_value self = {.name = "self", .number = (uintptr_t)p};
  struct ump_proto_cfg listen = {
      .mem = &r->w.mem.mem, .rng = &r->chance, .log = &r->w.log.log, .options = &self, .n_options = 1};
  const struct ump_proto_ops *ops = &p->ops;
  uint32_t index;
  p->ops.encoding = UMP_RAW;
  assert_int_equal(ump_tap_listen(r->tap, &ops, &listen), 0);
  assert_int_equal(ump_engine_listen(r->w.engine, ops, &listen, 0, &index, r->w.now), 0);
  ump_engine_watch_timers(r->w.engine, ump_tap_timers, r->tap);
  r->w.hook = hook;
  r->w.quiet = true;
  r->w.rules.tick_rate = tick_rate;
  put_snapshot(r, UMP_ENTRY_FRESH);
  ump_engine_set_rulebook(r->w.engine, &r->w.rules, r->w.now);
}

static struct ump_bytes entries(struct rec *r) {
  ump_tap_seal(r->tap);
  return ump_bytes(r->entries, r->n);
}

static void rec_end(struct rec *r) {
  r->w.hook = NULL;
  ump_engine_free(r->w.engine);
  ump_tap_free(r->tap);
  testing_mem_assert_empty(&r->w.mem);
  free(r->entries);
}

static size_t count_entries(struct ump_bytes in, enum ump_entry_kind kind) {
  struct ump_entry_reader r = ump_entry_reader(in);
  struct ump_entry e;
  size_t n = 0;
  while (ump_entry_get(&r, &e)) n += e.kind == kind;
  assert_false(r.bad);
  return n;
}

/* ---- and played ---- */

struct played {
  struct world w;
  struct ump_replay_totals totals;
  int err;
  size_t opened;
  char lines[64][160];
  size_t n_lines;
};

static bool open_rules(void *ctx, const struct ump_replay_start *s) {
  struct played *p = ctx;
  p->w.engine = s->engine;
  p->opened++;
  ump_engine_set_rulebook(s->engine, &p->w.rules, s->now);
  return true;
}
static bool reload(void *ctx, ump_time now) {
  return (void)ctx, (void)now, true;
}
static void close_rules(void *ctx) {
  ump_engine_set_rulebook(((struct played *)ctx)->w.engine, NULL, 0);
}

static const struct ump_proto_ops *protocol(void *ctx, struct ump_bytes scheme, struct ump_proto_cfg *cfg) {
  static struct ump_option_value self;
  struct played *p = ctx;
  if (!ump_bytes_equal(scheme, ump_text("fake"))) return NULL;
  self = (struct ump_option_value){.name = "self", .number = (uintptr_t)&p->w.proto[0]};
  cfg->options = &self, cfg->n_options = 1;
  return &p->w.proto[0].ops;
}

static void side(char out[64], const struct ump_difference *d, const struct ump_outcome *o) {
  static const char *const verdicts[] = {"legal", "illegal", "invalid", "internal"};
  const char *word = !o->there                        ? "none"
                     : d->kind == UMP_DIFFERS_NOTIFY  ? "told"
                     : d->kind == UMP_DIFFERS_CONNECT ? (o->yes ? "in" : "out")
                     : d->kind == UMP_DIFFERS_KICK    ? "kicked"
                                                      : verdicts[o->verdict];
  snprintf(out, 64, "%s%s%.*s", word, o->reason.n ? ":" : "", (int)o->reason.n,
           o->reason.n ? (const char *)o->reason.p : "");
}

static void differs(void *ctx, const struct ump_difference *d) {
  struct played *p = ctx;
  char was[64], is[64];
  side(was, d, &d->was), side(is, d, &d->is);
  assert_in_range(p->n_lines, 0, 63);
  snprintf(p->lines[p->n_lines++], sizeof p->lines[0], "%.3f %s %llu %.*s %s->%s", d->at, ump_difference_names[d->kind],
           (unsigned long long)d->client, (int)d->name.n, d->name.n ? (const char *)d->name.p : "", was, is);
}

/* A rulebook of its own for the player: hook and tick rate. */
static void play_with(struct played *p, struct ump_bytes in, world_hook *hook, double tick_rate) {
  struct ump_replay_cfg cfg = {.mem = &p->w.mem.mem,
                               .log = &p->w.log.log,
                               .protocol = protocol,
                               .open = open_rules,
                               .reload = reload,
                               .close = close_rules,
                               .differs = differs,
                               .ctx = p};
  assert_true(world_make(&p->w, NULL));
  ump_engine_free(p->w.engine); /* the player brings its own */
  p->w.quiet = true, p->w.hook = hook;
  p->w.proto[0].ops.encoding = UMP_RAW;
  p->w.rules.tick_rate = tick_rate;
  p->err = ump_replay_run(&cfg, in, &p->totals);
}

static void play(struct played *p, struct ump_bytes in, world_hook *hook, double tick_rate) {
  memset(p, 0, sizeof *p);
  testing_mem_init(&p->w.mem);
  play_with(p, in, hook, tick_rate);
  testing_mem_assert_empty(&p->w.mem);
}

static void expect_differences(const struct played *p, const char *const *lines) {
  size_t n = 0;
  for (; lines[n]; n++) {
    if (n >= p->n_lines) fail_msg("missing: %s", lines[n]);
    assert_string_equal(p->lines[n], lines[n]);
  }
  if (n < p->n_lines) fail_msg("unexpected: %s", p->lines[n]);
}
#define expect_same(p)       expect_differences(p, (const char *const[]){NULL})
#define expect_lines(p, ...) expect_differences(p, (const char *const[]){__VA_ARGS__, NULL})

/* ---- a rulebook: "dice" is told to all and depends on chance, "no" is illegal, "out" kicks, "later" starts a timer
 * ---- */

static int rules(struct world *w, const char *what, struct ump_client *c, const char *arg) {
  char text[64];
  w->judgement = (struct ump_judgement){.verdict = UMP_LEGAL};
  if (strcmp(what, "connect") == 0) {
    char id[UMP_UUID_TEXT];
    ump_uuid_print(&c->id, id);
    snprintf(text, sizeof text, "welcome %.36s %u", id, (unsigned)ump_rng_below(ump_engine_rng(w->engine), 1000000));
    assert_int_equal(notify(w, c, text), 0);
    assert_int_equal(broadcast(w, "came", c), 0);
  } else if (strcmp(what, "judge") == 0 && strcmp(arg, "dice") == 0) {
    snprintf(text, sizeof text, "dice %u", (unsigned)ump_rng_below(ump_engine_rng(w->engine), 1000000));
    assert_int_equal(broadcast(w, text, NULL), 0);
  } else if (strcmp(what, "judge") == 0 && strcmp(arg, "no") == 0) {
    w->judgement = (struct ump_judgement){.verdict = UMP_ILLEGAL, .reason = ump_text("no")};
  } else if (strcmp(what, "judge") == 0 && strcmp(arg, "out") == 0) {
    assert_int_equal(kick(w, c, "go"), 0);
  } else if (strcmp(what, "judge") == 0 && strcmp(arg, "later") == 0) {
    uint64_t id;
    assert_int_equal(ump_engine_timer(w->engine, 300 * UMP_MS, 0, &id), 0);
  } else if (strcmp(what, "judge") == 0 && strcmp(arg, "when") == 0) {
    snprintf(text, sizeof text, "%lld", (long long)ump_engine_now(w->engine));
    assert_int_equal(notify(w, c, text), 0);
  } else if (strcmp(what, "timer") == 0 || strcmp(what, "tick") == 0) {
    snprintf(text, sizeof text, "%s %lld", what, (long long)ump_engine_now(w->engine));
    assert_int_equal(broadcast(w, text, NULL), 0);
  } else if (strcmp(what, "login") == 0) {
    assert_int_equal(notify(w, c, "log-in"), 0);
    return strcmp(arg, "ann") == 0;
  } else if (strcmp(what, "disconnect") == 0) {
    assert_int_equal(broadcast(w, "left", NULL), 0);
  }
  return WORLD_DEFAULT;
}

static int stricter(struct world *w, const char *what, struct ump_client *c, const char *arg) {
  int rc = rules(w, what, c, arg);
  if (strcmp(what, "judge") == 0 && strcmp(arg, "when") == 0)
    w->judgement = (struct ump_judgement){.verdict = UMP_ILLEGAL, .reason = ump_text("when not")};
  return rc;
}

static void everything_once(struct rec *r) {
  struct world *w = &r->w;
  world_connect(w, 0, 1), world_connect(w, 0, 2);
  world_event(w, 0, 1, "e1", "dice"), world_event(w, 0, 1, "e1", "dice"); /* the second is a copy */
  world_event(w, 0, 2, "e2", "no");
  world_login(w, 0, 1, "l1", "ann");
  world_login(w, 0, 2, "l2", "bob");
  world_event(w, 0, 1, "e3", "later"), world_event(w, 0, 1, "e4", "when");
  world_advance(w, 250 * UMP_MS);
  w->now += 70 * UMP_MS; /* a host that is late: the tick at 300 ms and the timer are called at 320 ms */
  world_event(w, 0, 1, "e5", "when");
  ump_engine_expire(w->engine, w->now);
  world_event(w, 0, 2, "e6", "");
  world_event(w, 0, 2, "e7", "out");
  world_connect(w, 0, 3), world_leave(w, 0, 3);
  world_advance(w, 250 * UMP_MS);
}

static void test_record_plays_without_a_difference_under_the_same_rules(void **state) {
  struct rec r;
  struct played p;
  (void)state;
  rec_init(&r, rules, 10);
  everything_once(&r);
  play(&p, entries(&r), rules, 10);
  assert_int_equal(p.err, 0);
  expect_same(&p);
  assert_int_equal(p.totals.judged, 7);
  assert_int_equal(p.totals.logins, 2);
  assert_true(p.totals.notifies > 20);
  rec_end(&r);
}

static void test_record_tells_what_differs_and_nothing_else(void **state) {
  struct rec r;
  struct played p;
  (void)state;
  rec_init(&r, rules, 0);
  world_connect(&r.w, 0, 1), world_connect(&r.w, 0, 2);
  world_event(&r.w, 0, 2, "e1", "dice");
  world_event(&r.w, 0, 1, "e2", "when");
  world_event(&r.w, 0, 2, "e3", "no");
  play(&p, entries(&r), stricter, 0);
  expect_lines(&p, "0.000 verdict 1 when legal->illegal:when not");
  assert_int_equal(p.totals.differences[UMP_DIFFERS_VERDICT], 1);
  rec_end(&r);
}

static void test_record_holds_no_copies_and_no_unanswered_events(void **state) {
  struct rec r;
  (void)state;
  rec_init(&r, rules, 0);
  world_connect(&r.w, 0, 1);
  for (int i = 0; i < 5; i++) world_event(&r.w, 0, 1, "same", "dice");
  struct ump_bytes in = entries(&r);
  assert_int_equal(count_entries(in, UMP_ENTRY_JUDGE), 1);
  assert_int_equal(count_entries(in, UMP_ENTRY_ANSWER), 1);
  rec_end(&r);
}

static bool holds(struct ump_bytes in, const char *text) {
  size_t n = strlen(text);
  for (size_t i = 0; i + n <= in.n; i++)
    if (memcmp(in.p + i, text, n) == 0) return true;
  return false;
}

static void test_record_holds_no_password_and_no_address(void **state) {
  static const char secret[] = "correct horse";
  struct ump_event ev = {
      .type = UMP_EVENT_LOGIN, .session = 1, .id = ump_text("l"), .once = true, .user = ump_text("ann")};
  struct rec r;
  (void)state;
  ev.password = ump_text(secret);
  rec_init(&r, rules, 0);
  world_connect(&r.w, 0, 1);
  world_push(&r.w, 0, ev), world_drive(&r.w, 0);
  struct ump_bytes in = entries(&r);
  assert_int_equal(count_entries(in, UMP_ENTRY_LOGIN), 1);
  assert_true(holds(in, "ann"));
  assert_false(holds(in, secret));
  assert_false(holds(in, "\x0a\x00\x00\x01")); /* 10.0.0.1, and the text of it */
  assert_false(holds(in, "10.0.0.1"));
  rec_end(&r);
}

static int refuses(struct world *w, const char *what, struct ump_client *c, const char *arg) {
  if (strcmp(what, "connect") == 0 && c->session == 2) return w->reason = "full", 0;
  w->reason = NULL;
  return rules(w, what, c, arg);
}

/* Who is not let in is told once as such; his events are told as not judged; the others' world goes on in step. */
static void test_record_goes_on_when_somebody_is_refused(void **state) {
  struct rec r;
  struct played p;
  (void)state;
  rec_init(&r, rules, 0);
  world_connect(&r.w, 0, 1), world_connect(&r.w, 0, 2);
  world_event(&r.w, 0, 2, "e1", "no");
  world_leave(&r.w, 0, 2);
  world_event(&r.w, 0, 1, "e2", "dice");
  play(&p, entries(&r), refuses, 0);
  assert_memory_equal(p.lines[1], "0.000 notify 2 welcome ", 23); /* and a number */
  strcpy(p.lines[1], "his welcome");
  expect_lines(&p, "0.000 connect 2  in->out:full", "his welcome", "0.000 notify 1 came told->none",
               "0.000 verdict 2 no illegal:no->none", "0.000 notify 1 left told->none");
  rec_end(&r);
}

static int tolerant(struct world *w, const char *what, struct ump_client *c, const char *arg) {
  return strcmp(what, "judge") == 0 && strcmp(arg, "out") == 0 ? WORLD_DEFAULT : rules(w, what, c, arg);
}

static void test_record_follows_kicks_that_another_rulebook_does_not_make(void **state) {
  struct rec r;
  struct played p;
  (void)state;
  rec_init(&r, rules, 0);
  world_connect(&r.w, 0, 1), world_connect(&r.w, 0, 2);
  world_event(&r.w, 0, 2, "e1", "out");
  world_connect(&r.w, 0, 2); /* the same session number, another client */
  world_event(&r.w, 0, 2, "e2", "dice");
  play(&p, entries(&r), tolerant, 0);
  expect_lines(&p, "0.000 kick 2  kicked:go->none", "0.000 notify 1 left told->none");
  rec_end(&r);
}

/* The same timer at the same time, though the host was late; one that the recording does not have, when it is due. */
static void test_record_calls_timers_when_they_were_called(void **state) {
  struct rec r;
  struct played p;
  (void)state;
  rec_init(&r, rules, 0);
  world_connect(&r.w, 0, 1);
  world_event(&r.w, 0, 1, "e1", "later");
  r.w.now += 350 * UMP_MS; /* due 50 ms ago, and an event comes first */
  world_event(&r.w, 0, 1, "e2", "when");
  ump_engine_expire(r.w.engine, r.w.now);
  r.w.now += 1000 * UMP_MS;
  world_event(&r.w, 0, 1, "e3", "when");
  struct ump_bytes in = entries(&r);
  assert_int_equal(count_entries(in, UMP_ENTRY_EXPIRE), 1);
  play(&p, in, rules, 0);
  expect_same(&p);
  play(&p, in, rules, 2); /* ticks at 0.5 and 1.0, of which the recording knows nothing */
  expect_lines(&p, "0.500 notify 1 tick 1000500000000 none->told", "1.000 notify 1 tick 1001000000000 none->told");
  rec_end(&r);
}

static void test_record_begins_anew_after_a_gap(void **state) {
  struct rec r;
  struct played p;
  (void)state;
  rec_init(&r, rules, 0);
  world_connect(&r.w, 0, 1), world_connect(&r.w, 0, 2);
  ump_tap_seal(r.tap);
  r.full = true;
  for (int i = 0; i < 40; i++) {
    char id[8];
    snprintf(id, sizeof id, "e%d", i);
    world_event(&r.w, 0, 1, id, "dice");
  }
  world_leave(&r.w, 0, 2);
  assert_true(ump_tap_stats(r.tap).losing);
  r.full = false;
  put_snapshot(&r, UMP_ENTRY_BROKEN);
  assert_false(ump_tap_stats(r.tap).losing);
  world_event(&r.w, 0, 1, "f", "dice");
  play(&p, entries(&r), rules, 0);
  assert_int_equal(p.err, 0);
  assert_int_equal(p.opened, 2);
  expect_same(&p);
  assert_int_equal(p.totals.judged, 1);
  rec_end(&r);
}

/* A snapshot that nothing is missing before is for who begins there; the others go on. */
static void test_record_goes_on_over_a_whole_snapshot(void **state) {
  struct rec r;
  struct played p;
  (void)state;
  rec_init(&r, rules, 10);
  world_connect(&r.w, 0, 1);
  world_advance(&r.w, 130 * UMP_MS);
  size_t before = entries(&r).n;
  put_snapshot(&r, 0);
  world_event(&r.w, 0, 1, "f", "dice");
  world_advance(&r.w, 130 * UMP_MS);
  struct ump_bytes in = entries(&r);
  play(&p, in, rules, 10);
  expect_same(&p);
  assert_int_equal(p.opened, 1);
  play(&p, ump_bytes(in.p + before, in.n - before), rules, 0);
  assert_int_equal(p.err, 0);
  assert_int_equal(p.totals.judged, 1);
  assert_int_equal(p.totals.differences[UMP_DIFFERS_VERDICT], 0);
  rec_end(&r);
}

static void test_record_player_survives_any_failed_allocation(void **state) {
  struct rec r;
  (void)state;
  rec_init(&r, NULL, 10);
  everything_once(&r);
  struct ump_bytes in = entries(&r);
  for (size_t n = 1;; n++) {
    struct played p;
    memset(&p, 0, sizeof p);
    testing_mem_init(&p.w.mem);
    assert_true(world_make(&p.w, NULL));
    ump_engine_free(p.w.engine);
    struct ump_replay_cfg cfg = {.mem = &p.w.mem.mem,
                                 .log = &p.w.log.log,
                                 .protocol = protocol,
                                 .open = open_rules,
                                 .reload = reload,
                                 .close = close_rules,
                                 .differs = differs,
                                 .ctx = &p};
    p.w.quiet = true, p.w.rules.tick_rate = 10, p.w.proto[0].ops.encoding = UMP_RAW;
    testing_mem_fail(&p.w.mem, n, false);
    p.err = ump_replay_run(&cfg, in, &p.totals);
    testing_mem_assert_empty(&p.w.mem);
    if (!p.w.mem.failed) break;
  }
  rec_end(&r);
}

/* ---- the format ---- */

static void test_record_entries_come_back_as_they_were_written(void **state) {
  uint8_t buf[4096];
  struct ump_writer w = ump_writer(buf, sizeof buf);
  ump_time last = 0;
  struct ump_entry all[] = {
      {.kind = UMP_ENTRY_SNAPSHOT,
       .at = 5 * UMP_S,
       .flags = UMP_ENTRY_FRESH,
       .number = {1, UINT64_MAX, 3, 4, 5},
       .data = ump_text("saved")},
      {.kind = UMP_ENTRY_CONNECT,
       .at = 5 * UMP_S + 7,
       .listener = 3,
       .session = UINT32_MAX,
       .text = ump_text("1.0"),
       .channel = ump_text("lobby"),
       .from = {.family = 4, .ip = {240, 1, 2, 3}, .port = 65535}},
      {.kind = UMP_ENTRY_JUDGE,
       .at = 6 * UMP_S,
       .flags = UMP_ENTRY_HAS_DATA,
       .code = UMP_JSON,
       .id = ump_text("id"),
       .name = ump_text("move"),
       .data = ump_text("[1,2]")},
      {.kind = UMP_ENTRY_ANSWER, .at = 6 * UMP_S, .code = UMP_ILLEGAL, .text = ump_text("too far")},
  };
  (void)state;
  for (size_t i = 0; i < 4; i++) {
    size_t before = w.n;
    ump_entry_put(&w, &last, &all[i]);
    assert_in_range(w.n - before, 1, ump_entry_room(&all[i]));
  }
  struct ump_entry_reader r = ump_entry_reader(ump_written(&w));
  for (size_t i = 0; i < 4; i++) {
    struct ump_entry e;
    assert_int_equal(ump_entry_get(&r, &e), 1);
    assert_int_equal(e.kind, all[i].kind);
    assert_int_equal(e.at, all[i].at);
    assert_int_equal(e.session, all[i].session);
    assert_int_equal(e.flags, all[i].flags);
    assert_int_equal(e.code, all[i].code);
    assert_true(ump_bytes_equal(e.name, all[i].name) && ump_bytes_equal(e.data, all[i].data));
    assert_true(ump_bytes_equal(e.text, all[i].text) && ump_bytes_equal(e.channel, all[i].channel));
    assert_memory_equal(e.number, all[i].number, sizeof e.number);
    assert_true(all[i].from.family == 0 || ump_addr_equal(&e.from, &all[i].from));
  }
  struct ump_entry e;
  assert_int_equal(ump_entry_get(&r, &e), 0);
  assert_false(r.bad);
}

static size_t write_file(struct ump_bytes in, uint8_t *file, size_t block) {
  struct ump_writer w = ump_writer(file, in.n + UMP_BLOCK_FILE_HEAD + (in.n / block + 1) * UMP_BLOCK_HEAD);
  uint8_t head[UMP_BLOCK_HEAD];
  ump_block_file_head(head);
  ump_write_bytes(&w, ump_bytes(head, UMP_BLOCK_FILE_HEAD));
  for (size_t at = 0; at < in.n; at += block) {
    struct ump_bytes piece = ump_bytes(in.p + at, in.n - at < block ? in.n - at : block);
    ump_block_head(piece, head);
    ump_write_bytes(&w, ump_bytes(head, sizeof head));
    ump_write_bytes(&w, piece);
  }
  assert_false(w.full);
  return w.n;
}

static void test_record_file_is_readable_up_to_its_last_whole_block(void **state) {
  uint8_t payload[300], file[600];
  (void)state;
  for (size_t i = 0; i < sizeof payload; i++) payload[i] = (uint8_t)(i * 7);
  size_t n = write_file(ump_bytes(payload, sizeof payload), file, 100);
  for (size_t cut = 0; cut <= n; cut++) {
    uint8_t *out = NULL;
    size_t got = 0, cap = 0, read;
    int end = ump_blocks_read(&ump_mem_libc, ump_bytes(file, cut), &out, &got, &cap, &read);
    size_t whole = cut < 8 ? 0 : (cut - 8) / 108 * 100;
    assert_int_equal(got, whole);
    assert_true(got == 0 || memcmp(out, payload, got) == 0);
    assert_int_equal(end, cut < 8 ? UMP_BLOCK_NOT_OURS : (cut - 8) % 108 ? UMP_BLOCK_TORN : UMP_BLOCK_WHOLE);
    ump_free(&ump_mem_libc, out, cap);
  }
}

static void test_record_file_stops_at_a_damaged_block(void **state) {
  uint8_t payload[300], file[600];
  (void)state;
  memset(payload, 'x', sizeof payload);
  size_t n = write_file(ump_bytes(payload, sizeof payload), file, 100);
  for (size_t at = 8; at < n; at++) {
    uint8_t *out = NULL;
    size_t got = 0, cap = 0, read;
    file[at] ^= 0x20;
    int end = ump_blocks_read(&ump_mem_libc, ump_bytes(file, n), &out, &got, &cap, &read);
    assert_true(end == UMP_BLOCK_DAMAGED || end == UMP_BLOCK_TORN); /* torn: the length is what was hit */
    assert_int_equal(got, (at - 8) / 108 * 100);
    file[at] ^= 0x20;
    ump_free(&ump_mem_libc, out, cap);
  }
}

static void shows(enum ump_encoding encoding, const char *data, const char *lua) {
  char out[256];
  struct ump_writer w = ump_writer(out, sizeof out);
  ump_datum_show(&w, encoding, ump_text(data), true);
  assert_int_equal(w.n, strlen(lua));
  assert_memory_equal(out, lua, w.n);
}

static void test_record_shows_data_as_lua(void **state) {
  (void)state;
  shows(UMP_JSON, "{\"a b\":[1,-2.5,\"x\\ny\"],\"end\":null,\"ok\":true}",
        "{ [\"a b\"] = { 1, -2.5, \"x\\ny\" }, [\"end\"] = host.null, ok = true }");
  shows(UMP_JSON, "[]", "host.array {}");
  shows(UMP_JSON, "{}", "{}");
  shows(UMP_RAW, "a\"\x01\xff", "\"a\\\"\\x01\\xff\"");
  shows(UMP_JSON, "no json", "\"no json\"");
}

static void test_record_compares_data_by_what_it_means(void **state) {
  (void)state;
  assert_true(ump_datum_same(UMP_JSON, ump_text("{\"a\":1,\"b\":[2]}"), ump_text("{\"b\":[2],\"a\":1}")));
  assert_true(ump_datum_same(UMP_JSON, ump_text("\"\\u0041\""), ump_text("\"A\"")));
  assert_false(ump_datum_same(UMP_JSON, ump_text("[1,2]"), ump_text("[2,1]")));
  assert_false(ump_datum_same(UMP_JSON, ump_text("{\"a\":1,\"b\":2}"), ump_text("{\"a\":2,\"b\":1}")));
  assert_false(ump_datum_same(UMP_JSON, ump_text("1"), ump_text("\"1\"")));
  assert_false(ump_datum_same(UMP_RAW, ump_text("{\"a\":1,\"b\":2}"), ump_text("{\"b\":2,\"a\":1}")));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_record_plays_without_a_difference_under_the_same_rules),
      cmocka_unit_test(test_record_tells_what_differs_and_nothing_else),
      cmocka_unit_test(test_record_holds_no_copies_and_no_unanswered_events),
      cmocka_unit_test(test_record_holds_no_password_and_no_address),
      cmocka_unit_test(test_record_goes_on_when_somebody_is_refused),
      cmocka_unit_test(test_record_follows_kicks_that_another_rulebook_does_not_make),
      cmocka_unit_test(test_record_calls_timers_when_they_were_called),
      cmocka_unit_test(test_record_begins_anew_after_a_gap),
      cmocka_unit_test(test_record_goes_on_over_a_whole_snapshot),
      cmocka_unit_test(test_record_player_survives_any_failed_allocation),
      cmocka_unit_test(test_record_entries_come_back_as_they_were_written),
      cmocka_unit_test(test_record_file_is_readable_up_to_its_last_whole_block),
      cmocka_unit_test(test_record_file_stops_at_a_damaged_block),
      cmocka_unit_test(test_record_shows_data_as_lua),
      cmocka_unit_test(test_record_compares_data_by_what_it_means),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
