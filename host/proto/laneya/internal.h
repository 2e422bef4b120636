/* What the files of this protocol share. */
#ifndef UMP_PROTO_LANEYA_INTERNAL_H
#define UMP_PROTO_LANEYA_INTERNAL_H

#include "base/buffer.h"
#include "base/hash.h"
#include "base/list.h"
#include "base/outqueue.h"
#include "base/tally.h"
#include "codec/json.h"
#include "proto/proto.h"

enum {
  UNSENT_FIRST = 64 << 10, /* as `unsent`, for updates to one that has not said anything yet */
  KEY_MAX = 256,           /* bytes of a request key's JSON token; the real client counts 1, 2, 3 */
  FRAME = 2048,            /* room that a response takes besides results: a key, a message, JSON */
  ACTION_MAX = 256,        /* bytes of an action's name */
  USER_MAX = 64,           /* bytes of a user name, as everywhere in the host */
  ANSWERS_KEPT = 1024,     /* for repeated keys, per connection */
  ANSWERS_BYTES =
      256 * 1024, /* of them: what 1024 answers of a game usually take. The oldest texts give way, not their keys */
  INVALID_IN_A_ROW = 16, /* then the connection is closed */
};
#define MESSAGE_TIMEOUT  (10 * UMP_S) /* in the middle of a message, without a byte */
#define FIRST_TIMEOUT    (60 * UMP_S) /* until the first complete message */
#define FULL_TIMEOUT     (60 * UMP_S) /* with `unsent` bytes waiting, of which it takes none */
#define FAREWELL_TIMEOUT (10 * UMP_S) /* for the last words to somebody who takes none of them */

enum status { SUCCESS, INVALID, ILLEGAL, INTERNAL };

enum counter {
  REQUESTS,
  BATCHES,
  REPEATED,
  UPDATES,
  N_INVALID,
  N_ILLEGAL,
  N_INTERNAL,
  DROPPED_TYPE,
  BAD_FRAME,
  TOO_MANY_INVALID,
  TIMED_OUT,
  REFUSED_FULL,
  REFUSED_ADDRESS,
  SLOW_READER,
  FORGOTTEN,
  NO_MEMORY,
  N_COUNTERS,
};

/* An answer that a repeated key gets again. */
struct kept_answer {
  uint64_t key;          /* keyed hash of the token */
  struct ump_blob *blob; /* NULL: it was a success without data, or was given up for want of room */
  uint16_t next;         /* in the chain of its key: 1 + index, 0: none */
  bool given_up;         /* the request is not executed again for all that */
};

/* A ring in order of time, and as many chains by key as it has room. */
struct answers {
  struct kept_answer *ring;
  uint16_t *heads; /* of the chains; behind the ring, in the same allocation */
  uint32_t first, n, room;
  uint32_t lean; /* so many of the oldest have no text any more */
  size_t bytes;
};

/* The request that is being judged: its message stays at the front of `in` until it is answered. */
struct request {
  bool batch, logout;
  char key[KEY_MAX];
  size_t key_n;
  struct ump_json_value actions; /* of a batch */
  struct ump_json_iter at;
  uint8_t *results; /* of a batch: growing JSON text */
  size_t results_n, results_cap;
  unsigned done;
};

struct conn {
  uint32_t id;
  struct ump_addr addr;
  struct ump_client *client;
  struct ump_buffer in;
  struct ump_outqueue out;
  size_t message; /* bytes of `in` that the message at its front takes */
  char *user;     /* what it is bound to; NULL: nothing */
  uint64_t user_hash;
  struct conn *next_name; /* in the table of names */
  struct answers answers;
  struct request request;
  unsigned invalid_in_a_row;
  bool fresh;          /* bytes came since it was looked at last */
  bool logged_out;     /* the engine is still to be told */
  bool spoken;         /* a complete message has come */
  bool eof, closing;   /* closing: what is queued goes out, nothing more is read */
  bool refused;        /* by the rules, or kicked: the engine knows nothing of it any more */
  bool transport_gone; /* the driver has let go of its number */
  bool aborted;
  const char *gone;      /* why it ended, once it did */
  ump_time opened, last; /* when it was accepted; when the last byte of an incomplete message came */
  ump_time moved;        /* when it came into `stalled`, or took its last byte since */
  struct ump_list first, reading, stalled, ready, touched;
};

