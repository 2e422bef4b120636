/* The engine: clients, events, verdicts, effects and timers, for several listeners of several protocols at once.
 * Sans-IO and without globals; host/net drives it with sockets and the clock, bindings/sim with a virtual network and
 * virtual time.
 *
 * For every event: validate, look up (judged before? the same answer again), judge (legal, then execute), commit the
 * effects that were asked for, answer. A failed call into the rulebook has no effects. */
#ifndef UMP_ENGINE_ENGINE_H
#define UMP_ENGINE_ENGINE_H

#include "engine/client.h"
#include "engine/rulebook.h"
#include "engine/state.h"
#include "proto/proto.h"

struct ump_engine;

struct ump_limits {    /* 0 in a field: its default */
  size_t window_bytes; /* exactly-once window, all clients together: 132 MiB, that is 128 MiB of cells and what
                          belongs to them: 7 million events in 300 s, 23,000 a second for as long as one likes */
  uint32_t
      window_per_client; /* new events of one client a second: 100, counted over 300 s, so 30,000 may come at once */
  uint32_t effects;      /* asked for in one call into the rulebook: 65536 */
  size_t effect_bytes;   /* their data: 16 MiB */
  uint32_t timers;       /* of the rulebook: 65536 */
  uint32_t attempts;     /* log-ins a minute per address and per name: 10 */
  size_t state_bytes;    /* the replicated state, with its administration (state.h): 16 MiB */
  uint32_t state_keys;   /* its keys at all depths; so many removed ones may be remembered, too: 262144 */
};

struct ump_engine_cfg {
  const struct ump_mem *mem;
  const struct ump_rng *rng; /* unpredictable in production */
  const struct ump_log *log;
  struct ump_limits limits;
};

/* ---- life ---- */
struct ump_engine *ump_engine_new(const struct ump_engine_cfg *cfg, ump_time now); /* NULL: no memory */
/* Calls forget for each client and timer_gone for each timer that is left; never disconnect. NULL is allowed. */
void ump_engine_free(struct ump_engine *e);

/* Adds a listener; the protocol instance is the engine's. *index counts from 0 in order. 0 or what create() said. */
int ump_engine_listen(struct ump_engine *e, const struct ump_proto_ops *ops, const struct ump_proto_cfg *cfg,
                      uint32_t attempts, uint32_t *index, ump_time now);

/* Puts a rulebook in place of the present one (NULL: none), between two events. Clients and verdicts stay. The timers
 * of every rulebook but rb end: timer_gone of the one that made them is called for each, so the old one must still be
 * there. Ticks of the same rate go on with the same beat. The engine borrows rb, all of whose functions must be there.
 */
void ump_engine_set_rulebook(struct ump_engine *e, struct ump_rulebook *rb, ump_time now);

/* ---- driving it. Each of these also judges the events that came of it (flush, touched, output and wants make none).
 * Afterwards any listener may have something to flush, not only the one that was driven. Not to be called from inside a
 * rulebook's function. A time earlier than that of the call before counts as that. ---- */
void ump_engine_recv(struct ump_engine *e, uint32_t listener, const struct ump_addr *from, struct ump_bytes in,
                     ump_time now);
/* A datagram that recv will be given soon; steps 0 to UMP_EXPECT_STEPS - 1 in turn, some datagrams apart, with the same
 * `coming`, zeroed before the first. Calls for the memory that judging it will need, and nothing comes of it but time
 * saved. With few clients only the place in the exactly-once window is far away, and step UMP_EXPECT_NEAR alone is
 * enough. */
void ump_engine_expect(struct ump_engine *e, uint32_t listener, struct ump_bytes in, int step,
                       struct ump_coming *coming);
/* 1: a datagram, 0: none */
int ump_engine_flush(struct ump_engine *e, uint32_t listener, struct ump_addr *to, struct ump_writer *out,
                     ump_time now);
