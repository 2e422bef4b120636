/* What the files of this folder share. The names say which file a function lives in; nobody else includes this. */
#ifndef UMP_PROTO_NETERIA_INTERNAL_H
#define UMP_PROTO_NETERIA_INTERNAL_H

#include "base/hash.h"
#include "base/list.h"
#include "base/slots.h"
#include "base/table.h"
#include "base/tally.h"
#include "base/uuid.h"
#include "codec/json.h"
#include "proto/neteria/neteria.h"

/* ---- numbers of the wire page ---- */
#define NT_TEXT          10240       /* section 2: bytes of a datagram */
#define NT_INFLATED      65536       /* section 8: what a datagram may be inflated to, and 64 times its size */
#define NT_ID            64          /* section 3: bytes of a cuuid or euuid */
#define NT_REASON        200         /* E1: bytes */
#define NT_NAME          200         /* bytes of our server_name: an OHAI has room for far less */
#define NT_VERSION       "1.0.3"     /* the client that the wire page was recorded from */
#define NT_RESEND        (2 * UMP_S) /* section 5: from one transmission to the next */
#define NT_SENDS         5    /* section 5: transmissions of a verdict or notify; unanswered ones that make silent */
#define NT_IN_FLIGHT     256  /* section 5: notifies to one client that wait for their confirmation */
#define NT_QUEUE         1024 /* section 5: and behind them */
#define NT_PROBE         (UMP_S / 2)  /* E5: from one probe to the next */
#define NT_PROBES        10           /* E5: at most */
#define NT_PROBES_SILENT 3            /* section 4: unanswered probes after which somebody gives way */
#define NT_MOVE          (3 * UMP_S)  /* section 4: the old address has been silent for so long */
#define NT_MOVE_IP       (10 * UMP_S) /* section 4: the same, if the IP differs */
#define NT_YOUNG         (30 * UMP_S) /* section 4: a registration without an echo is probed at this age */
#define NT_UNPROVEN      (30 * UMP_S) /* section 4: and gone so much later, 60 s after REGISTER */
#define NT_SILENT_LIFE   (30 * UMP_S) /* section 4: silent for so long: gone */
#define NT_GHOST_LIFE                                                                                                  \
  (300 * UMP_S) /* section 5: its verdicts are found again by the same cuuid from the same address */
/* Section 4: 120 s of silence. A session's place in the list of the idle is renewed once a second, not for each
 * datagram (that would touch three sessions' memory for each), so the interval is a second longer: it fires after 120
 * to 121 s. */
#define NT_IDLE_STEP UMP_S
#define NT_IDLE      (120 * UMP_S + NT_IDLE_STEP)

/* ---- our own limits ---- */
#define NT_VERDICTS    1024 /* of one session waiting for OK EVENT; a further one goes out once, the client asks again */
#define NT_REPLIES     4096 /* to strangers, waiting for the socket; beyond that they are lost, as datagrams are */
#define NT_NEAR        8    /* of what waits for a session, oldest first, is looked at before a hash is made */
#define NT_HINTS_LEAST 6    /* bits: lines of four sessions found without hashing the cuuid with a key, 4 KiB */
#define NT_HINTS_MOST  16   /* 4 MiB */
#define NT_FREE_OUTS   8192 /* kept for reuse: 1.3 MB */
#define NT_GHOSTS      4    /* times limit: sessions that are gone and remembered */
#define NT_SCAN        256  /* never-proven sessions that are looked at, oldest first, when one has to give way */
#define NT_SWEEP       4096 /* of them looked at, every half second, to be probed */
/* Events of all who have not proven themselves: 5000 a second, 3 million at once. Judged events are remembered for 300
 * s in memory that is everybody's, 7 million of them by default; forged ones leave a third. */
