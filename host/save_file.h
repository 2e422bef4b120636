/* --save FILE: what the rulebook's save() gave, kept across a clean restart.
 *
 * The file: "UMPSAVE" and a byte 1 (the layout's version), then big-endian: the rulebook's version (8 bytes), the
 * length of the data (8), SipHash-2-4 of the data under a key of zeros (8; against broken disks, not against forgers),
 * the data. It is written beside the old one, synced, and renamed over it: at every moment there is one whole file. */
#ifndef UMP_HOST_SAVE_FILE_H
#define UMP_HOST_SAVE_FILE_H

#include <stdint.h>

#include "base/bytes.h"

struct ump_saved {
  uint8_t *bytes; /* owned: free with ump_saved_free */
  struct ump_bytes data;
  int64_t version;
};

/* 1: read; 0: there is no such file yet; negative (also when it could not be written later): a message that says what
 * is wrong and what to do. */
int ump_save_read(const char *path, struct ump_saved *out, char *error, size_t cap);
void ump_saved_free(struct ump_saved *s);
/* 0, or negative with a message; the old file is as it was then. */
int ump_save_write(const char *path, struct ump_bytes data, int64_t version, char *error, size_t cap);

#endif
