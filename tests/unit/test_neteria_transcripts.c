/* The transcripts of the original (vectors/neteria.vectors.json), replayed through the real protocol, the real engine
 * and a rulebook in C. What the client sent goes in at the recorded times; what we send is compared with what the
 * original sent, as JSON values. The vectors are read by cJSON, so that the reader is not our own.
 *
 * Where umpire differs from the original by a ruling, the difference stands in the table below, one by one, and must be
 * there: a difference that is not in the table fails, and so does a row that nothing needs. Differences that hold
 * everywhere: E1  our ILLEGAL and BYE REGISTER may carry a reason E4  euuids of notifies are our own: the client's
 * confirmations are translated E5  a probe, which the real client confirms (recorded in probe_echo), is confirmed here
 * too 2 s repeats come 2.0 s after the one before, the original's 2.0 to 2.2 s: times may differ by 250 ms hold_ms is
 * 0: the recorded client confirmed within the same millisecond. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "engine/engine.h"
#include "proto/neteria/neteria.h"
#include "testing.h"

struct difference {
  const char *scenario;
  const char *ruling;
  const char *ours[8]; /* what only umpire sends; "*" stands for any euuid */
  int missing;         /* how many of the original's messages umpire does not send */
};

#define LEGAL        "{\"method\": \"LEGAL\", \"euuid\": \"*\", \"priority\": \"normal\"}"
#define LEGAL_COPY   LEGAL
#define ILLEGAL_HIGH "{\"method\": \"ILLEGAL\", \"euuid\": \"*\", \"priority\": \"high\"}"
#define BYE_REGISTER "{\"method\": \"BYE REGISTER\"}"
#define BYE_EVENT    "{\"method\": \"BYE EVENT\", \"data\": \"Not registered\"}"

static const struct difference differences[] = {
    {"event_high_priority", "E3: the client's repeat is answered at once, besides our own repeat", {ILLEGAL_HIGH}, 0},
    {"event_never_answered",
     "E3: each of the client's four repeats is answered at once",
     {LEGAL_COPY, LEGAL_COPY, LEGAL_COPY, LEGAL_COPY},
     0},
    {"duplicate_event_while_pending", "E3: the network's copy is answered", {LEGAL_COPY}, 0},
    {"register_with_encryption_ignored",
     "section 8: refused, instead of going on in plain text without a word",
     {BYE_REGISTER, BYE_EVENT},
     2},
    {"auth_unanswered", "section 6: AUTH works", {LEGAL}, 0},
    {"probe_echo", "sent by hand in the server's place, to see what the client does", {NULL}, 3},
    {"bad_input",
     "section 7: version is not needed; timestamp and priority are not needed, and the second event is a copy",
     {"{\"method\": \"OHAI Client\", \"version\": \"1.0.3\", \"server_name\": null}", LEGAL, LEGAL_COPY},
     0},
};

/* How the original was started for a scenario, in our words. */
static const struct setup {
  const char *scenario;
  const char *option, *text;
  uint64_t number;
  uint32_t limit;
} setups[] = {
    {"discovery", "server_name", "Test Server", 0, 0},
    {"discovery_other_version", "versions", "1.0.3", 0, 0},
    {"register_refused_at_limit", "", "", 0, 1}, /* the original's limit 0 admits one */
};

#define MOST    64
#define CLIENTS 4

struct step { /* something to do */
  ump_time at;
  int client;
  const cJSON *record;
  bool notify; /* the application notifies; else a datagram arrives */
};

struct replay {
  struct testing_mem mem;
  struct testing_rng rng;
  struct testing_log log;
  struct ump_engine *engine;
  struct ump_rulebook rules;
  ump_time start, now;
  const char *name;
  const cJSON *steps;
  const struct difference *known;
  struct step todo[MOST];
  size_t n_todo;
  const cJSON *expected[MOST]; /* s2c records; NULL once seen */
  size_t n_expected;
  cJSON *extra[8];
  struct {
    char theirs[64], ours[64];
  } ids[MOST]; /* of notifies */
  size_t n_ids;
  struct ump_client *clients[CLIENTS];
  char cuuid[CLIENTS][64];
  char judged[MOST][64];
  size_t n_judged;
};