#define NT_STRANGE         (UMP_S / 5000)
#define NT_STRANGE_AHEAD   (3000000 * NT_STRANGE)
#define NT_WAYS            (8 * UMP_S) /* in which those who proved nothing may take as many places as there are: room.c */
#define NT_EPOCH           (8 * UMP_S) /* a challenge may be echoed in this one and the next: the client's repeats take 8 s */
#define NT_PRESSED         (10 * UMP_S) /* after a refusal for want of room, newcomers are probed at once for so long */
#define NT_PROBE_BYTES     90           /* of a probe under a UUID */
#define NT_BRIEF_BYTES     47           /* of one to an address that has to pay for it: see probe.c */
#define NT_BRIEF_ID        5
#define NT_CHALLENGE_BYTES 52 /* of one to a stranger */
#define NT_CHALLENGE_ID    10 /* 64 bits */
#define NT_SPARE                                                                                                       \
  (4 * NT_BRIEF_BYTES)   /* what an address must have left for probes after a notify: all that a REGISTER earns */
#define NT_PURSES   1024 /* addresses whose requests before REGISTER count: 32 KiB */
#define NT_PURSE    (8 * NT_BRIEF_BYTES) /* at most of that */
#define NT_VERSIONS 16                   /* of the option */

/* ---- counters: one for each cause ---- */
#define NT_COUNTERS(X)                                                                                                 \
  X(datagrams_in)                                                                                                      \
  X(bytes_in)                                                                                                          \
  X(datagrams_out)                                                                                                     \
  X(bytes_out) X(ohai) X(ohai_refused) X(registered) X(registered_again) X(returned) X(refused_full)                   \
      X(refused_address) X(refused_in_use) X(refused_encryption) X(refused_by_rules) X(encryption_ignored) X(events)   \
          X(logins) X(verdicts) X(verdict_copies) X(verdict_repeats) X(verdicts_confirmed) X(verdicts_unconfirmed)     \
              X(verdicts_once) X(put_off) X(notifies) X(notify_repeats) X(notifies_confirmed) X(notifies_unconfirmed)  \
                  X(notifies_refused) X(probes) X(probe_echoes) X(challenges) X(challenge_echoes) X(proven) X(silent)  \
                      X(moves_tried) X(moved) X(gone_unproven) X(gone_silent) X(gave_way) X(kicked)                    \
                          X(ghosts_forgotten) X(stalled) X(replies_suppressed) X(replies_lost) X(no_memory)            \
                              X(bad_size) X(bad_json) X(bad_value) X(bad_data) X(bad_compression) X(bad_method)        \
                                  X(bad_cuuid) X(bad_euuid) X(no_event_data) X(bad_priority) X(unknown_client)         \
                                      X(unknown_id) X(foreign_address)

enum nt_count {
#define NT_COUNTER_ENUM(name) NT_##name,
  NT_COUNTERS(NT_COUNTER_ENUM) NT_N_COUNTS
};

extern const char *const ump__nt_count_names[NT_N_COUNTS]; /* neteria.c */

/* ---- sessions ---- */

enum nt_state {
  NT_CONNECTING, /* the engine has been asked */
  NT_REGISTERED,
  NT_PROVEN,
  NT_SILENT,
  NT_LEAVING, /* gone; the engine is about to be told */
  NT_GHOST,   /* gone; its serial is remembered */
};

/* Created by REGISTER; the registry owns it until it is gone and no longer remembered. */
struct nt_session {
  struct ump_table_node node; /* in the registry, by hash of cuuid */
  struct ump_list timer;      /* in the list of its state's interval */
  struct ump_list report;     /* in the list of those that next() tells the engine about */
  int64_t credit;             /* bytes that an address that has not proven itself may be sent */
  struct ump_list stalled;    /* sent as soon as there is credit, before queue */
  struct ump_list queue;      /* notifies behind those in flight */
  const char *why;            /* it is gone: a constant */

