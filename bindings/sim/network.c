#include "network.h"

#include "base/err.h"
#include "base/hash.h"
#include "inside.h"

/* A throttled link holds what it cannot pass on for so long, as a router's buffer does; the rest is dropped at its end.
 */
#define BUFFER (1 * UMP_S)
/* A datagram that is to be overtaken is late by up to twice the link's own delay, but at least so much: 20 ms, a few
 * frames. */
#define LATE (20 * UMP_MS)

const char *const ump_sim_count_names[UMP_SIM_COUNTS] = {
    "network.sent",    "network.delivered",   "network.lost",  "network.doubled", "network.reordered",
    "network.crowded", "network.unreachable", "network.bytes", "network.cut",
};

struct datagram {
  struct ump__sim_due due;
  enum ump_sim_way way;
  uint32_t peer, listener;
  struct ump_addr from; /* UP: the sender; DOWN: where it goes */
  size_t n;
  uint8_t p[];
};

void ump_sim_net_init(struct ump_sim_net *n, const struct ump_mem *mem, uint64_t seed) {
  *n = (struct ump_sim_net){.mem = mem, .seed = seed};
  ump_heap_init(&n->heap, mem);
  ump_list_init(&n->stirred), ump_list_init(&n->writable);
}

static void free_due(struct ump_sim_net *n, struct ump__sim_due *due) {
  struct datagram *d = (struct datagram *)due;
  if (due && due->kind == UMP__DATAGRAM)
    ump_free(n->mem, d, sizeof *d + d->n);
  else if (due && due->kind == UMP__PIECE)
    ump__sim_piece_free(n, due);
}

void ump_sim_net_deinit(struct ump_sim_net *n) {
  struct ump_heap_node *node;
  while ((node = ump_heap_pop_due(&n->heap, UMP_NEVER))) {
    free_due(n, (struct ump__sim_due *)node);
  }
  free_due(n, n->current);
  for (size_t i = 0; i < n->n_peers; i++) {
    ump__sim_stream_free(n, n->peers[i]);
    ump_free(n->mem, n->peers[i], sizeof *n->peers[i]);
  }
  ump_free(n->mem, n->peers, n->cap_peers * sizeof *n->peers);
  ump_heap_deinit(&n->heap);
}

/* ---- the trace ---- */

void ump__sim_note(struct ump_sim_net *n, unsigned what, uint32_t peer, struct ump_bytes data, ump_time now) {
  struct ump_hash_key key = {{0}};
  uint64_t words[4] = {what, peer, ump_hash64(&key, data), (uint64_t)now};
  memcpy(key.b, &n->trace, sizeof n->trace);
  n->trace = ump_hash64(&key, ump_bytes(words, sizeof words));
}

/* ---- peers ---- */

static struct ump_sim_peer *find(const struct ump_sim_net *n, const struct ump_addr *addr) {
  /* The simulator numbers addresses 10.x.y.z as it numbers peers, from 10.0.0.1: a guess that is nearly always right.
   */
  uint32_t guess = ((uint32_t)addr->ip[1] << 16 | (uint32_t)addr->ip[2] << 8 | addr->ip[3]) - 1u;
  if (guess < n->n_peers && !n->peers[guess]->gone && ump_addr_equal(&n->peers[guess]->addr, addr))
    return n->peers[guess];
  for (size_t i = 0; i < n->n_peers; i++) {
    if (!n->peers[i]->gone && ump_addr_equal(&n->peers[i]->addr, addr)) return n->peers[i];
  }
  return NULL;
}

static int grow(struct ump_sim_net *n) {
  size_t cap = n->cap_peers ? n->cap_peers * 2 : 16;
  void *p = ump_realloc(n->mem, n->peers, n->cap_peers * sizeof *n->peers, cap * sizeof *n->peers);
  if (!p) return UMP_ENOMEM;
  n->peers = p, n->cap_peers = cap;
  return 0;
}

int ump_sim_net_peer(struct ump_sim_net *n, const struct ump_addr *addr, uint32_t *peer) {
  if (find(n, addr)) return UMP_EFULL;
  if (n->n_peers == n->cap_peers && grow(n) != 0) return UMP_ENOMEM;
  struct ump_sim_peer *p = ump_zalloc(n->mem, sizeof *p);
  if (!p) return UMP_ENOMEM;
  for (unsigned way = 0; way < 2; way++) {
    uint64_t words[2] = {n->seed, n->n_peers * 2 + way};
    ump_rng_seed(&p->rng[way], ump_hash64(&(struct ump_hash_key){{0}}, ump_bytes(words, sizeof words)));
  }
  p->alarm.kind = UMP__ALARM, p->addr = *addr, p->number = *peer = (uint32_t)n->n_peers;
  n->peers[n->n_peers++] = p;
  return 0;
}

