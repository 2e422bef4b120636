/* A Neteria listener without an engine, for tests of the protocol alone: time is a number, datagrams go in as text,
 * what comes out is kept. The engine's part is played by a few lines that judge by name: "bad..." is illegal, "boom" an
 * internal error, "defer" is never answered, and every (serial, id) is executed once.
 *
 * struct nt_world w; nt_open(&w, (struct nt_cfg){0}); ... nt_close(&w), which shows that the world is empty. */
#ifndef NT_WORLD_H
#define NT_WORLD_H

#include "proto/neteria/neteria.h"
#include "base/uuid.h"
#include "codec/json.h"
#include "testing.h"

#define NT_SENT       4096
#define NT_JUDGED     8192
#define NT_PROBE_TEXT "{\"method\": \"LEGAL\", \"euuid\": \"#\", \"priority\": \"normal\"}"
#define NT_BRIEF_TEXT "{\"method\":\"LEGAL\",\"euuid\":\"$\",\"priority\":0}" /* to who has to pay for it */

struct nt_sent { /* a datagram that came out */
  ump_time at;
  struct ump_addr to;
  size_t n;
  char text[10241]; /* NUL-terminated */
};

struct nt_judged { /* an event that the engine was shown; once for each (serial, id) */
  uint64_t serial;
  char id[65];
  enum ump_verdict verdict;
  bool high;
  int executed;
};

struct nt_cfg {                /* 0 in a field: the default given */
  uint32_t limit, per_address; /* 50, 64 */
  int hold_ms;                 /* 0: 1 ms, negative: none */
  const char *versions, *server_name;
  bool hidden, compression, ignore_encryption;
  uint32_t queue_mib;        /* 256 */
  const struct ump_mem *mem; /* the world's own */
};

struct nt_world {
  struct testing_mem mem;
  struct testing_log log;
  struct testing_rng rng;
  void *proto;
  int created; /* what create() said */
  ump_time now;
  uint64_t serials;
  const char *refuse;          /* connect says no, with this reason */
  struct ump_blob *on_execute; /* notified to the client that caused it when its event is executed; borrowed */
  struct nt_sent *sent;
  size_t n_sent, seen; /* nt_take gives sent[seen] */
  struct nt_judged *judged;
  size_t n_judged;
  struct ump_event last; /* the last JUDGE or LOGIN; slices copied into the buffers below */
  char last_name[10240], last_data[10240], last_user[256], last_password[256], last_version[128];
  bool last_has_version;
  uint64_t last_again;
  struct {
    uint32_t handle;
    bool there;
    uint64_t serial;
  } sessions[8192];
  size_t n_connects, n_disconnects, n_logouts;
  char last_reason[128]; /* of a DISCONNECT */
  uint32_t last_session; /* of the last CONNECT */
};

void nt_open(struct nt_world *w, struct nt_cfg cfg);
void nt_close(struct nt_world *w); /* nothing may be left but sessions and what they wait for, and no byte afterwards */

struct ump_addr nt_addr(unsigned host, uint16_t port); /* 10.0.0.host */

/* A datagram from there; the engine's part is done and what is due is flushed. */
void nt_in(struct nt_world *w, struct ump_addr from, const char *text);
void nt_in_bytes(struct nt_world *w, struct ump_addr from, const void *p, size_t n);
void nt_inf(struct nt_world *w, struct ump_addr from, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Lets time pass, stopping at each deadline. */
void nt_pass(struct nt_world *w, ump_time t);

/* The next datagram that came out and was not taken yet; NULL: none. Checks nothing else. */
const struct nt_sent *nt_take(struct nt_world *w);
/* It must be there, go to `to`, and be this text; "#" stands for any uuid between two quotes, "$" for the brief id of a
 * probe (returned; valid for 64 calls). */
const char *nt_expect(struct nt_world *w, struct ump_addr to, const char *text);
void nt_expect_nothing(struct nt_world *w);
void nt_forget_sent(struct nt_world *w);

uint64_t nt_counter(struct nt_world *w, const char *name);
/* REGISTER as the real client does, and its OK; the session's handle. */
uint32_t nt_register(struct nt_world *w, struct ump_addr from, const char *cuuid);
/* EVENT as the real client does. data is JSON. */
void nt_event(struct nt_world *w, struct ump_addr from, const char *cuuid, const char *euuid, const char *data);
void nt_ok_event(struct nt_world *w, struct ump_addr from, const char *cuuid, const char *euuid);
void nt_ok_notify(struct nt_world *w, struct ump_addr from, const char *cuuid, const char *euuid);
int nt_notify(struct nt_world *w, uint32_t session, const char *data); /* what notify() said */
/* Registers, echoes the probe that a first notify brings, confirms the notify: a session that has proven itself. */
uint32_t nt_proven(struct nt_world *w, struct ump_addr from, const char *cuuid);
bool nt_there(struct nt_world *w, uint32_t session); /* no DISCONNECT so far */
void nt_kick(struct nt_world *w, uint32_t session);
int nt_executions(struct nt_world *w, const char *id); /* all sessions */

#endif