/* ---- the rulebook: {"bad": ...} is illegal, as where the transcripts were made ---- */

static int client_of(const struct ump_addr *a) {
  return a->port - 50000;
}
static struct ump_addr address_of(int client) {
  return (struct ump_addr){.family = 4, .ip = {127, 0, 0, 1}, .port = (uint16_t)(50000 + client)};
}

static int on_connect(void *self, struct ump_client *c, struct ump_bytes *reason) {
  (void)reason;
  ((struct replay *)self)->clients[client_of(&c->addr)] = c;
  return 1;
}

static int on_judge(void *self, struct ump_client *c, const struct ump_event *ev, struct ump_judgement *out) {
  struct replay *r = self;
  char *id = r->judged[r->n_judged++];
  (void)c;
  assert_true(r->n_judged < MOST && ev->id.n < 64);
  memcpy(id, ev->id.p, ev->id.n);
  for (size_t i = 0; i + 1 < r->n_judged; i++) assert_string_not_equal(r->judged[i], id); /* executed once */
  out->verdict = ev->has_name && ump_bytes_equal(ev->name, ump_text("bad")) ? UMP_ILLEGAL : UMP_LEGAL;
  return 0;
}

static int on_login(void *self, struct ump_client *c, struct ump_bytes name, struct ump_bytes password, bool create,
                    struct ump_bytes *reason) {
  (void)self, (void)c, (void)create, (void)reason;
  return ump_bytes_equal(name, ump_text("ann")) && ump_bytes_equal(password, ump_text("secret"));
}

static int on_disconnect(void *self, struct ump_client *c, struct ump_bytes reason) {
  (void)self, (void)c, (void)reason;
  return 0;
}
static int on_tick(void *self, ump_time dt) {
  return (void)self, (void)dt, 0;
}
static int on_timer(void *self, uint64_t id) {
  return (void)self, (void)id, 0;
}
static void on_timer_gone(void *self, uint64_t id) {
  (void)self, (void)id;
}
static void on_forget(void *self, struct ump_client *c) {
  ((struct replay *)self)->clients[client_of(&c->addr)] = NULL;
}

static const struct ump_rulebook_ops rules = {
    .connect = on_connect,
    .judge = on_judge,
    .disconnect = on_disconnect,
    .login = on_login,
    .tick = on_tick,
    .timer = on_timer,
    .timer_gone = on_timer_gone,
    .forget = on_forget,
};

/* ---- reading a scenario ---- */

static const char *text_of(const cJSON *o, const char *key) {
  const cJSON *v = cJSON_GetObjectItemCaseSensitive(o, key);
  return cJSON_IsString(v) ? v->valuestring : "";
}

static ump_time time_of(const struct replay *r, const cJSON *number) {
  assert_true(cJSON_IsNumber(number));
  return r->start + (ump_time)number->valuedouble * UMP_MS;
}

static int number_of_client(const cJSON *record) {
  const cJSON *v = cJSON_GetObjectItemCaseSensitive(record, "client");
  assert_true(!v || (v->valueint >= 0 && v->valueint < CLIENTS));
  return v ? v->valueint : 0;
}

static const cJSON *message_of(const cJSON *record, cJSON **parsed) {
  return *parsed = cJSON_Parse(text_of(record, "text_or_decoded"));
}

static void plan(struct replay *r, ump_time at, const cJSON *record, bool notify) {
  assert_true(r->n_todo < MOST);
  size_t i = r->n_todo++;
  for (; i > 0 && r->todo[i - 1].at > at; i--) r->todo[i] = r->todo[i - 1]; /* in order of time, then of the record */
  r->todo[i] = (struct step){at, number_of_client(record), record, notify};
}

static bool lost(const cJSON *record) {
  return cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(record, "lost"));
}

static void plan_client_step(struct replay *r, const cJSON *record) {
  const cJSON *times = cJSON_GetObjectItemCaseSensitive(record, "delivered_ms"), *t;
  if (lost(record)) return;
  if (!times) plan(r, time_of(r, cJSON_GetObjectItemCaseSensitive(record, "t_ms")), record, false);
  cJSON_ArrayForEach(t, times) plan(r, time_of(r, t), record, false);
}

