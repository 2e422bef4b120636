/* What goes to the client: responses and updates, as netstrings, and the answers that are kept for repeated keys. */
#include "codec/netstring.h"
#include "proto/laneya/internal.h"

enum status ump__laneya_status(enum ump_verdict v) {
  return v == UMP_LEGAL ? SUCCESS : v == UMP_INVALID ? INVALID : v == UMP_ILLEGAL ? ILLEGAL : INTERNAL;
}

struct ump_bytes ump__laneya_message(const struct ump_answer *a) {
  if (a->reason.n && a->verdict != UMP_INTERNAL) return a->reason;
  if (a->verdict == UMP_INVALID) return ump_text("the request is malformed");
  if (a->verdict == UMP_ILLEGAL) return ump_text("that is against the rules");
  return ump_text("the rules failed; this is not your fault");
}

/* Whole answers up to so many bytes are copied, so that several leave as one piece; larger ones are shared. */
enum { SMALL = 512 };

/* A netstring whose payload is made of pieces; one allocation of the exact size. */
static struct ump_blob *compose(struct laneya *l, const struct ump_bytes *pieces, size_t n) {
  size_t size = 0;
  for (size_t i = 0; i < n; i++) size += pieces[i].n;
  if (size > l->payload) return NULL;
  char head[UMP_NETSTRING_HEAD];
  size_t head_n = ump_netstring_head(size, head);
  struct ump_blob *blob = ump_blob_new(l->mem, head_n + size + 1);
  if (!blob) return NULL;
  uint8_t *at = blob->p;
  memcpy(at, head, head_n), at += head_n;
  for (size_t i = 0; i < n; i++)
    if (pieces[i].n) memcpy(at, pieces[i].p, pieces[i].n), at += pieces[i].n;
  *at = ',';
  return blob;
}

/* `data` of a response is an object: what is none is wrapped. */
struct ump_blob *ump__laneya_response(struct laneya *l, struct ump_bytes key, enum status status,
                                      struct ump_bytes data) {
  static const struct ump_bytes after[] = {
      LIT_INIT(", \"status\": \"success\", \"data\": "), LIT_INIT(", \"status\": \"invalid\", \"data\": "),
      LIT_INIT(", \"status\": \"illegal\", \"data\": "), LIT_INIT(", \"status\": \"internal\", \"data\": ")};
  bool object = data.n && data.p[0] == '{';
  const struct ump_bytes pieces[] = {LIT("{\"type\": \"response\", \"key\": "),
                                     key.n ? key : LIT("null"),
                                     after[status],
                                     !data.n  ? LIT("{}")
                                     : object ? data
                                              : LIT("{\"result\": "),
                                     object ? LIT("") : data,
                                     !data.n || object ? LIT("}") : LIT("}}")};
  return compose(l, pieces, sizeof pieces / sizeof *pieces);
}

struct ump_blob *ump__laneya_failure(struct laneya *l, struct ump_bytes key, enum status status,
                                     struct ump_bytes message) {
  uint8_t data[1400]; /* a reason of 200 bytes, each escaped at most sixfold, and its frame */
  struct ump_writer w = ump_writer(data, sizeof data);
  ump_write_text(&w, "{\"message\": ");
  ump_json_write_string(&w, message.n > 200 ? ump_text("refused") : message);
  ump_write_text(&w, "}");
  return ump__laneya_response(l, key, status, ump_written(&w));
}

static void sent_or_not(struct laneya *l, struct conn *c, int err) {
  if (err) {
    l->counts[NO_MEMORY]++;
    ump__laneya_abort(l, c, "out of memory");
  } else {
    ump__laneya_queued(l, c);
  }
}

void ump__laneya_send(struct laneya *l, struct conn *c, struct ump_blob *blob) {
  int err = !blob             ? UMP_ENOMEM
            : blob->n < SMALL ? ump_outqueue_copy(&c->out, ump_bytes(blob->p, blob->n))
                              : ump_outqueue_share(&c->out, blob, 0, blob->n);
  sent_or_not(l, c, err);
  ump_blob_unref(blob);
}

void ump__laneya_send_done(struct laneya *l, struct conn *c, struct ump_bytes key) {
  static const char before[] = "{\"type\": \"response\", \"key\": ",
                    after[] = ", \"status\": \"success\", \"data\": {}},";
  uint8_t text[UMP_NETSTRING_HEAD + sizeof before + KEY_MAX + sizeof after];
  size_t n = ump_netstring_head(sizeof before - 1 + key.n + sizeof after - 2, (char *)text);
  memcpy(text + n, before, sizeof before - 1), n += sizeof before - 1;
  memcpy(text + n, key.p, key.n), n += key.n;
  memcpy(text + n, after, sizeof after - 1), n += sizeof after - 1;
  sent_or_not(l, c, ump_outqueue_copy(&c->out, ump_bytes(text, n)));
}

/* ---- updates ---- */

