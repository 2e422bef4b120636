/* What the files of the engine share with each other and with nobody else. */
#ifndef UMP_ENGINE_INSIDE_H
#define UMP_ENGINE_INSIDE_H

#include <assert.h>

#include "base/err.h"
#include "base/heap.h"
#include "engine/attempts.h"
#include "engine/engine.h"
#include "engine/feed.h"
#include "engine/verdict.h"

/* ---- counters: the name, as status and metrics print it, is the member's ---- */
#define UMP__COUNTS(X)                                                                                                 \
  X(connects)    /* clients admitted */                                                                                \
  X(refused)     /* clients that were not */                                                                           \
  X(disconnects) /* sessions that ended, kicks included */                                                             \
  X(kicks)                                                                                                             \
  X(events) /* judged, by any verdict */                                                                               \
  X(legal)                                                                                                             \
  X(illegal)                                                                                                           \
  X(invalid)                                                                                                           \
  X(internal)          /* errors and blown budgets of the rulebook */                                                  \
  X(event_repeats)     /* judged before: the same answer again */                                                      \
  X(event_too_old)     /* made longer ago than the window reaches: neither judged nor answered */                      \
  X(event_over_rate)   /* the client's share of the window is used up: the same */                                     \
  X(event_window_full) /* the window is: the same */                                                                   \
  X(event_no_rules)    /* no rulebook in place: the same */                                                            \
  X(logins)            /* judged log-ins */                                                                            \
  X(logins_over_rate)  /* of these: too many attempts, the rulebook was not asked */                                   \
  X(notifies)          /* handed to a protocol, broadcasts counted once per client */                                  \
  X(notifies_lost)     /* asked for, but the client was gone or could not take it */                                   \
  X(timers)            /* calls of rule timers */                                                                      \
  X(ticks)                                                                                                             \
  X(ticks_late)            /* of these: catching up after a stall */                                                   \
  X(updates)               /* patches merged into the state */                                                         \
  X(state_versions)        /* calls that changed it */                                                                 \
  X(state_patches)         /* made for clients, each for all of the same moment and view */                            \
  X(state_patch_bytes)     /* of these, as plain data */                                                               \
  X(state_moments_expired) /* clients so far behind that they get the whole anew: too much was removed meanwhile */    \
  X(state_told)            /* notifies of the state, to subscribers */                                                 \
  X(state_untold)          /* times that a subscriber's queue had no room for one: it gets more later */               \
  X(views)                 /* evaluated */                                                                             \
  X(calls_failed)          /* calls into the rulebook that failed, of whatever kind; their effects were dropped */

enum ump__count {
#define X(name) UMP__##name,
  UMP__COUNTS(X)
#undef X
      UMP__N_COUNTS
};

/* ---- effects: see effects.c ---- */
struct ump__effect;
enum ump__asking {
  UMP__AT_ONCE, /* no call into the rulebook is under way */
  UMP__KEEP,    /* one is: what is asked for is kept */
  UMP__REFUSE,  /* effects are being done or dropped */
};
struct ump__effects {
  struct ump__effect *v; /* kept between calls, so that the steady path does not allocate for it */
  size_t n, cap;
  size_t bytes; /* of the data they carry */
  enum ump__asking asking;
  struct ump_rulebook *owner; /* who is asking */
  uint64_t call;              /* number of the call under way, for marks on clients and timers; 0: before the first */
  uint32_t broadcasts;        /* asked for in it */
  bool updates;               /* the state has been asked to change */
};

/* ---- rule timers and ticks: see timer.c ---- */
struct ump__timer;
struct ump__timers {
  struct ump_heap heap;
  struct ump__timer **slots;     /* every one ever made; those not in use wait for their next use */
  uint32_t n_slots, cap, vacant; /* vacant: slot + 1 of the first unused one, 0: none */
  uint32_t n, made;              /* in use; ever made, half of an id */
};
struct ump__ticks {
  double rate_hz; /* 0: none */
  ump_time base;  /* tick k is due at base + k / rate */
  uint64_t k;     /* the next one */
};

struct ump__slot {
  struct ump_client *client; /* NULL: free */
  uint32_t next_vacant;      /* slot + 1 of the next free one, 0: none */
};

struct ump__listener {
  const struct ump_proto_ops *ops;
  void *self;
  uint32_t attempts; /* log-ins a minute */
  size_t state_most; /* bytes of the state, as plain data, that one notify takes; 0: not known yet */
  bool stirred;      /* something was asked of it since its events were last pulled; there may be new ones */
};

/* An event that will probably come soon, so that its key is made once. */
struct ump__awaited {
  uint64_t serial, key;
  uint8_t id[UMP_UUID_TEXT];
};
enum { UMP__AWAITED = 16 }; /* more than the driver announces ahead */

struct ump_engine {
  const struct ump_mem *mem;
  const struct ump_rng *rng;
  const struct ump_log *log;
  struct ump_limits limits;
  ump_time now, tidy_at;
  struct ump_rulebook *rb;
  bool stop_asked; /* by a client that may */
  bool draining;

  struct ump__listener *listeners;
  uint32_t n_listeners;
  unsigned encodings;

  struct ump__slot *slots;             /* clients by slot */
  uint32_t n_slots, cap_slots, vacant; /* ever in use at once; room; slot + 1 of the first free one, 0: none */
  struct ump_list all, kicks;
  const struct ump_accounts *accounts; /* NULL: none */
  struct ump_list logins;              /* that wait for them, oldest first; each kind of session has at most some */
  uint64_t tickets;                    /* the last one given */
  size_t n_clients;                    /* admitted and not leaving */
  uint64_t serials;                    /* the last one given */
  struct ump_hash_key ids;             /* what clients' ids are made with */