int ump_sim_net_move(struct ump_sim_net *n, uint32_t peer, const struct ump_addr *addr) {
  struct ump_sim_peer *other = find(n, addr);
  if (other && other->number != peer) return UMP_EFULL;
  n->peers[peer]->addr = *addr;
  return 0;
}

void ump_sim_net_drop(struct ump_sim_net *n, uint32_t peer) {
  n->peers[peer]->gone = true;
  ump__sim_stream_unplug(n->peers[peer]);
  ump_heap_remove(&n->heap, &n->peers[peer]->alarm.node);
}

bool ump_sim_net_alive(const struct ump_sim_net *n, uint32_t peer) {
  return peer < n->n_peers && !n->peers[peer]->gone;
}

const struct ump_addr *ump_sim_net_addr(const struct ump_sim_net *n, uint32_t peer) {
  return &n->peers[peer]->addr;
}

const struct ump_sim_link *ump__sim_link(const struct ump_sim_net *n, uint32_t peer, enum ump_sim_way way) {
  const struct ump_sim_peer *p = n->peers[peer];
  return p->has_own[way] ? &p->own[way] : &n->link[way];
}

void ump_sim_net_weather(struct ump_sim_net *n, uint32_t peer, enum ump_sim_way way, const struct ump_sim_link *own) {
  struct ump_sim_peer *p = n->peers[peer];
  p->has_own[way] = own != NULL;
  if (own) p->own[way] = *own;
}

void ump_sim_net_cut(struct ump_sim_net *n, uint32_t peer, enum ump_sim_way way, bool on, ump_time now) {
  struct ump_sim_peer *p = n->peers[peer];
  if (p->cut[way] == on) return;
  p->cut[way] = on;
  if (p->stream) ump__sim_stream_cut(n, peer, way, on, now);
}

int ump_sim_net_wake(struct ump_sim_net *n, uint32_t peer, ump_time at) {
  struct ump_sim_peer *p = n->peers[peer];
  if (at == UMP_NEVER || p->gone) {
    ump_heap_remove(&n->heap, &p->alarm.node);
    return 0;
  }
  if (ump_heap_linked(&p->alarm.node) && p->alarm.node.at == at) return 0;
  return ump_heap_insert(&n->heap, &p->alarm.node, at);
}

/* ---- under way ---- */

/* The dice for one datagram are always thrown together, so that turning one knob leaves the other fates as they were.
 */
struct fate {
  bool lost, doubled, late;
  double delay[2], lateness;
};

static struct fate draw(struct ump_sim_peer *p, enum ump_sim_way way, const struct ump_sim_link *link) {
  struct ump_rng rng = ump_rng_of(&p->rng[way]);
  struct fate f;
  f.lost = ump_rng_unit(&rng) < link->loss;
  f.doubled = ump_rng_unit(&rng) < link->duplicate;
  f.late = ump_rng_unit(&rng) < link->reorder;
  f.delay[0] = ump_rng_unit(&rng), f.delay[1] = ump_rng_unit(&rng);
  f.lateness = ump_rng_unit(&rng);
  return f;
}

ump_time ump__sim_delay(const struct ump_sim_link *link, double dice) {
  ump_time t = link->lag - link->jitter + (ump_time)((double)(2 * link->jitter) * dice);
  return t > 0 ? t : 0;
}

static int put(struct ump_sim_net *n, const struct datagram *head, struct ump_bytes data, ump_time at) {
  struct datagram *d = ump_alloc(n->mem, sizeof *d + data.n);
  if (!d) return UMP_ENOMEM;
  *d = *head;
  d->n = data.n;
  if (data.n) memcpy(d->p, data.p, data.n);
  if (ump_heap_insert(&n->heap, &d->due.node, at) != 0) {
    free_due(n, &d->due);
    return UMP_ENOMEM;
  }
  n->under_way++, n->datagrams++;
  return 0;
}

/* When the link has passed it on; UMP_NEVER: its buffer is full. */
static ump_time through(struct ump__sim_lane *lane, const struct ump_sim_link *link, size_t bytes, ump_time now) {
  if (link->rate <= 0) return now;
  ump_time start = lane->busy > now ? lane->busy : now;
  if (start - now > BUFFER) return UMP_NEVER;
  lane->busy = start + (ump_time)((double)bytes / link->rate * 1e9);
  return lane->busy;
}

