/* The one interface every protocol fills. A protocol is sans-IO: bytes and time go in, bytes and events come out. One
 * instance serves one listener; it owns its sessions, their retransmissions and its buffers, and knows nothing of
 * sockets, clocks, Lua, the engine or other protocols.
 *
 * The engine drives it: feed bytes, then pull events with next() until it gives none, answering each before the next is
 * pulled. Events are pulled, not called back, so a protocol is never re-entered. Slices in an event are borrowed and
 * live until the next call of recv, input or next. */
#ifndef UMP_PROTO_PROTO_H
#define UMP_PROTO_PROTO_H

#include "base/addr.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/time.h"

enum ump_transport { UMP_DATAGRAM, UMP_STREAM };

/* How a protocol's event data, response data and notify data are written. The rulebook's side encodes and decodes. */
enum ump_encoding {
  UMP_RAW,   /* bytes as they are: a Lua string */
  UMP_JSON,  /* checked JSON text */
  UMP_PLAIN, /* base/plain.h */
};

struct ump_client; /* the engine's; a protocol only keeps the pointer and hands it back */

/* ---- events: what a protocol reports ---- */

enum ump_event_type {
  UMP_EVENT_NONE,
  UMP_EVENT_CONNECT, /* someone wants in: the engine answers with admit() */
  UMP_EVENT_JUDGE,   /* an event to be judged: the engine answers with answer() */
  UMP_EVENT_LOGIN,   /* name and password: the engine answers with answer(), at once or in a later turn. Until then, or
                        until the session ends, the protocol takes up no further event of it that depends on the answer */
  UMP_EVENT_NAME,    /* the session has taken the name in `user`, as its protocol lets it: no password, no answer */
  UMP_EVENT_LOGOUT,  /* the session goes on, but what it had logged in as is void (a moved address, then in `from`; a
                        logout) */
  UMP_EVENT_DISCONNECT, /* the session is gone; the engine lets go of the client. No answer */
  UMP_EVENT_STOP,       /* a client that the operator allowed to has told the host to stop; of no session. No answer */
};

struct ump_event {
  enum ump_event_type type;
  uint32_t session;          /* the protocol's own handle of the session, unique while it lives */
  struct ump_client *client; /* what admit() gave; NULL in CONNECT */
  uint64_t token;            /* for the protocol's own use between next() and answer() */

  /* CONNECT */
  const struct ump_addr *from;
  bool has_version;
  struct ump_bytes version; /* the client's own word */
  uint64_t again;           /* not 0: the serial of an earlier session of the same identity whose judged events must
                               stay known (Neteria: registered again from the same address within the window) */
  struct ump_bytes channel; /* joint: the rulebook's channel that was entered; 1-255 bytes without zeros, or empty */

  /* JUDGE, LOGIN */
  struct ump_bytes id; /* the event's id as text, 1-64 bytes; empty: the engine makes a UUID */
  bool once;           /* judge and execute once per (session, id) within the window */
  bool high;           /* priority */
  /* JUDGE */
  bool has_name, has_data;
  struct ump_bytes name;
  struct ump_bytes data;
  enum ump_encoding encoding; /* of data */
  unsigned holds;             /* for UMP_JSON: enum ump_json_holds of codec/json.h, else 0 */
  bool malformed;     /* the envelope is sound, the data is not: answered "malformed" without asking the rules */
  bool touches_other; /* it names somebody else's thing to be changed: no, unless a rulebook judges (hardening T7) */
  /* LOGIN */
  struct ump_bytes user, password;
  bool create; /* make the account and log in, which fails if there is one (wire/pymmorpg, `new`) */

  /* DISCONNECT */
  const char *reason; /* "timed out", "left", ... a constant */
};

/* ---- answers: what the engine tells a protocol ---- */

enum ump_verdict {
  UMP_LEGAL,
  UMP_ILLEGAL,
  UMP_INVALID,  /* malformed, as opposed to illegal */
  UMP_INTERNAL, /* our fault: an error or a blown budget in the rules */
};

struct ump_answer {
  enum ump_verdict verdict;
  bool high;               /* the priority of the event when it was first judged */
  bool repeat;             /* this id was judged before: the same answer again, at once, without a timer of its own */
  bool late;               /* too many attempts to log in: a protocol may answer after a while, to slow guessing down */
  struct ump_bytes reason; /* for people; at most 200 bytes, valid UTF-8; may be empty */
  struct ump_bytes data;   /* execute's return in the protocol's encoding; empty: it returned nothing */
};

/* A notify as the rulebook asked for it. */
struct ump_notice {
  bool has_name, has_data;
  struct ump_bytes name;
  struct ump_bytes data; /* in the protocol's encoding */
};

