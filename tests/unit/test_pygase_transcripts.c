/* The transcripts of the original (vectors/pygase.vectors.json), replayed as wire/pygase section 12 says: what the
 * clients sent goes in at its time, with the numbers that answer ours in place of those that answered the original's
 * (they vary from run to run); then the last ack and bitfield, the events that were judged, and who came and went are
 * compared. What the original sent is compared with what we write for the same event or update, byte for byte. The
 * vectors are read by cJSON, so that the reader is not our own. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "pg_world.h"

/* Who came, who went, and why, at the end of a scenario and 1.5 s more; by the rulings of the wire page. */
static const struct outcome {
  const char *name;
  unsigned connects, disconnects;
  const char *reason;
} outcomes[] = {
    {"connect", 1, 0, ""},
    {"full_state_corrected", 1, 0, ""},
    {"updates", 1, 0, ""},
    {"client_events", 1, 0, ""},
    {"state_set_and_deleted", 1, 0, ""},
    {"server_event_acked", 1, 0, ""},
    {"two_clients", 2, 0, ""},
    {"loss_and_bitfield", 1, 0, ""},
    {"event_lost_and_not_repeated", 1, 0, ""},
    {"server_times_out_and_client_returns", 2, 1, "timed out"},
    {"client_restarts_on_new_port", 1, 0, ""}, /* of the first one but one package is shown */
    {"shutdown_by_host", 1, 1, "left"},        /* the original would have ended */
    {"disconnect", 1, 0, ""},
    {"unknown_packages", 0, 0, ""},
    {"sequence_wrap", 1, 0, ""},
    {"malformed_packages", 0, 0, ""}, /* each of them ended the original */
};

static struct pg_world *w;

/* ---- JSON and plain data ---- */

static size_t unhex(const char *hex, uint8_t *out) {
  size_t n = strlen(hex) / 2;
  for (size_t i = 0; i < n; i++) {
    unsigned byte;
    assert_int_equal(sscanf(hex + 2 * i, "%2x", &byte), 1);
    out[i] = (uint8_t)byte;
  }
  return n;
}

static const char *text_of(const cJSON *o, const char *key) {
  return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, key));
}

static int number_of(const cJSON *o, const char *key, int fallback) {
  const cJSON *n = cJSON_GetObjectItemCaseSensitive(o, key);
  return cJSON_IsNumber(n) ? n->valueint : fallback;
}

/* cJSON does not tell 8.0 from 8, msgpack does: whole floats, outside of strings, become {"float": 8.0}. */
static char *with_floats(const char *text, size_t n) {
  char *out = malloc(4 * n + 1), *to = out;
  bool quoted = false;
  assert_non_null(out);
  for (const char *at = text; at < text + n;) {
    size_t number = quoted ? 0 : strspn(at, "-0123456789.");
    if (number > 2 && !memcmp(at + number - 2, ".0", 2)) {
      to += sprintf(to, "{\"float\": %.*s}", (int)number, at);
      at += number;
    } else {
      quoted ^= *at == '"' && (at == text || at[-1] != '\\');
      *to++ = *at++;
    }
  }
  *to = 0;
  return out;
}

static const cJSON *only(const cJSON *v, const char *key) {
  return cJSON_IsObject(v) && cJSON_GetArraySize(v) == 1 && !strcmp(v->child->string, key) ? v->child : NULL;
}

static bool is_bytes(const cJSON *v) {
  return only(v, "bytes") != NULL;
}

static void put_plain(struct ump_writer *out, const cJSON *v);

static void put_pairs(struct ump_writer *out, const cJSON *v, bool update) {
  const cJSON *item;
  uint32_t n = 0;
  cJSON_ArrayForEach(item, v) n +=
      !update || (strcmp(item->string, "time_order") && strcmp(item->string, "game_status"));
  ump_plain_put_map(out, n);
  cJSON_ArrayForEach(item, v) {
    char *end;
    if (update && (!strcmp(item->string, "time_order") || !strcmp(item->string, "game_status"))) continue;
    long key = strtol(item->string, &end, 10);
    if (*item->string && !*end)
      ump_plain_put_int(out, key);
    else
      ump_plain_put_string(out, ump_text(item->string));
    put_plain(out, item);
  }
}