  struct ump_verdicts *verdicts;
  struct ump_state *state;
  struct ump__feed feed;
  struct ump__effects effects;
  struct ump__timers timers;
  struct ump__ticks ticks;
  void (*timers_called)(void *ctx, ump_time due, ump_time now,
                        bool state); /* ump_engine_watch_timers; NULL: nobody looks */
  void *timers_ctx;
  struct ump_uuid given_id; /* of the next client */
  bool id_is_given;
  struct ump__attempts attempts;
  uint64_t counts[UMP__N_COUNTS];
  struct ump__awaited awaited[UMP__AWAITED]; /* the last ones */
  uint32_t n_awaited, n_arrived;             /* ever; up to which they have come, or never will */
};

#define UMP__COUNT(e, name) ((void)(e)->counts[UMP__##name]++)

/* ---- clients: client.c ---- */
struct ump_client *ump__client_new(struct ump_engine *e, uint32_t listener,
                                   const struct ump_event *ev); /* NULL: no memory */
void ump__client_admit(struct ump_engine *e, struct ump_client *c);
void ump__client_leave(struct ump_engine *e, struct ump_client *c); /* leaving from now on */
void ump__client_free(struct ump_engine *e, struct ump_client *c);  /* forgotten by the rulebook first */
struct ump_client *ump__client_at(const struct ump_engine *e, uint32_t slot, uint64_t serial); /* NULL: gone */
void ump__client_rename(struct ump_engine *e, struct ump_client *c, char *name); /* takes name over; NULL: none */
void ump__clients_deinit(struct ump_engine *e);

/* ---- text.c ---- */
enum { UMP__NAME_MAX = 64, UMP__REASON_MAX = 200 };
bool ump__text_is_name(struct ump_bytes t);                        /* 1-64 bytes of UTF-8 without control characters */
char *ump__text_copy(const struct ump_mem *m, struct ump_bytes t); /* NUL-terminated; NULL: no memory */
void ump__text_free(const struct ump_mem *m, char *t);             /* NULL is allowed */
struct ump_bytes ump__reason(struct ump_bytes t); /* cut to 200 bytes between characters; empty when no UTF-8 */

/* ---- calls into the rulebook: effects.c ---- */
void ump__call_begin(struct ump_engine *e, struct ump_rulebook *rb);
void ump__call_commit(struct ump_engine *e); /* does what was asked for; kicks are queued only */
void ump__call_rollback(struct ump_engine *e);
void ump__call_end(struct ump_engine *e, int rc); /* commit when rc >= 0, else roll back and count */
void ump__effects_deinit(struct ump_engine *e);

/* ---- kicks: session.c ---- */
void ump__kick_queue(struct ump_engine *e, struct ump_client *c, struct ump_blob *reason); /* takes a reference over */
void ump__kicks_run(struct ump_engine *e);                                                 /* until none is queued */

/* ---- timer.c ---- */
int ump__timer_new(struct ump_engine *e, struct ump_rulebook *owner, ump_time after, ump_time every, uint64_t *id);
void ump__timer_start(struct ump_engine *e, uint64_t id);
bool ump__timer_cancellable(const struct ump_engine *e, const struct ump_rulebook *owner,
                            uint64_t id); /* and not yet asked */
void ump__timer_mark_cancelled(struct ump_engine *e, uint64_t id);
void ump__timer_end(struct ump_engine *e, uint64_t id,
                    bool tell); /* tell: timer_gone. One that is not there is allowed */
void ump__timers_end_others(struct ump_engine *e, const struct ump_rulebook *keep);
void ump__timers_run(struct ump_engine *e); /* timers and ticks that are due, in order of time */
void ump__ticks_set(struct ump_engine *e, double rate_hz);
ump_time ump__timers_deadline(const struct ump_engine *e);
ump_time ump__ticks_beat(const struct ump_engine *e);
void ump__timers_deinit(struct ump_engine *e);

/* ---- judge.c: one event at a time ---- */
void ump__judge(struct ump_engine *e, struct ump__listener *l, struct ump_event *ev);
void ump__conclude(struct ump_engine *e, struct ump__listener *l, const struct ump_event *ev, uint64_t key,
                   const struct ump_answer *a);
/* ---- login.c ---- */
bool ump__login(struct ump_engine *e, struct ump__listener *l, const struct ump_event *ev, uint64_t key,
                struct ump_answer *a); /* false: the answer comes later */
bool ump__login_waits(const struct ump_engine *e, uint64_t key);
void ump__login_answered(struct ump_engine *e, uint64_t ticket, int answer);
void ump__logins_overtake(struct ump_engine *e, const struct ump_client *c); /* it logged out: yes means no */
void ump__logins_forget(struct ump_engine *e, const struct ump_client *c);   /* it goes */
void ump__logins_deinit(struct ump_engine *e);
/* ---- session.c: coming and going ---- */
void ump__connect(struct ump_engine *e, uint32_t listener, const struct ump_event *ev);
void ump__disconnect(struct ump_engine *e, const struct ump_event *ev);
void ump__take_name(struct ump_engine *e, const struct ump_event *ev);

/* ---- horizon.c ---- */
bool ump__too_old(struct ump_client *c, struct ump_bytes id, ump_time now);

#endif
