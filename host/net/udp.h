/* A UDP socket in front of one listener of the engine: up to 64 datagrams are read with one recvmmsg and up to 64 sent
 * with one sendmmsg; a send costs 2.9 us of CPU, so that nothing else on this path may.
 *
 * libuv waits for the socket (uv_poll); reading and sending is our own. uv_udp with UV_UDP_RECVMMSG takes 20 datagrams
 * a call into pieces of 64 KiB each and asks once more until the kernel says EAGAIN; it has no sendmmsg of its own on
 * Debian 12.
 *
 * Errors that strangers cause (ICMP unreachable, no route) end a datagram, never the socket. */
#ifndef UMP_NET_UDP_H
#define UMP_NET_UDP_H

#include "net/loop.h"

struct ump_udp;

struct ump_udp_stats {
  uint64_t datagrams_in, bytes_in, datagrams_out, bytes_out;
  uint64_t send_failed; /* datagrams that the kernel refused for good */
  uint64_t send_waits;  /* how often the kernel took no more for now */
};

/* Binds. 0, or a negative errno: *out is NULL then. *bound is the real address, with the port that was given for port
 * 0. An IPv6 wildcard takes IPv4 too, where the system allows it. */
int ump_udp_open(struct ump_loop *l, const struct ump_addr *addr, size_t max_datagram, struct ump_udp **out,
                 struct ump_addr *bound);
/* Begins to read, for this listener of the engine. 0 or a negative errno. */
int ump_udp_start(struct ump_udp *u, uint32_t listener);
void ump_udp_close(struct ump_udp *u); /* NULL is allowed; ump_loop_free closes what is left */
const struct ump_udp_stats *ump_udp_stats(const struct ump_udp *u);

#endif
