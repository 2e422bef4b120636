/* The rulebook as the owner of channels: what users send becomes events, what the rulebook tells them becomes data. */
#include "proto/joint/internal.h"

/* ---- coming in ---- */

void ump__joint_announce(struct joint_proto *l, const struct seat *s, const struct remotes *but) {
  const struct channel *c = s->joint->channel;
  for (unsigned i = 0; i < c->ours.n; i++) {
    uint8_t chunk[UMP_JOINT_CHUNK_HEAD + 1];
    size_t n = ump_joint_chunk_put(chunk, 1, c->width);
    if (but && ump__joint_has_remote(but, c->ours.v[i].id)) continue;
    chunk[n++] = c->ours.v[i].id; /* an application chunk of one byte offers the object */
    ump__joint_to_user(l, s, ump_bytes(chunk, n));
  }
}

void ump__joint_admitted(struct joint_proto *l, struct member *m, struct ump_client *client) {
  struct seat *s = m->seat;
  uint8_t nr = m->nr;
  m->nr = 0;
  if (!s || s->conn->closing) { /* cannot be: the engine answers before anything else happens */
    m->client = NULL;
    return;
  }
  struct conn *c = s->conn;
  if (!client) {
    ump__joint_rise(l, s, CLOSED, false, false, NULL);
    ump__joint_answer(l, c, nr, 1, 0); /* "no such channel", for him */
    return;
  }
  m->client = client;
  l->counts[ENTERS]++;
  ump__joint_answer(l, c, nr, 0, s->number);
  if (s->joint->channel->mode == MODE_RPC) ump__joint_announce(l, s, NULL);
}

/* ---- from a user ---- */

static void throw_out(struct joint_proto *l, struct conn *c, struct member *m, const char *why) {
  l->counts[KICKS]++;
  ump_log_text(l->log, UMP_INFO, "joint_kick", &c->addr, why);
  ump__joint_rise(l, m->seat, KICKED, false, true, why);
}

static bool within_rate(struct joint_proto *l, struct conn *c, struct member *m) {
  return ump__joint_allow(l, c, &c->events_due, (ump_time)((double)UMP_S / m->seat->joint->channel->max_rate));
}

/* The event's data is written into scratch, since what it is made of may move. NULL: no memory. */
static struct ump_writer scratch(struct joint_proto *l, size_t n) {
  if (n > l->scratch_cap) {
    ump_free(l->mem, l->scratch, l->scratch_cap);
    l->scratch = ump_alloc(l->mem, n);
    l->scratch_cap = l->scratch ? n : 0;
    if (!l->scratch) l->counts[NO_MEMORY]++;
  }
  return ump_writer(l->scratch, l->scratch_cap);
}

static int tell(struct joint_proto *l, struct member *m, struct ump_bytes name, struct ump_bytes data,
                struct ump_event *ev) {
  l->counts[EVENTS]++;
  *ev = (struct ump_event){.type = UMP_EVENT_JUDGE,
                           .session = m->session,
                           .client = m->client,
                           .has_name = true,
                           .has_data = true,
                           .name = name,
                           .data = data,
                           .encoding = UMP_PLAIN};
  return 1;
}

static int tell_bytes(struct joint_proto *l, struct member *m, const char *name, struct ump_bytes bytes,
                      struct ump_event *ev) {
  struct ump_writer w = scratch(l, bytes.n + 16);
  if (!w.p) return 0;
  ump_plain_put_string(&w, bytes);
  return tell(l, m, ump_text(name), ump_written(&w), ev);
}

/* Like the library: nothing is called, nothing is answered; but who does nothing else is thrown out. */
static int malformed(struct joint_proto *l, struct conn *c, struct member *m) {
  l->counts[CALLS_MALFORMED]++;
  ump_log_text(l->log, UMP_INFO, "bad_call", &c->addr,
               "a call of a remote procedure that is not there, or with other parameters");
  if (++m->strikes == STRIKES) throw_out(l, c, m, "too many malformed calls");
  return 0;
}

