/* TCP sockets in front of one listener of the engine, for protocols on streams.
 *
 * A connection reads while its protocol wants input (UMP_WANTS_INPUT) and writes what its protocol holds with writev,
 * without copying; only what the kernel does not take at once is copied, at most 16 KiB for a connection, until it
 * does. When file descriptors run short, new connections wait in the kernel's queue until others have left. */
#ifndef UMP_NET_TCP_H
#define UMP_NET_TCP_H

#include "net/loop.h"

struct ump_tcp;

struct ump_tcp_stats {
  uint64_t accepted, refused; /* refused: open() of the protocol said no, or there was no memory */
  uint64_t bytes_in, bytes_out;
  uint64_t pauses; /* how often accepting was put off for want of descriptors */
  uint32_t open;   /* connections now */
};

/* max_connections 0: as many as the limit of descriptors (RLIMIT_NOFILE) leaves, for all ports of the loop together,
 * when 64 are kept for everything else. Otherwise as ump_udp_open, ump_udp_start and so on. */
int ump_tcp_open(struct ump_loop *l, const struct ump_addr *addr, uint32_t max_connections, struct ump_tcp **out,
                 struct ump_addr *bound);
int ump_tcp_start(struct ump_tcp *t, uint32_t listener);
void ump_tcp_close(struct ump_tcp *t);
const struct ump_tcp_stats *ump_tcp_stats(const struct ump_tcp *t);

#endif
