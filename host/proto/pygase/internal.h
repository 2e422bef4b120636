/* What the files of this folder share. The names say which file a function lives in; nobody else includes this. */
#ifndef UMP_PROTO_PYGASE_INTERNAL_H
#define UMP_PROTO_PYGASE_INTERNAL_H

#include "base/hash.h"
#include "base/list.h"
#include "base/slots.h"
#include "base/table.h"
#include "base/tally.h"
#include "codec/msgpack.h"
#include "proto/pygase/pygase.h"
#include "proto/pygase/sequence.h"
#include "proto/pygase/wheel.h"

/* ---- numbers of the wire page ---- */
#define PG_ID                 0xffd0fab9u /* section 3 */
#define PG_HEADER             12          /* section 3: id, sequence, ack, bitfield */
#define PG_CLIENT_HEADER      14          /* and time_order; a server's has the length of the update in its place */
#define PG_EVENTS             5           /* section 3: in one package of ours */
#define PG_INTERVAL           25          /* section 5: ms; ticks of the wheel */
#define PG_CONGESTED_INTERVAL 50
#define PG_TIMEOUT            (5 * UMP_S)  /* section 5: after the last package; new and refused ones last as long */
#define PG_AWAY               (60 * UMP_S) /* section 5 */
#define PG_QUIET              UMP_S        /* section 5: from then on sequence 1 is a new client on an old port */
#define PG_LEAVING            UMP_S        /* section 9: shutdown, and nothing after it for so long */
#define PG_LOOK               (UMP_S / 2)  /* section 5: congestion is looked at so often */
#define PG_CONGESTED          (UMP_S / 4)  /* section 5: latency above this */
#define PG_THROTTLE_LEAST     UMP_S
#define PG_THROTTLE_MOST      (60 * UMP_S)
#define PG_HELD               8192 /* section 5: bytes of events kept for a new one */
#define PG_NEW                4096 /* E4: addresses in state new */
#define PG_EVENT              1900 /* section 6.3: bytes of an event of ours */
#define PG_PART               1400 /* section 6.3: bytes of entries in one update: leaves events 600 and more */
#define PG_QUEUE              1024 /* section 7: events to one client */
#define PG_SENDS              6    /* section 7: once, and 5 times again */
#define PG_RESEND_LEAST       (UMP_S / 5)
#define PG_RESEND_MOST        UMP_S

/* ---- our own limits ---- */
#define PG_REFUSED     4096 /* addresses that are met with silence for 5 s; the oldest gives way */
#define PG_NEW_ANSWERS 64   /* to one that proves nothing, and behind its newest: 1.6 s there and back */
#define PG_NEW_GUESSES 2    /* acks that name nothing we sent before it is met with silence: 2 in 1000 guess right */
/* Our last ones that prove somebody whose place is gone. One of 65535 guesses right and is sent an update of 1450 bytes
 * 200 times: with 3 of them a forged package costs 14 bytes and brings 27 + 3 * 290000 / 65535 = 40, below three times.
 */
#define PG_NEW_ECHOES     3
#define PG_SENT           16 /* states on their way to one client: more wait for a confirmation */
#define PG_SENDINGS       64 /* packages whose time of sending is remembered: 1.6 s of them, and the field has 33 */
#define PG_OUT_BYTES      ((size_t)256 << 20) /* of events that wait, all clients together */
#define PG_FREE_OUTS      8192                /* kept for reuse */
#define PG_PACKAGE_EVENTS 64                  /* that fit 2048 bytes: the smallest has 39 */

/* ---- counters: one for each cause ---- */
// clang-format off
#define PG_COUNTERS(X)                                                                                               \
  X(datagrams_in) X(bytes_in) X(datagrams_out) X(bytes_out) X(packages_lost)                                         \
  X(new_addresses) X(proven) X(connected) X(returned) X(started_over) X(timed_out) X(left) X(kicked) X(forgotten)    \
  X(refused_full) X(refused_address) X(refused_by_rules) X(silenced) X(gave_way)                                     \
  X(events) X(events_illegal) X(events_held) X(events_held_lost)                                                     \
  X(notifies) X(notify_repeats) X(notifies_confirmed) X(notifies_unconfirmed) X(notifies_lost)                       \
  X(updates) X(update_parts) X(updates_confirmed) X(patches_encoded) X(values_too_large) X(names_left_out)           \
  X(congested) X(relieved) X(shutdowns) X(shutdowns_forged) X(shutdowns_ignored) X(no_memory)                        \
  X(bad_size) X(bad_id) X(bad_sequence) X(bad_event) X(doubled) X(too_old) X(unknown_ack)
// clang-format on

enum pg_count {
#define PG_COUNTER_ENUM(name) PG_##name,
  PG_COUNTERS(PG_COUNTER_ENUM) PG_N_COUNTS
};

/* ---- sessions ---- */

enum pg_state {
  PG_STATE_NEW,        /* has not proven that it gets what is sent there */
  PG_STATE_CONNECTING, /* the engine has been asked */
  PG_STATE_CONNECTED,
  PG_STATE_AWAY,    /* timed out; everything is kept */
  PG_STATE_REFUSED, /* met with silence */
  PG_STATE_GONE,    /* known to nobody but the engine, which is about to be told */
};