static void put_plain(struct ump_writer *out, const cJSON *v) {
  const cJSON *item;
  if (cJSON_IsNull(v)) {
    ump_plain_put_tag(out, UMP_PLAIN_NULL);
  } else if (cJSON_IsBool(v)) {
    ump_plain_put_tag(out, cJSON_IsTrue(v) ? UMP_PLAIN_TRUE : UMP_PLAIN_FALSE);
  } else if (cJSON_IsNumber(v)) {
    if (v->valuedouble == floor(v->valuedouble) && fabs(v->valuedouble) < 9e15)
      ump_plain_put_int(out, (int64_t)v->valuedouble);
    else
      ump_plain_put_float(out, v->valuedouble);
  } else if (cJSON_IsString(v)) {
    ump_plain_put_string(out, ump_text(v->valuestring));
  } else if (cJSON_IsArray(v)) {
    ump_plain_put_array(out, (uint32_t)cJSON_GetArraySize(v));
    cJSON_ArrayForEach(item, v) put_plain(out, item);
  } else if (only(v, "float")) {
    ump_plain_put_float(out, v->child->valuedouble);
  } else if (is_bytes(v)) {
    uint8_t bytes[64];
    size_t n = unhex(v->child->valuestring, bytes);
    if (n == 4 && !memcmp(bytes, "\xd2\x81\xe5\xba", 4))
      ump_plain_put_tag(out, UMP_PLAIN_DELETE);
    else
      ump_plain_put_string(out, ump_bytes(bytes, n));
  } else {
    put_pairs(out, v, false);
  }
}

/* What an event's data is: args its array part, kwargs its hash part. */
static void put_data(struct ump_writer *out, const cJSON *event) {
  const cJSON *args = cJSON_GetObjectItemCaseSensitive(event, "handler_args"), *item;
  const cJSON *kwargs = cJSON_GetObjectItemCaseSensitive(event, "handler_kwargs");
  uint32_t n = (uint32_t)cJSON_GetArraySize(args);
  if (!n && !kwargs->child) return;
  if (n && kwargs->child)
    ump_plain_put_mixed(out, n);
  else if (n)
    ump_plain_put_array(out, n);
  cJSON_ArrayForEach(item, args) put_plain(out, item);
  if (kwargs->child) put_pairs(out, kwargs, false);
}

/* Floats crossed in single precision, and the JSON of the vectors tells as much. */
static bool alike(struct ump_reader *a, struct ump_reader *b) {
  struct ump_plain x, y;
  if (!ump_plain_get(a, &x)) return !ump_plain_get(b, &y);
  if (!ump_plain_get(b, &y)) return false;
  uint64_t n = x.tag == UMP_PLAIN_MAP     ? 2 * (uint64_t)x.count
               : x.tag == UMP_PLAIN_MIXED ? (uint64_t)x.count + 1
                                          : x.count;
  if (x.tag == UMP_PLAIN_FLOAT && y.tag == UMP_PLAIN_FLOAT) return fabs(x.f - y.f) <= 1e-6 * fabs(x.f);
  if (x.tag != y.tag || x.i != y.i || x.count != y.count || !ump_bytes_equal(x.s, y.s)) return false;
  while (n--)
    if (!alike(a, b)) return false;
  return true;
}

/* ---- what clients sent ---- */

struct said { /* a step on its way to us */
  int ms, client, order;
  const cJSON *step;
};

static int by_time(const void *a, const void *b) {
  const struct said *x = a, *y = b;
  return x->ms != y->ms ? x->ms - y->ms : x->order - y->order;
}

static size_t gather(const cJSON *scenario, struct said *out) {
  const cJSON *step;
  size_t n = 0;
  cJSON_ArrayForEach(step, cJSON_GetObjectItem(scenario, "steps")) {
    if (strcmp(text_of(step, "dir"), "c2s") || cJSON_IsTrue(cJSON_GetObjectItem(step, "lost"))) continue;
    out[n] = (struct said){number_of(step, "delivered_ms", number_of(step, "t_ms", 0)), number_of(step, "client", 0),
                           (int)n, step};
    n++;
  }
  qsort(out, n, sizeof *out, by_time);
  return n;
}

static struct ump_addr addr_of(int client) {
  return pg_addr(1 + (unsigned)client, 5000);
}

static const struct pg_sent_package *last_to(int client) {
  struct ump_addr to = addr_of(client);
  for (size_t i = w->n_sent; i-- > 0;)
    if (ump_addr_equal(&w->sent[i].to, &to)) return &w->sent[i];
  return NULL;
}

