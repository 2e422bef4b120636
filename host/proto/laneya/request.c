/* From messages to events: framing, the envelope, whose request it is, one event at a time, and its answer. */
#include "codec/netstring.h"
#include "proto/laneya/internal.h"

/* ---- answers that need no judge ---- */

static void done(struct laneya *l, struct conn *c) {
  ump_free(l->mem, c->request.results, c->request.results_cap);
  c->request = (struct request){0};
  ump_buffer_consume(&c->in, c->message);
  c->message = 0;
}

static void refuse(struct laneya *l, struct conn *c, struct ump_bytes key, enum status status, const char *message) {
  l->counts[status == INVALID ? N_INVALID : N_ILLEGAL]++;
  ump__laneya_send(l, c, ump__laneya_failure(l, key, status, ump_text(message)));
  if (status != INVALID) {
    c->invalid_in_a_row = 0;
  } else if (++c->invalid_in_a_row == INVALID_IN_A_ROW) {
    l->counts[TOO_MANY_INVALID]++;
    ump__laneya_end(l, c, "too many invalid messages");
  }
}

static void bad_frame(struct laneya *l, struct conn *c) {
  l->counts[BAD_FRAME]++;
  ump_log_text(l->log, UMP_INFO, "bad_frame", &c->addr, "a message that is no netstring; the connection is closed");
  ump__laneya_send(
      l, c, ump__laneya_failure(l, ump_text("null"), INVALID, ump_text("this is no netstring, or too long a one")));
  ump__laneya_end(l, c, "broken framing");
}

/* ---- the envelope ---- */

struct envelope {
  struct ump_json_value type, key, user, action, data;
};

/* Fills the envelope from a checked object. False: a key too many, too few, or of another type. */
static struct ump_json_value *place_of(struct envelope *e, struct ump_bytes name) {
  static const struct {
    struct ump_bytes name;
    size_t place;
  } members[] = {{LIT_INIT("type"), offsetof(struct envelope, type)},
                 {LIT_INIT("key"), offsetof(struct envelope, key)},
                 {LIT_INIT("user"), offsetof(struct envelope, user)},
                 {LIT_INIT("action"), offsetof(struct envelope, action)},
                 {LIT_INIT("data"), offsetof(struct envelope, data)}};
  for (size_t i = 0; i < sizeof members / sizeof *members; i++)
    if (ump_bytes_equal(name, members[i].name)) return (struct ump_json_value *)(void *)((char *)e + members[i].place);
  return NULL;
}

static bool open_envelope(const struct ump_json_value *top, struct envelope *e) {
  struct ump_json_iter it = {0};
  struct ump_json_value name, value;
  unsigned found = 0;
  while (ump_json_next(top, &it, &name, &value)) {
    uint8_t buf[40]; /* six characters, each as \uXXXX, and quotes */
    struct ump_json_value *place = place_of(e, ump_json_string(&name, buf, sizeof buf));
    if (place) *place = value, found++;
  }
  return found == 5 && top->n_members == 5;
}

static bool key_is_scalar(const struct ump_json_value *key) {
  return key->type != UMP_JSON_NONE && key->type != UMP_JSON_ARRAY && key->type != UMP_JSON_OBJECT &&
         key->raw.n <= KEY_MAX;
}

static struct ump_bytes key_of(const struct envelope *e) {
  return key_is_scalar(&e->key) ? e->key.raw : ump_text("null");
}

/* What could still be read of a text that is no JSON: its key. */
static struct ump_bytes key_before_fault(struct ump_bytes text) {
  struct ump_json_slot slot = {.key = ump_text("key")};
  ump_json_members(text, &slot, 1, NULL);
  return key_is_scalar(&slot.value) ? slot.value.raw : ump_text("null");
}

/* The user's name: a string, or an integer as its decimal text. Empty: neither, or unusable. */
static struct ump_bytes user_of(const struct envelope *e, uint8_t *buf, size_t cap) {
  struct ump_bytes user = {0};
  if (e->user.type == UMP_JSON_STRING)
    user = ump_json_string(&e->user, buf, cap);
  else if (e->user.type == UMP_JSON_NUMBER && !(e->user.holds & (UMP_JSON_FLOATS | UMP_JSON_WHOLE_FLOATS)))
    user = e->user.raw;
  if (user.n > USER_MAX) return (struct ump_bytes){0};
  for (size_t i = 0; i < user.n; i++) {
    bool c1 = user.p[i] == 0xc2 && i + 1 < user.n && user.p[i + 1] < 0xa0; /* U+0080 to U+009F */
    if (user.p[i] < 0x20 || user.p[i] == 0x7f || c1) return (struct ump_bytes){0};
  }
  return user;
}

