/* Neteria: what each message does (wire sections 3, 4 and 6), and the one interface that the engine drives. */
#include "proto/neteria/internal.h"

#include <assert.h>

/* ---- OHAI ---- */

static bool admits_version(struct ump_neteria *n, const struct nt_request *r) {
  if (!n->n_versions) return true;
  if (r->version.type != UMP_JSON_STRING) return false;
  struct ump_bytes v = ump__nt_string(n, &r->version);
  for (size_t i = 0; i < n->n_versions; i++) {
    if (ump_bytes_equal(n->versions[i], v)) return true;
  }
  return false;
}

static void on_ohai(struct ump_neteria *n, const struct nt_request *r) {
  if (!n->discoverable) return;
  nt_count(n, NT_ohai);
  if (admits_version(n, r)) {
    ump__nt_reply(n, r, NT_OHAI_CLIENT, n->server_name.n ? "" : NULL);
  } else {
    nt_count(n, NT_ohai_refused);
    ump__nt_reply(n, r, NT_BYE_REGISTER, "version not supported");
  }
  ump__nt_earn(n, r->from, 2 * r->n);
}

/* ---- REGISTER ---- */

static bool refuses_encryption(struct ump_neteria *n, const struct nt_request *r) {
  if (r->encryption.type == UMP_JSON_NONE || r->encryption.type == UMP_JSON_NULL) return false;
  if (n->ignore_encryption) {
    nt_count(n, NT_encryption_ignored);
    ump_log_text(n->log, UMP_WARN, "encryption_ignored", r->from,
                 "the client asks for encryption; it goes on in plain text (ignore_encryption=1)");
    return false;
  }
  ump__nt_drop(n, NT_refused_encryption, r->from,
               "encryption is not supported; ignore_encryption=1 goes on in plain text");
  ump__nt_reply(n, r, NT_BYE_REGISTER, "encryption is not supported");
  return true;
}

static void on_register(struct ump_neteria *n, const struct nt_request *r) {
  if (!refuses_encryption(n, r)) ump__nt_register(n, r, false);
}

static void on_register_again(struct ump_neteria *n, const struct nt_request *r, struct nt_session *s) {
  ump__nt_heard(n, s, r);
  if (refuses_encryption(n, r)) {
    s->credit -= (int64_t)r->n; /* the refusal is part of what these bytes have earned */
    return;
  }
  nt_count(n, NT_registered_again);
  ump__nt_ok_register(n, s);
}

static void on_register_elsewhere(struct ump_neteria *n, const struct nt_request *r, struct nt_session *s) {
  ump__nt_drop(n, NT_refused_in_use, r->from, "cuuid in use");
  ump__nt_reply(n, r, NT_BYE_REGISTER, "cuuid in use");
  ump__nt_move_hint(n, s, r, true);
}

/* ---- EVENT and AUTH ---- */

static void bye_event(struct ump_neteria *n, const struct nt_request *r) {
  nt_count(n, NT_unknown_client);
  ump__nt_reply(n, r, NT_BYE_EVENT, NULL);
  ump__nt_earn(n, r->from, 2 * r->n); /* the reply is not longer than the request */
}

static void bye_event_elsewhere(struct ump_neteria *n, const struct nt_request *r, struct nt_session *s) {
  nt_count(n, NT_foreign_address);
  ump__nt_reply(n, r, NT_BYE_EVENT, NULL);
  ump__nt_move_hint(n, s, r, true);
}

static struct ump_event *pend(struct ump_neteria *n, const struct nt_request *r, struct nt_session *s, int type) {
  n->has_pending = true;
  n->pending_from = s->addr;
  n->pending = (struct ump_event){.type = (enum ump_event_type)type,
                                  .session = s->handle,
                                  .client = s->client,
                                  .from = &n->pending_from,
                                  .id = r->euuid,
                                  .once = true,
                                  .high = r->high,
                                  .encoding = UMP_JSON,
                                  .malformed = r->malformed};
  s->judged = true;
  return &n->pending;
}

/* design.md, how name and data meet each wire. */
static void name_and_data(struct ump_neteria *n, const struct nt_request *r, struct ump_event *ev) {
  struct ump_json_value key;
  if (r->data.type == UMP_JSON_STRING) {
    ev->has_name = true, ev->name = ump__nt_string(n, &r->data);
    return;
  }
  ev->has_data = true, ev->data = r->data.raw, ev->holds = r->data.holds;
  if (r->data.type != UMP_JSON_OBJECT || r->data.n_members != 1) return;
  ev->data = ump_json_only_text(&r->data, &key);
  ev->has_name = true, ev->name = ump__nt_string(n, &key);
}