static int transmit(struct ump_sim_net *n, struct datagram *head, struct ump__sim_lane *lane, struct ump_bytes data,
                    ump_time now) {
  const struct ump_sim_link *link = ump__sim_link(n, head->peer, head->way);
  struct fate f = draw(n->peers[head->peer], head->way, link);
  f.lost |= n->peers[head->peer]->cut[head->way]; /* the dice were thrown: healing leaves the fates of others alone */
  ump_time out = through(lane, link, data.n, now);
  n->counts[UMP_SIM_SENT]++, n->counts[UMP_SIM_BYTES] += data.n;
  ump__sim_note(n, (unsigned)head->way << 4 | (unsigned)f.lost << 2 | (unsigned)f.doubled << 1 | (unsigned)f.late,
                head->peer, data, now);
  if (out == UMP_NEVER) return n->counts[UMP_SIM_CROWDED]++, 0;
  if (f.lost) return n->counts[UMP_SIM_LOST]++, 0;
  ump_time at = out + ump__sim_delay(link, f.delay[0]);
  if (f.late) { /* held back, so that later ones overtake it; it does not hold them up in turn */
    n->counts[UMP_SIM_REORDERED]++;
    ump_time most = 2 * (link->lag + link->jitter);
    at += 1 + (ump_time)(f.lateness * (double)(most > LATE ? most : LATE));
  } else {
    if (at < lane->last) at = lane->last;
    lane->last = at;
  }
  int err = put(n, head, data, at);
  if (err == 0 && f.doubled) {
    n->counts[UMP_SIM_DOUBLED]++;
    err = put(n, head, data, at + 1 + ump__sim_delay(link, f.delay[1]));
  }
  return err;
}

int ump_sim_net_send_up(struct ump_sim_net *n, uint32_t peer, uint32_t listener, struct ump_bytes data, ump_time now) {
  struct ump_sim_peer *p = n->peers[peer];
  struct datagram head = {
      .due.kind = UMP__DATAGRAM, .way = UMP_SIM_UP, .peer = peer, .listener = listener, .from = p->addr};
  return transmit(n, &head, &p->lane[UMP_SIM_UP], data, now);
}

int ump_sim_net_send_down(struct ump_sim_net *n, const struct ump_addr *to, struct ump_bytes data, ump_time now) {
  struct ump_sim_peer *p = find(n, to);
  if (!p) {
    n->counts[UMP_SIM_SENT]++, n->counts[UMP_SIM_UNREACHABLE]++;
    ump__sim_note(n, 0x100, 0, data, now);
    return 0;
  }
  struct datagram head = {.due.kind = UMP__DATAGRAM, .way = UMP_SIM_DOWN, .peer = p->number, .from = *to};
  return transmit(n, &head, &p->lane[UMP_SIM_DOWN], data, now);
}

ump_time ump_sim_net_deadline(const struct ump_sim_net *n) {
  return ump_heap_deadline(&n->heap);
}

/* Fills in what arrived; false: it reached nobody. */
static bool arrive(struct ump_sim_net *n, struct datagram *d, struct ump_sim_arrival *out) {
  const struct ump_sim_peer *p = n->peers[d->peer];
  n->current = &d->due;
  n->under_way--, n->datagrams--;
  if (p->cut[d->way]) return n->counts[UMP_SIM_LOST]++, false;
  if (d->way == UMP_SIM_DOWN && (p->gone || !ump_addr_equal(&p->addr, &d->from))) {
    n->counts[UMP_SIM_UNREACHABLE]++;
    return false;
  }
  n->counts[UMP_SIM_DELIVERED]++;
  *out = (struct ump_sim_arrival){.what = d->way == UMP_SIM_UP ? UMP_SIM_AT_SERVER : UMP_SIM_AT_PEER,
                                  .peer = d->peer,
                                  .listener = d->listener,
                                  .from = d->from,
                                  .data = ump_bytes(d->p, d->n)};
  return true;
}

bool ump_sim_net_next(struct ump_sim_net *n, ump_time now, struct ump_sim_arrival *out) {
  struct ump_heap_node *node;
  while ((node = ump_heap_pop_due(&n->heap, now))) {
    struct ump__sim_due *due = (struct ump__sim_due *)node;
    free_due(n, n->current);
    n->current = NULL;
    if (due->kind == UMP__ALARM) {
      *out = (struct ump_sim_arrival){.what = UMP_SIM_WAKE, .peer = ((struct ump_sim_peer *)due)->number};
      return true;
    }
    bool news = due->kind == UMP__DATAGRAM ? arrive(n, (struct datagram *)due, out) : ump__sim_stream_due(n, due, out);
    if (news) return true;
  }
  return false;
}
