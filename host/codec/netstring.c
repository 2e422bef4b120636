#include "codec/netstring.h"

int ump_length_read(struct ump_bytes in, char end, size_t *value, size_t *used) {
  size_t v = 0;
  for (size_t i = 0; i < in.n; i++) {
    uint8_t c = in.p[i];
    if (c == (uint8_t)end && i > 0) {
      *value = v;
      *used = i + 1;
      return 0;
    }
    if (c < '0' || c > '9' || i == UMP_NETSTRING_DIGITS || (i == 1 && in.p[0] == '0')) return UMP_EMALFORMED;
    v = v * 10 + (size_t)(c - '0');
  }
  return UMP_EAGAIN;
}

int ump_netstring_read(struct ump_bytes in, size_t max, struct ump_bytes *payload, size_t *size) {
  size_t n, head;
  *size = 0;
  int err = ump_length_read(in, ':', &n, &head);
  if (err) return err;
  if (n > max) return UMP_ETOOBIG;
  *size = head + n + 1;
  if (in.n < *size) return UMP_EAGAIN;
  if (in.p[head + n] != ',') return UMP_EMALFORMED;
  *payload = ump_bytes(in.p + head, n);
  return 0;
}

size_t ump_netstring_head(size_t n, char out[UMP_NETSTRING_HEAD]) {
  char digits[UMP_NETSTRING_DIGITS];
  size_t k = 0, len = 0;
  do {
    digits[k++] = (char)('0' + n % 10);
    n /= 10;
  } while (n && k < sizeof digits);
  while (k) out[len++] = digits[--k];
  out[len++] = ':';
  return len;
}
