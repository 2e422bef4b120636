/* A recording as a file: "UMPREC", the layout's version and a byte that tells the byte order of the plain data in it
 * (base/plain.h is the host's own order); then blocks, each the length of its payload and the CRC-32 of that, 4 bytes
 * each, little-endian, and the payload: whole entries. The first entry of a file is a snapshot.
 *
 * A host that is killed leaves a torn block at the end, and everything before it can be read. */
#ifndef UMP_RECORD_BLOCK_H
#define UMP_RECORD_BLOCK_H

#include "base/bytes.h"
#include "base/mem.h"

enum { UMP_BLOCK_FILE_HEAD = 8, UMP_BLOCK_HEAD = 8 };

void ump_block_file_head(uint8_t out[UMP_BLOCK_FILE_HEAD]);
void ump_block_head(struct ump_bytes payload, uint8_t out[UMP_BLOCK_HEAD]);

enum ump_block_end {
  UMP_BLOCK_WHOLE,    /* all of it could be read */
  UMP_BLOCK_TORN,     /* the last block is not all there: the host was killed while it wrote */
  UMP_BLOCK_DAMAGED,  /* a block's CRC is wrong: what is behind it is not looked at */
  UMP_BLOCK_NOT_OURS, /* no recording, or one of another version or kind of machine */
};

/* Appends the payloads of a file's bytes to *entries (allocated by mem, *n bytes in use of *cap). Never allocates more
 * than the file is long. *read: how many bytes of the file are sound. UMP_ENOMEM, or enum ump_block_end. */
int ump_blocks_read(const struct ump_mem *mem, struct ump_bytes file, uint8_t **entries, size_t *n, size_t *cap,
                    size_t *read);

#endif