/* Sends the calls that waited for the object. */
static void send_early(struct joint_proto *l, struct member *m, uint8_t object) {
  struct ump_buffer kept;
  ump_buffer_init(&kept, l->mem, EARLY_MAX);
  struct ump_reader r = ump_reader(ump_buffer_bytes(&m->early));
  while (ump_reader_left(&r)) {
    const uint8_t *start = r.p;
    uint8_t id = ump_read_u8(&r);
    struct ump_bytes call = ump_read_bytes(&r, ump_read_u32le(&r));
    if (id != object && ump_buffer_append(&kept, ump_bytes(start, (size_t)(r.p - start)))) l->counts[NO_MEMORY]++;
    for (; id == object && call.n;) {
      size_t n = call.n < DATA_MAX ? call.n : DATA_MAX;
      ump__joint_to_user(l, m->seat, ump_bytes(call.p, n));
      call = ump_bytes(call.p + n, call.n - n);
    }
  }
  ump_buffer_deinit(&m->early);
  m->early = kept;
}

static int offered(struct joint_proto *l, struct member *m, uint8_t object) {
  m->offers[object >> 3] |= (uint8_t)(1u << (object & 7));
  if (ump_buffer_bytes(&m->early).n) send_early(l, m, object);
  return 0;
}

static int call(struct joint_proto *l, struct conn *c, struct member *m, struct ump_bytes chunk, struct ump_event *ev) {
  if (chunk.n == 1) return offered(l, m, chunk.p[0]);
  const struct procedure *p = ump__joint_procedure(&m->seat->joint->channel->ours, chunk.p[0], chunk.p[1]);
  if (!p) return malformed(l, c, m);
  struct ump_bytes in = ump_bytes(chunk.p + 2, chunk.n - 2);
  struct ump_writer w = scratch(l, in.n * UMP_JOINT_PLAIN_FACTOR + UMP_JOINT_PLAIN_EXTRA);
  if (!w.p) return 0;
  if (ump_joint_call_read(p->types, in, &w)) return malformed(l, c, m);
  m->strikes = 0;
  return tell(l, m, p->name, ump_written(&w), ev);
}

/* The size of the next chunk, a byte at a time. False: he was thrown out. */
static bool take_size(struct joint_proto *l, struct conn *c, struct member *m, uint8_t byte) {
  const struct channel *ch = m->seat->joint->channel;
  bool padded = false;
  size_t n = 0;
  m->head[m->n_head++] = byte;
  if (!ump_joint_chunk_get(ump_bytes(m->head, m->n_head), ch->width, &n, &padded)) return true;
  m->n_head = 0;
  m->chunk_n = n;
  l->counts[CHUNKS_PADDED] += padded; /* the library logs it and goes on */
  if (n <= ch->max_chunk) return true;
  throw_out(l, c, m, "a chunk over the channel's limit"); /* at once, whatever may follow */
  return false;
}

/* More of the chunk. 1: *body is all of it, borrowed from data or from the member's buffer; 0: not yet; negative: no
 * memory. */
static int take_body(struct member *m, struct ump_bytes data, size_t *at, struct ump_bytes *body) {
  struct ump_bytes held = ump_buffer_bytes(&m->chunk);
  size_t need = m->chunk_n - held.n, n = data.n - *at < need ? data.n - *at : need;
  struct ump_bytes piece = ump_bytes(data.p + *at, n);
  *at += n;
  if (held.n == 0 && n == need) return *body = piece, 1;
  int err = ump_buffer_append(&m->chunk, piece);
  if (err) return err;
  *body = ump_buffer_bytes(&m->chunk);
  return n == need;
}

static int hear_chunks(struct joint_proto *l, struct conn *c, struct member *m, struct ump_bytes data, size_t *at,
                       struct ump_event *ev) {
  enum mode mode = m->seat->joint->channel->mode;
  int got = 0;
  while (!got && m->seat && *at < data.n) {
    struct ump_bytes body;
    if (m->chunk_n > m->seat->joint->channel->max_chunk) { /* begun before a reload that has lowered it */
      throw_out(l, c, m, "a chunk over the channel's limit");
      break;
    }
    if (m->chunk_n == 0) {
      if (m->n_head == 0 && !within_rate(l, c, m)) return 0;
      if (!take_size(l, c, m, data.p[(*at)++])) return 0;
      continue;
    }
    int done = take_body(m, data, at, &body);
    if (done < 0) throw_out(l, c, m, "out of memory");
    if (done <= 0) continue;
    m->chunk_n = 0;
    got = mode == MODE_RPC ? call(l, c, m, body, ev) : tell_bytes(l, m, "chunk", body, ev);
    ump_buffer_deinit(&m->chunk);
  }
  return got;
}

