/* What the files of this protocol share.
 *
 * A connection (conn) owns joints and has seats in joints of others; a seat in a joint of the rulebook's has a member,
 * which is what the engine knows as a client. Conns are named by the driver's number, members by their session; both
 * outlive nothing that points to them: who goes takes himself out of every list. Joints and seats have serials, so that
 * half a frame does not reach somebody who came after its header. */
#ifndef UMP_PROTO_JOINT_INTERNAL_H
#define UMP_PROTO_JOINT_INTERNAL_H

#include "base/buffer.h"
#include "base/hash.h"
#include "base/list.h"
#include "base/outqueue.h"
#include "base/tally.h"
#include "codec/joint.h"
#include "codec/websocket.h"
#include "proto/proto.h"

enum {
  JOINTS_MAX = 128,       /* own ones, and entered ones, of a connection */
  USERS_MAX = 256,        /* of a joint */
  DATA_MAX = 32766,       /* bytes in a frame to a user: N is one more */
  DATA_MAX_OWNER = 32765, /* bytes in a frame to an owner: N is two more */
  READ_MAX = 64 * 1024,   /* what the driver may bring at a time */
  IN_MAX = 4 * READ_MAX,  /* a frame, and what comes before the driver hears that we want no more */
  TURN = 256,             /* frames of a connection before others get their turn */
  PINGS_A_SECOND = 10,    /* hardening T16 */
  STRIKES = 16,           /* malformed calls in a row, then the user is kicked */
  EARLY_MAX = 64 * 1024,  /* bytes of calls that wait for the user to offer the object */
  NOTICE_MAX = 8 << 20,   /* a rulebook's notice in plain data */
  SHARE_FROM = 64,        /* bytes: a reference to a shared payload costs as much as a copy of these */
};
#define FIRST_TIMEOUT   (5 * UMP_S)   /* until the first byte, or the complete upgrade */
#define COMMAND_TIMEOUT (10 * UMP_S)  /* in a command or the header of a WebSocket frame, without a byte */
#define DATA_TIMEOUT    (30 * UMP_S)  /* in a data frame */
#define KEEP_ALIVE      (5 * UMP_S)   /* after the last bytes we sent */
#define SLOW_TIMEOUT    (5 * UMP_S)   /* above the limit of unsent bytes */
#define CLOSING_TIMEOUT (5 * UMP_S)   /* for the last words to be read */
#define ENTER_COST      (10 * UMP_MS) /* entering the rulebook's channels, 100 a second: each is a call of its connect */
#define PAUSE           (50 * UMP_MS) /* of a user who sends more events than his channel takes */

/* On the wire: Reason of the library. */
enum reason { DISCONNECTED = 0, CLOSED = 1, KICKED = 2 };

enum counter {
  CREATES,
  ENTERS,
  LEAVES,
  DELETES,
  KICKS,
  COMMANDS_REFUSED,
  FRAMES,
  FRAMES_LOST,
  BROADCASTS,
  DELIVERIES,
  EVENTS,
  CALLS_MALFORMED,
  CHUNKS_PADDED,
  NOTICES,
  NOTICES_NOT_FOR_THEM,
  NOTICES_FULL,
  KEEP_ALIVES,
  UPGRADES,
  UPGRADES_REFUSED,
  HELD_BACK,
  PAUSED,
  BAD_COMMAND,
  BAD_WEBSOCKET,
  TIMED_OUT,
  SLOW_READER,
  REFUSED_FULL,
  REFUSED_ADDRESS,
  NO_MEMORY,
  N_COUNTERS
};

/* ---- what a rulebook declares ---- */

enum mode { MODE_DATA, MODE_CHUNK, MODE_RPC };

struct procedure {
  struct ump_bytes name, types; /* types in prefix form */
};
struct remote {
  uint8_t id;
  uint16_t n; /* procedures, by number */
  struct procedure *procedures;
};
struct remotes {
  uint16_t n, cap;
  struct remote *v;
};

struct channel {
  struct ump_bytes name;
  enum mode mode;
  size_t max_chunk;
  unsigned width; /* m of the sizes of its chunks */
  uint32_t max_users;
  double max_rate; /* events a second of one user */
  struct remotes ours, theirs;
  struct joint *joint; /* NULL: a connection has this name */
};

struct channels {
  uint32_t n, cap;
  struct channel *v;
  uint8_t *bytes; /* names and types */
  size_t n_bytes;
};

/* ---- joints and who is in them ---- */

struct joint {
  struct joint *next; /* of the same bucket */
  uint64_t hash, serial;
  struct conn *owner;      /* NULL: the rulebook's */
  struct channel *channel; /* the rulebook's; NULL: a connection's */
  uint8_t number;          /* the owner's */
  uint16_t n_users, cap;
  struct seat **users; /* by user number */
  uint8_t n_id;
  uint8_t id[];
};

struct seat {
  struct joint *joint;
  struct conn *conn;
  uint64_t serial;
  uint8_t user;          /* its number in the joint */
  uint8_t number;        /* the joint's number at the connection */
  struct member *member; /* NULL: a connection owns the joint */
};