/* The first transmission of a notify is when the application asked for it. */
static void plan_server_step(struct replay *r, const cJSON *record) {
  cJSON *m;
  message_of(record, &m);
  r->expected[r->n_expected++] = record;
  assert_true(r->n_expected < MOST);
  if (m && !strcmp(text_of(m, "method"), "NOTIFY")) {
    bool known = false;
    for (size_t i = 0; i < r->n_ids; i++) known = known || !strcmp(r->ids[i].theirs, text_of(m, "euuid"));
    if (!known) {
      snprintf(r->ids[r->n_ids++].theirs, 64, "%s", text_of(m, "euuid"));
      plan(r, time_of(r, cJSON_GetObjectItemCaseSensitive(record, "t_ms")), record, true);
    }
  }
  cJSON_Delete(m);
}

static void plan_all(struct replay *r) {
  const cJSON *record;
  cJSON_ArrayForEach(record, r->steps) {
    if (!strcmp(text_of(record, "dir"), "c2s"))
      plan_client_step(r, record);
    else
      plan_server_step(r, record);
  }
  for (size_t i = 0; r->known && i < 8 && r->known->ours[i]; i++)
    assert_non_null(r->extra[i] = cJSON_Parse(r->known->ours[i]));
}

/* ---- comparing ---- */

/* theirs: recorded, or from the table of differences. Ids of notifies match what they matched first. */
static bool same(struct replay *r, const cJSON *theirs, const cJSON *ours) {
  cJSON *a = cJSON_Duplicate(theirs, true), *b = cJSON_Duplicate(ours, true);
  const char *id = text_of(b, "euuid");
  bool equal = true;
  if (!cJSON_HasObjectItem(a, "reason")) cJSON_DeleteItemFromObject(b, "reason"); /* E1 */
  if (!strcmp(text_of(a, "euuid"), "*")) {
    cJSON_ReplaceItemInObject(a, "euuid", cJSON_CreateString(id));
  } else if (!strcmp(text_of(a, "method"), "NOTIFY")) {
    for (size_t i = 0; i < r->n_ids; i++) {
      if (strcmp(r->ids[i].theirs, text_of(a, "euuid"))) continue;
      if (!r->ids[i].ours[0]) snprintf(r->ids[i].ours, 64, "%s", id);
      equal = !strcmp(r->ids[i].ours, id);
    }
    cJSON_DeleteItemFromObject(a, "euuid"), cJSON_DeleteItemFromObject(b, "euuid");
  }
  equal = equal && cJSON_Compare(a, b, true);
  cJSON_Delete(a), cJSON_Delete(b);
  return equal;
}

static bool recorded(struct replay *r, const struct ump_addr *to, const cJSON *ours) {
  for (size_t i = 0; i < r->n_expected; i++) {
    const cJSON *record = r->expected[i];
    cJSON *theirs;
    if (!record || number_of_client(record) != client_of(to)) continue;
    ump_time off = r->now - time_of(r, cJSON_GetObjectItemCaseSensitive(record, "t_ms"));
    if (off < -250 * UMP_MS || off > 250 * UMP_MS) continue;
    message_of(record, &theirs);
    bool equal = theirs && same(r, theirs, ours);
    cJSON_Delete(theirs);
    if (equal) return r->expected[i] = NULL, true;
  }
  return false;
}

static bool foreseen(struct replay *r, const cJSON *ours) {
  for (size_t i = 0; i < 8; i++) {
    if (!r->extra[i] || !same(r, r->extra[i], ours)) continue;
    cJSON_Delete(r->extra[i]);
    r->extra[i] = NULL;
    return true;
  }
  return false;
}

/* A LEGAL under an id that no client ever made. */
static bool is_probe(const struct replay *r, const cJSON *ours) {
  const cJSON *record;
  if (strcmp(text_of(ours, "method"), "LEGAL")) return false;
  cJSON_ArrayForEach(record, r->steps) {
    if (!strcmp(text_of(record, "dir"), "c2s") && strstr(text_of(record, "text_or_decoded"), text_of(ours, "euuid")))
      return false;
  }
  return true;
}