static void on_event(struct ump_neteria *n, const struct nt_request *r, struct nt_session *s) {
  ump__nt_heard(n, s, r);
  if (!nt_trusted(s) && !ump__nt_within_share(n, s)) return;
  nt_count(n, r->malformed ? NT_bad_data : NT_events);
  struct ump_event *ev = pend(n, r, s, UMP_EVENT_JUDGE);
  if (!r->malformed) name_and_data(n, r, ev);
}

/* name or user, and password, out of event_data. */
static bool credentials(struct ump_neteria *n, const struct nt_request *r, struct ump_event *ev) {
  struct ump_json_slot slots[] = {{.key = ump_text("name")}, {.key = ump_text("user")}, {.key = ump_text("password")}};
  if (r->malformed || r->data.type != UMP_JSON_OBJECT || ump_json_members(r->data.raw, slots, 3, NULL)) return false;
  const struct ump_json_value *user = &slots[slots[0].value.type == UMP_JSON_NONE ? 1 : 0].value;
  if (user->type != UMP_JSON_STRING || slots[2].value.type != UMP_JSON_STRING) return false;
  ev->user = ump__nt_string(n, user), ev->password = ump__nt_string(n, &slots[2].value);
  return true;
}

/* Without a name and a password it is a malformed event: answered, and never shown to the rules. */
static void on_auth(struct ump_neteria *n, const struct nt_request *r, struct nt_session *s) {
  ump__nt_heard(n, s, r);
  if (!nt_trusted(s) && !ump__nt_within_share(n, s)) return;
  nt_count(n, NT_logins);
  struct ump_event *ev = pend(n, r, s, UMP_EVENT_LOGIN);
  if (credentials(n, r, ev)) return;
  nt_count(n, NT_bad_data);
  ev->type = UMP_EVENT_JUDGE, ev->malformed = true;
}

/* ---- OK EVENT and OK NOTIFY ---- */

static void ignore(struct ump_neteria *n, const struct nt_request *r) {
  (void)r;
  nt_count(n, NT_unknown_client);
}

static void on_ok_event_of_nobody(struct ump_neteria *n, const struct nt_request *r) {
  if (ump__nt_challenge_echo(n, r))
    ump__nt_register(n, r, true);
  else
    ignore(n, r);
}

static void ignore_elsewhere(struct ump_neteria *n, const struct nt_request *r, struct nt_session *s) {
  nt_count(n, NT_foreign_address);
  ump__nt_move_hint(n, s, r, false);
}

static void on_ok_event(struct ump_neteria *n, const struct nt_request *r, struct nt_session *s) {
  bool echo = (s->probe || s->move) && ump__nt_probe_echo(n, s, r->euuid);
  ump__nt_heard(n, s, r);
  if (echo)
    ump__nt_proven(n, s);
  else if (!ump__nt_confirm_verdict(n, s, r->euuid))
    nt_count(n, NT_unknown_id);
}

static void on_ok_event_elsewhere(struct ump_neteria *n, const struct nt_request *r, struct nt_session *s) {
  if (ump__nt_move_echo(n, s, r)) return;
  ignore_elsewhere(n, r, s);
}

static void on_ok_notify(struct ump_neteria *n, const struct nt_request *r, struct nt_session *s) {
  struct ump_uuid id;
  ump__nt_heard(n, s, r);
  if (ump_uuid_parse(r->euuid, &id) && ump__nt_confirm_notify(n, s, &id))
    ump__nt_proven(n, s);
  else
    nt_count(n, NT_unknown_id);
}

/* ---- dispatch: the most frequent first ---- */

#define NAME(literal) literal, sizeof literal - 1
#define IDS           (NT_NEEDS_CUUID | NT_NEEDS_EUUID)

const struct nt_method ump__nt_methods[] = {
    /* method           needs                 of a session       of nobody we know      of a session, from elsewhere */
    {NAME("EVENT"), IDS | NT_NEEDS_DATA, on_event, bye_event, bye_event_elsewhere},
    {NAME("OK EVENT"), IDS, on_ok_event, on_ok_event_of_nobody, on_ok_event_elsewhere},
    {NAME("OK NOTIFY"), IDS, on_ok_notify, ignore, ignore_elsewhere},
    {NAME("REGISTER"), NT_NEEDS_CUUID, on_register_again, on_register, on_register_elsewhere},
    {NAME("OHAI"), 0, NULL, on_ohai, NULL},
    {NAME("AUTH"), IDS | NT_NEEDS_DATA, on_auth, bye_event, bye_event_elsewhere},
    {0},
};