/* ---- the replicated state, as a protocol sees it ----
 * One state for all, of which each client may see a part, its view. A protocol that carries state asks the feed for the
 * patch that leads a client from what it has to the present, and sends that however its wire does. Patches are made
 * once for all clients with the same view and the same moment behind them, so the same one comes for many. */

struct ump_moment; /* what a client has once it has applied a patch: one version of one view. Opaque, counted */

struct ump_patch {       /* counted; the engine's, except for form */
  struct ump_moment *to; /* where it leads; take a reference of one's own to keep it */
  bool exact;            /* it removes something: right only for a client that has exactly the moment it was made from.
                            Otherwise it is right too for one that has any later moment, up to `to`, which it was sent */
  struct ump_bytes
      plain;  /* one map (base/plain.h), merged deeply by the client: a map into a map key by key, anything else
                 replaces, UMP_PLAIN_DELETE removes. Maps have string or integer keys. May be empty: no entries */
  bool whole; /* it is all that the client may see, made from nothing: there was no `from`, or too much has
                 been removed since. What else the client has is not in the state (any more) */
  void *form; /* the protocol's own encoding of plain, kept with it for the next client; NULL at first */
  void (*drop_form)(void *form); /* called for form, if there is one, when the patch goes */
};

struct ump_feed_ops {
  /* from: what the client has; NULL: nothing. 1: *out is a patch with a reference for the caller; 0: it has everything;
   * UMP_ENOMEM. Never calls into the rulebook. */
  int (*patch)(void *self, const struct ump_client *client, struct ump_moment *from, struct ump_patch **out);
  void (*patch_ref)(void *self, struct ump_patch *patch);
  void (*patch_unref)(void *self, struct ump_patch *patch);
  /* While a moment is held, patches from it can be made: what was removed since then is remembered. Let go of those
   * that no client can have any more. */
  void (*moment_ref)(void *self, struct ump_moment *moment);
  void (*moment_unref)(void *self, struct ump_moment *moment);
};

struct ump_feed {
  const struct ump_feed_ops *ops;
  void *self;
};

/* ---- configuration ---- */

struct ump_option { /* of a listen URL */
  const char *name, *fallback, *help;
  enum { UMP_OPTION_NUMBER, UMP_OPTION_SWITCH, UMP_OPTION_TEXT } kind; /* a switch is 0 or 1 */
  uint64_t min, max;                                                   /* of a number, inclusive */
};

struct ump_option_value {
  const char *name;
  uint64_t number;       /* of a number or switch */
  struct ump_bytes text; /* of a text */
};

struct ump_proto_cfg {
  const struct ump_mem *mem; /* borrowed for the instance's life, as all pointers here */
  const struct ump_rng *rng;
  const struct ump_log *log;
  const struct ump_feed *feed;            /* the replicated state; NULL: there is none */
  uint32_t limit;                         /* clients */
  uint32_t per_address;                   /* connections or sessions from one address */
  const struct ump_option_value *options; /* every option of the scheme, checked, with its fallback where not given;
                                             borrowed for create() only: copy what must stay */
  size_t n_options;
};

/* Counters: a protocol has a table of names and an array of counts, which status, metrics and tests read. */
struct ump_counters {
  const char *const *names;
  const uint64_t *counts;
  size_t n;
};

/* What a datagram is probably about. */
enum { UMP_EXPECT_STEPS = 5, UMP_EXPECT_NEAR = UMP_EXPECT_STEPS };
struct ump_coming {
  uint64_t memo;             /* the protocol's own, kept from step to step; 0 at first: nothing is known */
  struct ump_client *client; /* whose event will be judged; NULL: nothing will */
  uint64_t serial;           /* the client's name for its verdicts */
  struct ump_bytes id;       /* of the event; borrowed from the datagram */
};

enum ump_stream_wants {
  UMP_WANTS_INPUT = 1, /* unset: stop reading from it (back-pressure) */
  UMP_WANTS_CLOSE = 2, /* close once the pending output is written */
  UMP_WANTS_ABORT = 4, /* close now */
};

struct ump_proto_ops {
  const char *scheme; /* "neteria" */
  enum ump_transport transport;
  enum ump_encoding encoding; /* of the notices and response data it takes */
  uint16_t default_port;
  size_t max_datagram;  /* the driver reads one byte more, so that longer ones are seen as longer */
  bool effects_first;   /* laneya, pymmorpg: what an event caused goes out before its answer; Neteria: after */
  bool state_as_text;   /* joint: data of the notices named "state" (of subscribers) is one string of JSON, for its
                           wire has no type for values of any kind */
  uint32_t per_address; /* what that option is when nobody says: its clients' custom; 0: 64 */
  const struct ump_option *options; /* of its own, besides limit, per_address, attempts */
  size_t n_options;