static void put16(uint8_t *p, unsigned v) {
  p[0] = (uint8_t)(v >> 8), p[1] = (uint8_t)v;
}
static unsigned get16(const uint8_t *p) {
  return (unsigned)p[0] << 8 | p[1];
}

/* ---- checks ---- */

static void judged_as_sent(const cJSON *step, size_t *at) {
  const cJSON *event;
  cJSON_ArrayForEach(event, cJSON_GetObjectItem(cJSON_GetObjectItem(step, "text_or_decoded"), "events")) {
    uint8_t bytes[2048];
    struct ump_writer want = ump_writer(bytes, sizeof bytes);
    assert_true(*at < w->n_judged);
    const struct pg_judged *j = &w->judged[(*at)++];
    assert_string_equal(j->name, text_of(event, "type"));
    put_data(&want, event);
    struct ump_reader a = ump_reader(ump_written(&want)), b = ump_reader(ump_bytes(j->data, j->n));
    assert_true(alike(&a, &b));
  }
}

/* Ack and bitfield of our last package, against everything of this client that was let in. */
static void acknowledged(int client, const unsigned *sequences, size_t n) {
  const struct pg_sent_package *p = last_to(client);
  if (!n) return;
  assert_non_null(p);
  uint32_t bits = 0;
  unsigned newest = sequences[n - 1];
  for (size_t i = 0; i < n; i++) { /* sent in order, but for late ones: the newest is the one nobody is ahead of */
    int d = (int)sequences[i] - (int)newest;
    if (d < -32767) d += 65535;
    if (d > 32767) d -= 65535;
    if (d > 0) newest = sequences[i];
  }
  for (size_t i = 0; i < n; i++) {
    int d = (int)newest - (int)sequences[i];
    if (d < -32767) d += 65535;
    if (d > 0 && d <= 32) bits |= (uint32_t)1 << (32 - d);
  }
  assert_int_equal(p->ack, newest);
  assert_int_equal(p->bits, bits);
}

/* An event of the original's is what we write for the same name and data. */
static void packs_alike(const cJSON *step) {
  uint8_t wire[2100];
  size_t n = unhex(text_of(step, "hex"), wire), at = 14 + get16(wire + 12);
  const cJSON *event;
  cJSON_ArrayForEach(event, cJSON_GetObjectItem(cJSON_GetObjectItem(step, "text_or_decoded"), "events")) {
    uint8_t bytes[2048];
    struct ump_writer data = ump_writer(bytes, sizeof bytes);
    struct ump_blob *blob;
    put_data(&data, event);
    struct ump_notice notice = {
        .has_name = true, .name = ump_text(text_of(event, "type")), .has_data = data.n > 0, .data = ump_written(&data)};
    assert_int_equal(ump_pygase.pack(w->proto, &notice, &blob), 0);
    assert_int_equal(blob->n, get16(wire + at));
    assert_memory_equal(blob->p, wire + at + 2, blob->n);
    at += 2 + blob->n;
    ump_blob_unref(blob);
  }
  assert_true(!cJSON_GetObjectItem(cJSON_GetObjectItem(step, "text_or_decoded"), "events") || at == n);
}

/* ---- updates: a feed with one patch ---- */

static struct ump_patch patch;
static int n_patches;

static int give_patch(void *self, const struct ump_client *c, struct ump_moment *from, struct ump_patch **out) {
  (void)self, (void)c, (void)from;
  if (!n_patches) return 0;
  n_patches--;
  *out = &patch;
  return 1;
}
static void patch_ref(void *self, struct ump_patch *p) {
  (void)self, (void)p;
}
static void patch_unref(void *self, struct ump_patch *p) {
  (void)self;
  if (p->form) p->drop_form(p->form);
  p->form = NULL;
}
static void moment_ref(void *self, struct ump_moment *m) {
  (void)self, (void)m;
}
static const struct ump_feed_ops one_patch = {give_patch, patch_ref, patch_unref, moment_ref, moment_ref};

