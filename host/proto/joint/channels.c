/* What a rulebook declares: read from plain data, compared with what was there before. Channels that go on keep their
 * users; those that are gone, or speak otherwise than before, are closed. */
#include "proto/joint/internal.h"

/* ---- reading ---- */

typedef void each_fn(void *ctx, const struct ump_plain *key, struct ump_reader value);

/* Every pair of a table, whatever it was packed as; lists have the keys 1, 2, 3. *r is moved on past it. */
static void each_pair(struct ump_reader *r, each_fn *fn, void *ctx) {
  struct ump_plain v, key = {.tag = UMP_PLAIN_INT};
  if (!ump_plain_get(r, &v)) return;
  bool list = v.tag == UMP_PLAIN_ARRAY || v.tag == UMP_PLAIN_TUPLE || v.tag == UMP_PLAIN_MIXED;
  for (uint32_t i = 0; list && i < v.count && !r->bad; i++) {
    key.i = i + 1;
    fn(ctx, &key, *r);
    ump_plain_skip(r);
  }
  if (v.tag == UMP_PLAIN_MIXED && !ump_plain_get(r, &v)) return;
  for (uint32_t i = 0; v.tag == UMP_PLAIN_MAP && i < v.count && !r->bad && ump_plain_get(r, &key); i++) {
    fn(ctx, &key, *r);
    ump_plain_skip(r);
  }
}

static bool is(const struct ump_plain *v, const char *text) {
  return v->tag == UMP_PLAIN_STRING && ump_bytes_equal(v->s, ump_text(text));
}

struct reading {
  struct joint_proto *l;
  struct channels *out;
  struct ump_writer types;
  struct channel *channel;
  struct remotes *remotes;
  struct procedure *procedure;
  struct remote *remote;
  unsigned at;
  bool failed; /* no memory */
};

static void read_word(void *ctx, const struct ump_plain *key, struct ump_reader value) { /* of { "step", "Int32" } */
  struct reading *r = ctx;
  struct ump_plain v;
  const char *why;
  if (!ump_plain_get(&value, &v) || v.tag != UMP_PLAIN_STRING) return;
  if (key->i == 1)
    r->procedure->name = v.s;
  else if (ump_joint_type_parse(v.s, &r->types, &why) == 0)
    r->procedure->types = ump_bytes(r->procedure->types.p, (size_t)(r->types.p + r->types.n - r->procedure->types.p));
}

static void read_procedure(void *ctx, const struct ump_plain *key, struct ump_reader value) {
  struct reading *r = ctx;
  (void)key;
  if (r->at >= r->remote->n) return;
  r->procedure = &r->remote->procedures[r->at++];
  *r->procedure = (struct procedure){.types = ump_bytes(r->types.p + r->types.n, 0)};
  each_pair(&value, read_word, r);
}

static struct remote *remote_new(struct reading *r) {
  struct remotes *s = r->remotes;
  if (s->n == s->cap) {
    uint16_t cap = (uint16_t)(s->cap ? 2 * s->cap : 4);
    struct remote *v = ump_realloc(r->l->mem, s->v, s->cap * sizeof *v, cap * sizeof *v);
    if (!v) return NULL;
    s->v = v, s->cap = cap;
  }
  return &s->v[s->n];
}

static void read_remote(void *ctx, const struct ump_plain *key, struct ump_reader value) {
  struct reading *r = ctx;
  struct ump_reader peek = value;
  struct ump_plain v;
  if (key->tag != UMP_PLAIN_INT || key->i < 0 || key->i > 255 || !ump_plain_get(&peek, &v) || v.count > 256) return;
  struct remote *x = remote_new(r);
  struct procedure *procedures = x ? ump_zalloc(r->l->mem, (v.count ? v.count : 1) * sizeof *procedures) : NULL;
  if (!procedures) {
    r->failed = true;
    return;
  }
  *x = (struct remote){(uint8_t)key->i, (uint16_t)v.count, procedures};
  r->remotes->n++;
  r->remote = x, r->at = 0;
  each_pair(&value, read_procedure, r);
}

