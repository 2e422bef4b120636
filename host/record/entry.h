/* What a recording is made of: entries, one behind the other in the order in which things happened.
 *
 * An entry is its kind (1 byte), the length of its body (4 bytes, little-endian) and the body. Which fields a kind has,
 * and in which order, is one row of a table in entry.c. Numbers are LEB128; texts and data have their length in front;
 * times are ns since the time of the entry before that has one (a snapshot's is the clock itself).
 *
 * A recording holds groups: an entry of what came in (INPUT below), and behind it what the host made of it: chance that
 * was drawn, the answer, notifies. A reader that meets a kind it does not know passes over it.
 *
 * Reading trusts nothing: a recording may be torn, damaged or forged. Slices borrow from the bytes read. */
#ifndef UMP_RECORD_ENTRY_H
#define UMP_RECORD_ENTRY_H

#include "base/addr.h"
#include "base/bytes.h"
#include "base/time.h"

enum ump_entry_kind {
  /* how things stand when a recording, or a part of it, begins */
  UMP_ENTRY_SNAPSHOT = 1, /* data: what load() was given. number: save's version, wall clock in ns, last tick's time */
  UMP_ENTRY_LISTENER,     /* listener; name: the scheme */
  UMP_ENTRY_CLIENT,       /* who is there. id: 16 bytes; data: client.data (base/plain.h) */
  UMP_ENTRY_READY, /* the rulebook judges. name: its path, text: its hash; number: version, math.random's state */
  UMP_ENTRY_STATE, /* before READY. data: the replicated state (base/plain.h) */

  /* what came in: from a protocol, from the clock, from the operator */
  UMP_ENTRY_CONNECT = 16,
  UMP_ENTRY_JUDGE,
  UMP_ENTRY_LOGIN, /* data: a pseudonym of the password, see tap.h */
  UMP_ENTRY_NAME,
  UMP_ENTRY_LOGOUT,
  UMP_ENTRY_DISCONNECT, /* text: the reason */
  UMP_ENTRY_EXPIRE, /* timers and ticks were called. number[0]: how late the first of them was, ns. UMP_ENTRY_YES: and
                       the state was to be told */
  UMP_ENTRY_RELOAD,
  UMP_ENTRY_STOP, /* the host drains */
  UMP_ENTRY_GAP,  /* number[0] entries are missing here: they could not be written in time */

  /* what came of it */
  UMP_ENTRY_DRAW = 64, /* data: bytes of chance that the engine and the rulebook drew */
  UMP_ENTRY_ADMIT,     /* of the CONNECT before. UMP_ENTRY_YES, and id: 16 bytes, the client's; or text: why not */
  UMP_ENTRY_ANSWER,    /* code: enum ump_verdict; text: the reason; data: the response */
  UMP_ENTRY_NOTICE,    /* number[0]: what DELIVER calls it; code: enum ump_encoding */
  UMP_ENTRY_DELIVER,   /* number[0]: the notice; listener, session: to whom */
  UMP_ENTRY_KICK,      /* text: the reason */
  UMP_ENTRY_RELOADED,  /* UMP_ENTRY_YES: it was; number[0]: version, name: path, text: hash */
};

enum ump_entry_flag {
  UMP_ENTRY_YES = 1,
  UMP_ENTRY_HIGH = 2,
  UMP_ENTRY_HAS_NAME = 4,
  UMP_ENTRY_HAS_DATA = 8,
  UMP_ENTRY_MALFORMED = 16,
  UMP_ENTRY_TOUCHES_OTHER = 32,
  UMP_ENTRY_CREATE = 64,
  UMP_ENTRY_LATE = 128,
  UMP_ENTRY_HAS_VERSION = 256,
  UMP_ENTRY_FRESH = 512,    /* SNAPSHOT: the host has just started; nobody is there, load() ran as at any start */
  UMP_ENTRY_MOVED = 1024,   /* LOGOUT: from is the new address */
  UMP_ENTRY_CHANNEL = 2048, /* CONNECT, CLIENT: it is in a channel */
  UMP_ENTRY_BROKEN = 4096,  /* SNAPSHOT: what came right before it is missing */
};

enum { UMP_ENTRY_NUMBERS = 5, UMP_ENTRY_HEAD = 5 };

struct ump_entry {
  enum ump_entry_kind kind;
  ump_time at; /* of INPUT, SNAPSHOT, READY; else that of the entry before */
  uint32_t listener, session;
  unsigned flags;
  unsigned code; /* enum ump_verdict or ump_encoding */
  uint64_t number[UMP_ENTRY_NUMBERS];
  struct ump_bytes id, name, data, text, channel;
  struct ump_addr from; /* never a real one: see tap.h */
};

static inline bool ump_entry_is_input(const struct ump_entry *e) {
  return e->kind >= UMP_ENTRY_CONNECT && e->kind < UMP_ENTRY_DRAW;
}

/* An upper bound of what writing it takes. */
size_t ump_entry_room(const struct ump_entry *e);
/* Appends it; *last is the time of the entry before, and becomes this one's. w->full: there is less room than that. */
void ump_entry_put(struct ump_writer *w, ump_time *last, const struct ump_entry *e);

struct ump_entry_reader {
  struct ump_reader r;
  ump_time last;
  bool bad; /* it ended at something that is no entry */
};
struct ump_entry_reader ump_entry_reader(struct ump_bytes in);
int ump_entry_get(struct ump_entry_reader *r, struct ump_entry *out); /* 1: an entry; 0: the end, or bad */

#endif
