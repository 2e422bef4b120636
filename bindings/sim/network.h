/* The simulator's network: datagrams and streams (stream.h) between many peers and one server, and the peers' alarm
 * clocks, in one heap by virtual time. It loses, doubles, delays, reorders and throttles from a seed: the same calls
 * with the same seed give the same arrivals. Nothing here sleeps, reads a clock or opens a socket. */
#ifndef UMP_SIM_NETWORK_H
#define UMP_SIM_NETWORK_H

#include "base/addr.h"
#include "base/heap.h"
#include "base/list.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/time.h"

enum ump_sim_way { UMP_SIM_UP, UMP_SIM_DOWN }; /* to the server, to the peer */

/* What one way does to a datagram or to a piece of a stream. All zero: it arrives at once, in order. */
struct ump_sim_link {
  double loss, duplicate, reorder; /* probabilities, 0..1 */
  ump_time lag, jitter; /* each datagram takes lag - jitter .. lag + jitter, never less than 0; order is kept */
  double rate;          /* bytes a second for each peer; 0: no limit. What would wait over 1 s is dropped */
  /* streams (stream.h); duplicate and reorder are nothing to them, loss delays, and a rate makes the writer wait */
  double cut;      /* probability that a piece meets a reset of the connection */
  int32_t split;   /* bytes of a piece, at most; 0: as they were written; -1: cut at random */
  uint32_t window; /* bytes under way or unread at most; 0: 64 KiB */
};

enum ump_sim_count {
  UMP_SIM_SENT,
  UMP_SIM_DELIVERED,
  UMP_SIM_LOST,
  UMP_SIM_DOUBLED,
  UMP_SIM_REORDERED,
  UMP_SIM_CROWDED,
  UMP_SIM_UNREACHABLE,
  UMP_SIM_BYTES,
  UMP_SIM_CUT,
  UMP_SIM_COUNTS,
};
extern const char *const ump_sim_count_names[UMP_SIM_COUNTS];

struct ump_sim_peer;
struct ump__sim_due;

struct ump_sim_net {
  const struct ump_mem *mem;
  uint64_t seed; /* of every link's chance */
  struct ump_heap heap;
  struct ump_sim_link link[2];
  struct ump_sim_peer **peers;
  size_t n_peers, cap_peers;
  struct ump__sim_due *current;      /* the one next() gave last; freed by the following call */
  struct ump_list stirred, writable; /* streams */
  uint64_t counts[UMP_SIM_COUNTS];
  uint64_t trace;                /* a hash of everything that was sent and what became of it */
  uint64_t under_way, datagrams; /* all; of these datagrams */
};

/* What arrived on a stream: at the server a wish to connect, at the peer that it was granted; then, on either side,
 * bytes, the end of what the other says, or a reset. */
enum ump_sim_news { UMP_SIM_NO_STREAM, UMP_SIM_DIALLED, UMP_SIM_OPENED, UMP_SIM_DATA, UMP_SIM_END, UMP_SIM_RESET };

/* Something whose time has come. */
struct ump_sim_arrival {
  enum { UMP_SIM_AT_SERVER, UMP_SIM_AT_PEER, UMP_SIM_WAKE } what;
  uint32_t peer, listener;
  struct ump_addr from;   /* AT_SERVER: the peer's address when it was sent */
  enum ump_sim_news news; /* NO_STREAM: a datagram */
  struct ump_bytes data;  /* borrowed until the next call of next() */
};

void ump_sim_net_init(struct ump_sim_net *n, const struct ump_mem *mem, uint64_t seed);
void ump_sim_net_deinit(struct ump_sim_net *n);

/* A new peer; peers are numbered from 0. The address must be free. 0, UMP_EFULL (taken), UMP_ENOMEM */
int ump_sim_net_peer(struct ump_sim_net *n, const struct ump_addr *addr, uint32_t *peer);
/* Its address is another one from now on, as when a NAT forgets; what is under way to the old one is lost. The same
 * errors */
int ump_sim_net_move(struct ump_sim_net *n, uint32_t peer, const struct ump_addr *addr);
/* The peer's own weather, over everybody's, one way; NULL: everybody's again. */
void ump_sim_net_weather(struct ump_sim_net *n, uint32_t peer, enum ump_sim_way way, const struct ump_sim_link *own);
/* A cut link carries nothing that way until it is healed: datagrams are lost, those under way too; pieces of a stream
 * wait.
 */
void ump_sim_net_cut(struct ump_sim_net *n, uint32_t peer, enum ump_sim_way way, bool on, ump_time now);
void ump_sim_net_drop(struct ump_sim_net *n,
                      uint32_t peer); /* unplugged for good: nothing reaches it, it is never woken */
bool ump_sim_net_alive(const struct ump_sim_net *n, uint32_t peer);
const struct ump_addr *ump_sim_net_addr(const struct ump_sim_net *n, uint32_t peer);

/* 0 (also when the network will lose it), UMP_ENOMEM */
int ump_sim_net_send_up(struct ump_sim_net *n, uint32_t peer, uint32_t listener, struct ump_bytes data, ump_time now);
int ump_sim_net_send_down(struct ump_sim_net *n, const struct ump_addr *to, struct ump_bytes data, ump_time now);
/* next() says WAKE for this peer at that time; UMP_NEVER: not at all. 0, UMP_ENOMEM */
int ump_sim_net_wake(struct ump_sim_net *n, uint32_t peer, ump_time at);

ump_time ump_sim_net_deadline(const struct ump_sim_net *n);
bool ump_sim_net_next(struct ump_sim_net *n, ump_time now, struct ump_sim_arrival *out);

#endif