static void read_field(void *ctx, const struct ump_plain *key, struct ump_reader value) {
  struct reading *r = ctx;
  struct channel *c = r->channel;
  struct ump_reader peek = value;
  struct ump_plain v;
  if (!ump_plain_get(&peek, &v)) return;
  double number = v.tag == UMP_PLAIN_INT ? (double)v.i : v.f;
  if (is(key, "mode")) c->mode = is(&v, "data") ? MODE_DATA : is(&v, "rpc") ? MODE_RPC : MODE_CHUNK;
  if (is(key, "max_chunk") && number >= 1) c->max_chunk = (size_t)number;
  if (is(key, "max_users") && number >= 1) c->max_users = (uint32_t)number;
  if (is(key, "max_rate") && number > 0) c->max_rate = number;
  r->remotes = is(key, "remotes") ? &c->ours : is(key, "client_remotes") ? &c->theirs : NULL;
  if (r->remotes) each_pair(&value, read_remote, r);
}

static void read_channel(void *ctx, const struct ump_plain *key, struct ump_reader value) {
  struct reading *r = ctx;
  struct channels *s = r->out;
  if (key->tag != UMP_PLAIN_STRING || key->s.n < 1 || key->s.n > 255) return;
  if (s->n == s->cap) {
    uint32_t cap = s->cap ? 2 * s->cap : 4;
    struct channel *v = ump_realloc(r->l->mem, s->v, s->cap * sizeof *v, cap * sizeof *v);
    if (!v) {
      r->failed = true;
      return;
    }
    s->v = v, s->cap = cap;
  }
  r->channel = &s->v[s->n++];
  *r->channel = (struct channel){
      .name = key->s, .mode = MODE_CHUNK, .max_chunk = 32768, .max_users = USERS_MAX, .max_rate = 1000};
  each_pair(&value, read_field, r);
  r->channel->width = ump_joint_chunk_width(r->channel->max_chunk);
}

static void read_top(void *ctx, const struct ump_plain *key, struct ump_reader value) {
  if (is(key, "channels")) each_pair(&value, read_channel, ctx);
}

/* Names stay in a copy of the declaration; types in prefix form are never longer than their text, and stand behind it.
 */
static bool read_channels(struct joint_proto *l, struct ump_bytes plain, struct channels *out) {
  *out = (struct channels){.n_bytes = 2 * plain.n};
  if (plain.n == 0) return true;
  out->bytes = ump_alloc(l->mem, out->n_bytes);
  if (!out->bytes) return false;
  memcpy(out->bytes, plain.p, plain.n);
  struct reading r = {.l = l, .out = out, .types = ump_writer(out->bytes + plain.n, plain.n)};
  struct ump_reader in = ump_reader(ump_bytes(out->bytes, plain.n));
  each_pair(&in, read_top, &r);
  return !r.failed;
}

static void remotes_free(struct joint_proto *l, struct remotes *r) {
  for (unsigned i = 0; i < r->n; i++)
    ump_free(l->mem, r->v[i].procedures, (r->v[i].n ? r->v[i].n : 1u) * sizeof *r->v[i].procedures);
  ump_free(l->mem, r->v, r->cap * sizeof *r->v);
}

void ump__joint_channels_free(struct joint_proto *l, struct channels *s) {
  for (uint32_t i = 0; i < s->n; i++) {
    if (s->v[i].joint) ump__joint_close(l, s->v[i].joint, CLOSED, "the channel was closed");
    remotes_free(l, &s->v[i].ours);
    remotes_free(l, &s->v[i].theirs);
  }
  ump_free(l->mem, s->v, s->cap * sizeof *s->v);
  ump_free(l->mem, s->bytes, s->bytes ? s->n_bytes : 0);
  *s = (struct channels){0};
}

/* ---- procedures ---- */

bool ump__joint_has_remote(const struct remotes *r, uint8_t id) {
  for (unsigned i = 0; i < r->n; i++)
    if (r->v[i].id == id) return true;
  return false;
}

const struct procedure *ump__joint_procedure(const struct remotes *r, uint8_t id, uint8_t number) {
  for (unsigned i = 0; i < r->n; i++)
    if (r->v[i].id == id) return number < r->v[i].n ? &r->v[i].procedures[number] : NULL;
  return NULL;
}

