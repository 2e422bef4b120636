/* Room for newcomers: wire section 4, E6 and E7.
 *
 * Who registered and never proved itself gives way when a place is needed, after 3 unanswered probes. Forged REGISTERs
 * could take such places as well as real ones, and there are more of them. So a newcomer that finds no place is sent a
 * challenge: a probe whose id is a keyed hash of its cuuid, its address and the time, for which nothing is kept.
 * Whoever echoes it is there, is let in at once, and is proven. Others take such places seldom enough for some to be
 * left.
 *
 *   places that are neither ripe nor proven under a flood: limit * 1.5 s * NT_WAYS / (8 s), a fifth of all */
#include "proto/neteria/internal.h"

/* ---- what was earned before there was a session ---- */

static struct nt_purse *purse_of(const struct ump_neteria *n, const struct ump_addr *a) {
  uint64_t low;
  memcpy(&low, a->ip + (a->family == 6 ? 8 : 0), sizeof low);
  return &n->purses[((low ^ (uint64_t)a->port << 32) * 0x9e3779b97f4a7c15u >> 32) % NT_PURSES];
}

void ump__nt_earn(struct ump_neteria *n, const struct ump_addr *from, size_t bytes) {
  struct nt_purse *p = purse_of(n, from);
  if (!ump_addr_equal(&p->addr, from)) *p = (struct nt_purse){.addr = *from};
  p->credit += (int32_t)bytes;
  if (p->credit > NT_PURSE) p->credit = NT_PURSE;
}

int32_t ump__nt_take_purse(struct ump_neteria *n, const struct ump_addr *from) {
  struct nt_purse *p = purse_of(n, from);
  if (!ump_addr_equal(&p->addr, from)) return 0;
  int32_t credit = p->credit;
  p->credit = 0;
  return credit;
}

/* ---- who could give way ---- */

void ump__nt_ripe(struct ump_neteria *n, struct nt_session *s, bool ripe) {
  n->n_ripe += (size_t)ripe - (size_t)s->ripe;
  s->ripe = ripe;
}

/* The never-proven, oldest first. */
static struct nt_session *next_unproven(const struct ump_neteria *n, const struct nt_session *after) {
  const struct ump_list *at = after ? after->timer.next : n->unproven.next;
  if (at == &n->unproven) at = n->young.next;
  return at == &n->young ? NULL : UMP_CONTAINER(at, struct nt_session, timer);
}

/* Probes those who could give way, so that some of them are ripe when the newcomer asks again. Wherever they are: if
 * only one address were looked at, whoever asks most would have the say which. */
static void press(struct ump_neteria *n) {
  size_t seen = 0;
  n->pressed = n->now + NT_PRESSED;
  if (n->now - n->swept < NT_PROBE) return;
  n->swept = n->now;
  for (struct nt_session *s = next_unproven(n, NULL); s && seen < NT_SWEEP; s = next_unproven(n, s), seen++) {
    if (!s->ripe) ump__nt_probe(n, s);
  }
}

/* ip: of this address; NULL: anywhere. */
static bool make_room(struct ump_neteria *n, const struct ump_addr *ip, bool proven) {
  size_t seen = 0;
  press(n);
  if (!n->n_ripe || (!proven && n->now < n->next_way)) return false;
  for (struct nt_session *s = next_unproven(n, NULL); s && seen < NT_SCAN; s = next_unproven(n, s), seen++) {
    if (!s->ripe || (ip && !ump_addr_same_ip(&s->addr, ip))) continue;
    nt_count(n, NT_gave_way);
    if (!proven) n->next_way = n->now + ump_time_min(NT_RESEND, NT_WAYS / n->limit);
    ump__nt_end(n, s, "never answered, and its place was needed");
    return true;
  }
  return false;
}

/* From half of the share on they are asked to prove themselves, which a client that is there has done long before the
 * share is used up: then its event, which it repeats, is judged. */
bool ump__nt_within_share(struct ump_neteria *n, struct nt_session *s) {
  ump_time due = n->strange_due > n->now ? n->strange_due : n->now;
  if (due - n->now > NT_STRANGE_AHEAD / 2) ump__nt_probe(n, s);
  if (due - n->now > NT_STRANGE_AHEAD) return nt_count(n, NT_put_off), false;
  n->strange_due = due + NT_STRANGE;
  return true;
}

/* ---- challenges ---- */

/* ago: 0, or 1 for the one before. */
static struct nt_probe_id challenge_id(const struct ump_neteria *n, const struct nt_request *r, int ago) {
  uint8_t text[8 + 16 + 2 + NT_ID];
  uint64_t epoch = (uint64_t)(n->now / NT_EPOCH - ago);
  memcpy(text, &epoch, 8);
  memcpy(text + 8, r->from->ip, 16);
  memcpy(text + 24, &r->from->port, 2);
  memcpy(text + 26, r->cuuid.p, r->cuuid.n);
  return ump__nt_brief_id(ump_hash64(&n->challenges, ump_bytes(text, 26 + r->cuuid.n)), NT_CHALLENGE_ID);
}

size_t ump__nt_challenge(struct ump_neteria *n, const struct nt_request *r) {
  size_t cost = r->deflated ? 2 * NT_CHALLENGE_BYTES : NT_CHALLENGE_BYTES;
  if (cost > 2 * r->n) return 0;
  struct nt_probe_id id = challenge_id(n, r, 0);
  nt_count(n, NT_challenges);
  ump__nt_probe_to(n, r->from, r->deflated, &id);
  return cost;
}

bool ump__nt_challenge_echo(struct ump_neteria *n, const struct nt_request *r) {
  if (r->euuid.n != NT_CHALLENGE_ID) return false;
  for (int ago = 0; ago < 2; ago++) {
    struct nt_probe_id id = challenge_id(n, r, ago);
    if (memcmp(id.text, r->euuid.p, NT_CHALLENGE_ID) != 0) continue;
    nt_count(n, NT_challenge_echoes);
    return true;
  }
  return false;
}

/* ---- is there a place? ---- */

/* Who echoed a challenge and was late all the same has been told already; another challenge would go on for ever. */
static void refuse(struct ump_neteria *n, const struct nt_request *r, bool proven, enum nt_count cause,
                   const char *reason) {
  ump__nt_drop(n, cause, r->from, reason);
  if (proven) return;
  ump__nt_reply(n, r, NT_BYE_REGISTER, reason);
  ump__nt_earn(n, r->from, 2 * r->n - (n->n_ripe ? ump__nt_challenge(n, r) : 0)); /* not if nobody could give way yet */
}

bool ump__nt_has_place(struct ump_neteria *n, const struct nt_request *r, bool proven) {
  if (n->n_sessions >= n->limit && !make_room(n, NULL, proven)) {
    refuse(n, r, proven, NT_refused_full, "server full");
    return false;
  }
  if (ump_tally_count(&n->tally, r->from) >= n->per_address && !make_room(n, r->from, proven)) {
    refuse(n, r, proven, NT_refused_address, "too many from one address");
    return false;
  }
  return true;
}
