#include "record/block.h"

#define Z_SOLO /* no files, no allocation: only the checksum is wanted */
#include <zlib.h>

#include "base/err.h"

enum { VERSION = 1 };

static uint8_t byte_order(void) {
  const uint16_t one = 1;
  uint8_t first;
  memcpy(&first, &one, 1);
  return first ? 'l' : 'b';
}

void ump_block_file_head(uint8_t out[UMP_BLOCK_FILE_HEAD]) {
  memcpy(out, "UMPREC", 6);
  out[6] = VERSION;
  out[7] = byte_order();
}

static uint32_t checksum(struct ump_bytes b) {
  return (uint32_t)crc32(0, b.p, (uInt)b.n);
}

void ump_block_head(struct ump_bytes payload, uint8_t out[UMP_BLOCK_HEAD]) {
  struct ump_writer w = ump_writer(out, UMP_BLOCK_HEAD);
  ump_write_u32le(&w, (uint32_t)payload.n);
  ump_write_u32le(&w, checksum(payload));
}

int ump_blocks_read(const struct ump_mem *mem, struct ump_bytes file, uint8_t **entries, size_t *n, size_t *cap,
                    size_t *read) {
  uint8_t head[UMP_BLOCK_FILE_HEAD];
  ump_block_file_head(head);
  *read = 0;
  if (file.n < sizeof head || memcmp(file.p, head, sizeof head) != 0) return UMP_BLOCK_NOT_OURS;
  if (*cap - *n < file.n) {
    void *p = ump_realloc(mem, *entries, *cap, *n + file.n);
    if (!p) return UMP_ENOMEM;
    *entries = p, *cap = *n + file.n;
  }
  struct ump_reader r = ump_reader(ump_bytes(file.p + sizeof head, file.n - sizeof head));
  for (;;) {
    *read = file.n - ump_reader_left(&r);
    if (ump_reader_left(&r) == 0) return UMP_BLOCK_WHOLE;
    uint32_t size = ump_read_u32le(&r), sum = ump_read_u32le(&r);
    struct ump_bytes payload = ump_read_bytes(&r, size);
    if (r.bad || payload.n != size) return UMP_BLOCK_TORN;
    if (checksum(payload) != sum) return UMP_BLOCK_DAMAGED;
    if (size) memcpy(*entries + *n, payload.p, size);
    *n += size;
  }
}
