/* A recording on the disk (record/block.h): written by a thread of its own, so that the loop never waits for the disk,
 * and read back.
 *
 * What is kept is bounded: the file that is written and the three before it, FILE.1 (the latest) to FILE.3; each begins
 * with a snapshot. A file that is there when a host starts is moved on, never written over. */
#ifndef UMP_HOST_RECORD_FILE_H
#define UMP_HOST_RECORD_FILE_H

#include <stdint.h>

#include "record/tap.h"

enum { UMP_RECORD_PARTS = 4 };

struct ump_record_file;

/* 0, or negative with a message: it cannot be written. */
/* most: bytes of a file; the next snapshot behind that begins another. */
int ump_record_file_open(const char *path, uint64_t most, struct ump_record_file **out, char *error, size_t cap);
/* Takes a chunk over (of ump_mem_libc). False: too much is waiting for the disk, or the disk has failed. */
bool ump_record_file_keep(struct ump_record_file *f, struct ump_tap_chunk *c);
/* Has it failed since it was last asked? Then error says why, and nothing is taken until ump_record_file_again. */
bool ump_record_file_failed(struct ump_record_file *f, char *error, size_t cap);
void ump_record_file_again(struct ump_record_file *f); /* the next chunk, which begins with a snapshot, starts a file */
size_t ump_record_file_waiting(struct ump_record_file *f); /* bytes */
/* Writes what waits, and ends. NULL is allowed. */
void ump_record_file_close(struct ump_record_file *f);

/* ---- reading ---- */

struct ump_recording {
  uint8_t *p; /* entries; free with ump_recording_free */
  size_t n, cap;
  size_t bytes; /* of the files */
  unsigned files;
  char note[256]; /* what is not as it should be, though it can be read: a torn end; empty: nothing */
};

/* FILE, and before it those of FILE.3 to FILE.1 that lead up to it without a gap. 0, or negative with a message. */
int ump_recording_read(const char *path, struct ump_recording *out, char *error, size_t cap);
void ump_recording_free(struct ump_recording *r);

#endif
