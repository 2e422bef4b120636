/* Between the kernel's addresses and base/addr.h. */
#ifndef UMP_NET_SOCKADDR_H
#define UMP_NET_SOCKADDR_H

#include <netinet/in.h>
#include <sys/socket.h>

#include "base/addr.h"

union ump_sockaddr {
  struct sockaddr any;
  struct sockaddr_in v4;
  struct sockaddr_in6 v6;
};

/* An IPv4-mapped IPv6 address becomes IPv4 (base/addr.h). An unknown family gives family 0. */
void ump_addr_from_sockaddr(struct ump_addr *out, const union ump_sockaddr *sa);
/* family is the socket's (AF_INET or AF_INET6): an IPv4 address on an IPv6 socket is written mapped. Returns the
 * length; 0: this address cannot be reached through such a socket. */
socklen_t ump_addr_to_sockaddr(const struct ump_addr *a, int family, union ump_sockaddr *out);

#endif
