#include "net/sockaddr.h"

#include <arpa/inet.h>
#include <string.h>

static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}; /* ::ffff:0:0/96, RFC 4291 2.5.5.2 */

void ump_addr_from_sockaddr(struct ump_addr *out, const union ump_sockaddr *sa) {
  memset(out, 0, sizeof *out);
  if (sa->any.sa_family == AF_INET) {
    out->family = 4;
    memcpy(out->ip, &sa->v4.sin_addr, 4);
    out->port = ntohs(sa->v4.sin_port);
  } else if (sa->any.sa_family == AF_INET6) {
    const uint8_t *ip = sa->v6.sin6_addr.s6_addr;
    bool is_v4 = memcmp(ip, mapped, sizeof mapped) == 0;
    out->family = is_v4 ? 4 : 6;
    memcpy(out->ip, is_v4 ? ip + 12 : ip, is_v4 ? 4 : 16);
    out->port = ntohs(sa->v6.sin6_port);
    out->scope = is_v4 ? 0 : sa->v6.sin6_scope_id;
  }
}

static socklen_t to_v6(const struct ump_addr *a, struct sockaddr_in6 *out) {
  *out = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons(a->port), .sin6_scope_id = a->scope};
  if (a->family == 6) {
    memcpy(out->sin6_addr.s6_addr, a->ip, 16);
  } else {
    memcpy(out->sin6_addr.s6_addr, mapped, sizeof mapped);
    memcpy(out->sin6_addr.s6_addr + 12, a->ip, 4);
  }
  return sizeof *out;
}

socklen_t ump_addr_to_sockaddr(const struct ump_addr *a, int family, union ump_sockaddr *out) {
  if (a->family != 4 && a->family != 6) return 0;
  if (family == AF_INET6) return to_v6(a, &out->v6);
  if (family != AF_INET || a->family != 4) return 0;
  out->v4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(a->port)};
  memcpy(&out->v4.sin_addr, a->ip, 4);
  return sizeof out->v4;
}