  /* From here on: what every event needs, side by side. With many clients each line is a wait for memory. */
  ump_time armed; /* when timer was put there */
  ump_time heard; /* last datagram */
  struct ump_addr addr;
  struct ump_client *client; /* borrowed from the engine */
  uint64_t serial;           /* the engine's name for its verdicts */
  struct ump_list outs;      /* everything that waits for it, oldest first: nt_out.mine */
  struct nt_probe *probe;    /* NULL: none under way */
  struct nt_move *move;      /* NULL: none under way */
  uint32_t handle;
  uint16_t n_held, n_verdicts;  /* outs in the list of the held; verdicts waiting for OK EVENT */
  uint16_t n_unhashed;          /* of these: not in the table of outs (yet) */
  uint16_t in_flight, n_queued; /* notifies */
  uint32_t unheard;             /* notifies that were given up */
  uint8_t state;                /* enum nt_state */
  bool deflated;                /* spoke compressed last: is answered likewise */
  bool judged;                  /* has had events judged: worth remembering */
  bool ripe;                    /* 3 probes unanswered and never proven: may give way */
  uint8_t cuuid_n;
  uint8_t cuuid[];
};

/* What a probe is known by: the text of a UUID, or a brief one. */
struct nt_probe_id {
  uint8_t n;
  uint8_t text[UMP_UUID_TEXT];
};

/* Asks whether a client is there: the same LEGAL under an unpredictable euuid, every 0.5 s. Ends by its echo. */
struct nt_probe {
  struct ump_list at;
  struct nt_session *session;
  ump_time first, due;
  struct nt_probe_id id;
  uint8_t turns; /* so far; a turn without credit for it is a turn too */
};

/* Somebody claims a session from another address: both are probed. */
struct nt_move {
  struct ump_list at;
  struct nt_session *session;
  ump_time first, due;
  struct ump_addr to;
  int64_t credit; /* of the new address */
  struct nt_probe_id old_id, new_id;
  uint8_t turns, old_sent, new_sent;
  bool echoed, deflated;
};

/* ---- what waits to be sent ---- */

enum nt_kind {
  NT_VERDICT,     /* repeated until confirmed */
  NT_COPY,        /* a verdict once more, or one whose session ended: once */
  NT_NOTIFY,      /* repeated until confirmed */
  NT_PROBING,     /* once; the probe repeats itself */
  NT_OK_REGISTER, /* once, as all that follow */
  NT_BYE_REGISTER,
  NT_BYE_EVENT,
  NT_OHAI_CLIENT,
};

/* A message on its way. It is composed each time it is sent, from what never changes: byte for byte the same. */
struct nt_out {
  struct ump_list at; /* exactly one of: ready, held, resend; the session's stalled, queue */
  union {
    struct {
      struct ump_list mine;       /* in session->outs */
      struct ump_table_node node; /* in the table of outs: notifies, and verdicts once they were looked for in vain */
    };
    struct ump_addr to; /* without a session */
  };
  struct nt_session *session; /* NULL: to an address */
  struct ump_blob *blob;      /* a notify's payload, a reason; or NULL */
  const char *text;           /* a constant reason; or NULL */
  ump_time first, due;        /* of its transmissions */
  uint32_t charge;            /* bytes of memory it is charged */
  uint16_t limit;             /* bytes; 0: none. A reply is never longer than its request */
  uint8_t kind;               /* enum nt_kind */
  uint8_t sent;               /* transmissions so far */
  bool held, legal, high, deflated;
  bool released; /* was stalled and may go now, before those that still are */
  uint8_t id_n;  /* of id; a notify has a uuid */
  union {
    uint8_t id[NT_ID];
    struct ump_uuid uuid;
  };
};

/* What requests from an address have earned that belongs to no session: OHAI, and what was refused. */
struct nt_purse {
  struct ump_addr addr;
  int32_t credit;
};

/* ---- the instance ---- */

struct ump_neteria {
  const struct ump_mem *mem;
  const struct ump_rng *rng;
  const struct ump_log *log;
  ump_time now; /* of the last call */
  uint32_t limit, per_address;
  ump_time hold;
  size_t out_bytes_max;
  bool discoverable, compression, ignore_encryption;
  struct ump_bytes server_name; /* both in strings */
  struct ump_bytes versions[NT_VERSIONS];
  size_t n_versions;
  uint8_t *strings;
  size_t strings_n;