static void dispatch(struct ump_neteria *n, const struct nt_request *r) {
  const struct nt_method *m = r->method;
  struct nt_session *s = m->needs & NT_NEEDS_CUUID ? ump__nt_find(n, r->cuuid, r->from) : NULL;
  if (!s)
    m->unknown(n, r);
  else if (ump_addr_equal(&s->addr, r->from))
    m->known(n, r, s);
  else
    m->elsewhere(n, r, s);
}

/* ---- bytes in ---- */

/* False: dropped. */
static bool inflate_text(struct ump_neteria *n, struct nt_request *r, struct ump_bytes *in) {
  int size = ump__nt_inflate(n->deflate, *in, n->text, n->text_max);
  if (size < 0) {
    ump__nt_drop(n, NT_bad_compression, r->from, "compressed text that is cut, broken or grows too much");
    return false;
  }
  *in = ump_bytes(n->text, (size_t)size);
  return r->deflated = true;
}

static void nt_recv(void *self, const struct ump_addr *from, struct ump_bytes in, ump_time now) {
  struct ump_neteria *n = self;
  struct nt_request r = {.from = from, .n = in.n};
  n->now = now;
  n->has_pending = false;
  if (n->connecting) ump__nt_end(n, n->connecting, NULL); /* never answered by the engine */
  nt_count(n, NT_datagrams_in);
  n->counts[NT_bytes_in] += in.n;
  if (!in.n || in.n > NT_TEXT) {
    ump__nt_drop(n, NT_bad_size, from, in.n ? "longer than 10240 bytes" : "empty");
    return;
  }
  if (n->deflate && ump__nt_is_deflated(in) && !inflate_text(n, &r, &in)) return;
  if (ump__nt_parse(n, &r, in)) dispatch(n, &r);
}

/* ---- events out, answers in ---- */

static int nt_next(void *self, struct ump_event *ev, ump_time now) {
  struct ump_neteria *n = self;
  n->now = now;
  if (ump__nt_report(n, ev)) return 1;
  if (!n->has_pending) return 0;
  n->has_pending = false;
  *ev = n->pending;
  return 1;
}

static void nt_admit(void *self, uint32_t session, struct ump_client *client, uint64_t serial, struct ump_bytes reason,
                     ump_time now) {
  struct ump_neteria *n = self;
  struct nt_session *s = ump__nt_session(n, session);
  n->now = now;
  if (s) ump__nt_admit(n, s, client, serial, reason);
}

static void nt_answer(void *self, const struct ump_event *ev, const struct ump_answer *a, ump_time now) {
  struct ump_neteria *n = self;
  struct nt_session *s = ump__nt_session(n, ev->session);
  n->now = now;
  assert(ev->id.n >= 1 && ev->id.n <= NT_ID);
  if (s && nt_alive(s)) ump__nt_verdict(n, s, ev, a);
}

/* ---- notices ---- */

static int nt_pack(void *self, const struct ump_notice *notice, struct ump_blob **out) {
  return ump__nt_pack(self, notice, out);
}

static int nt_notify(void *self, uint32_t session, struct ump_blob *payload, ump_time now) {
  struct ump_neteria *n = self;
  struct nt_session *s = ump__nt_session(n, session);
  n->now = now;
  return s ? ump__nt_notify(n, s, payload) : UMP_EGONE;
}

static size_t nt_room(void *self, uint32_t session) {
  struct nt_session *s = ump__nt_session(self, session);
  return s ? ump__nt_room(s) : 0;
}

static uint32_t nt_unheard(const void *self, uint32_t session) {
  const struct nt_session *s = ump__nt_session((struct ump_neteria *)(uintptr_t)self, session);
  return s ? s->unheard : 0;
}

static void nt_kick(void *self, uint32_t session, struct ump_bytes reason, ump_time now) {
  struct ump_neteria *n = self;
  struct nt_session *s = ump__nt_session(n, session);
  (void)reason; /* the wire has no word for it */
  n->now = now;
  if (!s) return;
  nt_count(n, NT_kicked);
  ump__nt_end(n, s, NULL);
}

/* ---- bytes out, time ---- */

static int nt_flush(void *self, struct ump_addr *to, struct ump_writer *out, ump_time now) {
  struct ump_neteria *n = self;
  n->now = now;
  return ump__nt_flush(n, to, out);
}

static ump_time first_out(const struct ump_list *head) {
  return ump_list_empty(head) ? UMP_NEVER : UMP_CONTAINER(head->next, struct nt_out, at)->due;
}