/* ---- one message ---- */

/* Whose it is: the first valid request binds the connection; afterwards identity comes from the connection alone. True:
 * go on; *named tells that the name is new. */
static bool whose(struct laneya *l, struct conn *c, struct ump_bytes key, struct ump_bytes user, bool *named) {
  *named = false;
  if (c->user) {
    if (ump_bytes_equal(ump_text(c->user), user)) return true;
    refuse(l, c, key, ILLEGAL, "this connection belongs to another user");
    return false;
  }
  int err = ump__laneya_bind(l, c, user);
  if (err == 0) return *named = true;
  if (err == UMP_EFULL)
    refuse(l, c, key, ILLEGAL, "another connection is using this name");
  else
    ump__laneya_abort(l, c, "out of memory");
  return false;
}

static bool is_text(const struct ump_json_value *v, struct ump_bytes text) {
  uint8_t buf[64];
  if (v->type != UMP_JSON_STRING || v->raw.n > sizeof buf) return false;
  return ump_bytes_equal(ump_json_string(v, buf, sizeof buf), text);
}
#define is(v, text) is_text(v, LIT(text))

static const char *fault_of(const struct envelope *e, bool five) {
  if (!five) return "a request has exactly the keys type, key, user, action and data";
  if (!key_is_scalar(&e->key)) return "key must be a number or a string of at most 256 bytes";
  if (e->action.type != UMP_JSON_STRING) return "action must be a string";
  if (e->action.raw.n > ACTION_MAX) return "action has more than 256 bytes";
  if (e->data.type != UMP_JSON_OBJECT) return "data must be an object";
  return NULL;
}

/* The list of actions of a well-formed batch. */
static bool batch_actions(const struct laneya *l, const struct ump_json_value *data, struct ump_json_value *actions) {
  if (data->n_members != 1) return false;
  struct ump_json_value key;
  ump_json_only_member(data, &key, actions);
  return is(&key, "actions") && actions->type == UMP_JSON_ARRAY && actions->n_members <= l->batch;
}

/* An item has exactly `action`, a string, and `data`, an object. */
static bool batch_item(const struct ump_json_value *item, struct ump_json_value *action, struct ump_json_value *data) {
  struct ump_json_iter it = {0};
  struct ump_json_value key, value;
  *action = *data = (struct ump_json_value){0};
  if (item->type != UMP_JSON_OBJECT || item->n_members != 2) return false;
  while (ump_json_next(item, &it, &key, &value)) {
    if (is(&key, "action"))
      *action = value;
    else if (is(&key, "data"))
      *data = value;
  }
  return action->type == UMP_JSON_STRING && action->raw.n <= ACTION_MAX && data->type == UMP_JSON_OBJECT &&
         !is(action, "batch");
}

static bool batch_is_sound(const struct ump_json_value *actions) {
  struct ump_json_iter it = {0};
  struct ump_json_value none, item, action, data;
  while (ump_json_next(actions, &it, &none, &item))
    if (!batch_item(&item, &action, &data)) return false;
  return true;
}

static int judge(struct laneya *l, struct conn *c, const struct ump_json_value *action,
                 const struct ump_json_value *data, struct ump_event *ev) {
  c->request.logout = is(action, "logout");
  *ev = (struct ump_event){.type = UMP_EVENT_JUDGE,
                           .session = c->id,
                           .client = c->client,
                           .has_name = true,
                           .has_data = true,
                           .name = ump_json_string(action, l->action, sizeof l->action),
                           .data = data->raw,
                           .encoding = UMP_JSON,
                           .holds = data->holds};
  return 1;
}

static int start_batch(struct laneya *l, struct conn *c, const struct ump_json_value *data) {
  struct request *r = &c->request;
  struct ump_bytes key = ump_bytes(r->key, r->key_n);
  if (!batch_actions(l, data, &r->actions) || !batch_is_sound(&r->actions)) {
    refuse(l, c, key, INVALID,
           "data of a batch is {\"actions\": [{\"action\": ..., \"data\": {...}}, ...]}, and not too many of them");
    done(l, c);
    return 0;
  }
  l->counts[BATCHES]++;
  r->batch = true;
  return 0;
}