  int (*create)(void **self, const struct ump_proto_cfg *cfg, ump_time now); /* 0, UMP_ENOMEM, UMP_EINVAL */
  void (*destroy)(void *self);
  /* A rulebook was put in place: plain is one map of what it declares for protocols (base/plain.h; { channels = ...,
   * pymmorpg = ..., root = its folder }), checked when it was loaded; empty: it declares nothing, or there is none.
   * Borrowed for the call. What a protocol does not find or does not know it passes over. NULL: nothing to declare. */
  void (*configure)(void *self, struct ump_bytes plain, ump_time now);

  /* A datagram that recv will be given soon, so that it can call for the memory of its session, which is far away when
   * there are many: step 0 well before (with coming zeroed), then 1, 2, ... closer by. From step 2 on it tells what
   * event is probably in it. Or, when sessions are few and near, step UMP_EXPECT_NEAR alone, which tells that too. A
   * hint: nothing may depend on it or come of it. NULL: there is nothing to gain. */
  void (*expect)(const void *self, struct ump_bytes in, int step, struct ump_coming *coming);

  /* bytes in: datagrams */
  void (*recv)(void *self, const struct ump_addr *from, struct ump_bytes in, ump_time now);
  /* bytes in: streams. conn is a small number given by the driver, unique while the connection is open */
  int (*open)(void *self, uint32_t conn, const struct ump_addr *from, ump_time now); /* 0; negative: close it at once */
  void (*input)(void *self, uint32_t conn, struct ump_bytes in,
                ump_time now);                             /* takes all of it, copies what it keeps */
  void (*eof)(void *self, uint32_t conn, ump_time now);    /* the other side sends no more */
  void (*closed)(void *self, uint32_t conn, ump_time now); /* the transport is gone, for whatever cause */

  /* events out, answers in */
  int (*next)(void *self, struct ump_event *ev, ump_time now); /* 1: an event, 0: none */
  void (*admit)(void *self, uint32_t session, struct ump_client *client, uint64_t serial, struct ump_bytes reason,
                ump_time now); /* client NULL: refused; serial: what `again` may name later */
  void (*answer)(void *self, const struct ump_event *ev, const struct ump_answer *a, ump_time now);

  /* Can this part of the replicated state cross the wire by itself? plain: one map that leads to one value. 0,
   * UMP_ETOOBIG. NULL: anything can, or the protocol carries no state of its own accord. */
  int (*state_fits)(const void *self, struct ump_bytes plain);

  /* notices. pack turns one into the bytes that all clients of this listener share; notify queues a reference.
   * pack: 0, UMP_ETOOBIG, UMP_ENOSUPPORT, UMP_ENOMEM. notify: 0, UMP_EFULL, UMP_EGONE (silent clients too), UMP_ENOMEM
   */
  int (*pack)(void *self, const struct ump_notice *n, struct ump_blob **out);
  int (*notify)(void *self, uint32_t session, struct ump_blob *payload, ump_time now);
  /* How many notifies to it were given up so far because nobody confirmed them. NULL: what is queued arrives, or the
   * session ends. */
  uint32_t (*unheard)(const void *self, uint32_t session);
  /* Bytes that wait to be sent to it, on a stream. Who tells much waits until they are few, instead of having it closed
   * as one that does not read. NULL: room says enough. */
  size_t (*unsent)(const void *self, uint32_t session);
  size_t (*room)(void *self, uint32_t session); /* how many more notifies it would take now */
  void (*kick)(void *self, uint32_t session, struct ump_bytes reason,
               ump_time now); /* ends the session; no DISCONNECT follows */

  /* bytes out: datagrams. Writes one whole datagram into out. 1: wrote one, 0: none due now */
  int (*flush)(void *self, struct ump_addr *to, struct ump_writer *out, ump_time now);
  /* bytes out: streams. touched gives connections whose output or wants changed, each once, until 0 */
  int (*touched)(void *self, uint32_t *conn);
  size_t (*output)(void *self, uint32_t conn, struct ump_bytes *pieces,
                   size_t max); /* what waits to be sent; borrowed until the next call */
  void (*sent)(void *self, uint32_t conn, size_t n, ump_time now); /* so many bytes of it were taken */
  unsigned (*wants)(void *self, uint32_t conn);                    /* enum ump_stream_wants */

  ump_time (*deadline)(const void *self);   /* when expire or flush has something to do; UMP_NEVER when idle */
  void (*expire)(void *self, ump_time now); /* a deadline passed; may make events and output */

  struct ump_counters (*counters)(const void *self);
  /* Sum of what is queued or remembered, for tests that end by showing that the world is empty. */
  size_t (*load)(const void *self);
};

#endif
