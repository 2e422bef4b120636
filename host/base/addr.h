/* A network address as plain bytes, without socket headers, so that the sans-IO rooms can name who sent something. */
#ifndef UMP_BASE_ADDR_H
#define UMP_BASE_ADDR_H

#include "base/bytes.h"

struct ump_addr {
  uint8_t family; /* 4 or 6; 0: none. An IPv4-mapped IPv6 address is stored as IPv4 */
  uint8_t ip[16]; /* 4 or 16 bytes, network order, the rest 0 */
  uint16_t port;  /* host order */
  uint32_t scope; /* IPv6 zone, else 0 */
};

#define UMP_ADDR_TEXT 64 /* "[ffff:…:ffff%4294967295]:65535" and a NUL */

bool ump_addr_equal(const struct ump_addr *a, const struct ump_addr *b);
bool ump_addr_same_ip(const struct ump_addr *a, const struct ump_addr *b);
/* "127.0.0.1:40080", "[::1]:40080"; NUL-terminated; returns its length. */
size_t ump_addr_print(const struct ump_addr *a, char out[UMP_ADDR_TEXT]);
/* Without the port: "127.0.0.1", "::1". */
size_t ump_addr_print_ip(const struct ump_addr *a, char out[UMP_ADDR_TEXT]);

#endif