struct member {
  uint32_t session;
  struct seat *seat; /* NULL: gone */
  struct ump_client *client;
  const char *gone;     /* why, for the engine that is still to hear of it */
  struct ump_list link; /* in the list of those gone */
  uint8_t nr;           /* of the enter that waits for the engine's answer; 0: none */
  uint8_t head[UMP_JOINT_CHUNK_HEAD], n_head;
  uint8_t strikes;
  size_t chunk_n; /* size of the chunk that is coming; 0: its size is */
  struct ump_buffer chunk;
  struct ump_buffer early; /* calls that wait: id, u32 length, bytes */
  uint8_t offers[32];      /* objects that the user has, a bit each */
};

/* ---- connections ---- */

enum state { FIRST_BYTE, UPGRADE, OPEN };
enum mark { UNMARKED, TO_ALL, BUT_ONE };

struct web {                      /* the WebSocket side of a connection */
  struct ump_ws_upgrade *upgrade; /* until it is complete */
  struct ump_ws ws;
  ump_time second; /* when the second began in which pings are counted */
  unsigned pings;
  bool closed; /* nothing more is read; a close frame with this code (0: none) ends it */
  uint16_t code;
};

struct conn {
  uint32_t id;
  struct ump_addr addr;
  uint8_t state, mark;                /* enum state, enum mark */
  bool eof, closing, aborted, spoken; /* spoken: something was sent, so keep-alives are */
  bool fixed;                         /* the target of the frame at the front of `in` is known */
  uint16_t own_cap, entered_cap;
  uint64_t target, target_user, epoch; /* serials: joint or seat; user's seat; the newest seat when its header came */
  size_t heard;                        /* bytes of that frame's data that a rulebook's member has taken */
  struct ump_buffer in;                /* the joint stream, without WebSocket's frames */
  struct ump_outqueue out;
  struct joint **own;
  struct seat **entered;
  struct web *web;                 /* NULL: raw */
  struct conn *waits_for;          /* whom it cannot send to now */
  struct ump_list waiting, held;   /* in waits_for->held; those who wait for this one */
  ump_time events_due, enters_due; /* what it has asked of the rulebook is paid for up to these times */
  ump_time since, last_out, full_since, paused_since; /* since: last byte, or being accepted, or the close */
  struct ump_list timer;                              /* first, command, data or closing */
  struct ump_list keep, full, paused, ready, touched;
};

struct joint_proto {
  const struct ump_mem *mem;
  const struct ump_log *log;
  uint32_t limit, per_address, max_users;
  size_t unsent, payload;
  bool unmasked;
  char *origins;
  ump_time now;
  struct conn **conns; /* by the driver's number */
  uint32_t conns_cap, n_conns;
  struct ump_tally addresses;
  struct ump_hash_key hash_key;
  struct joint **joints; /* buckets, a power of two */
  size_t buckets, n_joints;
  uint64_t serials;
  struct member **members; /* by session */
  uint32_t members_cap, n_members;
  struct channels channels;
  struct ump_list first, command, data, closing, keep, full, paused, ready, touched,
      gone; /* by time: the first eight but ready */
  struct ump_ws_pool pool;
  uint8_t *scratch; /* the data of the event that was pulled last */
  size_t scratch_cap;
  /* the last notice in the form of the last channel, so that a broadcast is encoded once */
  struct ump_blob *notice, *encoded;
  const struct channel *encoded_for;
  uint8_t encoded_number, encoded_object; /* whose header it has; what remote object it calls */
  uint64_t counts[N_COUNTERS];
};

/* ---- conn.c: life and timers ---- */
struct conn *ump__joint_conn(struct joint_proto *l, uint32_t id);
struct conn *ump__joint_conn_new(struct joint_proto *l, uint32_t id, const struct ump_addr *from);
void ump__joint_conn_free(struct joint_proto *l, struct conn *c);
void ump__joint_touch(struct joint_proto *l, struct conn *c);
void ump__joint_wake(struct joint_proto *l, struct conn *c);
/* All its joints and seats end. What is queued is still written; code: of the close frame, where there is one; 0: none.
 */
void ump__joint_end(struct joint_proto *l, struct conn *c, uint16_t code);
void ump__joint_abort(struct joint_proto *l, struct conn *c);
void ump__joint_time(struct joint_proto *l, struct conn *c); /* which timeout it stands under now */
void ump__joint_wait(struct joint_proto *l, struct conn *sender, struct conn *receiver);
void ump__joint_drained(struct joint_proto *l, struct conn *c); /* some of its output was taken */
/* May it ask something of the rulebook that may be asked every `cost`? A second's worth may come at once; else it is
 * not read for a while, and false. The accounts are the connection's: who leaves and enters again has no other. */
bool ump__joint_allow(struct joint_proto *l, struct conn *c, ump_time *paid, ump_time cost);
ump_time ump__joint_deadline(const struct joint_proto *l);
void ump__joint_expire(struct joint_proto *l);

