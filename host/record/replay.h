/* The player: runs a recording through an engine of its own, with the recorded times and the recorded chance and
 * without sockets, and says what became different.
 *
 * For every group of the recording, what came in is fed to the engine by a protocol that has no wire, and what the
 * engine makes of it is held against what the recording says. The order of notifies within a group, and of keys in
 * data, does not count.
 *
 * Timers and ticks are called when the recording says that they were called; those that the recording knows nothing of,
 * because the rulebook is another, are called when they are due. Chance is given anew in each group, so a rulebook that
 * rolls one die more or less does not change what comes after; what it draws beyond the recorded is made from a fixed
 * seed.
 *
 * Log-ins follow the recording: the rulebook's login is called, but whether it was right is what was recorded, since
 * passwords are not.
 *
 * Where worlds have come apart, because somebody is let in, refused or kicked who was not, the difference is told once,
 * and the events of who is not there are told as differing verdicts. */
#ifndef UMP_RECORD_REPLAY_H
#define UMP_RECORD_REPLAY_H

#include "engine/engine.h"
#include "record/entry.h"

enum ump_difference_kind {
  UMP_DIFFERS_VERDICT,  /* legal, illegal, invalid, internal; or nobody is there to be judged */
  UMP_DIFFERS_REASON,   /* the same verdict with other words */
  UMP_DIFFERS_RESPONSE, /* what execute returned */
  UMP_DIFFERS_NOTIFY,
  UMP_DIFFERS_CONNECT, /* let in or refused */
  UMP_DIFFERS_KICK,
  UMP_N_DIFFERENCES,
};
extern const char *const ump_difference_names[UMP_N_DIFFERENCES];

/* One side of a difference. */
struct ump_outcome {
  bool there; /* false: no such notify, kick or client */
  enum ump_verdict verdict;
  bool yes; /* CONNECT: let in */
  struct ump_bytes reason, data;
  bool has_data;
};

struct ump_difference {
  enum ump_difference_kind kind;
  double at;                  /* seconds since the recording began */
  uint64_t event;             /* number of what came in, from 1 */
  const struct ump_entry *in; /* what came in; NULL: the rulebook's own time, which the recording does not have */
  const char *protocol;       /* of the client it is about; "" for nobody's */
  uint64_t client;            /* number of the client, from 1, in the order in which they came; 0: nobody's */
  struct ump_bytes who;       /* its name; empty: it has none */
  struct ump_bytes name;      /* NOTIFY: the notify's; else the event's. May be empty */
  enum ump_encoding encoding;
  struct ump_outcome was, is;
  uint64_t clients; /* NOTIFY: how many clients it is the same for */
};

/* How things stand when the rulebook is to be opened. Borrowed for the call. */
struct ump_replay_start {
  struct ump_engine *engine;
  const struct ump_rng *rng; /* for VMs */
  ump_time now, wall_at;     /* wall_at: the clock when the wall clock said wall_ns */
  int64_t wall_ns;
  bool fresh; /* load() as at a first start, else as in a reload */
  struct ump_bytes saved;
  int64_t saved_version;
  struct ump_bytes path, hash; /* of the rulebook that was recorded */
  bool has_random;
  uint64_t random[4]; /* math.random's state */
  size_t n_clients;
  const struct ump_bytes *data; /* client.data of each, in the engine's order */
  struct ump_bytes draws;       /* the chance that opening it drew */
};

struct ump_replay_cfg {
  const struct ump_mem *mem;
  const struct ump_log *log;
  /* Fills in what is needed to create a protocol: options. NULL: it is not known. */
  const struct ump_proto_ops *(*protocol)(void *ctx, struct ump_bytes scheme, struct ump_proto_cfg *cfg);
  bool (*open)(void *ctx, const struct ump_replay_start *s); /* false: it cannot; told already */
  bool (*reload)(void *ctx, ump_time now);                   /* false: it was refused */
  void (*close)(void *ctx);                                  /* before the engine goes; also when open failed */
  void (*differs)(void *ctx, const struct ump_difference *d);
  /* For each group with an answer to a client, after the fact; for whoever makes something else of it. May be NULL. */
  void (*group)(void *ctx, const struct ump_entry *in, const struct ump_entry *out, size_t n_out);
  bool (*enough)(void *ctx); /* asked behind every call into the rulebook: true ends the replay */
  void *ctx;
};

struct ump_replay_totals {
  uint64_t events;   /* of what came in, log-ins and so on too; timers are no events */
  uint64_t judged;   /* verdicts compared */
  uint64_t notifies; /* deliveries compared */
  uint64_t logins;
  uint64_t differences[UMP_N_DIFFERENCES];
  uint64_t lost;  /* entries that the recording lacks */
  double seconds; /* of recorded time */
  bool stopped;   /* enough() said so */
};

/* entries begins with a snapshot; those of further snapshots without a gap before them are passed over. 0, UMP_ENOMEM,
 * UMP_EMALFORMED (no snapshot, or something that cannot be understood; what comes before that has been played),
 * UMP_ENOSUPPORT (a protocol that is not known), UMP_EINVAL: open said no. */
int ump_replay_run(const struct ump_replay_cfg *cfg, struct ump_bytes entries, struct ump_replay_totals *out);

#endif