  struct ump_hash_key key, challenges; /* of tables; of what strangers see */
  struct ump_table registry;           /* sessions by cuuid */
  struct ump_table outs;               /* verdicts and notifies by session and euuid */
  struct ump_tally tally;              /* sessions by IP */
  struct nt_hints *hints;              /* sessions that were heard lately, by cuuid; in hint_block */
  void *hint_block;
  unsigned hint_bits, hint_turn;          /* there are 1 << hint_bits; whose place is taken next */
  struct nt_purse *purses;                /* NT_PURSES, by address; who comes last has the place */
  struct ump_slots slots;                 /* sessions by handle */
  size_t n_sessions, n_ghosts, n_reports; /* alive; remembered; in reports */

  struct ump_list young, unproven, idle, silent, ghosts; /* sessions by age in their state */
  struct ump_list reports;                               /* sessions with something for next(): gone or moved */
  struct ump_list probes, moves;                         /* by due */
  struct ump_list ready;                                 /* outs to be sent now, in order */
  struct ump_list held, resend;                          /* outs by due */
  struct ump_list free_outs;
  size_t n_free_outs, n_outs, n_replies, n_probes, out_bytes;
  ump_time pressed, swept; /* want of room: newcomers are probed at once until then; last look at the others */
  ump_time next_way;       /* until then nobody gives way to who proved nothing */
  size_t n_ripe;
  ump_time strange_due; /* the unproven have used up their share of the engine's memory to this time */

  bool has_pending; /* the event that the last datagram made */
  struct ump_event pending;
  struct ump_addr pending_from;
  struct nt_session *connecting; /* the engine has been asked about */
  size_t connect_bytes;          /* of its REGISTER */
  bool connect_proven;           /* it echoed a challenge */

  struct nt_deflate *deflate; /* NULL unless compression=1 */
  size_t text_max;            /* NT_TEXT, or NT_INFLATED */
  uint8_t *text, *decoded;    /* text_max bytes each: a text that had to be made or changed; decoded strings */
  size_t decoded_n;
  uint8_t scratch[NT_TEXT];
  uint64_t counts[NT_N_COUNTS];
};

static inline void nt_count(struct ump_neteria *n, enum nt_count c) {
  n->counts[c]++;
}

static inline bool nt_alive(const struct nt_session *s) {
  return s->state <= NT_SILENT;
}
static inline bool nt_trusted(const struct nt_session *s) {
  return s->state == NT_PROVEN || s->state == NT_SILENT;
}

/* A list in order of time gets its next entry at the end, whatever it was in before. */
static inline void nt_rearm(struct ump_list *head, struct ump_list *node) {
  ump_list_remove(node);
  ump_list_push(head, node);
}

/* ---- message.c: a datagram as values, and values as a datagram ---- */

/* A datagram that has been read. Slices borrow from it, or from the instance's buffers until the next recv. */
struct nt_request {
  const struct ump_addr *from;
  size_t n; /* bytes on the wire */
  bool deflated;
  bool malformed; /* all is sound but event_data */
  const struct nt_method *method;
  struct ump_bytes cuuid, euuid;
  bool high;
  struct ump_json_value data, version, encryption;
};

/* What a method needs, and who handles it: of a session from its address, of nobody we know, of a session from
 * elsewhere. */
#define NT_NEEDS_CUUID 1
#define NT_NEEDS_EUUID 2
#define NT_NEEDS_DATA  4
struct nt_method {
  const char *name;
  size_t n; /* its length */
  unsigned needs;
  void (*known)(struct ump_neteria *n, const struct nt_request *r, struct nt_session *s);
  void (*unknown)(struct ump_neteria *n, const struct nt_request *r);
  void (*elsewhere)(struct ump_neteria *n, const struct nt_request *r, struct nt_session *s);
};
extern const struct nt_method ump__nt_methods[]; /* ends with name == NULL; neteria.c */
enum { NT_EVENT, NT_OK_EVENT, NT_OK_NOTIFY };    /* the first of them */

