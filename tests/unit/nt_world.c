/* See nt_world.h. */
#include "nt_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OPS (&ump_neteria)

static struct ump_option_value number(const char *name, uint64_t v) {
  return (struct ump_option_value){.name = name, .number = v};
}
static struct ump_option_value text(const char *name, const char *v) {
  return (struct ump_option_value){.name = name, .text = v ? ump_text(v) : ump_bytes(NULL, 0)};
}

void nt_open(struct nt_world *w, struct nt_cfg cfg) {
  memset(w, 0, sizeof *w);
  testing_mem_init(&w->mem);
  testing_log_init(&w->log);
  testing_rng_init(&w->rng, 7);
  w->now = 1000 * UMP_S;
  w->sent = calloc(NT_SENT, sizeof *w->sent);
  w->judged = calloc(NT_JUDGED, sizeof *w->judged);
  assert_non_null(w->sent);
  assert_non_null(w->judged);
  struct ump_option_value options[] = {
      number("hold_ms", cfg.hold_ms < 0 ? 0
                        : cfg.hold_ms   ? (uint64_t)cfg.hold_ms
                                        : 1),
      text("versions", cfg.versions),
      text("server_name", cfg.server_name),
      number("discoverable", !cfg.hidden),
      number("compression", cfg.compression),
      number("ignore_encryption", cfg.ignore_encryption),
      number("queue_mib", cfg.queue_mib ? cfg.queue_mib : 256),
  };
  struct ump_proto_cfg proto = {.mem = cfg.mem ? cfg.mem : &w->mem.mem,
                                .rng = &w->rng.rng,
                                .log = &w->log.log,
                                .limit = cfg.limit ? cfg.limit : 50,
                                .per_address = cfg.per_address ? cfg.per_address : 64,
                                .options = options,
                                .n_options = sizeof options / sizeof *options};
  w->created = OPS->create(&w->proto, &proto, w->now);
}

void nt_close(struct nt_world *w) {
  if (w->created == 0) {
    assert_null(ump_neteria_check(w->proto));
    for (size_t i = 0; i < 8192; i++) {
      if (w->sessions[i].there) nt_kick(w, (uint32_t)i);
    }
    nt_pass(w, 2 * UMP_S); /* last words that were held */
    assert_int_equal(OPS->load(w->proto), 0);
    OPS->destroy(w->proto);
  }
  testing_mem_assert_empty(&w->mem);
  free(w->sent);
  free(w->judged);
}

struct ump_addr nt_addr(unsigned host, uint16_t port) {
  return (struct ump_addr){.family = 4, .ip = {10, 0, (uint8_t)(host >> 8), (uint8_t)host}, .port = port};
}

/* ---- the engine's part ---- */

static void copy_text(char *to, size_t cap, struct ump_bytes from) {
  size_t n = from.n < cap - 1 ? from.n : cap - 1;
  if (n) memcpy(to, from.p, n);
  to[n] = 0;
}

static void connect(struct nt_world *w, const struct ump_event *ev) {
  w->n_connects++;
  w->last_again = ev->again, w->last_has_version = ev->has_version;
  copy_text(w->last_version, sizeof w->last_version, ev->version);
  if (w->refuse) {
    OPS->admit(w->proto, ev->session, NULL, 0, ump_text(w->refuse), w->now);
    return;
  }
  assert_true(ev->session < 8192);
  assert_false(w->sessions[ev->session].there);
  w->last_session = ev->session;
  w->sessions[ev->session].there = true;
  w->sessions[ev->session].serial = ev->again ? ev->again : ++w->serials;
  OPS->admit(w->proto, ev->session, (struct ump_client *)(void *)&w->sessions[ev->session],
             w->sessions[ev->session].serial, ump_bytes(NULL, 0), w->now);
}

static struct nt_judged *find(struct nt_world *w, uint64_t serial, struct ump_bytes id) {
  for (size_t i = 0; i < w->n_judged; i++) {
    struct nt_judged *j = &w->judged[i];
    if (j->serial == serial && ump_bytes_equal(ump_text(j->id), id)) return j;
  }
  return NULL;
}