int ump__joint_hear(struct joint_proto *l, struct conn *c, struct member *m, struct ump_bytes data, size_t *at,
                    struct ump_event *ev) {
  if (*at >= data.n || !m->client) return 0;
  if (m->seat->joint->channel->mode != MODE_DATA) return hear_chunks(l, c, m, data, at, ev);
  if (!within_rate(l, c, m)) return 0;
  *at = data.n;
  return tell_bytes(l, m, "data", data, ev);
}

/* ---- to users ----
 * A notice is packed without knowing for whom: [has name][has data][u32][name][data]. Each channel encodes it in its
 * own way when it is delivered; the form for the last channel is kept, so that a broadcast is encoded once. */

enum { NOTICE_HEAD = 6 };

int ump__joint_pack(struct joint_proto *l, const struct ump_notice *n, struct ump_blob **out) {
  if (n->data.n > NOTICE_MAX || n->name.n > NOTICE_MAX) return UMP_ETOOBIG;
  struct ump_blob *b = ump_blob_new(l->mem, NOTICE_HEAD + n->name.n + n->data.n);
  if (!b) return UMP_ENOMEM;
  struct ump_writer w = ump_writer(b->p, b->n);
  ump_write_u8(&w, n->has_name);
  ump_write_u8(&w, n->has_data);
  ump_write_u32le(&w, (uint32_t)n->name.n);
  ump_write_bytes(&w, n->name);
  ump_write_bytes(&w, n->data);
  *out = b;
  return 0;
}

static struct ump_notice unpack(const struct ump_blob *b) {
  struct ump_reader r = ump_reader(ump_bytes(b->p, b->n));
  struct ump_notice n = {.has_name = ump_read_u8(&r), .has_data = ump_read_u8(&r)};
  n.name = ump_read_bytes(&r, ump_read_u32le(&r));
  n.data = ump_read_bytes(&r, ump_reader_left(&r));
  return n;
}

void ump__joint_forget_encoded(struct joint_proto *l) {
  enum { KEEP_SCRATCH = 256 * 1024 };
  ump_blob_unref(l->notice);
  ump_blob_unref(l->encoded);
  l->notice = l->encoded = NULL;
  l->encoded_for = NULL;
  if (l->scratch_cap > KEEP_SCRATCH) {
    ump_free(l->mem, l->scratch, l->scratch_cap);
    l->scratch = NULL, l->scratch_cap = 0;
  }
}

/* An application chunk, or in data mode the bytes as they are, behind the room of a parcel. */
static int wrap(struct joint_proto *l, const struct channel *c, struct ump_bytes body) {
  uint8_t head[UMP_JOINT_CHUNK_HEAD];
  if (body.n == 0 || body.n > c->max_chunk) return UMP_ETOOBIG; /* a chunk of nothing cannot be said */
  size_t n_head = c->mode == MODE_DATA ? 0 : ump_joint_chunk_put(head, body.n, c->width);
  struct ump_blob *b = ump_blob_new(l->mem, PARCEL_ROOM + n_head + body.n);
  if (!b) return UMP_ENOMEM;
  memcpy(b->p + PARCEL_ROOM, head, n_head);
  memcpy(b->p + PARCEL_ROOM + n_head, body.p, body.n);
  ump__joint_parcel_head(b, l->encoded_number);
  l->encoded = b;
  return 0;
}

static int encode_bytes(struct joint_proto *l, const struct channel *c, const struct ump_notice *n) {
  struct ump_reader r = ump_reader(n->data);
  struct ump_plain v;
  bool named = n->has_name && !ump_bytes_equal(n->name, ump_text(c->mode == MODE_DATA ? "data" : "chunk")) &&
               !ump_bytes_equal(n->name, ump_text("state")); /* a subscriber's: the bytes are its text */
  if (named || !n->has_data || !ump_plain_get(&r, &v) || v.tag != UMP_PLAIN_STRING) return UMP_ENOSUPPORT;
  return wrap(l, c, v.s);
}

