/* Joints by name, seats by number, members by session. Numbers are the lowest free ones, as the original gives them. */
#include "proto/joint/internal.h"

/* ---- joints ---- */

struct joint *ump__joint_find(struct joint_proto *l, struct ump_bytes id) {
  if (!l->buckets) return NULL;
  uint64_t hash = ump_hash64(&l->hash_key, id);
  struct joint *j = l->joints[hash & (l->buckets - 1)];
  while (j && !(j->hash == hash && ump_bytes_equal(ump_bytes(j->id, j->n_id), id))) j = j->next;
  return j;
}

static int grow(struct joint_proto *l) {
  size_t n = l->buckets ? 2 * l->buckets : 16;
  struct joint **v = ump_zalloc(l->mem, n * sizeof *v);
  if (!v) return l->buckets ? 0 : UMP_ENOMEM; /* longer chains, then */
  for (size_t i = 0; i < l->buckets; i++)
    for (struct joint *j = l->joints[i], *next; j; j = next) {
      next = j->next;
      j->next = v[j->hash & (n - 1)];
      v[j->hash & (n - 1)] = j;
    }
  ump_free(l->mem, l->joints, l->buckets * sizeof *v);
  l->joints = v, l->buckets = n;
  return 0;
}

struct joint *ump__joint_new(struct joint_proto *l, struct ump_bytes id) {
  if (l->n_joints >= l->buckets && grow(l)) return NULL;
  struct joint *j = ump_zalloc(l->mem, sizeof *j + id.n);
  if (!j) return NULL;
  j->hash = ump_hash64(&l->hash_key, id);
  j->serial = ++l->serials;
  j->n_id = (uint8_t)id.n;
  memcpy(j->id, id.p, id.n);
  j->next = l->joints[j->hash & (l->buckets - 1)];
  l->joints[j->hash & (l->buckets - 1)] = j;
  l->n_joints++;
  return j;
}

static void joint_free(struct joint_proto *l, struct joint *j) {
  struct joint **at = &l->joints[j->hash & (l->buckets - 1)];
  while (*at != j) at = &(*at)->next;
  *at = j->next;
  l->n_joints--;
  if (j->owner) j->owner->own[j->number] = NULL;
  if (j->channel) j->channel->joint = NULL;
  ump_free(l->mem, j->users, j->cap * sizeof *j->users);
  ump_free(l->mem, j, sizeof *j + j->n_id);
}

void ump__joint_close(struct joint_proto *l, struct joint *j, enum reason reason, const char *why) {
  uint8_t name[UINT8_MAX];
  size_t n_name = j->n_id;
  bool free_for_all = !j->channel;
  for (unsigned i = 0; i < j->cap; i++)
    if (j->users[i]) ump__joint_rise(l, j->users[i], reason, false, true, why);
  memcpy(name, j->id, n_name);
  joint_free(l, j);
  if (free_for_all) ump__joint_name_free(l, ump_bytes(name, n_name));
}

/* ---- places: arrays of pointers that grow to a limit ---- */

/* The lowest free index below max, in *at. 0, UMP_EFULL, UMP_ENOMEM. */
static int place(struct joint_proto *l, void ***v, uint16_t *cap, unsigned max, unsigned *at) {
  unsigned i = 0;
  while (i < *cap && (*v)[i]) i++;
  if (i >= max) return UMP_EFULL;
  if (i == *cap) {
    unsigned n = *cap ? 2u * *cap : 2;
    void **p = ump_realloc(l->mem, *v, *cap * sizeof *p, n * sizeof *p);
    if (!p) return UMP_ENOMEM;
    memset(p + *cap, 0, (n - *cap) * sizeof *p);
    *v = p, *cap = (uint16_t)n;
  }
  *at = i;
  return 0;
}

int ump__joint_own(struct joint_proto *l, struct conn *c, struct joint *j) {
  unsigned at;
  void **v = (void **)c->own;
  int err = place(l, &v, &c->own_cap, JOINTS_MAX, &at);
  c->own = (struct joint **)v;
  if (err) return err;
  c->own[at] = j;
  j->owner = c;
  j->number = (uint8_t)at;
  return 0;
}

