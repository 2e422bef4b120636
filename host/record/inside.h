/* What the files of the player share with each other and with nobody else. */
#ifndef UMP_RECORD_INSIDE_H
#define UMP_RECORD_INSIDE_H

#include "base/rng.h"
#include "engine/accounts.h"
#include "record/replay.h"

/* ---- memory that lives until the end of a group ---- */
struct ump__arena_piece;
struct ump__arena {
  const struct ump_mem *mem;
  struct ump__arena_piece *pieces; /* the newest first */
  size_t used;                     /* of the newest */
  bool failed;                     /* for good: the replay ends */
};
void *ump__arena_take(struct ump__arena *a, size_t n); /* NULL: no memory */
struct ump_bytes ump__arena_copy(struct ump__arena *a, struct ump_bytes b);
void ump__arena_reset(struct ump__arena *a); /* keeps one piece for what comes */
void ump__arena_deinit(struct ump__arena *a);

struct ump__seat { /* a client of the recording */
  struct ump__seat *next;
  uint32_t listener, session;
  uint64_t number;
  struct ump_client *client; /* NULL: not here, in this world */
  char name[65];             /* as it was called last, for messages */
};

struct ump__notice {
  unsigned listener;
  enum ump_encoding encoding;
  unsigned flags; /* UMP_ENTRY_HAS_NAME, UMP_ENTRY_HAS_DATA */
  struct ump_bytes name, data;
  uint64_t number; /* of the recording */
  uint64_t hash;   /* 0: not made yet */
};

struct ump__delivery {
  uint32_t listener, session;
  struct ump__notice *notice;
};

struct ump__kick {
  uint32_t listener, session;
  struct ump_bytes reason;
  bool met; /* the other side has it too */
};

#define UMP__LIST(type)                                                                                                \
  struct {                                                                                                             \
    type *v;                                                                                                           \
    size_t n, cap;                                                                                                     \
  }

/* What came of a group, as recorded or as played. */
struct ump__side {
  bool answered, admitted, yes;
  enum ump_verdict verdict;
  struct ump_bytes reason, data;
  UMP__LIST(struct ump__notice *) notices;
  UMP__LIST(struct ump__delivery) deliveries;
  UMP__LIST(struct ump__kick) kicks;
};

struct ump__lane {    /* a listener without a wire */
  struct ump_mem mem; /* what it is created with: create() finds the rest by it */
  struct ump_proto_ops ops;
  const struct ump_proto_ops *inner; /* the real protocol, which says what can be told */
  void *self;
  struct ump_replay *replay;
  uint32_t index;
};

enum { UMP__SEAT_BUCKETS = 4096, UMP__RECENT = 8192 };

struct ump__served { /* timers were called at `at`, the first of them due at `due` */
  ump_time at, due;
};

struct ump_replay {
  const struct ump_replay_cfg *cfg;
  struct ump_replay_totals *totals;
  struct ump_engine *engine;
  struct ump_accounts accounts;
  bool login_was_right;
  bool opened, ready;
  ump_time started, base; /* started: of the whole recording; base: of this part */
  uint64_t clients;

  UMP__LIST(struct ump__lane *) lanes;
  struct ump__seat *seats[UMP__SEAT_BUCKETS];

  struct ump_event pending;
  struct ump__lane *pending_at; /* NULL: there is none */
  bool mute;                    /* what comes of it now is our own doing */
  struct ump__seat *coming;     /* of the CONNECT under way */

  UMP__LIST(struct ump__served) served;
  bool tells_state; /* when the state is told is in the recording; else, as the engine finds */
  size_t served_at; /* the next of them */

  UMP__LIST(uint8_t) draws;
  size_t drawn;
  struct ump_rng_seeded more; /* beyond what was recorded */
  struct ump_rng rng;

  struct ump__arena arena;
  struct ump__side was, is;
  struct ump_blob *told_blob; /* told last in this group (held), and what it is: many are told the same */
  struct ump__notice *told;
  struct ump__notice *recent;      /* of the recording, by number: some are told in a later group */
  UMP__LIST(struct ump_entry) out; /* of the group */
};

/* Room for one more in a list; false: no memory, and the replay ends. */
bool ump__grow(struct ump_replay *r, void **v, size_t *cap, size_t n, size_t size);
#define UMP__ADD(r, list, value)                                                                                       \
  ((list).n < (list).cap || ump__grow(r, (void **)&(list).v, &(list).cap, (list).n, sizeof *(list).v)                  \
       ? ((list).v[(list).n++] = (value), true)                                                                        \
       : false)

/* ---- lane.c ---- */
int ump__lane_add(struct ump_replay *r, struct ump_bytes scheme); /* as ump_replay_run */
void ump__lane_deinit(struct ump_replay *r, struct ump__lane *l);
struct ump__seat *ump__seat_find(struct ump_replay *r, uint32_t listener, uint32_t session);
struct ump__seat *ump__seat_add(struct ump_replay *r, uint32_t listener, uint32_t session); /* NULL: no memory */
void ump__seat_remove(struct ump_replay *r, uint32_t listener, uint32_t session);
void ump__side_clear(struct ump__side *s);

/* ---- compare.c: the group that has been played; in may be NULL ---- */
void ump__compare(struct ump_replay *r, const struct ump_entry *in);
void ump__tell(struct ump_replay *r, struct ump_difference *d, const struct ump_entry *in, uint32_t listener,
               uint32_t session);

#endif
