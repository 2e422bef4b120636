#include "save_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/hash.h"

#define MAGIC "UMPSAVE\1"
enum { HEADER = 32 };
/* More than a VM of the default 64 MiB can hold; a longer file is not ours. */
#define MOST ((off_t)1 << 32)

static uint64_t checksum(struct ump_bytes data) {
  static const struct ump_hash_key zeros;
  return ump_hash64(&zeros, data);
}

static int read_all(int fd, uint8_t *to, size_t n) {
  while (n > 0) {
    ssize_t got = read(fd, to, n);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return -1;
    to += got;
    n -= (size_t)got;
  }
  return 0;
}

static int write_all(int fd, struct ump_bytes b) {
  while (b.n > 0) {
    ssize_t n = write(fd, b.p, b.n);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return -1;
    b.p += n;
    b.n -= (size_t)n;
  }
  return 0;
}

static bool check(struct ump_saved *s, size_t n) {
  if (n < HEADER || memcmp(s->bytes, MAGIC, 8) != 0) return false;
  struct ump_reader r = ump_reader(ump_bytes(s->bytes + 8, n - 8));
  s->version = (int64_t)ump_read_u64be(&r);
  uint64_t length = ump_read_u64be(&r), sum = ump_read_u64be(&r);
  s->data = ump_bytes(s->bytes + HEADER, n - HEADER);
  return length == s->data.n && sum == checksum(s->data);
}

static void folder_of(const char *path, char folder[4096]) {
  const char *slash = strrchr(path, '/');
  snprintf(folder, 4096, "%.*s", slash ? (int)(slash - path + 1) : 1, slash ? path : ".");
}

/* A world that cannot be written when the host stops is lost, so that is asked when it starts. */
static bool can_write(const char *path, char *error, size_t cap) {
  char folder[4096];
  folder_of(path, folder);
  if (access(folder, W_OK | X_OK) == 0) return true;
  snprintf(error, cap, "cannot write to %s: %s; --save needs a folder in which umpire may make files", folder,
           strerror(errno));
  return false;
}

int ump_save_read(const char *path, struct ump_saved *out, char *error, size_t cap) {
  struct stat st;
  memset(out, 0, sizeof *out);
  if (!can_write(path, error, cap)) return -1;
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0 && errno == ENOENT) return 0;
  if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
    snprintf(error, cap, "cannot read %s: %s", path,
             fd < 0 ? strerror(errno) : "it is no file; --save needs the name of one");
    if (fd >= 0) close(fd);
    return -1;
  }
  size_t n = st.st_size <= MOST ? (size_t)st.st_size : 0;
  out->bytes = malloc(n + 1);
  bool ok = out->bytes && read_all(fd, out->bytes, n) == 0 && check(out, n);
  close(fd);
  if (ok) return 1;
  ump_saved_free(out);
  snprintf(error, cap,
           "%s is damaged or was not written by umpire; restore it from a backup, or move it away to begin anew "
           "without what was saved",
           path);
  return -1;
}

void ump_saved_free(struct ump_saved *s) {
  free(s->bytes);
  memset(s, 0, sizeof *s);
}

static void sync_folder(const char *path) { /* so that the rename itself outlives a power cut */
  char folder[4096];
  folder_of(path, folder);
  int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return;
  fsync(fd);
  close(fd);
}

int ump_save_write(const char *path, struct ump_bytes data, int64_t version, char *error, size_t cap) {
  char temp[4096];
  uint8_t header[HEADER];
  struct ump_writer w = ump_writer(header, sizeof header);
  ump_write_bytes(&w, ump_bytes(MAGIC, 8));
  ump_write_u64be(&w, (uint64_t)version);
  ump_write_u64be(&w, data.n);
  ump_write_u64be(&w, checksum(data));
  int n = snprintf(temp, sizeof temp, "%s.new", path);
  int fd = n > 0 && n < (int)sizeof temp ? open(temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600) : -1;
  bool ok = fd >= 0 && write_all(fd, ump_written(&w)) == 0 && write_all(fd, data) == 0 && fsync(fd) == 0;
  int err = errno;
  if (fd >= 0 && close(fd) != 0 && ok) ok = false, err = errno;
  if (ok && rename(temp, path) == 0) return sync_folder(path), 0;
  if (ok) err = errno;
  if (fd >= 0) unlink(temp);
  snprintf(error, cap, "cannot write %s: %s; what it held before is unchanged", path, strerror(err));
  return -1;
}
