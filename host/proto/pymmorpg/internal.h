/* What the files of this protocol share. */
#ifndef UMP_PROTO_PYMMORPG_INTERNAL_H
#define UMP_PROTO_PYMMORPG_INTERNAL_H

#include "base/buffer.h"
#include "base/hash.h"
#include "base/list.h"
#include "base/outqueue.h"
#include "base/plain.h"
#include "base/tally.h"
#include "codec/pickle.h"
#include "proto/proto.h"

enum {
  MESSAGE_MAX = 1 << 20,       /* bytes of one pickle, each way */
  WHOLE_MAX = MESSAGE_MAX + 8, /* with its size of at most 7 digits and the blank */
  READ_MAX = 64 * 1024,        /* bytes that may come in one piece after we asked for no more */
  UNSENT_MAX = 1 << 20,        /* of replies: above it we stop reading */
  USER_MAX = 64,               /* bytes of a user name, as everywhere in the host */
  PASSWORD_MAX = 1024,
  FLAGS_MAX = 64,          /* different ones waiting for one client's next reply */
  UNREADABLE_IN_A_ROW = 5, /* then the connection is closed */
};

/* ---- timers: each kind has one length, so each is a list in order of time ---- */
enum timer_kind {
  T_MESSAGE, /* a message has begun, and no byte comes */
  T_OUTSIDE, /* silence before log-in: somebody thinks about a password */
  T_PLAYING, /* silence after it: a playing client polls `update` */
  T_STUCK,   /* replies wait, and nothing of them is read */
  T_LATE,    /* the answer to one attempt too many is held back */
  N_TIMERS,
};
static const ump_time TIMER_LENGTH[N_TIMERS] = {10 * UMP_S, 120 * UMP_S, 600 * UMP_S, 30 * UMP_S, 2 * UMP_S};

struct conn;
struct timer {
  struct ump_list link;
  struct conn *conn;
  ump_time since;
};

enum command { NO_COMMAND, VER, UPGRADE, LOGIN, NEW, UPDATE, MOVE, GET, SET, EDIT };

enum counter {
  REQUESTS,
  REFUSED_ARGUMENTS,
  REFUSED_OUTSIDE,
  LOGINS,
  LOGINS_FAILED,
  REPLIES,
  FLAGS,
  UNREADABLE,
  TOO_MANY_UNREADABLE,
  BAD_SIZE,
  TIMED_OUT,
  REPLY_TOO_LARGE,
  REFUSED_FULL,
  REFUSED_ADDRESS,
  NO_MEMORY,
  N_COUNTERS,
};

struct conn {
  uint32_t id;
  struct ump_addr addr;
  struct ump_client *client;
  struct ump_buffer in;
  struct ump_outqueue out;
  enum command command; /* of the event that is being judged */
  bool waiting;         /* for the answer to a log-in: nothing further is looked at until then */
  bool logged_in;
  uint8_t user_n, trying_n;
  char user[USER_MAX];     /* what it is logged in as */
  char trying[USER_MAX];   /* what it wants to log in as */
  struct ump_blob **flags; /* n_flags of FLAGS_MAX; NULL until the first one */
  unsigned n_flags;
  unsigned unreadable_in_a_row;
  bool eof, closing;   /* closing: what is queued goes out, nothing more is read */
  bool refused;        /* by the rules, or kicked: the engine knows nothing of it any more */
  bool transport_gone; /* the driver has let go of its number */
  bool aborted;
  const char *gone; /* why it ended, once it did */
  struct timer timers[N_TIMERS];
  struct ump_list ready, touched;
};

struct pymmorpg {
  const struct ump_mem *mem;
  const struct ump_log *log;
  uint32_t limit, per_address;
  struct conn **conns; /* by the driver's number */
  uint32_t conns_cap, n_conns;
  struct ump_tally addresses;
  struct ump_list ready; /* connections that may have a message or news for the engine */
  struct ump_list touched;
  struct ump_list timers[N_TIMERS];
  struct ump_blob *decoded; /* what the event that was pulled last borrows from */
  struct ump_blob *version; /* what `ver` and `upgrade` answer, encoded; NULL: False */
  struct ump_blob *image;
  uint64_t counts[N_COUNTERS];
};

/* ---- conn.c: life and timers ---- */
struct conn *ump__pm_conn(struct pymmorpg *p, uint32_t id);
struct conn *ump__pm_conn_new(struct pymmorpg *p, uint32_t id, const struct ump_addr *from,
                              ump_time now); /* NULL: no memory */
void ump__pm_conn_free(struct pymmorpg *p, struct conn *c);
void ump__pm_touch(struct pymmorpg *p, struct conn *c);
void ump__pm_wake(struct pymmorpg *p, struct conn *c); /* next() looks at it */
void ump__pm_end(struct pymmorpg *p, struct conn *c, const char *why,
                 ump_time now); /* after what is queued is written */
void ump__pm_abort(struct pymmorpg *p, struct conn *c, const char *why, ump_time now);
void ump__pm_arm(struct pymmorpg *p, struct conn *c, enum timer_kind kind, ump_time now); /* anew, if it is armed */
void ump__pm_disarm(struct conn *c, enum timer_kind kind);
struct conn *ump__pm_due(struct pymmorpg *p, enum timer_kind kind,
                         ump_time now); /* one whose time is up, disarmed; NULL */
void ump__pm_drop_flags(struct pymmorpg *p, struct conn *c);

/* ---- arguments.c: what a request may look like ---- */
struct request {
  enum command command;            /* NO_COMMAND: unknown, or its arguments are wrong */
  const char *name;                /* of the command, a constant */
  bool outside;                    /* needs no log-in */
  struct ump_bytes user, password; /* login, new */
  struct ump_bytes target;         /* set: whose attribute */
  struct ump_bytes args;           /* of an event: plain data, an array; borrowed from the blob */
};
/* message: a decoded one, which is changed in place (and replaced, for a relative set). 0, UMP_ENOMEM. */
int ump__pm_request(const struct ump_mem *mem, struct ump_blob **message, struct request *out);

/* ---- request.c: from bytes to events, and what answers them ---- */
int ump__pm_next(struct pymmorpg *p, struct conn *c, struct ump_event *ev, ump_time now); /* 1: an event of c */
void ump__pm_answer(struct pymmorpg *p, struct conn *c, const struct ump_event *ev, const struct ump_answer *a,
                    ump_time now);
void ump__pm_logged_in(struct pymmorpg *p, struct conn *c, bool yes, ump_time now); /* the end of waiting */

/* ---- reply.c ---- */
void ump__pm_say(struct pymmorpg *p, struct conn *c, uint8_t opcode,
                 ump_time now); /* a value of one byte: None, True, False */
void ump__pm_say_false(struct pymmorpg *p, struct conn *c, ump_time now);
void ump__pm_say_encoded(struct pymmorpg *p, struct conn *c, struct ump_blob *value, ump_time now); /* NULL: False */
void ump__pm_say_plain(struct pymmorpg *p, struct conn *c, struct ump_bytes plain, ump_time now);

/* ---- declared.c: what the rulebook says for `ver` and `upgrade` ---- */
void ump__pm_declared(struct pymmorpg *p, struct ump_bytes plain);

#endif