static void settle(struct replay *r);

static void confirm_probe(struct replay *r, const struct ump_addr *to, const char *euuid) {
  char text[256];
  snprintf(text, sizeof text, "{\"cuuid\": \"%s\", \"method\": \"OK EVENT\", \"euuid\": \"%s\"}",
           r->cuuid[client_of(to)], euuid);
  ump_engine_recv(r->engine, 0, to, ump_text(text), r->now);
}

static void settle(struct replay *r) {
  char room[10241];
  for (;;) {
    struct ump_addr to;
    struct ump_writer out = ump_writer(room, sizeof room - 1);
    if (!ump_engine_flush(r->engine, 0, &to, &out, r->now)) return;
    room[out.n] = 0;
    cJSON *m = cJSON_Parse(room);
    assert_non_null(m);
    if (is_probe(r, m))
      confirm_probe(r, &to, text_of(m, "euuid"));
    else if (!recorded(r, &to, m) && !foreseen(r, m))
      fail_msg("%s: at %lld ms umpire sends %s", r->name, (long long)((r->now - r->start) / UMP_MS), room);
    cJSON_Delete(m);
  }
}

/* ---- running ---- */

static void pass(struct replay *r, ump_time until) {
  for (ump_time next; (next = ump_engine_deadline(r->engine)) <= until;) {
    if (next > r->now) r->now = next;
    ump_engine_expire(r->engine, r->now);
    settle(r);
  }
  r->now = until;
}

static size_t unhex(const char *hex, uint8_t *out) {
  size_t n = 0;
  for (unsigned byte; sscanf(hex + 2 * n, "%2x", &byte) == 1; n++) out[n] = (uint8_t)byte;
  return n;
}

static void replace_all(char *text, const char *from, const char *to) {
  for (char *at = text; *to && (at = strstr(at, from)); at += strlen(to))
    memcpy(at, to, strlen(to)); /* as long as each other */
}

static void deliver(struct replay *r, const struct step *s) {
  static uint8_t bytes[20000];
  size_t n = unhex(text_of(s->record, "hex"), bytes);
  struct ump_addr from = address_of(s->client);
  bytes[n] = 0;
  for (size_t i = 0; i < r->n_ids; i++) replace_all((char *)bytes, r->ids[i].theirs, r->ids[i].ours);
  cJSON *m = cJSON_Parse((char *)bytes);
  if (m && !strcmp(text_of(m, "method"), "REGISTER")) snprintf(r->cuuid[s->client], 64, "%s", text_of(m, "cuuid"));
  cJSON_Delete(m);
  ump_engine_recv(r->engine, 0, &from, ump_bytes(bytes, n), r->now);
}

static void notify(struct replay *r, const struct step *s) {
  cJSON *m;
  message_of(s->record, &m);
  char *data = cJSON_PrintUnformatted(cJSON_GetObjectItemCaseSensitive(m, "event_data"));
  struct ump_notice notice = {.has_data = true, .data = ump_text(data)};
  assert_non_null(r->clients[s->client]);
  assert_int_equal(ump_engine_notify(r->engine, r->clients[s->client], &notice), 0);
  free(data);
  cJSON_Delete(m);
}

static void open_engine(struct replay *r, uint64_t ignore_encryption) {
  struct ump_option_value options[] = {{.name = "hold_ms", .number = 0},
                                       {.name = "ignore_encryption", .number = ignore_encryption},
                                       {.name = "versions"},
                                       {.name = "server_name"}};
  struct ump_proto_cfg cfg = {.mem = &r->mem.mem,
                              .rng = &r->rng.rng,
                              .log = &r->log.log,
                              .limit = 50,
                              .per_address = 64,
                              .options = options,
                              .n_options = sizeof options / sizeof *options};
  for (size_t i = 0; i < sizeof setups / sizeof *setups; i++) {
    if (strcmp(setups[i].scenario, r->name)) continue;
    if (setups[i].limit) cfg.limit = setups[i].limit;
    for (size_t k = 0; k < cfg.n_options; k++) {
      if (!strcmp(options[k].name, setups[i].option)) options[k].text = ump_text(setups[i].text);
    }
  }
  struct ump_engine_cfg engine = {.mem = &r->mem.mem, .rng = &r->rng.rng, .log = &r->log.log};
  uint32_t index;
  assert_non_null(r->engine = ump_engine_new(&engine, r->now));
  assert_int_equal(ump_engine_listen(r->engine, &ump_neteria, &cfg, 10, &index, r->now), 0);
  r->rules = (struct ump_rulebook){.ops = &rules, .self = r};
  ump_engine_set_rulebook(r->engine, &r->rules, r->now);
}