/* The client passes data as keyword arguments beside `action` and `self`, and raises when they clash. */
static bool clashes(const struct ump_json_value *object) {
  struct ump_json_iter it = {0};
  struct ump_json_value key, value;
  while (ump_json_next(object, &it, &key, &value)) {
    uint8_t buf[40]; /* six characters, each as \uXXXX, and quotes */
    struct ump_bytes name = ump_json_string(&key, buf, sizeof buf);
    if (ump_bytes_equal(name, ump_text("action")) || ump_bytes_equal(name, ump_text("self"))) return true;
  }
  return false;
}

int ump__laneya_pack(struct laneya *l, const struct ump_notice *n, struct ump_blob **out) {
  struct ump_json_value data;
  if (!n->has_name) return UMP_ENOSUPPORT;
  if (n->data.n + n->name.n * 6 > l->payload - 64) return UMP_ETOOBIG;
  if (n->has_data) {
    if (ump_json_check(n->data, &data, NULL) != 0 || data.type != UMP_JSON_OBJECT || clashes(&data))
      return UMP_ENOSUPPORT;
  }
  uint8_t quoted[ACTION_MAX * 6 + 2];
  struct ump_writer w = ump_writer(quoted, sizeof quoted);
  ump_json_write_string(&w, n->name);
  if (w.full) return UMP_ETOOBIG;
  const struct ump_bytes pieces[] = {ump_text("{\"type\": \"update\", \"action\": "), ump_written(&w),
                                     ump_text(", \"data\": "), n->has_data ? n->data : ump_text("{}"), ump_text("}")};
  *out = compose(l, pieces, sizeof pieces / sizeof *pieces);
  return *out ? 0 : UMP_ENOMEM;
}

/* ---- answers kept: a ring in order of time, chained by key ---- */

static size_t answers_size(uint32_t room) {
  return room * (sizeof(struct kept_answer) + sizeof(uint16_t));
}

static uint16_t *chain_of(struct answers *a, uint64_t key) {
  return &a->heads[key & (a->room - 1)];
}

static void link_answer(struct answers *a, uint32_t at) {
  uint16_t *head = chain_of(a, a->ring[at].key);
  a->ring[at].next = *head;
  *head = (uint16_t)(at + 1);
}

static void drop_text(struct answers *a, struct kept_answer *k) {
  if (!k->blob) return;
  a->bytes -= k->blob->n;
  ump_blob_unref(k->blob);
  k->blob = NULL;
  k->given_up = true;
}

static void drop_oldest(struct answers *a) {
  struct kept_answer *k = &a->ring[a->first];
  uint16_t *link = chain_of(a, k->key);
  while (*link != a->first + 1) link = &a->ring[*link - 1].next;
  *link = k->next;
  drop_text(a, k);
  a->first = (a->first + 1) & (a->room - 1);
  a->n--;
  if (a->lean) a->lean--;
}

static bool make_room(struct laneya *l, struct answers *a) {
  if (a->n == ANSWERS_KEPT) drop_oldest(a);
  if (a->n < a->room) return true;
  struct answers old = *a;
  a->room = old.room ? old.room * 2 : 16; /* a power of two, as ANSWERS_KEPT */
  a->ring = ump_alloc(l->mem, answers_size(a->room));
  if (!a->ring) return *a = old, false;
  a->heads = (uint16_t *)(void *)(a->ring + a->room);
  memset(a->heads, 0, a->room * sizeof *a->heads);
  a->first = 0;
  for (uint32_t i = 0; i < a->n; i++) {
    a->ring[i] = old.ring[(old.first + i) & (old.room - 1)];
    link_answer(a, i);
  }
  ump_free(l->mem, old.ring, answers_size(old.room));
  return true;
}

/* What was executed must be known by its key, so without memory for that the connection ends. */
void ump__laneya_keep(struct laneya *l, struct conn *c, struct ump_bytes key, struct ump_blob *blob) {
  struct answers *a = &c->answers;
  if (c->gone) return;
  if (!make_room(l, a)) {
    l->counts[NO_MEMORY]++;
    ump__laneya_abort(l, c, "out of memory");
    return;
  }
  uint32_t at = (a->first + a->n++) & (a->room - 1);
  a->ring[at] = (struct kept_answer){.key = ump_hash64(&l->hash_key, key), .blob = blob ? ump_blob_ref(blob) : NULL};
  if (blob) a->bytes += blob->n;
  link_answer(a, at);
  while (a->bytes > ANSWERS_BYTES && a->lean < a->n - 1) drop_text(a, &a->ring[(a->first + a->lean++) & (a->room - 1)]);
}

struct kept_answer *ump__laneya_kept(struct laneya *l, struct conn *c, struct ump_bytes key) {
  struct answers *a = &c->answers;
  if (!a->n) return NULL;
  uint64_t hash = ump_hash64(&l->hash_key, key);
  for (uint16_t at = *chain_of(a, hash); at; at = a->ring[at - 1].next)
    if (a->ring[at - 1].key == hash) return &a->ring[at - 1];
  return NULL;
}

void ump__laneya_forget_answers(struct laneya *l, struct conn *c) {
  struct answers *a = &c->answers;
  while (a->n) drop_oldest(a);
  ump_free(l->mem, a->ring, answers_size(a->room));
  *a = (struct answers){0};
}
