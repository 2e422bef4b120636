/* A simulated world: the real engine with its protocols and a rulebook, driven as host/net drives them, but with a
 * virtual clock that jumps from one deadline to the next and a network made of a seed. */
#ifndef UMP_SIM_WORLD_H
#define UMP_SIM_WORLD_H

#include "accounts.h"
#include "bindings/rules.h"
#include "engine/engine.h"
#include "network.h"

/* Virtual time 0 in Unix seconds: 2026-01-01 00:00:00 UTC. Any constant would do; a run must not depend on the day. */
#define UMP_SIM_EPOCH 1767225600

#define UMP_SIM_LOG_LINES 65536 /* kept until taken; further ones are counted and dropped */

struct ump_sim_line {
  enum ump_level level;
  ump_time at;
  const char *cause;
  size_t n;
  char *text;
};

/* Reloading after every call that a client's doing led to, without anybody noticing: ump_rules_rehearse. */
struct ump_sim_rehearsal {
  bool on;
  uint64_t calls, n;     /* made into the rulebook when it was looked at last; rehearsals so far */
  ump_time at;           /* of the last one */
  uint32_t peer;         /* whose doing came before it; UINT32_MAX: nobody's, a deadline passed */
  size_t n_bytes, shown; /* what that was; how much of it is in bytes */
  uint8_t bytes[1024];
  char *refusal; /* why the rulebook could not be loaded again; NULL: it could */
};

struct ump_sim_world {
  struct {
    size_t bytes, blocks, peak;
  } used;             /* of mem */
  struct ump_mem mem; /* counts, so that a closed world can prove that it is empty */
  struct ump_rng_seeded seeded_engine, seeded_vm;
  struct ump_rng rng_engine, rng_vm;
  struct ump_rng chance_engine, chance_vm; /* what engine and VMs draw from: first what was given, then the above */
  uint8_t *chance;                         /* given by ump_sim_world_chance; owned */
  size_t n_chance, drawn;
  struct ump_log log;
  struct ump_sim_line *lines; /* not in mem: they are the observer's, not the world's */
  size_t n_lines, cap_lines, dropped_lines;
  struct ump_engine *engine;
  struct ump_sim_accounts accounts;
  struct ump_rules *rules;
  char *library; /* the rules borrow it for every reload */
  struct ump_sim_net net;
  uint32_t *conns, cap_conns; /* streams by number: peer + 1; 0: free */
  struct ump_sim_rehearsal rehearsal;
  ump_time now;
  uint8_t out[65536]; /* one datagram on its way out */
};

struct ump_sim_option {
  const char *name;
  struct ump_bytes text;
};

/* 0 or UMP_ENOMEM. Must stay where it is until deinit. */
int ump_sim_world_init(struct ump_sim_world *w, uint64_t seed);
/* Bytes that were still allocated after everything was let go: 0, or something leaks. Safe to call twice. */
size_t ump_sim_world_deinit(struct ump_sim_world *w);
/* What the engine and the rulebook draw next, in place of what is left of this: a recording's chance. 0, UMP_ENOMEM */
int ump_sim_world_chance(struct ump_sim_world *w, struct ump_bytes bytes);

/* Loads the rulebook. False: the report says why. */
bool ump_sim_world_open(struct ump_sim_world *w, const struct ump_rules_cfg *cfg, struct ump_report *report);
/* "neteria" with options as in a listen URL. 0, UMP_EINVAL (why says what: a sentence, NUL-terminated), UMP_ENOMEM */
int ump_sim_world_listen(struct ump_sim_world *w, const char *scheme, const struct ump_sim_option *options, size_t n,
                         uint32_t *index, char why[200]);

enum ump_sim_stop { UMP_SIM_REACHED, UMP_SIM_ARRIVED, UMP_SIM_STUCK, UMP_SIM_REFUSED };
/* Lets time pass until something arrives at a peer (*a; also its alarm), or until `until`; quiet: or until nothing is
 * under way. STUCK: the engine's deadline passed and it does nothing about it, which is a bug in it. REFUSED:
 * w->rehearsal.refusal says why. */
enum ump_sim_stop ump_sim_world_run(struct ump_sim_world *w, ump_time until, bool quiet, struct ump_sim_arrival *a);
/* From now on the rulebook is loaded again after every event, log-in, arrival and departure. */
void ump_sim_world_rehearse(struct ump_sim_world *w);
/* What the engine has to send now, for all listeners; after calls that make it speak. */
void ump_sim_world_flush(struct ump_sim_world *w);

#endif
