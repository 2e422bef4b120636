/* Is the protocol in order with itself? For tests and fuzzing. */
#include "proto/joint/internal.h"
#include "proto/joint/joint.h"

static const char *check_joint(const struct joint_proto *l, const struct joint *j) {
  unsigned n = 0;
  for (unsigned u = 0; u < j->cap; u++) {
    const struct seat *s = j->users[u];
    if (!s) continue;
    n++;
    if (s->joint != j || s->user != u) return "a seat that belongs to another joint";
    if (s->conn->closing || l->conns[s->conn->id] != s->conn) return "a seat of a connection that is gone";
    if (ump__joint_seat(s->conn, s->number) != s) return "a seat that its connection does not know";
    if ((s->member != NULL) != (j->channel != NULL))
      return "a member in a connection's joint, or none in the rulebook's";
    if (s->member && (s->member->seat != s || ump_list_linked(&s->member->link))) return "a member without its seat";
  }
  if (n != j->n_users) return "users are not as many as are counted";
  if (!j->owner == !j->channel) return "a joint has one owner";
  if (j->owner && ump__joint_owned(j->owner, j->number) != j) return "a joint that its owner does not know";
  if (j->channel && j->channel->joint != j) return "a joint that its channel does not know";
  return NULL;
}

static const char *check_conn(const struct joint_proto *l, const struct conn *c) {
  if (c->waits_for && !ump_list_linked(&c->waits_for->full)) return "somebody waits for one who is not full";
  if ((c->waits_for != NULL) != ump_list_linked(&c->waiting)) return "somebody waits for nobody";
  if (!c->closing && !c->aborted && (c->out.n > l->unsent) != ump_list_linked(&c->full))
    return "full, and nobody knows";
  if (!c->closing) return NULL;
  for (unsigned i = 0; i < c->own_cap; i++)
    if (c->own[i]) return "a joint of a connection that has ended";
  for (unsigned i = 0; i < c->entered_cap; i++)
    if (c->entered[i]) return "a seat of a connection that has ended";
  return c->waits_for ? "one that has ended waits" : NULL;
}

const char *ump_joint_check(const void *self) {
  const struct joint_proto *l = self;
  const char *wrong = NULL;
  size_t n = 0;
  for (size_t i = 0; i < l->buckets; i++)
    for (const struct joint *j = l->joints[i]; j; j = j->next, n++)
      if ((wrong = check_joint(l, j))) return wrong;
  if (n != l->n_joints) return "joints are not as many as are counted";
  n = 0;
  for (uint32_t i = 0; i < l->conns_cap; i++)
    if (l->conns[i] && (n++, (wrong = check_conn(l, l->conns[i])))) return wrong;
  if (n != l->n_conns) return "connections are not as many as are counted";
  n = 0;
  for (uint32_t i = 0; i < l->members_cap; i++)
    if (l->members[i] && (n++, l->members[i]->session != i)) return "a member under another number";
  return n == l->n_members ? NULL : "members are not as many as are counted";
}