static void updates_alike(const cJSON *step) {
  static int moment;
  static uint8_t plain[8192];
  uint8_t wire[2100];
  struct ump_writer out = ump_writer(plain, sizeof plain);
  struct pg_world *u = calloc(1, sizeof *u);
  unhex(text_of(step, "hex"), wire);
  put_pairs(&out, cJSON_GetObjectItem(cJSON_GetObjectItem(step, "text_or_decoded"), "update"), true);
  pg_open(u, (struct pg_cfg){0});
  u->feed.face.ops = &one_patch;
  patch = (struct ump_patch){.to = (struct ump_moment *)(void *)&moment, .plain = ump_written(&out)};
  n_patches = 1;
  pg_say(u, pg_addr(1, 1), 1, 0, 0);
  pg_say(u, pg_addr(1, 1), 2, pg_last(u)->sequence, 0);
  pg_pass(u, 30 * UMP_MS);
  const struct pg_sent_package *p = pg_last(u);
  struct ump_bytes ours = p->update;
  ours = ump_bytes(ours.p + 1 + 11 + 1 + 13, ours.n - 1 - 11 - 1 - 13); /* head, time_order and a byte, game_status */
  assert_non_null(memmem(wire + 14, get16(wire + 12), ours.p, ours.n));
  pg_close(u);
  free(u);
}

/* ---- replaying ---- */

static const struct outcome *outcome_of(const char *name) {
  for (size_t i = 0; i < sizeof outcomes / sizeof *outcomes; i++)
    if (!strcmp(outcomes[i].name, name)) return &outcomes[i];
  fail_msg("no outcome is known for %s", name);
  return NULL;
}

static void replay(const cJSON *scenario, bool malformed) {
  struct said said[128];
  unsigned sequences[4][128];
  size_t n = gather(scenario, said), judged = 0, n_sequences[4] = {0};
  ump_time start = w->now;
  for (size_t i = 0; i < n; i++) {
    uint8_t bytes[2100];
    int c = said[i].client;
    size_t size = unhex(text_of(said[i].step, "hex"), bytes);
    pg_pass(w, start + said[i].ms * UMP_MS - w->now);
    bool package = size >= 14 && !memcmp(bytes, "\xff\xd0\xfa\xb9", 4);
    if (package && get16(bytes + 6)) { /* it answers the original: let it answer us */
      const struct pg_sent_package *p = last_to(c);
      put16(bytes + 6, p ? p->sequence : 0);
      put16(bytes + 12, p ? (unsigned)p->time_order : 0);
    }
    pg_in(w, addr_of(c), bytes, size);
    if (package && c < 4 && !malformed) sequences[c][n_sequences[c]++] = get16(bytes + 4);
    if (!malformed) judged_as_sent(said[i].step, &judged);
  }
  assert_int_equal(w->n_judged, judged);
  pg_pass(w, 60 * UMP_MS);
  for (int c = 0; c < 4; c++) acknowledged(c, sequences[c], n_sequences[c]);
  pg_pass(w, 1500 * UMP_MS);
}

/* Each to a server of its own: after any of them it serves others. */
static void serves_others(void) {
  struct pg_client c;
  size_t had = w->n_connects;
  pg_client_init(&c, pg_addr(99, 9000));
  pg_client_connect(w, &c);
  assert_int_equal(w->n_connects, had + 1);
}

static void run(const cJSON *scenario) {
  const char *name = text_of(scenario, "name");
  const struct outcome *o = outcome_of(name);
  const cJSON *step;
  printf("  %s\n", name);
  w = calloc(1, sizeof *w);
  assert_non_null(w);
  pg_open(w, (struct pg_cfg){0});
  replay(scenario, !strcmp(name, "malformed_packages"));
  assert_int_equal(w->n_connects, o->connects);
  assert_int_equal(w->n_disconnects, o->disconnects);
  assert_string_equal(w->last_reason, o->reason);
  assert_int_equal(w->n_stops, 0);
  serves_others();
  cJSON_ArrayForEach(step, cJSON_GetObjectItem(scenario, "steps")) {
    if (strcmp(text_of(step, "dir"), "s2c")) continue;
    packs_alike(step);
    if (cJSON_GetArraySize(cJSON_GetObjectItem(cJSON_GetObjectItem(step, "text_or_decoded"), "update")) > 2)
      updates_alike(step);
  }
  pg_close(w);
  free(w);
}

static void test_pygase_transcripts_of_the_original(void **state) {
  (void)state;
  size_t n;
  char *text = testing_read_file("vectors/pygase.vectors.json", &n);
  char *marked = with_floats(text, n);
  cJSON *all = cJSON_Parse(marked), *scenario;
  assert_non_null(all);
  assert_int_equal(cJSON_GetArraySize(all), sizeof outcomes / sizeof *outcomes);
  cJSON_ArrayForEach(scenario, all) run(scenario);
  cJSON_Delete(all);
  free(marked);
  free(text);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_pygase_transcripts_of_the_original)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