/* A state that was sent and not confirmed. */
struct pg_sent {
  uint16_t time_order;
  struct ump_moment *moment; /* a reference; NULL: a part of an update, or one without content */
};

/* What one client has of the replicated state, and what it is being sent: update.c. */
struct pg_world {
  struct ump_moment *base; /* a reference to what it has; NULL: nothing */
  struct ump_patch *patch; /* a reference to what is being sent; NULL: nothing, or no more than game_status */
  uint32_t part;           /* of it */
  uint16_t confirmed;      /* the client's time_order */
  uint16_t newest;         /* the last one that was given out */
  bool under_way;          /* something was sent that is not confirmed, as `newest` */
  bool introduced;         /* it knows the game_status */
  uint8_t n_sent;
  struct pg_sent sent[PG_SENT]; /* oldest first; the last one is `newest` */
};

/* Created by the first well-formed package from an address. In the table, unless gone. */
struct pg_session {
  struct ump_table_node node; /* by hash of the address */
  struct pg_wheel_node due;   /* connected: when its next package is */
  struct ump_list at;         /* in the list of its state; connected: in order of connecting */
  struct ump_list report;     /* in the list of those that next() tells the engine about */
  struct ump_list answer;     /* new: to be sent its one package */
  struct ump_addr addr;
  struct ump_client *client; /* borrowed from the engine; NULL: not there */
  uint64_t serial;           /* the engine's, of the time before; 0: none */
  const char *why;           /* reported: a constant */
  ump_time heard;            /* the last package that was taken */
  ump_time since;            /* in its state; while congestion is good or bad: good_since */
  uint32_t handle;
  uint8_t state;            /* enum pg_state */
  bool restarting;          /* was away */
  uint8_t answers, guesses; /* new: packages sent; acks that named nothing */
  uint16_t knew;            /* new: the ack it came with */
  uint16_t shift;           /* new: our sequences are its own and this */

  struct pg_window in;           /* what came */
  uint16_t sequence;             /* the last one sent */
  uint32_t n_sendings;           /* packages sent */
  uint64_t confirmed;            /* bit k: the one sent k packages ago has been confirmed */
  uint64_t really;               /* the same: it was sent, and not left out */
  uint32_t sent_us[PG_SENDINGS]; /* when, in microseconds modulo 2^32; [(n_sendings - 1 - k) % PG_SENDINGS] */

  bool congested;
  ump_time latency;
  ump_time look; /* when congestion is looked at again */
  ump_time throttle;
  ump_time good_since, calm_since, eased; /* not congested since; no cause for it since; throttle was halved */

  ump_time leaving; /* shutdown came then; 0: no */
  bool gave_events; /* an event too large for an update beside it had its turn */

  struct pg_world world;
  struct ump_list queue, flight; /* outs: not sent yet; sent and not confirmed, in order of sending */
  uint16_t n_outs, n_queued;     /* in both; in queue */
  uint16_t n_held;               /* bytes of held */
  uint8_t *held;                 /* new: event blocks, PG_HELD; or NULL */
};

/* An event on its way to a client. */
struct pg_out {
  struct ump_list at;
  struct ump_blob *blob;
  ump_time sent;
  uint32_t charge;
  uint16_t sequences[PG_SENDS]; /* of the packages that carried it */
  uint8_t sends;
};

/* An event that came: slices of the datagram and of the instance's buffer. */
struct pg_event {
  struct ump_bytes name, data; /* data empty: neither args nor kwargs */
};

/* ---- the instance ---- */

struct ump_pygase {
  const struct ump_mem *mem;
  const struct ump_rng *rng;
  const struct ump_log *log;
  const struct ump_feed *feed; /* or NULL */
  ump_time now;                /* of the last call */
  ump_time pressed;            /* until then newcomers give way to others before they can answer */
  uint32_t limit, per_address;
  bool host_shutdown;

  struct ump_hash_key key;
  struct ump_table sessions;                       /* by address */
  struct ump_tally tally;                          /* connected, by IP */
  struct ump_slots slots;                          /* sessions by handle */
  struct ump_list fresh, connected, away, refused; /* by state, in order of entering it */
  size_t n_fresh, n_connected, n_away, n_refused, n_gone;
  struct ump_list reports, answers;
  size_t n_reports, n_answers;
  struct pg_wheel wheel;

  struct ump_list free_outs;
  size_t n_free_outs, n_outs, out_bytes;

  /* between recv() and next() */
  struct pg_session *connecting; /* to be asked about, or the engine has been asked */
  bool asked, stop;
  struct pg_session *judged; /* whose events these are */
  struct pg_event events[PG_PACKAGE_EVENTS];
  size_t n_events, at_event;
  size_t at_held; /* bytes of judged->held that are done */
  struct ump_addr from;
  bool warned_names, warned_values;

