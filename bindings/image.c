/* A folder as plain data: what PYMMORPG's `upgrade` sends to clients. It is read when the rulebook is loaded, so that
 * what is sent belongs to what judges, and so that protocols need no file system.
 *
 * Nothing outside the folder is ever opened: each step is an openat of one name with O_NOFOLLOW, from a descriptor of
 * the folder above, so a link put there while we read is refused by the system and not by a check that could come too
 * late. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bindings/fields.h"

enum { FOLDERS = 32, ENTRIES = 10000 };

struct reading {
  const struct ump_image *image;
  struct ump_buf *out;
  size_t start, entries; /* where out began; how many were read */
  int err;
  char *error;
  size_t error_cap;
};

static bool fail(struct reading *r, int err, const char *what, const char *name) {
  r->err = err;
  if (err == UMP_EINVAL) snprintf(r->error, r->error_cap, "%s \"%.200s\": %s", what, name, strerror(errno));
  if (err == UMP_ENOMEM) snprintf(r->error, r->error_cap, "out of memory");
  return false;
}

static bool too_big(struct reading *r) {
  if (r->out->failed) return !fail(r, UMP_ENOMEM, "", "");
  if (r->out->n - r->start <= r->image->max && r->entries <= ENTRIES) return false;
  r->err = UMP_ETOOBIG;
  return true;
}

/* ---- one folder's names, sorted by their bytes ---- */

struct names {
  char **v;
  size_t n, cap;
};

static void names_free(struct names *s) {
  for (size_t i = 0; i < s->n; i++) free(s->v[i]);
  free(s->v);
}

static bool names_add(struct names *s, const char *name) {
  if (s->n == s->cap) {
    size_t cap = s->cap ? 2 * s->cap : 16;
    char **v = realloc(s->v, cap * sizeof *v);
    if (!v) return false;
    s->v = v, s->cap = cap;
  }
  size_t n = strlen(name) + 1;
  s->v[s->n] = malloc(n);
  if (!s->v[s->n]) return false;
  memcpy(s->v[s->n++], name, n);
  return true;
}

static int by_bytes(const void *a, const void *b) {
  return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool names_read(struct reading *r, DIR *dir, struct names *s) {
  struct dirent *d;
  while ((d = readdir(dir))) {
    if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0) continue;
    if (s->n + r->entries > ENTRIES) return r->err = UMP_ETOOBIG, false;
    if (!names_add(s, d->d_name)) return fail(r, UMP_ENOMEM, "", "");
  }
  if (s->n) qsort(s->v, s->n, sizeof *s->v, by_bytes);
  return true;
}

/* ---- files and folders ---- */

static bool read_folder(struct reading *r, int fd, unsigned depth);

static void begin_entry(struct reading *r, const char *name) {
  ump__config_count(r->out, ump_plain_put_tuple, 2);
  ump__config_string(r->out, ump_text(name));
  r->entries++;
}

/* To the end of the file, whatever its size was when it was looked at. */
static bool read_contents(struct reading *r, int fd, const char *name) {
  size_t head = r->out->n;
  ump__config_string(r->out, ump_bytes(NULL, 0)); /* the length is written over when it is known */
  size_t from = r->out->n;
  for (;;) {
    if (too_big(r)) return false;
    if (!ump_buf_room(r->out, 16384)) return fail(r, UMP_ENOMEM, "", "");
    ssize_t n = read(fd, r->out->p + r->out->n, 16384);
    if (n == 0) break;
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail(r, UMP_EINVAL, "cannot read", name);
    r->out->n += (size_t)n;
  }
  uint32_t length = (uint32_t)(r->out->n - from);
  memcpy(r->out->p + head + 1, &length, sizeof length); /* base/plain.h: a tag, then a length of four bytes */
  return true;
}

static void left_out(struct reading *r, const char *name, const char *what) {
  char text[400];
  int n = snprintf(text, sizeof text, "\"%.200s\" in the client's image is %s: it is left out", name, what);
  ump_log_write(r->image->log, UMP_WARN, "client_image", NULL, ump_bytes(text, (size_t)n));
}

/* *added: an entry was appended. */
static bool read_entry(struct reading *r, int at, const char *name, unsigned depth, bool *added) {
  struct stat st;
  /* O_NONBLOCK: opening a pipe must not wait for its other end */
  int fd = openat(at, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
  *added = false;
  if (fd < 0 && (errno == ELOOP || errno == ENXIO || errno == ENOENT || errno == ENODEV))
    return left_out(r, name, errno == ELOOP ? "a link" : "no file"), true;
  if (fd < 0) return fail(r, UMP_EINVAL, "cannot open", name);
  bool ok = true;
  if (fstat(fd, &st) != 0) {
    ok = fail(r, UMP_EINVAL, "cannot look at", name);
  } else if (S_ISREG(st.st_mode)) {
    begin_entry(r, name);
    ok = *added = read_contents(r, fd, name);
  } else if (S_ISDIR(st.st_mode) && depth < FOLDERS) {
    begin_entry(r, name);
    return *added = read_folder(r, fd, depth + 1); /* which closes it */
  } else {
    left_out(r, name, S_ISDIR(st.st_mode) ? "too deep" : "neither a file nor a folder");
  }
  close(fd);
  return ok;
}

/* Takes fd over. */
static bool read_folder(struct reading *r, int fd, unsigned depth) {
  struct names names = {0};
  size_t head = r->out->n;
  uint32_t count = 0;
  DIR *dir = fdopendir(fd);
  if (!dir) {
    close(fd);
    return fail(r, UMP_ENOMEM, "", "");
  }
  ump__config_count(r->out, ump_plain_put_array, 0);
  bool ok = names_read(r, dir, &names), added = false;
  for (size_t i = 0; ok && i < names.n; i++) {
    ok = read_entry(r, fd, names.v[i], depth, &added) && !too_big(r);
    count += added;
  }
  if (ok && !too_big(r)) ump__config_recount(r->out, head, ump_plain_put_array, count);
  names_free(&names);
  closedir(dir);
  return ok;
}

/* ---- the way to it ---- */

/* The folder named by a relative path without "..", from its root; -1 and errno. */
static int open_below(const char *root, const char *at) {
  char name[256];
  int fd = open(root ? root : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  while (fd >= 0 && *at) {
    size_t n = strcspn(at, "/");
    if (n >= sizeof name) {
      close(fd);
      errno = ENAMETOOLONG;
      fd = -1;
      break;
    }
    memcpy(name, at, n), name[n] = 0;
    at += n + (at[n] == '/');
    if (!n) continue;
    int next = openat(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int saved = errno;
    close(fd);
    errno = saved;
    fd = next;
  }
  return fd;
}

static int open_folder(struct reading *r) { /* -1: error says why */
  int fd = open_below(r->image->root, r->image->path);
  if (fd < 0)
    fail(r, UMP_EINVAL, errno == ELOOP || errno == ENOTDIR ? "no folder, or a link on the way:" : "cannot open",
         r->image->path);
  return fd;
}

int ump__folder_there(const char *root, const char *path) {
  int fd = open_below(root, path);
  if (fd < 0) return -errno;
  close(fd);
  return 0;
}

int ump__image_read(const struct ump_image *i, struct ump_buf *out, char *error, size_t error_cap) {
  struct reading r = {.image = i, .out = out, .start = out->n, .error = error, .error_cap = error_cap};
  int fd = open_folder(&r);
  if (fd >= 0) read_folder(&r, fd, 1);
  if (r.err) out->n = r.start;
  return r.err;
}