/* Reads a text. True: r is filled in, and borrows from it; false: dropped, counted and logged. */
bool ump__nt_parse(struct ump_neteria *n, struct nt_request *r, struct ump_bytes text);
/* layout.c: the same, if it is laid out as the real client does; else false, and r holds nothing of worth. */
bool ump__nt_read_layout(struct nt_request *r, struct ump_bytes text);
bool ump__nt_read_any(struct ump_neteria *n, struct nt_request *r, struct ump_bytes text); /* however it is laid out */
struct ump_bytes ump__nt_string(struct ump_neteria *n,
                                const struct ump_json_value *v); /* decoded; lives as the request */
void ump__nt_drop(struct ump_neteria *n, enum nt_count cause, const struct ump_addr *from, const char *text);

/* Writes a message. 0: it is written; UMP_ETOOBIG: not within its limit, drop it. */
int ump__nt_compose(struct ump_neteria *n, const struct nt_out *o, struct ump_writer *w);
int ump__nt_pack(struct ump_neteria *n, const struct ump_notice *notice, struct ump_blob **out);

/* ---- deflate.c: section 8 ---- */
struct nt_deflate *ump__nt_deflate_new(const struct ump_mem *mem); /* NULL: no memory */
void ump__nt_deflate_free(struct nt_deflate *d, const struct ump_mem *mem);
bool ump__nt_is_deflated(struct ump_bytes in); /* begins with eJ */
/* The text of a datagram: its size, or UMP_EMALFORMED. */
int ump__nt_inflate(struct nt_deflate *d, struct ump_bytes in, uint8_t *out, size_t cap);
/* 0, or UMP_ETOOBIG when it does not fit. */
int ump__nt_deflate(struct nt_deflate *d, struct ump_bytes text, struct ump_writer *out);
bool ump__nt_deflates_into(struct nt_deflate *d, struct ump_bytes text,
                           size_t bytes); /* whether it would fit so many */

/* ---- outbox.c ---- */
int ump__nt_verdict(struct ump_neteria *n, struct nt_session *s, const struct ump_event *ev,
                    const struct ump_answer *a);
int ump__nt_notify(struct ump_neteria *n, struct nt_session *s, struct ump_blob *payload);
void ump__nt_ok_register(struct ump_neteria *n, struct nt_session *s);
void ump__nt_probe_out(struct ump_neteria *n, struct nt_session *s, const struct nt_probe_id *id);
void ump__nt_probe_to(struct ump_neteria *n, const struct ump_addr *to, bool deflated, const struct nt_probe_id *id);
/* A reply to a request, wherever it came from: never longer than that. reason: constant, or NULL and blob (taken over).
 */
void ump__nt_reply(struct ump_neteria *n, const struct nt_request *r, enum nt_kind kind, const char *reason);
void ump__nt_bye_register(struct ump_neteria *n, const struct nt_session *s, size_t limit, struct ump_bytes reason);
/* The session confirmed this verdict or notify. False: it has no such thing. */
bool ump__nt_confirm_verdict(struct ump_neteria *n, struct nt_session *s, struct ump_bytes id);
bool ump__nt_confirm_notify(struct ump_neteria *n, struct nt_session *s, const struct ump_uuid *id);
void ump__nt_release(struct ump_neteria *n, struct nt_session *s); /* there is credit, or room in flight */
/* The session is gone. Verdicts that were held still go out, once. */
void ump__nt_forget_outs(struct ump_neteria *n, struct nt_session *s);
size_t ump__nt_room(const struct nt_session *s);
int ump__nt_flush(struct ump_neteria *n, struct ump_addr *to, struct ump_writer *out);
void ump__nt_expire_outs(struct ump_neteria *n);
void ump__nt_free_outs(struct ump_neteria *n);

/* ---- session.c ---- */
/* The session of this cuuid that is alive, or NULL. from: where it may be expected. */
struct nt_session *ump__nt_find(struct ump_neteria *n, struct ump_bytes cuuid, const struct ump_addr *from);
int ump__nt_make_hints(struct ump_neteria *n, unsigned bits); /* 0 or UMP_ENOMEM: as it was */
void ump__nt_free_hints(struct ump_neteria *n);
void ump__nt_grow_hints(struct ump_neteria *n); /* there is one session more */
struct nt_session *ump__nt_hinted(const struct ump_neteria *n,
                                  struct ump_bytes cuuid); /* NULL: look into the registry */