static void answer_again(struct laneya *l, struct conn *c, struct ump_bytes key, const struct kept_answer *again) {
  l->counts[again->given_up ? FORGOTTEN : REPEATED]++;
  if (again->given_up)
    refuse(l, c, key, ILLEGAL, "this key was answered before; it is not done again, and the answer is no longer kept");
  else if (again->blob)
    ump__laneya_send(l, c, ump_blob_ref(again->blob));
  else
    ump__laneya_send_done(l, c, key);
}

/* The message at the front of `in`. 1: an event; 0: answered, or a batch was begun. */
static int take(struct laneya *l, struct conn *c, struct ump_bytes payload, struct ump_event *ev) {
  struct ump_json_value top;
  struct envelope e = {0};
  if (ump_json_check(payload, &top, NULL) != 0) {
    refuse(l, c, key_before_fault(payload), INVALID, "this is not JSON as the host takes it");
    return done(l, c), 0;
  }
  bool five = top.type == UMP_JSON_OBJECT && open_envelope(&top, &e);
  struct ump_bytes key = key_of(&e);
  if (e.type.type != UMP_JSON_STRING) {
    refuse(l, c, key, INVALID, "type is missing or no string");
    return done(l, c), 0;
  }
  if (!is(&e.type, "request")) {
    l->counts[DROPPED_TYPE]++;
    return done(l, c), 0;
  }
  uint8_t user_buf[USER_MAX * 6];
  const char *fault = fault_of(&e, five);
  struct ump_bytes user = user_of(&e, user_buf, sizeof user_buf);
  if (!fault && !user.n) fault = "user must be a string of 1 to 64 bytes without control characters, or an integer";
  if (fault) {
    refuse(l, c, key, INVALID, fault);
    return done(l, c), 0;
  }
  l->counts[REQUESTS]++;
  c->invalid_in_a_row = 0;
  bool named;
  if (!whose(l, c, key, user, &named)) return done(l, c), 0;
  if (named) { /* the engine hears the name first; the message stays and is taken again */
    *ev = (struct ump_event){.type = UMP_EVENT_NAME, .session = c->id, .client = c->client, .user = ump_text(c->user)};
    l->counts[REQUESTS]--;
    return 1;
  }
  const struct kept_answer *again = ump__laneya_kept(l, c, key);
  if (again) return answer_again(l, c, key, again), done(l, c), 0;
  struct request *r = &c->request;
  *r = (struct request){.key_n = key.n};
  memcpy(r->key, key.p, key.n);
  return is(&e.action, "batch") ? start_batch(l, c, &e.data) : judge(l, c, &e.action, &e.data, ev);
}

/* ---- batches ---- */

static bool add_result(struct laneya *l, struct request *r, enum status status, struct ump_bytes data) {
  static const char *const names[] = {"success", "invalid", "illegal", "internal"};
  bool object = data.n && data.p[0] == '{';
  size_t need = r->results_n + data.n + 64;
  if (need > l->payload - FRAME) return false;
  if (need > r->results_cap) {
    size_t cap = need * 2;
    uint8_t *p = ump_realloc(l->mem, r->results, r->results_cap, cap);
    if (!p) return false;
    r->results = p, r->results_cap = cap;
  }
  struct ump_writer w = {r->results, r->results_n, r->results_cap, false};
  ump_write_text(&w, r->done++ ? ", {\"status\": \"" : "{\"status\": \"");
  ump_write_text(&w, names[status]);
  ump_write_text(&w, "\", \"data\": ");
  if (!object && data.n) ump_write_text(&w, "{\"result\": ");
  ump_write_bytes(&w, data.n ? data : ump_text("{}"));
  ump_write_text(&w, !object && data.n ? "}}" : "}");
  r->results_n = w.n;
  return !w.full;
}

/* The answer to a batch that has ended: all results, and the message of the one that did not succeed. */
static void end_batch(struct laneya *l, struct conn *c, enum status status, struct ump_bytes message) {
  struct request *r = &c->request;
  size_t cap = r->results_n + 1500;
  uint8_t *text = ump_alloc(l->mem, cap);
  if (!text) {
    ump__laneya_abort(l, c, "out of memory");
    done(l, c);
    return;
  }
  struct ump_writer w = ump_writer(text, cap);
  ump_write_text(&w, "{");
  if (status != SUCCESS) {
    ump_write_text(&w, "\"message\": ");
    ump_json_write_string(&w, message.n > 200 ? ump_text("refused") : message);
    ump_write_text(&w, ", ");
  }
  ump_write_text(&w, "\"results\": [");
  ump_write_bytes(&w, ump_bytes(r->results, r->results_n));
  ump_write_text(&w, "]}");
  struct ump_blob *blob = ump__laneya_response(l, ump_bytes(r->key, r->key_n), status, ump_written(&w));
  ump_free(l->mem, text, cap);
  if (blob) ump__laneya_keep(l, c, ump_bytes(r->key, r->key_n), blob);
  ump__laneya_send(l, c, blob);
  done(l, c);
}