static ump_time nt_deadline(const void *self) {
  const struct ump_neteria *n = self;
  if (!ump_list_empty(&n->ready) || !ump_list_empty(&n->reports) || n->has_pending) return n->now;
  ump_time t = ump_time_min(first_out(&n->held), first_out(&n->resend));
  if (!ump_list_empty(&n->probes)) t = ump_time_min(t, UMP_CONTAINER(n->probes.next, struct nt_probe, at)->due);
  if (!ump_list_empty(&n->moves)) t = ump_time_min(t, UMP_CONTAINER(n->moves.next, struct nt_move, at)->due);
  return ump_time_min(t, ump__nt_session_deadline(n));
}

static void nt_expire(void *self, ump_time now) {
  struct ump_neteria *n = self;
  n->now = now;
  ump__nt_expire_outs(n);
  ump__nt_expire_probes(n);
  ump__nt_expire_sessions(n);
}

/* ---- looking ---- */

const char *const ump__nt_count_names[NT_N_COUNTS] = {
#define COUNTER_NAME(name) #name,
    NT_COUNTERS(COUNTER_NAME)};

static struct ump_counters nt_counters(const void *self) {
  const struct ump_neteria *n = self;
  return (struct ump_counters){ump__nt_count_names, n->counts, NT_N_COUNTS};
}

/* Ghosts are not counted: they belong to the verdicts that the engine remembers, and go when those do. */
static size_t nt_load(const void *self) {
  const struct ump_neteria *n = self;
  return n->n_sessions + n->n_reports + n->n_outs + n->n_probes + n->has_pending;
}

/* ---- life ---- */

static const struct ump_option options[] = {
    {"hold_ms", "1",
     "hold a first verdict so many milliseconds: the original client notes an event only after sending it",
     UMP_OPTION_NUMBER, 0, 1000},
    {"versions", "", "answer OHAI of these client versions only, separated by commas; empty: all", UMP_OPTION_TEXT, 0,
     0},
    {"server_name", "", "name told to clients that look for servers, cut to what their request has room for",
     UMP_OPTION_TEXT, 0, 0},
    {"discoverable", "1", "answer clients that look for servers", UMP_OPTION_SWITCH, 0, 1},
    {"compression", "0", "understand the original's compressed datagrams (Python 2 clients only)", UMP_OPTION_SWITCH, 0,
     1},
    {"ignore_encryption", "0", "let clients that ask for encryption go on in plain text instead of refusing them",
     UMP_OPTION_SWITCH, 0, 1},
    {"queue_mib", "256", "memory for verdicts and notifies that wait to be sent or confirmed, in MiB",
     UMP_OPTION_NUMBER, 1, 65536},
};

static const struct ump_option_value *option(const struct ump_proto_cfg *cfg, const char *name) {
  for (size_t i = 0; i < cfg->n_options; i++) {
    if (strcmp(cfg->options[i].name, name) == 0) return &cfg->options[i];
  }
  return NULL;
}

static uint64_t number(const struct ump_proto_cfg *cfg, const char *name, uint64_t fallback) {
  const struct ump_option_value *o = option(cfg, name);
  return o ? o->number : fallback;
}

static struct ump_bytes text(const struct ump_proto_cfg *cfg, const char *name) {
  const struct ump_option_value *o = option(cfg, name);
  return o ? o->text : ump_bytes(NULL, 0);
}

static bool separates(uint8_t c) {
  return c == ',' || c == ' ' || c == ';';
}

static int split_versions(struct ump_neteria *n, struct ump_bytes list) {
  for (size_t i = 0, start = 0; i <= list.n; i++) {
    if (i < list.n && !separates(list.p[i])) continue;
    if (i > start && n->n_versions == NT_VERSIONS) return UMP_EINVAL;
    if (i > start) n->versions[n->n_versions++] = ump_bytes(list.p + start, i - start);
    start = i + 1;
  }
  return 0;
}

static int copy_strings(struct ump_neteria *n, const struct ump_proto_cfg *cfg) {
  struct ump_bytes name = text(cfg, "server_name"), versions = text(cfg, "versions");
  if (name.n > NT_NAME || !ump_utf8_valid(name) || versions.n > NT_TEXT) return UMP_EINVAL;
  n->strings_n = name.n + versions.n;
  if (!n->strings_n) return 0;
  n->strings = ump_alloc(n->mem, n->strings_n);
  if (!n->strings) return UMP_ENOMEM;
  if (name.n) memcpy(n->strings, name.p, name.n);
  if (versions.n) memcpy(n->strings + name.n, versions.p, versions.n);
  n->server_name = ump_bytes(n->strings, name.n);
  return split_versions(n, ump_bytes(n->strings + name.n, versions.n));
}