const struct procedure *ump__joint_procedure_named(const struct remotes *r, struct ump_bytes name, uint8_t *id,
                                                   uint8_t *number) {
  for (unsigned i = 0; i < r->n; i++)
    for (unsigned k = 0; k < r->v[i].n; k++) {
      if (!ump_bytes_equal(r->v[i].procedures[k].name, name)) continue;
      *id = r->v[i].id, *number = (uint8_t)k;
      return &r->v[i].procedures[k];
    }
  return NULL;
}

/* ---- from the old to the new ---- */

static struct channel *named(struct channels *s, struct ump_bytes name) {
  for (uint32_t i = 0; i < s->n; i++)
    if (ump_bytes_equal(s->v[i].name, name)) return &s->v[i];
  return NULL;
}

static bool same_procedures(const struct remotes *a, const struct remotes *b) {
  for (unsigned i = 0; i < a->n; i++)
    for (unsigned k = 0; k < a->v[i].n; k++) {
      const struct procedure *p = &a->v[i].procedures[k], *q = ump__joint_procedure(b, a->v[i].id, (uint8_t)k);
      if (!q || !ump_bytes_equal(p->name, q->name) || !ump_bytes_equal(p->types, q->types)) return false;
    }
  return true;
}

/* The users of a channel that goes on hear of the objects that have come to it. Calls that wait were written as the old
 * declaration had it. */
static void take_over(struct joint_proto *l, struct channel *old, struct channel *new) {
  struct joint *j = new->joint = old->joint;
  bool keep = same_procedures(&old->theirs, &new->theirs);
  old->joint = NULL;
  j->channel = new;
  for (unsigned i = 0; i < j->cap && new->mode == MODE_RPC; i++) {
    if (!j->users[i] || !j->users[i]->member->client) continue;
    if (!keep) ump_buffer_deinit(&j->users[i]->member->early);
    ump__joint_announce(l, j->users[i], &old->ours);
  }
}

static void cannot_open(struct joint_proto *l, const struct channel *c, const char *cause, const char *why) {
  char text[512];
  struct ump_writer w = ump_writer(text, sizeof text);
  ump_write_bytes(&w, c->name);
  ump_write_text(&w, why);
  ump_log_write(l->log, UMP_WARN, cause, NULL, ump_written(&w));
}

static void open_channel(struct joint_proto *l, struct channel *c) {
  struct joint *j = NULL;
  if (ump__joint_find(l, c->name)) {
    cannot_open(l, c, "channel_taken",
                ": a connection owns a channel of this name; the rulebook's opens when that one is gone");
  } else if (!(j = ump__joint_new(l, c->name))) {
    l->counts[NO_MEMORY]++;
    cannot_open(l, c, "channel_memory", ": there is no memory to open it");
  } else {
    j->channel = c;
    c->joint = j;
  }
}

void ump__joint_name_free(struct joint_proto *l, struct ump_bytes name) {
  struct channel *c = named(&l->channels, name);
  if (c && !c->joint) open_channel(l, c);
}

void ump__joint_configure(struct joint_proto *l, struct ump_bytes plain) {
  struct channels fresh, old = l->channels;
  ump__joint_forget_encoded(l);
  if (!read_channels(l, plain, &fresh)) {
    l->counts[NO_MEMORY]++;
    ump_log_text(l->log, UMP_ERROR, "channel_memory", NULL,
                 "no memory for the rulebook's channels; those before stay as they are");
    ump__joint_channels_free(l, &fresh);
    return;
  }
  l->channels = fresh;
  for (uint32_t i = 0; i < old.n; i++) {
    struct channel *c = old.v[i].joint ? named(&l->channels, old.v[i].name) : NULL;
    if (c && c->mode == old.v[i].mode && c->width == old.v[i].width) take_over(l, &old.v[i], c);
  }
  ump__joint_channels_free(l, &old); /* the joints that nobody took over are closed */
  for (uint32_t i = 0; i < l->channels.n; i++)
    if (!l->channels.v[i].joint) open_channel(l, &l->channels.v[i]);
}