static int next_of_batch(struct laneya *l, struct conn *c, struct ump_event *ev) {
  struct ump_json_value none, item, action, data;
  if (!ump_json_next(&c->request.actions, &c->request.at, &none, &item)) {
    end_batch(l, c, SUCCESS, ump_text(""));
    return 0;
  }
  batch_item(&item, &action, &data);
  return judge(l, c, &action, &data, ev);
}

/* ---- the face of this file ---- */

int ump__laneya_next(struct laneya *l, struct conn *c, struct ump_event *ev, ump_time now) {
  /* a batch that was begun is finished: its actions lie in `in`, which must not move under them */
  while (!c->gone && (c->request.batch || c->out.n < l->unsent)) {
    if (c->logged_out) {
      c->logged_out = false;
      *ev = (struct ump_event){.type = UMP_EVENT_LOGOUT, .session = c->id, .client = c->client};
      return 1;
    }
    if (c->request.batch) {
      if (next_of_batch(l, c, ev)) return 1;
      continue;
    }
    struct ump_bytes payload, in = ump_buffer_bytes(&c->in);
    int err = in.n ? ump_netstring_read(in, l->payload, &payload, &c->message) : UMP_EAGAIN;
    if (err == UMP_EAGAIN) {
      if (c->eof)
        ump__laneya_end(l, c, "left");
      else
        ump__laneya_incomplete(l, c, now);
      return 0;
    }
    if (err) {
      bad_frame(l, c);
      return 0;
    }
    c->spoken = true;
    ump_list_remove(&c->first), ump_list_remove(&c->reading);
    if (take(l, c, payload, ev)) return 1;
  }
  return 0;
}

static void count_status(struct laneya *l, enum status status) {
  if (status == INVALID)
    l->counts[N_INVALID]++;
  else if (status == ILLEGAL)
    l->counts[N_ILLEGAL]++;
  else if (status == INTERNAL)
    l->counts[N_INTERNAL]++;
}

static void answer_item(struct laneya *l, struct conn *c, enum status status, const struct ump_answer *a) {
  uint8_t data[1400];
  struct ump_writer w = ump_writer(data, sizeof data);
  if (status != SUCCESS) {
    struct ump_bytes message = ump__laneya_message(a);
    ump_write_text(&w, "{\"message\": ");
    ump_json_write_string(&w, message.n > 200 ? ump_text("refused") : message);
    ump_write_text(&w, "}");
  }
  bool kept = add_result(l, &c->request, status, status == SUCCESS ? a->data : ump_written(&w));
  if (!kept)
    end_batch(l, c, INTERNAL, ump_text("the results are too large for one answer"));
  else if (status != SUCCESS)
    end_batch(l, c, status, ump__laneya_message(a));
}

void ump__laneya_answer(struct laneya *l, struct conn *c, const struct ump_answer *a) {
  struct request *r = &c->request;
  enum status status = ump__laneya_status(a->verdict);
  count_status(l, status);
  if (r->logout && status == SUCCESS && c->user) {
    ump__laneya_unbind(l, c);
    c->logged_out = true;
  }
  if (r->batch) {
    answer_item(l, c, status, a);
    return;
  }
  struct ump_bytes key = ump_bytes(r->key, r->key_n);
  if (status == SUCCESS && !a->data.n) {
    ump__laneya_keep(l, c, key, NULL);
    ump__laneya_send_done(l, c, key);
    done(l, c);
    return;
  }
  if (status == SUCCESS && a->data.n > l->payload - KEY_MAX - 128) status = INTERNAL;
  struct ump_blob *blob = status == SUCCESS ? ump__laneya_response(l, key, status, a->data)
                                            : ump__laneya_failure(l, key, status, ump__laneya_message(a));
  if (blob) ump__laneya_keep(l, c, key, blob);
  ump__laneya_send(l, c, blob);
  done(l, c);
}