static void end(struct replay *r) {
  int missing = 0;
  for (size_t i = 0; i < r->n_expected; i++) missing += r->expected[i] != NULL;
  for (size_t i = 0; i < 8; i++) {
    if (r->extra[i]) fail_msg("%s: the table says that umpire sends one more: %s", r->name, r->known->ours[i]);
  }
  if (missing != (r->known ? r->known->missing : 0))
    fail_msg("%s: %d of the original's messages did not come", r->name, missing);
  ump_engine_drain(r->engine, r->now);
  settle(r);
  assert_int_equal(ump_engine_load(r->engine), 0);
  ump_engine_free(r->engine);
  testing_mem_assert_empty(&r->mem);
}

static void replay(const cJSON *scenario, uint64_t ignore_encryption, const struct difference *known) {
  struct replay *r = calloc(1, sizeof *r);
  assert_non_null(r);
  testing_mem_init(&r->mem), testing_log_init(&r->log), testing_rng_init(&r->rng, 1);
  r->name = text_of(scenario, "name"), r->steps = cJSON_GetObjectItemCaseSensitive(scenario, "steps");
  r->start = r->now = 5000 * UMP_S, r->known = known;
  plan_all(r);
  open_engine(r, ignore_encryption);
  for (size_t i = 0; i < r->n_todo; i++) {
    pass(r, r->todo[i].at);
    if (r->todo[i].notify)
      notify(r, &r->todo[i]);
    else
      deliver(r, &r->todo[i]);
    settle(r);
  }
  const cJSON *last = cJSON_GetArrayItem(r->steps, cJSON_GetArraySize(r->steps) - 1);
  ump_time until = time_of(r, cJSON_GetObjectItemCaseSensitive(last, "t_ms"));
  if (until < r->now) until = r->now;
  pass(r, until + 50 * UMP_MS);
  end(r);
  free(r);
}

static const struct difference *known_difference(const char *name) {
  for (size_t i = 0; i < sizeof differences / sizeof *differences; i++) {
    if (!strcmp(differences[i].scenario, name)) return &differences[i];
  }
  return NULL;
}

static cJSON *vectors(void) {
  size_t n;
  char *text = testing_read_file("vectors/neteria.vectors.json", &n);
  cJSON *all = cJSON_Parse(text);
  free(text);
  assert_true(cJSON_IsArray(all));
  return all;
}

static void test_neteria_plays_every_transcript_of_the_original(void **state) {
  cJSON *all = vectors();
  const cJSON *scenario;
  size_t differing = 0;
  (void)state;
  cJSON_ArrayForEach(scenario, all) {
    const struct difference *known = known_difference(text_of(scenario, "name"));
    differing += known != NULL;
    replay(scenario, 0, known);
  }
  print_message("# %d transcripts, %zu with known differences\n", cJSON_GetArraySize(all), differing);
  assert_int_equal(differing,
                   sizeof differences / sizeof *differences); /* no row speaks of a scenario that is not there */
  cJSON_Delete(all);
}

static void test_neteria_plays_encryption_as_the_original_when_told_to_ignore_it(void **state) {
  cJSON *all = vectors();
  const cJSON *scenario;
  int seen = 0;
  (void)state;
  cJSON_ArrayForEach(scenario, all) {
    if (strcmp(text_of(scenario, "name"), "register_with_encryption_ignored")) continue;
    replay(scenario, 1, NULL);
    seen++;
  }
  assert_int_equal(seen, 1);
  cJSON_Delete(all);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_neteria_plays_every_transcript_of_the_original),
      cmocka_unit_test(test_neteria_plays_encryption_as_the_original_when_told_to_ignore_it),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