int ump_engine_open(struct ump_engine *e, uint32_t listener, uint32_t conn, const struct ump_addr *from, ump_time now);
void ump_engine_input(struct ump_engine *e, uint32_t listener, uint32_t conn, struct ump_bytes in, ump_time now);
void ump_engine_eof(struct ump_engine *e, uint32_t listener, uint32_t conn, ump_time now);
void ump_engine_closed(struct ump_engine *e, uint32_t listener, uint32_t conn, ump_time now);
int ump_engine_touched(struct ump_engine *e, uint32_t listener, uint32_t *conn); /* 1: one */
size_t ump_engine_output(struct ump_engine *e, uint32_t listener, uint32_t conn, struct ump_bytes *slices, size_t max);
void ump_engine_sent(struct ump_engine *e, uint32_t listener, uint32_t conn, size_t n, ump_time now);
unsigned ump_engine_wants(struct ump_engine *e, uint32_t listener, uint32_t conn);
ump_time ump_engine_deadline(const struct ump_engine *e);
void ump_engine_expire(struct ump_engine *e, ump_time now); /* timers, ticks, retransmissions, timeouts that are due */

/* Ends every session (reason "the server is stopping"): disconnect is called for each client, protocols say goodbye
 * where the wire has a word for it; then the rulebook's timers end, and there are no more ticks. Nobody is admitted any
 * more. Flush afterwards. */
void ump_engine_drain(struct ump_engine *e, ump_time now);
/* A client has asked for the host to stop, by a listener whose option allows it. The driver stops in good order. */
bool ump_engine_stop_asked(const struct ump_engine *e);

/* ---- what a rulebook may ask for ----
 * Inside a call into the rulebook these are kept and take effect, in order, when the call succeeded; kicks come last,
 * after the answer. Errors that can be known at once are told at once: too big, no room in the client's queue, no such
 * client (kicked earlier in the same call, too). Outside of a call they take effect at once. From timer_gone and forget
 * nothing can be asked. UMP_EFULL also means: more effects or more of their data than one call may ask for (struct
 * ump_limits). */

/* data is in the encoding of the client's protocol. 0, UMP_EGONE, UMP_EFULL, UMP_ETOOBIG, UMP_ENOSUPPORT, UMP_ENOMEM */
int ump_engine_notify(struct ump_engine *e, struct ump_client *c, const struct ump_notice *n);
/* To all clients but `except` (may be NULL). by_encoding[enum ump_encoding] holds the notice in each encoding that some
 * listener of ours takes (ump_engine_encodings); others may be NULL. Clients that cannot take it now are counted, not
 * told. 0, UMP_ETOOBIG (of any listener's limit), UMP_EFULL, UMP_ENOMEM */
int ump_engine_broadcast(struct ump_engine *e, const struct ump_notice *const by_encoding[3],
                         struct ump_client *except);
unsigned ump_engine_encodings(const struct ump_engine *e); /* bit 1 << enum ump_encoding */
enum ump_encoding ump_engine_encoding(const struct ump_engine *e, const struct ump_client *c);
/* 0, UMP_EGONE, UMP_EFULL, UMP_ENOMEM */
int ump_engine_kick(struct ump_engine *e, struct ump_client *c, struct ump_bytes reason);
/* First call `after` ns from now, then each `every` ns (0: once; at least 1 ms), without drift; calls that a stall made
 * late are made once. The id is given at once and is never 0. A failed call does not end a repeating timer. 0,
 * UMP_EFULL, UMP_ENOMEM; UMP_EGONE: there is no rulebook that it could call */
int ump_engine_timer(struct ump_engine *e, ump_time after, ump_time every, uint64_t *id);
int ump_engine_cancel(struct ump_engine *e, uint64_t id); /* 0; UMP_EGONE: no such timer */
/* What the client is logged in as; part of the effects too. NULL: nothing. 0, UMP_EGONE, UMP_ENOMEM, UMP_EFULL;
 * UMP_EINVAL: not 1-64 bytes of UTF-8 without control characters */
int ump_engine_set_name(struct ump_engine *e, struct ump_client *c, const struct ump_bytes *name);

