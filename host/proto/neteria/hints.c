/* Sessions that were heard lately, found without a keyed hash; and what is coming, so that its memory can be called
 * for.
 *
 * Collisions here cost a look into the registry and no more, so the hash need not be keyed. Of a UUID both ends count:
 * in version 1 the first digits tell when it was made and the last ones where. Four places share a cache line: with
 * one, a quarter of 10 000 sessions had theirs taken by each other, again and again. */
#include "proto/neteria/internal.h"

enum { WAYS = 4, FLAGS = 3, IS_EVENT = 1, IS_OK_EVENT = 2 }; /* flags are in bits of a hash that nobody looks at */

struct nt_hint {
  uint64_t hash;
  struct nt_session *session; /* NULL: vacant */
};
struct nt_hints {
  _Alignas(64) struct nt_hint way[WAYS];
};

static uint64_t hash_of(struct ump_bytes cuuid) {
  uint64_t first = 0, last = 0;
  size_t size = cuuid.n < sizeof first ? cuuid.n : sizeof first;
  memcpy(&first, cuuid.p, size);
  memcpy(&last, cuuid.p + cuuid.n - size, size);
  return (first ^ last * 0x9e3779b97f4a7c15u) * 0xc2b2ae3d27d4eb4fu & ~(uint64_t)FLAGS;
}

/* ---- the table ---- */

static size_t bytes(unsigned bits) {
  return (sizeof(struct nt_hints) << bits) + sizeof(struct nt_hints);
}

int ump__nt_make_hints(struct ump_neteria *n, unsigned bits) {
  void *block = ump_zalloc(n->mem, bytes(bits));
  if (!block) return UMP_ENOMEM;
  ump__nt_free_hints(n);
  uintptr_t line = ((uintptr_t)block + sizeof(struct nt_hints) - 1) & ~(uintptr_t)(sizeof(struct nt_hints) - 1);
  n->hint_block = block, n->hints = (struct nt_hints *)line, n->hint_bits = bits;
  return 0;
}

void ump__nt_free_hints(struct ump_neteria *n) {
  ump_free(n->mem, n->hint_block, n->hint_block ? bytes(n->hint_bits) : 0);
}

/* Two places a session at least; without memory for them there are fewer. */
void ump__nt_grow_hints(struct ump_neteria *n) {
  if (n->n_sessions > (size_t)WAYS / 2 << n->hint_bits && n->hint_bits < NT_HINTS_MOST)
    ump__nt_make_hints(n, n->hint_bits + 1);
}

static struct nt_hints *hints_of(const struct ump_neteria *n, uint64_t hash) {
  return &n->hints[hash >> (64 - n->hint_bits)];
}

static struct nt_hint *find(const struct ump_neteria *n, uint64_t hash) {
  struct nt_hints *h = hints_of(n, hash);
  for (int i = 0; i < WAYS; i++) {
    if (h->way[i].hash == hash && h->way[i].session) return &h->way[i];
  }
  return NULL;
}

struct nt_session *ump__nt_hinted(const struct ump_neteria *n, struct ump_bytes cuuid) {
  const struct nt_hint *h = find(n, hash_of(cuuid));
  return h && ump_bytes_equal(ump_bytes(h->session->cuuid, h->session->cuuid_n), cuuid) ? h->session : NULL;
}

void ump__nt_hint(struct ump_neteria *n, struct nt_session *s) {
  uint64_t hash = hash_of(ump_bytes(s->cuuid, s->cuuid_n));
  struct nt_hints *h = hints_of(n, hash);
  struct nt_hint *at = find(n, hash);
  for (int i = 0; i < WAYS && !at; i++) {
    if (!h->way[i].session) at = &h->way[i];
  }
  if (!at) at = &h->way[n->hint_turn++ % WAYS];
  *at = (struct nt_hint){hash, s};
}

void ump__nt_unhint(struct ump_neteria *n, const struct nt_session *s) {
  struct nt_hint *at = find(n, hash_of(ump_bytes(s->cuuid, s->cuuid_n)));
  if (at && at->session == s) at->session = NULL;
}

/* ---- what is coming: the real client's frequent messages have their ids at known places (layout.c) ---- */

enum { EVENT_CUUID = 30, EVENT_EUUID = 79, OK_CUUID = 11, LEAST = 118 /* bytes */ };

/* The memo of a datagram: the hash of its cuuid, and what it is. 0: something else. */
static uint64_t recognise(struct ump_bytes in) {
  if (in.n < LEAST) return 0;
  if (in.p[2] == 'm' && in.p[EVENT_CUUID - 1] == '"' && in.p[EVENT_EUUID - 1] == '"')
    return hash_of(ump_bytes(in.p + EVENT_CUUID, UMP_UUID_TEXT)) | IS_EVENT;
  if (in.p[2] == 'c' && in.p[OK_CUUID - 1] == '"')
    return hash_of(ump_bytes(in.p + OK_CUUID, UMP_UUID_TEXT)) | IS_OK_EVENT;
  return 0;
}

/* Inlined, because gcc takes a function that only prefetches for one without effect, and leaves calls of it out. */
#define INLINED static inline __attribute__((always_inline))

INLINED void call_for(const void *p, size_t n) {
  for (size_t line = 0; line < n; line += 64) __builtin_prefetch((const char *)p + line);
  __builtin_prefetch((const char *)p + n - 1); /* it need not begin with a line */
}

INLINED void call_for_session(const struct nt_session *s) {
  call_for(&s->armed, offsetof(struct nt_session, cuuid) + UMP_UUID_TEXT - offsetof(struct nt_session, armed));
}

INLINED void call_for_out(const struct nt_session *s) {
  if (!ump_list_empty(&s->outs)) call_for(UMP_CONTAINER(s->outs.next, struct nt_out, mine), sizeof(struct nt_out));
}

void ump__nt_expect(const void *self, struct ump_bytes in, int step, struct ump_coming *coming) {
  const struct ump_neteria *n = self;
  if (step == 0 || step == UMP_EXPECT_NEAR) coming->memo = recognise(in);
  if (!coming->memo) return;
  if (step == 0) {
    __builtin_prefetch(hints_of(n, coming->memo));
    return;
  }
  const struct nt_hint *h = find(n, coming->memo & ~(uint64_t)FLAGS);
  bool event = coming->memo & IS_EVENT;
  coming->client = NULL;
  if (!h) return;
  if (step == 1) {
    call_for_session(h->session);
  } else if (event) {
    coming->client = h->session->client, coming->serial = h->session->serial;
    coming->id = ump_bytes(in.p + EVENT_EUUID, UMP_UUID_TEXT);
    if (step == 2) __builtin_prefetch(&n->slots.at[h->session->handle]);
  } else if (step == 2) {
    call_for_out(h->session);
  }
}