static void judge(struct nt_world *w, const struct ump_event *ev) {
  uint64_t serial = w->sessions[ev->session].serial;
  struct nt_judged *j = find(w, serial, ev->id);
  bool repeat = j != NULL, first = false;
  w->last = *ev;
  copy_text(w->last_name, sizeof w->last_name, ev->name), copy_text(w->last_data, sizeof w->last_data, ev->data);
  copy_text(w->last_user, sizeof w->last_user, ev->user);
  copy_text(w->last_password, sizeof w->last_password, ev->password);
  assert_ptr_equal(ev->client, &w->sessions[ev->session]);
  if (!strcmp(w->last_name, "defer")) return;
  if (!j) {
    assert_true(w->n_judged < NT_JUDGED);
    j = &w->judged[w->n_judged++];
    j->serial = serial, j->high = ev->high;
    copy_text(j->id, sizeof j->id, ev->id);
    j->verdict = ev->malformed                                                       ? UMP_INVALID
                 : !strcmp(w->last_name, "boom")                                     ? UMP_INTERNAL
                 : !strncmp(w->last_name, "bad", 3)                                  ? UMP_ILLEGAL
                 : ev->type == UMP_EVENT_LOGIN && strcmp(w->last_password, "secret") ? UMP_ILLEGAL
                                                                                     : UMP_LEGAL;
    first = j->verdict == UMP_LEGAL;
    j->executed += first;
  }
  struct ump_answer a = {.verdict = j->verdict,
                         .high = j->high,
                         .repeat = repeat,
                         .reason = j->verdict == UMP_ILLEGAL ? ump_text("too far") : ump_bytes(NULL, 0)};
  OPS->answer(w->proto, ev, &a, w->now);
  if (first && w->on_execute) OPS->notify(w->proto, ev->session, w->on_execute, w->now);
}

static void pull(struct nt_world *w) {
  struct ump_event ev;
  while (OPS->next(w->proto, &ev, w->now)) {
    switch (ev.type) {
    case UMP_EVENT_CONNECT:
      connect(w, &ev);
      break;
    case UMP_EVENT_JUDGE:
    case UMP_EVENT_LOGIN:
      judge(w, &ev);
      break;
    case UMP_EVENT_LOGOUT:
      w->n_logouts++;
      break;
    case UMP_EVENT_DISCONNECT:
      w->n_disconnects++;
      assert_true(w->sessions[ev.session].there);
      w->sessions[ev.session].there = false;
      copy_text(w->last_reason, sizeof w->last_reason, ump_text(ev.reason));
      break;
    default:
      fail_msg("an event of type %d", (int)ev.type);
    }
  }
}

static void flush(struct nt_world *w) {
  for (;;) {
    assert_true(w->n_sent < NT_SENT);
    struct nt_sent *s = &w->sent[w->n_sent];
    struct ump_writer out = ump_writer(s->text, sizeof s->text - 1);
    if (!OPS->flush(w->proto, &s->to, &out, w->now)) return;
    assert_false(out.full);
    s->n = out.n, s->at = w->now, s->text[out.n] = 0;
    w->n_sent++;
  }
}

static void settle(struct nt_world *w) {
  pull(w);
  flush(w);
  const char *wrong = ump_neteria_check(w->proto);
  if (wrong) fail_msg("%s", wrong);
}

/* ---- bytes and time ---- */

void nt_in_bytes(struct nt_world *w, struct ump_addr from, const void *p, size_t n) {
  void *copy = malloc(n ? n : 1); /* exactly so many bytes, for the sanitizer to see */
  assert_non_null(copy);
  if (n) memcpy(copy, p, n);
  OPS->recv(w->proto, &from, ump_bytes(copy, n), w->now);
  pull(w);
  memset(copy, 0xee, n);
  free(copy);
  settle(w);
}

void nt_in(struct nt_world *w, struct ump_addr from, const char *t) {
  nt_in_bytes(w, from, t, strlen(t));
}

void nt_inf(struct nt_world *w, struct ump_addr from, const char *format, ...) {
  static char buf[70000];
  va_list args;
  va_start(args, format);
  int n = vsnprintf(buf, sizeof buf, format, args);
  va_end(args);
  assert_true(n >= 0 && (size_t)n < sizeof buf);
  nt_in_bytes(w, from, buf, (size_t)n);
}

void nt_pass(struct nt_world *w, ump_time t) {
  ump_time end = w->now + t;
  for (;;) {
    ump_time next = OPS->deadline(w->proto);
    if (next > end) break;
    if (next > w->now) w->now = next;
    OPS->expire(w->proto, w->now);
    settle(w);
  }
  w->now = end;
  settle(w);
}

const struct nt_sent *nt_take(struct nt_world *w) {
  return w->seen < w->n_sent ? &w->sent[w->seen++] : NULL;
}

