/* Netstrings and decimal lengths: whatever comes, a prefix never says something that more bytes take back, what was
 * read writes back as it was, and nothing outside of the slice is touched (the input is copied to its exact size). */
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/err.h"
#include "codec/netstring.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void must(int so) {
  if (!so) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
  if (n < 1) return 0;
  size_t max = (size_t)data[0] << (data[0] & 15);
  uint8_t *in = malloc(n);
  memcpy(in, data + 1, --n);
  struct ump_bytes payload = {0}, first = {0};
  size_t size = 0, whole = 0;
  int said = UMP_EAGAIN;
  for (size_t k = 0; k <= n && k < 4096; k++) {
    int err = ump_netstring_read(ump_bytes(in, k), max, &payload, &size);
    if (said != UMP_EAGAIN) { /* it had been told already */
      must(err == said && (err || (size == whole && payload.p == first.p && payload.n == first.n)));
      continue;
    }
    said = err;
    if (err == 0) {
      char head[UMP_NETSTRING_HEAD];
      size_t h = ump_netstring_head(payload.n, head);
      must(size == k && payload.n <= max && h + payload.n + 1 == size);
      must(memcmp(in, head, h) == 0 && payload.p == in + h && in[k - 1] == ',');
      whole = size, first = payload;
    } else if (err == UMP_EAGAIN) {
      must(size == 0 || size > k);
    } else {
      must(err == UMP_EMALFORMED || err == UMP_ETOOBIG);
    }
  }
  size_t value, used;
  if (ump_length_read(ump_bytes(in, n), ' ', &value, &used) == 0)
    must(used <= n && value <= 9999999 && in[used - 1] == ' ');
  free(in);
  return 0;
}
