/* Clients: their life, their dense numbers, and the list of those admitted. */
#include "engine/inside.h"

enum { FIRST_SLOTS = 16 };

static int grow(struct ump_engine *e) {
  if (e->cap_slots > UINT32_MAX / 4) return UMP_EFULL;
  uint32_t cap = e->cap_slots ? 2 * e->cap_slots : FIRST_SLOTS;
  void *p = ump_realloc(e->mem, e->slots, e->cap_slots * sizeof *e->slots, cap * sizeof *e->slots);
  if (!p) return UMP_ENOMEM;
  e->slots = p;
  e->cap_slots = cap;
  return 0;
}

static int take_slot(struct ump_engine *e, struct ump_client *c) {
  if (e->vacant) {
    c->slot = e->vacant - 1;
    e->vacant = e->slots[c->slot].next_vacant;
  } else {
    int err = e->n_slots == e->cap_slots ? grow(e) : 0;
    if (err) return err;
    c->slot = e->n_slots++;
  }
  e->slots[c->slot] = (struct ump__slot){.client = c};
  return 0;
}

static void release_slot(struct ump_engine *e, uint32_t slot) {
  e->slots[slot] = (struct ump__slot){.next_vacant = e->vacant};
  e->vacant = slot + 1;
}

/* Made of the serial, so that who comes back under his serial has his id again (wire/pygase section 5: the same
 * client.id), and nothing has to be kept for it. Keyed: it tells nobody who came when, nor what the next one will be.
 */
static struct ump_uuid id_of(const struct ump_engine *e, uint64_t serial) {
  struct ump_uuid id;
  for (uint64_t half = 0; half < 2; half++) {
    uint64_t from[2] = {serial, half}, hash = ump_hash64(&e->ids, ump_bytes(from, sizeof from));
    memcpy(id.b + 8 * half, &hash, sizeof hash);
  }
  id.b[6] = (uint8_t)((id.b[6] & 0x0f) | 0x40); /* in the form of version 4 */
  id.b[8] = (uint8_t)((id.b[8] & 0x3f) | 0x80);
  return id;
}

/* An identity that comes back in time keeps its serial, and by that its judged events. */
static uint64_t serial_of(struct ump_engine *e, uint64_t again) {
  return again && again <= e->serials ? again : ++e->serials;
}

void ump_engine_give_id(struct ump_engine *e, const struct ump_uuid *id) {
  e->id_is_given = id != NULL;
  if (id) e->given_id = *id;
}

struct ump_client *ump__client_new(struct ump_engine *e, uint32_t listener, const struct ump_event *ev) {
  struct ump_client *c = ump_zalloc(e->mem, sizeof *c);
  if (!c) goto no_client;
  if (ev->has_version && ump__text_is_name(ev->version) && !(c->version = ump__text_copy(e->mem, ev->version)))
    goto no_version;
  if (ev->channel.n && !(c->channel = ump__text_copy(e->mem, ev->channel))) goto no_channel;
  if (take_slot(e, c)) goto no_slot;
  c->serial = serial_of(e, ev->again);
  c->id = e->id_is_given ? e->given_id : id_of(e, c->serial);
  e->id_is_given = false;
  c->listener = listener;
  c->session = ev->session;
  c->protocol = e->listeners[listener].ops->scheme;
  if (ev->from) c->addr = *ev->from;
  c->window_due = e->now;
  return c;
no_slot:
  ump__text_free(e->mem, c->channel);
no_channel:
  ump__text_free(e->mem, c->version);
no_version:
  ump_free(e->mem, c, sizeof *c);
no_client:
  return NULL;
}

void ump__client_admit(struct ump_engine *e, struct ump_client *c) {
  c->admitted = true;
  ump_list_push(&e->all, &c->all);
  e->n_clients++;
}

void ump__client_leave(struct ump_engine *e, struct ump_client *c) {
  if (!c->leaving && c->admitted) e->n_clients--;
  c->leaving = true;
}

static void client_delete(struct ump_engine *e, struct ump_client *c) {
  ump__client_leave(e, c);
  if (!ump_list_empty(&e->logins)) ump__logins_forget(e, c);
  ump__feed_leave(e, c);
  ump_list_remove(&c->all);
  ump_list_remove(&c->kicks);
  ump_blob_unref(c->farewell);
  release_slot(e, c->slot);
  ump__text_free(e->mem, c->name);
  ump__text_free(e->mem, c->version);
  ump__text_free(e->mem, c->channel);
  ump_free(e->mem, c, sizeof *c);
}

void ump__client_free(struct ump_engine *e, struct ump_client *c) {
  enum ump__asking asking = e->effects.asking;
  e->effects.asking = UMP__REFUSE; /* forget lets go, it does not ask */
  if (e->rb) e->rb->ops->forget(e->rb->self, c);
  e->effects.asking = asking;
  client_delete(e, c);
}

struct ump_client *ump__client_at(const struct ump_engine *e, uint32_t slot, uint64_t serial) {
  struct ump_client *c = slot < e->n_slots ? e->slots[slot].client : NULL;
  return c && c->serial == serial ? c : NULL;
}

void ump__client_rename(struct ump_engine *e, struct ump_client *c, char *name) {
  ump__text_free(e->mem, c->name);
  c->name = name;
}

void ump__clients_deinit(struct ump_engine *e) {
  for (uint32_t i = 0; i < e->n_slots; i++)
    if (e->slots[i].client) ump__client_free(e, e->slots[i].client);
  ump_free(e->mem, e->slots, e->cap_slots * sizeof *e->slots);
  e->slots = NULL;
}

size_t ump_engine_n_clients(const struct ump_engine *e) {
  return e->n_clients;
}

struct ump_client *ump_engine_next_client(const struct ump_engine *e, const struct ump_client *after) {
  const struct ump_list *at = after ? after->all.next : e->all.next;
  for (; at && at != &e->all; at = at->next) {
    struct ump_client *c = UMP_CONTAINER(at, struct ump_client, all);
    if (!c->leaving) return c;
  }
  return NULL;
}