/* Merges a patch into the replicated state (state.h). plain: base/plain.h with UMP_PLAIN_DELETE, borrowed. What the
 * state looks like is not changed before the call has succeeded. 0; UMP_EINVAL, UMP_ETOOBIG (a value fits some wire not
 * at all), UMP_EFULL (the state's limits, or too many effects): *why says it; UMP_ENOMEM */
int ump_engine_update(struct ump_engine *e, struct ump_bytes plain, struct ump_state_fault *why);
/* The state for a client whose protocol does not carry it, as notifies named "state" (subscribe.c); or no more of them.
 * A client whose protocol carries it has it anyway: nothing is done. 0, UMP_EGONE, UMP_EFULL, UMP_ENOMEM */
int ump_engine_subscribe(struct ump_engine *e, struct ump_client *c, bool on);

/* Calls into a rulebook that the engine does not make itself (load of a new rulebook, a console): what rb asks for
 * between begin and commit or rollback is kept, and done or dropped then.
 *
 * rb need not be the rulebook in place. A reload goes: begin(new), call its load, commit, set_rulebook(new); nothing
 * else in between. Timers belong to the rulebook that asked for them: those that load asked for carry the new one's
 * mark, start with the commit and survive set_rulebook(new), which ends those of all others. Clients that load kicked
 * are gone for notifies with the commit; their disconnect is called by set_rulebook(new), on the new rulebook. When
 * load failed: rollback, which calls timer_gone of the new rulebook for each timer that never came to be. After a
 * commit of rb, rb must be put in place. */
void ump_engine_begin(struct ump_engine *e, struct ump_rulebook *rb, ump_time now);
void ump_engine_commit(struct ump_engine *e);
void ump_engine_rollback(struct ump_engine *e);

/* For who writes down what happens (host/record): called in each ump_engine_expire before the calls of timers and ticks
 * that are due, if there are any; `due` is when the first of them was. Only to look: it must call nothing of the
 * engine. NULL: nobody. */
void ump_engine_watch_timers(struct ump_engine *e, void (*called)(void *ctx, ump_time due, ump_time now, bool state),
                             void *ctx);
/* When the state is told next, apart from ticks; UMP_NEVER: not. `state` above says that it was due: who plays a
 * recording tells it then, since what else made it due (sessions that asked for it) is not in the recording. */
void ump_engine_tell_state_at(struct ump_engine *e, ump_time at);

/* The next client to come has this id, instead of one that nobody could guess: for playing again what was recorded.
 * NULL: not. */
void ump_engine_give_id(struct ump_engine *e, const struct ump_uuid *id);

/* ---- looking ---- */
ump_time
ump_engine_beat(const struct ump_engine *e);         /* when the last tick was due, or ticks began; 0: there are none */
ump_time ump_engine_now(const struct ump_engine *e); /* the time given to the call that is under way */
const struct ump_rng *ump_engine_rng(const struct ump_engine *e);
const struct ump_log *ump_engine_log(const struct ump_engine *e);
const struct ump_mem *ump_engine_mem(const struct ump_engine *e);
size_t ump_engine_n_clients(const struct ump_engine *e);
/* Those admitted and not leaving, oldest first. NULL: the first; the end. */
struct ump_client *ump_engine_next_client(const struct ump_engine *e, const struct ump_client *after);
const struct ump_state *ump_engine_state(const struct ump_engine *e); /* without what a call under way has asked for */
size_t ump_engine_n_listeners(const struct ump_engine *e);
const struct ump_proto_ops *ump_engine_listener(const struct ump_engine *e, uint32_t listener);
struct ump_counters ump_engine_counters(const struct ump_engine *e);
struct ump_counters ump_engine_listener_counters(const struct ump_engine *e, uint32_t listener);
/* Is it in order with itself? Asked after each driving call in debug builds; for tests. */
bool ump_engine_consistent(const struct ump_engine *e);
/* Everything that is queued, remembered or waiting, clients included; 0 when the world is empty (verdicts excepted). */
size_t ump_engine_load(const struct ump_engine *e);
size_t ump_engine_listener_load(const struct ump_engine *e, uint32_t listener); /* its protocol's share */

#endif