enum { NAME_BUCKETS = 1024 };

struct laneya {
  const struct ump_mem *mem;
  const struct ump_log *log;
  uint32_t limit, per_address;
  size_t payload;      /* bytes of one message, each way */
  size_t unsent;       /* above this we stop reading from it; updates it cannot take end it */
  unsigned batch;      /* actions in one request */
  struct conn **conns; /* by the driver's number */
  uint32_t conns_cap, n_conns;
  struct ump_tally addresses;
  struct ump_hash_key hash_key;
  struct conn *names[NAME_BUCKETS];
  struct ump_list ready; /* connections that may have a message or news for the engine */
  struct ump_list touched;
  ump_time now;                   /* of the call that is being served */
  struct ump_list reading, first; /* in the middle of a message; before the first one: each in order of time */
  struct ump_list full, leaving;  /* `unsent` bytes wait for it; its last words do: by `stalled`, in order of time */
  uint8_t action[ACTION_MAX];     /* the decoded name in the event that was pulled last */
  uint64_t counts[N_COUNTERS];
};

/* A text that is known when this is compiled. */
#define LIT_INIT(s)                                                                                                    \
  { (const uint8_t *)(s), sizeof(s) - 1 }
#define LIT(s) ((struct ump_bytes)LIT_INIT(s))

/* ---- conn.c: life, names, timers ---- */
struct conn *ump__laneya_conn(struct laneya *l, uint32_t id);
void ump__laneya_touch(struct laneya *l, struct conn *c);
void ump__laneya_wake(struct laneya *l, struct conn *c);                 /* next() looks at it */
void ump__laneya_end(struct laneya *l, struct conn *c, const char *why); /* after what is queued is written */
void ump__laneya_abort(struct laneya *l, struct conn *c, const char *why);
void ump__laneya_free(struct laneya *l, struct conn *c);
/* All whole messages are taken: the timeout for the rest of one that has begun runs from the last byte. */
void ump__laneya_incomplete(struct laneya *l, struct conn *c, ump_time now);
void ump__laneya_queued(struct laneya *l, struct conn *c); /* something was queued for it */
void ump__laneya_moved(struct laneya *l, struct conn *c);  /* it took some of what was queued */
int ump__laneya_bind(struct laneya *l, struct conn *c,
                     struct ump_bytes user); /* 0; UMP_EFULL: another holds the name; UMP_ENOMEM */
void ump__laneya_unbind(struct laneya *l, struct conn *c);

/* ---- reply.c: responses, updates, kept answers ---- */
struct ump_blob *ump__laneya_response(struct laneya *l, struct ump_bytes key, enum status status,
                                      struct ump_bytes data);
struct ump_blob *ump__laneya_failure(struct laneya *l, struct ump_bytes key, enum status status,
                                     struct ump_bytes message);
void ump__laneya_send_done(struct laneya *l, struct conn *c, struct ump_bytes key); /* success, {} */
void ump__laneya_send(struct laneya *l, struct conn *c,
                      struct ump_blob *blob); /* takes the reference; NULL: no memory, ends it */
int ump__laneya_pack(struct laneya *l, const struct ump_notice *n, struct ump_blob **out);
void ump__laneya_keep(struct laneya *l, struct conn *c, struct ump_bytes key,
                      struct ump_blob *blob); /* NULL: success, {} */
struct kept_answer *ump__laneya_kept(struct laneya *l, struct conn *c,
                                     struct ump_bytes key); /* NULL: not answered before */
void ump__laneya_forget_answers(struct laneya *l, struct conn *c);
enum status ump__laneya_status(enum ump_verdict v);
struct ump_bytes ump__laneya_message(const struct ump_answer *a); /* why not, never empty */

/* ---- request.c: from messages to events ---- */
int ump__laneya_next(struct laneya *l, struct conn *c, struct ump_event *ev, ump_time now); /* 1: an event of c */
void ump__laneya_answer(struct laneya *l, struct conn *c, const struct ump_answer *a);

#endif