/* ---- web.c: bytes from and to a WebSocket ---- */
int ump__joint_web_begin(struct joint_proto *l, struct conn *c); /* 0, UMP_ENOMEM */
void ump__joint_web_input(struct joint_proto *l, struct conn *c, struct ump_bytes in);
void ump__joint_web_close(struct joint_proto *l, struct conn *c, uint16_t code);
void ump__joint_web_eof(struct joint_proto *l, struct conn *c);
void ump__joint_web_free(struct joint_proto *l, struct conn *c);

/* ---- table.c: joints, seats, members ---- */
struct joint *ump__joint_find(struct joint_proto *l, struct ump_bytes id);
struct joint *ump__joint_new(struct joint_proto *l, struct ump_bytes id);   /* owned by nobody yet; NULL: no memory */
int ump__joint_own(struct joint_proto *l, struct conn *c, struct joint *j); /* 0 and j->number; UMP_EFULL, UMP_ENOMEM */
/* Ends a joint: users are told, its name is free. */
void ump__joint_close(struct joint_proto *l, struct joint *j, enum reason reason, const char *why);
struct joint *ump__joint_owned(const struct conn *c, uint8_t number);
struct seat *ump__joint_seat(const struct conn *c, uint8_t number);
struct seat *ump__joint_user(const struct joint *j, uint8_t user);
/* 0; UMP_EFULL: no number at the connection or in the joint; UMP_ENOMEM */
int ump__joint_sit(struct joint_proto *l, struct conn *c, struct joint *j, struct seat **out);
/* Ends a seat. The owner is told unless the joint is closing; the user unless he left. why: for the engine; NULL: it
 * knows. */
void ump__joint_rise(struct joint_proto *l, struct seat *s, enum reason reason, bool tell_owner, bool tell_user,
                     const char *why);
int ump__joint_member(struct joint_proto *l, struct seat *s);
struct member *ump__joint_member_at(struct joint_proto *l, uint32_t session); /* NULL: none */
void ump__joint_member_free(struct joint_proto *l, struct member *m);

/* ---- send.c: frames out ---- */
void ump__joint_send(struct joint_proto *l, struct conn *c, const void *p, size_t n); /* a command */
void ump__joint_to_owner(struct joint_proto *l, const struct seat *from, struct ump_bytes data);
void ump__joint_to_user(struct joint_proto *l, const struct seat *to, struct ump_bytes data);
/* The same data to several: there once, PARCEL_ROOM bytes behind the blob's start. number: whose header stands before
 * it. */
enum { PARCEL_ROOM = UMP_WS_SERVER_HEAD + 3 };
struct ump_blob *ump__joint_parcel(struct joint_proto *l, struct ump_bytes data, uint8_t number); /* NULL: no memory */
void ump__joint_parcel_head(struct ump_blob *b, uint8_t number); /* once its data is written */
void ump__joint_send_parcel(struct joint_proto *l, const struct seat *to, struct ump_blob *b, uint8_t number);

/* ---- stream.c: what a connection says ---- */
void ump__joint_answer(struct joint_proto *l, struct conn *c, uint8_t nr, uint8_t error,
                       uint8_t number);                                          /* error 0: done */
int ump__joint_run(struct joint_proto *l, struct conn *c, struct ump_event *ev); /* 1: an event */

/* ---- owner.c: the rulebook's channels ---- */
/* A member hears data from at on, which is moved on. 1: an event. */
int ump__joint_hear(struct joint_proto *l, struct conn *c, struct member *m, struct ump_bytes data, size_t *at,
                    struct ump_event *ev);
void ump__joint_admitted(struct joint_proto *l, struct member *m, struct ump_client *client);
int ump__joint_pack(struct joint_proto *l, const struct ump_notice *n, struct ump_blob **out);
int ump__joint_notify(struct joint_proto *l, struct member *m, struct ump_blob *payload);
/* An event of his was not executed: the channel's client_remotes may have a procedure { "refused", "String", "String"
 * }. */
void ump__joint_refused(struct joint_proto *l, struct member *m, struct ump_bytes event, struct ump_bytes reason);
void ump__joint_forget_encoded(struct joint_proto *l);
void ump__joint_announce(struct joint_proto *l, const struct seat *s,
                         const struct remotes *but); /* but: not these; or NULL */

/* ---- channels.c: what is declared ---- */
void ump__joint_configure(struct joint_proto *l, struct ump_bytes plain);
void ump__joint_channels_free(struct joint_proto *l, struct channels *s);
void ump__joint_name_free(struct joint_proto *l, struct ump_bytes name); /* a channel may have waited for it */
const struct procedure *ump__joint_procedure(const struct remotes *r, uint8_t id, uint8_t number);
const struct procedure *ump__joint_procedure_named(const struct remotes *r, struct ump_bytes name, uint8_t *id,
                                                   uint8_t *number);
bool ump__joint_has_remote(const struct remotes *r, uint8_t id);

#endif