void ump__nt_hint(struct ump_neteria *n, struct nt_session *s);
void ump__nt_unhint(struct ump_neteria *n, const struct nt_session *s);                          /* it is gone */
void ump__nt_expect(const void *self, struct ump_bytes in, int step, struct ump_coming *coming); /* ops->expect */
struct nt_session *ump__nt_session(const struct ump_neteria *n, uint32_t handle);
void ump__nt_register(struct ump_neteria *n, const struct nt_request *r,
                      bool proven); /* proven: it echoed a challenge */
void ump__nt_admit(struct ump_neteria *n, struct nt_session *s, struct ump_client *client, uint64_t serial,
                   struct ump_bytes reason);
void ump__nt_heard(struct ump_neteria *n, struct nt_session *s, const struct nt_request *r);
void ump__nt_proven(struct ump_neteria *n, struct nt_session *s);                  /* an echo came */
void ump__nt_silence(struct ump_neteria *n, struct nt_session *s, ump_time since); /* nobody confirmed since then */
/* It is gone. why: what the engine is told; NULL: it knows. */
void ump__nt_end(struct ump_neteria *n, struct nt_session *s, const char *why);
void ump__nt_moved(struct ump_neteria *n, struct nt_session *s);  /* to s->addr, which is proven; the engine is told */
bool ump__nt_report(struct ump_neteria *n, struct ump_event *ev); /* gone or moved ones, to next() */
void ump__nt_arm(struct ump_neteria *n, struct nt_session *s, struct ump_list *head);
void ump__nt_expire_sessions(struct ump_neteria *n);
ump_time ump__nt_session_deadline(const struct ump_neteria *n);
void ump__nt_free_sessions(struct ump_neteria *n);

/* ---- room.c: room for newcomers ---- */
/* What requests of nobody we know have earned and were not answered with: it counts if their sender registers. */
void ump__nt_earn(struct ump_neteria *n, const struct ump_addr *from, size_t bytes);
int32_t ump__nt_take_purse(struct ump_neteria *n, const struct ump_addr *from);
void ump__nt_ripe(struct ump_neteria *n, struct nt_session *s, bool ripe);              /* may it give way? */
bool ump__nt_has_place(struct ump_neteria *n, const struct nt_request *r, bool proven); /* false: it was told */
/* Asks the sender of a request to echo an id for which nothing is kept. Returns what that costs at most; 0: that was
 * too much. */
size_t ump__nt_challenge(struct ump_neteria *n, const struct nt_request *r);
bool ump__nt_challenge_echo(struct ump_neteria *n, const struct nt_request *r); /* is it the echo? */
bool ump__nt_within_share(struct ump_neteria *n,
                          struct nt_session *s); /* may an event of who has not proven himself be judged? */

/* ---- probe.c: probes and moves ---- */
/* So many of the 92 characters that JSON writes as they are, by chance. */
struct nt_probe_id ump__nt_brief_id(uint64_t chance, size_t length);
void ump__nt_probe(struct ump_neteria *n, struct nt_session *s);                           /* unless one is under way */
void ump__nt_probe_end(struct ump_neteria *n, struct nt_session *s);                       /* if one is under way */
bool ump__nt_probe_echo(struct ump_neteria *n, struct nt_session *s, struct ump_bytes id); /* was it ours? */
void ump__nt_move_hint(struct ump_neteria *n, struct nt_session *s, const struct nt_request *r, bool replied);
bool ump__nt_move_echo(struct ump_neteria *n, struct nt_session *s, const struct nt_request *r);
void ump__nt_move_end(struct ump_neteria *n, struct nt_session *s); /* if one is under way */
void ump__nt_expire_probes(struct ump_neteria *n);

#endif