static int encode_call(struct joint_proto *l, const struct channel *c, const struct ump_notice *n) {
  uint8_t id, number;
  struct ump_joint_fault fault;
  const struct procedure *p = n->has_name ? ump__joint_procedure_named(&c->theirs, n->name, &id, &number) : NULL;
  if (!p) return UMP_ENOSUPPORT;
  size_t cap = 5 * n->data.n + 16; /* a list of bools given as a map: five bytes for each one */
  if (cap > c->max_chunk) cap = c->max_chunk;
  uint8_t *body = ump_alloc(l->mem, cap);
  if (!body) return UMP_ENOMEM;
  struct ump_writer w = ump_writer(body, cap);
  ump_write_u8(&w, id);
  ump_write_u8(&w, number);
  int err = ump_joint_call_write(p->types, n->data, &w, &fault);
  if (!err) err = w.full ? UMP_ETOOBIG : wrap(l, c, ump_written(&w));
  ump_free(l->mem, body, cap);
  l->encoded_object = id;
  return err;
}

/* Makes l->encoded of the notice for this member's channel. */
static int encode(struct joint_proto *l, const struct seat *s, struct ump_blob *payload) {
  const struct channel *c = s->joint->channel;
  if (l->notice == payload && l->encoded_for == c) return l->encoded ? 0 : UMP_ENOSUPPORT;
  ump__joint_forget_encoded(l);
  l->notice = ump_blob_ref(payload);
  l->encoded_for = c;
  l->encoded_number = s->number;
  struct ump_notice n = unpack(payload);
  return c->mode == MODE_RPC ? encode_call(l, c, &n) : encode_bytes(l, c, &n);
}

static int keep_for_later(struct joint_proto *l, struct member *m) {
  const struct ump_blob *b = l->encoded;
  size_t n = b->n - PARCEL_ROOM;
  uint8_t head[5] = {l->encoded_object};
  struct ump_writer w = ump_writer(head + 1, 4);
  ump_write_u32le(&w, (uint32_t)n);
  if (ump_buffer_bytes(&m->early).n + sizeof head + n > EARLY_MAX) return UMP_EFULL;
  int err = ump_buffer_append(&m->early, ump_bytes(head, sizeof head));
  return err ? err : ump_buffer_append(&m->early, ump_bytes(b->p + PARCEL_ROOM, n));
}

int ump__joint_notify(struct joint_proto *l, struct member *m, struct ump_blob *payload) {
  struct seat *s = m->seat;
  if (ump_list_linked(&s->conn->full)) return l->counts[NOTICES_FULL]++, UMP_EFULL;
  int err = encode(l, s, payload);
  if (err) return l->counts[err == UMP_ENOMEM ? NO_MEMORY : NOTICES_NOT_FOR_THEM]++, err;
  uint8_t object = l->encoded_object;
  l->counts[NOTICES]++;
  if (s->joint->channel->mode == MODE_RPC && !(m->offers[object >> 3] >> (object & 7) & 1)) return keep_for_later(l, m);
  ump__joint_send_parcel(l, s, l->encoded, l->encoded_number);
  return 0;
}

void ump__joint_refused(struct joint_proto *l, struct member *m, struct ump_bytes event, struct ump_bytes reason) {
  uint8_t id, number, bytes[512]; /* a name of at most 256 bytes, a reason of 200 */
  const struct channel *c = m->seat->joint->channel;
  struct ump_notice n = {.has_name = true, .has_data = true, .name = ump_text("refused")};
  struct ump_writer w = ump_writer(bytes, sizeof bytes);
  struct ump_blob *b;
  if (c->mode != MODE_RPC || !ump__joint_procedure_named(&c->theirs, n.name, &id, &number)) return;
  ump_plain_put_array(&w, 2);
  ump_plain_put_string(&w, event);
  ump_plain_put_string(&w, reason);
  n.data = ump_written(&w);
  if (w.full || ump__joint_pack(l, &n, &b)) return;
  ump__joint_notify(l, m, b); /* with other parameters it cannot be said: counted there */
  ump_blob_unref(b);
}
