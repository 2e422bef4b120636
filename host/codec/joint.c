/* Sizes: of frames, and of the application chunks inside them. */
#include "codec/joint.h"

size_t ump_joint_size_put(uint8_t out[2], size_t n) {
  if (n >= 1 && n < 128) {
    out[0] = (uint8_t)n;
    return 1;
  }
  out[0] = (uint8_t)(0x80 | n >> 8);
  out[1] = (uint8_t)n;
  return 2;
}

size_t ump_joint_size_get(struct ump_bytes in, size_t *n) {
  if (in.n == 0) return 0;
  if (in.p[0] < 0x80) {
    *n = in.p[0];
    return 1;
  }
  if (in.n < 2) return 0;
  *n = (size_t)(in.p[0] & 0x7f) << 8 | in.p[1];
  return 2;
}

unsigned ump_joint_chunk_width(size_t max_chunk) {
  unsigned m = 1;
  for (uint64_t most = 256; m < UMP_JOINT_CHUNK_HEAD && max_chunk > most; most <<= 7) m++;
  return m;
}

size_t ump_joint_chunk_put(uint8_t out[UMP_JOINT_CHUNK_HEAD], size_t n, unsigned m) {
  size_t v = n - 1, i = 0;
  for (; i + 1 < m && v > 0x7f; v >>= 7) out[i++] = (uint8_t)(0x80 | (v & 0x7f));
  out[i++] = (uint8_t)v;
  return i;
}

size_t ump_joint_chunk_get(struct ump_bytes in, unsigned m, size_t *n, bool *padded) {
  size_t v = 0;
  for (unsigned i = 0; i < m && i < in.n; i++) {
    bool last = i + 1 == m || in.p[i] < 0x80;
    v |= (size_t)(last ? in.p[i] : in.p[i] & 0x7f) << 7 * i;
    if (!last) continue;
    *n = v + 1;
    *padded = i > 0 && in.p[i] == 0;
    return i + 1;
  }
  return 0;
}