static void init_lists(struct ump_neteria *n) {
  struct ump_list *heads[] = {&n->young,  &n->unproven, &n->idle,  &n->silent, &n->ghosts, &n->reports,
                              &n->probes, &n->moves,    &n->ready, &n->held,   &n->resend, &n->free_outs};
  for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) ump_list_init(heads[i]);
}

static void read_options(struct ump_neteria *n, const struct ump_proto_cfg *cfg) {
  n->hold = (ump_time)number(cfg, "hold_ms", 1) * UMP_MS;
  n->discoverable = number(cfg, "discoverable", 1);
  n->compression = number(cfg, "compression", 0);
  n->ignore_encryption = number(cfg, "ignore_encryption", 0);
  n->out_bytes_max = (size_t)number(cfg, "queue_mib", 256) << 20;
  n->text_max = n->compression ? NT_INFLATED : NT_TEXT;
}

static int nt_create(void **self, const struct ump_proto_cfg *cfg, ump_time now) {
  struct ump_neteria *n = ump_zalloc(cfg->mem, sizeof *n);
  int err = UMP_ENOMEM;
  if (!n) return err;
  n->mem = cfg->mem, n->rng = cfg->rng, n->log = cfg->log;
  n->limit = cfg->limit, n->per_address = cfg->per_address;
  n->now = n->pressed = now, n->swept = now - NT_PROBE;
  ump_rng_fill(n->rng, &n->key, sizeof n->key);
  ump_rng_fill(n->rng, &n->challenges, sizeof n->challenges);
  init_lists(n);
  read_options(n, cfg);
  ump_tally_init(&n->tally, n->mem, &n->key, n->limit);
  if (!(n->purses = ump_zalloc(n->mem, NT_PURSES * sizeof *n->purses))) goto instance;
  if ((err = copy_strings(n, cfg))) goto strings;
  err = UMP_ENOMEM;
  if (!(n->text = ump_alloc(n->mem, 2 * n->text_max))) goto strings;
  n->decoded = n->text + n->text_max;
  if (n->compression && !(n->deflate = ump__nt_deflate_new(n->mem))) goto text;
  if (ump_table_init(&n->registry, n->mem)) goto deflate;
  if (ump_table_init(&n->outs, n->mem)) goto registry;
  if (ump__nt_make_hints(n, NT_HINTS_LEAST)) goto outs;
  *self = n;
  return 0;

outs:
  ump_table_deinit(&n->outs);
registry:
  ump_table_deinit(&n->registry);
deflate:
  ump__nt_deflate_free(n->deflate, n->mem);
text:
  ump_free(n->mem, n->text, 2 * n->text_max);
strings:
  ump_free(n->mem, n->strings, n->strings_n);
  ump_free(n->mem, n->purses, NT_PURSES * sizeof *n->purses);
instance:
  ump_free(cfg->mem, n, sizeof *n);
  return err;
}

static void nt_destroy(void *self) {
  struct ump_neteria *n = self;
  ump__nt_free_sessions(n);
  ump__nt_free_outs(n);
  ump_tally_deinit(&n->tally);
  ump_free(n->mem, n->purses, NT_PURSES * sizeof *n->purses);
  ump__nt_free_hints(n);
  ump_table_deinit(&n->outs);
  ump_table_deinit(&n->registry);
  ump__nt_deflate_free(n->deflate, n->mem);
  ump_free(n->mem, n->text, 2 * n->text_max);
  ump_free(n->mem, n->strings, n->strings_n);
  ump_free(n->mem, n, sizeof *n);
}

const struct ump_proto_ops ump_neteria = {
    .scheme = "neteria",
    .transport = UMP_DATAGRAM,
    .encoding = UMP_JSON,
    .default_port = UMP_NETERIA_PORT,
    .max_datagram = UMP_NETERIA_DATAGRAM,
    .options = options,
    .n_options = sizeof options / sizeof *options,
    .create = nt_create,
    .destroy = nt_destroy,
    .expect = ump__nt_expect,
    .recv = nt_recv,
    .next = nt_next,
    .admit = nt_admit,
    .answer = nt_answer,
    .pack = nt_pack,
    .notify = nt_notify,
    .unheard = nt_unheard,
    .room = nt_room,
    .kick = nt_kick,
    .flush = nt_flush,
    .deadline = nt_deadline,
    .expire = nt_expire,
    .counters = nt_counters,
    .load = nt_load,
};