struct joint *ump__joint_owned(const struct conn *c, uint8_t number) {
  return number < c->own_cap ? c->own[number] : NULL;
}
struct seat *ump__joint_seat(const struct conn *c, uint8_t number) {
  return number < c->entered_cap ? c->entered[number] : NULL;
}
struct seat *ump__joint_user(const struct joint *j, uint8_t user) {
  return user < j->cap ? j->users[user] : NULL;
}

/* ---- seats ---- */

int ump__joint_sit(struct joint_proto *l, struct conn *c, struct joint *j, struct seat **out) {
  unsigned user, number,
      most = j->channel && j->channel->max_users < l->max_users ? j->channel->max_users : l->max_users;
  void **v = (void **)j->users;
  if (j->n_users >= most) return UMP_EFULL;
  int err = place(l, &v, &j->cap, USERS_MAX, &user);
  j->users = (struct seat **)v;
  if (err) return err;
  v = (void **)c->entered;
  err = place(l, &v, &c->entered_cap, JOINTS_MAX, &number);
  c->entered = (struct seat **)v;
  if (err) return err;
  struct seat *s = ump_alloc(l->mem, sizeof *s);
  if (!s) return UMP_ENOMEM;
  *s = (struct seat){.joint = j, .conn = c, .serial = ++l->serials, .user = (uint8_t)user, .number = (uint8_t)number};
  j->users[user] = c->entered[number] = s;
  j->n_users++;
  *out = s;
  return 0;
}

void ump__joint_rise(struct joint_proto *l, struct seat *s, enum reason reason, bool tell_owner, bool tell_user,
                     const char *why) {
  struct joint *j = s->joint;
  struct member *m = s->member;
  uint8_t to_user[] = {0x00, 0x04, 0x00, 0x02, s->number, (uint8_t)reason};
  uint8_t to_owner[] = {0x00, 0x05, 0x00, 0x01, j->number, s->user, (uint8_t)reason};
  if (tell_user) ump__joint_send(l, s->conn, to_user, sizeof to_user);
  if (tell_owner && j->owner) ump__joint_send(l, j->owner, to_owner, sizeof to_owner);
  j->users[s->user] = NULL;
  j->n_users--;
  s->conn->entered[s->number] = NULL;
  ump_free(l->mem, s, sizeof *s);
  if (!m) return;
  m->seat = NULL;
  m->gone = why;
  if (m->client && why)
    ump_list_push(&l->gone, &m->link);
  else
    ump__joint_member_free(l, m);
}

/* ---- members ---- */

int ump__joint_member(struct joint_proto *l, struct seat *s) {
  uint32_t i = 0;
  if (l->n_members == l->members_cap) {
    uint32_t cap = l->members_cap ? 2 * l->members_cap : 16;
    struct member **v = ump_realloc(l->mem, l->members, l->members_cap * sizeof *v, cap * sizeof *v);
    if (!v) return UMP_ENOMEM;
    memset(v + l->members_cap, 0, (cap - l->members_cap) * sizeof *v);
    i = l->members_cap;
    l->members = v, l->members_cap = cap;
  } else {
    i = (uint32_t)(s->serial & (l->members_cap - 1)); /* anywhere: a free one is near unless the table is nearly full */
    while (l->members[i]) i = (i + 1) & (l->members_cap - 1);
  }
  struct member *m = ump_zalloc(l->mem, sizeof *m);
  if (!m) return UMP_ENOMEM;
  m->session = i;
  m->seat = s;
  ump_buffer_init(&m->chunk, l->mem, SIZE_MAX / 2); /* bounded by the channel's max_chunk, which a reload may change */
  ump_buffer_init(&m->early, l->mem, EARLY_MAX);
  s->member = l->members[i] = m;
  l->n_members++;
  return 0;
}

struct member *ump__joint_member_at(struct joint_proto *l, uint32_t session) {
  return session < l->members_cap ? l->members[session] : NULL;
}

void ump__joint_member_free(struct joint_proto *l, struct member *m) {
  ump_list_remove(&m->link);
  ump_buffer_deinit(&m->chunk);
  ump_buffer_deinit(&m->early);
  l->members[m->session] = NULL;
  l->n_members--;
  ump_free(l->mem, m, sizeof *m);
}