const char *nt_expect(struct nt_world *w, struct ump_addr to, const char *expected) {
  const struct nt_sent *s = nt_take(w);
  static char ids[64][40];
  static unsigned turn;
  char *id = ids[turn++ % 64];
  if (!s) fail_msg("expected %s, got nothing", expected);
  if (!ump_addr_equal(&s->to, &to)) fail_msg("%s went to somebody else", s->text);
  const char *brief = strstr(expected, "\"$\""), *hole = brief ? brief : strstr(expected, "\"#\"");
  if (!hole) {
    assert_string_equal(s->text, expected);
    return NULL;
  }
  size_t before = (size_t)(hole + 1 - expected), n = brief ? 5 : UMP_UUID_TEXT;
  if (s->n != strlen(expected) - 1 + n || memcmp(s->text, expected, before) || strcmp(s->text + before + n, hole + 2))
    fail_msg("expected %s, got %s", expected, s->text);
  memcpy(id, s->text + before, n);
  id[n] = 0;
  return id;
}

void nt_expect_nothing(struct nt_world *w) {
  const struct nt_sent *s = nt_take(w);
  if (s) fail_msg("expected nothing, got %s", s->text);
}

void nt_forget_sent(struct nt_world *w) {
  w->seen = w->n_sent = 0;
}

uint64_t nt_counter(struct nt_world *w, const char *name) {
  struct ump_counters c = OPS->counters(w->proto);
  for (size_t i = 0; i < c.n; i++) {
    if (!strcmp(c.names[i], name)) return c.counts[i];
  }
  fail_msg("no counter %s", name);
  return 0;
}

/* ---- what a client says ---- */

uint32_t nt_register(struct nt_world *w, struct ump_addr from, const char *cuuid) {
  nt_inf(w, from, "{\"method\": \"REGISTER\", \"cuuid\": \"%s\"}", cuuid);
  nt_expect(w, from, "{\"method\": \"OK REGISTER\"}");
  return w->last_session;
}

void nt_event(struct nt_world *w, struct ump_addr from, const char *cuuid, const char *euuid, const char *data) {
  nt_inf(w, from,
         "{\"method\": \"EVENT\", \"cuuid\": \"%s\", \"euuid\": \"%s\", \"event_data\": %s, \"timestamp\": "
         "\"2026-11-21 09:57:45.713460\", \"retry\": 0, \"priority\": \"normal\"}",
         cuuid, euuid, data);
}

static void confirm(struct nt_world *w, struct ump_addr from, const char *cuuid, const char *euuid,
                    const char *method) {
  nt_inf(w, from, "{\"cuuid\": \"%s\", \"method\": \"%s\", \"euuid\": \"%s\"}", cuuid, method, euuid);
}

void nt_ok_event(struct nt_world *w, struct ump_addr from, const char *cuuid, const char *euuid) {
  confirm(w, from, cuuid, euuid, "OK EVENT");
}
void nt_ok_notify(struct nt_world *w, struct ump_addr from, const char *cuuid, const char *euuid) {
  confirm(w, from, cuuid, euuid, "OK NOTIFY");
}

int nt_notify(struct nt_world *w, uint32_t session, const char *data) {
  struct ump_blob *payload = NULL;
  int err = OPS->pack(w->proto, &(struct ump_notice){.has_data = true, .data = ump_text(data)}, &payload);
  if (err) return err;
  err = OPS->notify(w->proto, session, payload, w->now);
  ump_blob_unref(payload);
  settle(w);
  return err;
}

uint32_t nt_proven(struct nt_world *w, struct ump_addr from, const char *cuuid) {
  uint32_t session = nt_register(w, from, cuuid);
  assert_int_equal(nt_notify(w, session, "1"), 0);
  nt_ok_event(w, from, cuuid, nt_expect(w, from, NT_BRIEF_TEXT));
  nt_ok_notify(w, from, cuuid, nt_expect(w, from, "{\"method\": \"NOTIFY\", \"event_data\": 1, \"euuid\": \"#\"}"));
  assert_true(ump_neteria_credit(w->proto, session) == INT64_MAX);
  return session;
}

bool nt_there(struct nt_world *w, uint32_t session) {
  return w->sessions[session].there;
}

void nt_kick(struct nt_world *w, uint32_t session) {
  OPS->kick(w->proto, session, ump_text("kicked"), w->now);
  w->sessions[session].there = false;
  settle(w);
}

int nt_executions(struct nt_world *w, const char *id) {
  int n = 0;
  for (size_t i = 0; i < w->n_judged; i++) {
    if (!strcmp(w->judged[i].id, id)) n += w->judged[i].executed;
  }
  return n;
}