  /* buffers */
  struct ump_buf_out { /* an update that is being encoded: form.c */
    uint8_t *p;
    size_t n, cap;
  } form;
  uint8_t part[PG_PART + 16], value[PG_PART + 16];
  /* plain data of the events of one package, twice: kwargs may have to be moved behind args */
  uint8_t plain[2 * UMP_MSGPACK_GROWTH * UMP_PYGASE_DATAGRAM], held_plain[2 * UMP_MSGPACK_GROWTH * UMP_PYGASE_DATAGRAM];
  uint64_t counts[PG_N_COUNTS];
};

static inline void pg_count(struct ump_pygase *n, enum pg_count c) {
  n->counts[c]++;
}
void ump__pg_drop(struct ump_pygase *n, enum pg_count cause, const struct ump_addr *from, const char *text);

/* ---- event.c: event blocks ---- */
/* Reads one event off the front of a block: its length and the map. Appends its data to out. 1; 0: malformed. */
int ump__pg_event(struct ump_reader *block, struct ump_writer *out, struct pg_event *event);
int ump__pg_events(struct ump_pygase *n, struct ump_bytes block); /* all of a package into n->events; 1 or 0 */
int ump__pg_pack(struct ump_pygase *n, const struct ump_notice *notice, struct ump_blob **out);

/* ---- session.c ---- */
struct pg_session *ump__pg_find(const struct ump_pygase *n, const struct ump_addr *from);
struct pg_session *ump__pg_session(const struct ump_pygase *n, uint32_t handle);
struct pg_session *ump__pg_new(struct ump_pygase *n, const struct ump_addr *from, uint16_t sequence, uint16_t ack,
                               uint16_t time_order);
uint16_t ump__pg_shift(const struct ump_pygase *n, const struct ump_addr *from); /* of its sequences, while it is new */
void ump__pg_connect(struct ump_pygase *n, struct pg_session *s); /* it has proven itself, or is back: ask the engine */
void ump__pg_admit(struct ump_pygase *n, struct pg_session *s, struct ump_client *client, uint64_t serial);
void ump__pg_silence(struct ump_pygase *n, struct pg_session *s); /* for 5 s */
void ump__pg_away(struct ump_pygase *n, struct pg_session *s);
/* It is gone. why: what the engine is told, if it knows the client; NULL: it need not be told. */
void ump__pg_end(struct ump_pygase *n, struct pg_session *s, const char *why);
bool ump__pg_report(struct ump_pygase *n, struct ump_event *ev);
void ump__pg_unreport(struct ump_pygase *n, struct pg_session *s);
void ump__pg_told(struct ump_pygase *n, struct pg_session *s); /* the engine knows that it is gone */
ump_time ump__pg_session_deadline(const struct ump_pygase *n);
void ump__pg_expire_sessions(struct ump_pygase *n);
void ump__pg_free_sessions(struct ump_pygase *n);

/* ---- sending.c: one package ---- */
int ump__pg_flush(struct ump_pygase *n, struct ump_addr *to, struct ump_writer *out);
void ump__pg_acked(struct ump_pygase *n, struct pg_session *s, uint16_t ack, uint32_t bits); /* a package said so */

/* ---- outbox.c: events to clients ---- */
int ump__pg_notify(struct ump_pygase *n, struct pg_session *s, struct ump_blob *payload);
void ump__pg_write_events(struct ump_pygase *n, struct pg_session *s,
                          struct ump_writer *w); /* at most PG_EVENTS, to the end of w */
size_t ump__pg_next_event(const struct ump_pygase *n,
                          const struct pg_session *s); /* bytes of the next one due; 0: none */
void ump__pg_confirm_outs(struct ump_pygase *n, struct pg_session *s);
void ump__pg_forget_outs(struct ump_pygase *n, struct pg_session *s);
void ump__pg_free_outs(struct ump_pygase *n);

/* ---- update.c: the state on its way to one client ---- */
struct pg_update { /* what goes into a package */
  uint16_t time_order;
  bool game_status;
  uint16_t n_entries;
  struct ump_bytes entries; /* of the map, without its head */
};
void ump__pg_update(struct ump_pygase *n, struct pg_session *s, struct pg_update *out);
void ump__pg_idle_update(const struct pg_session *s, struct pg_update *out); /* one that the client has already */
void ump__pg_update_confirmed(struct ump_pygase *n, struct pg_session *s, uint16_t time_order);
void ump__pg_forget_world(struct ump_pygase *n, struct pg_session *s);

/* ---- form.c: a patch, encoded ---- */
struct pg_part {
  uint32_t at;
  uint16_t n, count; /* bytes; entries of the outermost map */
};
struct pg_form {
  const struct ump_mem *mem;
  size_t size;
  uint32_t n_parts;
  struct pg_part parts[]; /* then their bytes */
};
const struct pg_form *ump__pg_form(struct ump_pygase *n, struct ump_patch *patch); /* NULL: no memory */
struct ump_bytes ump__pg_part(const struct pg_form *f, uint32_t part);
int ump__pg_state_fits(const void *self, struct ump_bytes plain);
void ump__pg_free_form_buffer(struct ump_pygase *n);

#endif
