#define _GNU_SOURCE
#include "record_file.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "record/block.h"

enum { WAITING = 16 << 20, SYNC_EVERY = 5 };

struct item {
  struct ump_tap_chunk c;
  struct item *next;
};

struct ump_record_file {
  char *path;
  pthread_t thread;
  pthread_mutex_t lock; /* of everything below */
  pthread_cond_t more;
  struct item *first, **last;
  size_t waiting;
  bool ending, failed, told, again;
  char error[512];
  /* the thread's own */
  int fd;
  off_t size; /* of whole blocks */
  uint64_t most;
  bool fresh; /* a new file is wanted */
  time_t synced;
};

/* ---- files ---- */

static void name_part(const char *path, int i, char *out, size_t cap) {
  if (i == 0)
    snprintf(out, cap, "%s", path);
  else
    snprintf(out, cap, "%s.%d", path, i);
}

/* FILE becomes FILE.1, and so on; the oldest goes. */
static void move_on(const char *path) {
  char from[4096], to[4096];
  struct stat st;
  if (stat(path, &st) != 0 || st.st_size <= UMP_BLOCK_FILE_HEAD) return; /* nothing is in it */
  for (int i = UMP_RECORD_PARTS - 1; i > 0; i--) {
    name_part(path, i - 1, from, sizeof from);
    name_part(path, i, to, sizeof to);
    rename(from, to);
  }
}

static int write_all(int fd, const void *p, size_t n) {
  for (const char *at = p; n > 0;) {
    ssize_t k = write(fd, at, n);
    if (k < 0 && errno == EINTR) continue;
    if (k < 0) return -errno;
    at += k, n -= (size_t)k;
  }
  return 0;
}

/* Only we and our group read it: it holds what players say. */
static int begin_file(struct ump_record_file *f) {
  uint8_t head[UMP_BLOCK_FILE_HEAD];
  if (f->fd >= 0) fdatasync(f->fd), close(f->fd);
  f->fd = -1;
  move_on(f->path);
  int fd = open(f->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
  if (fd < 0) return -errno;
  ump_block_file_head(head);
  int err = write_all(fd, head, sizeof head);
  if (err) return close(fd), err;
  f->fd = fd, f->size = sizeof head;
  return 0;
}

static int write_chunk(struct ump_record_file *f, const struct ump_tap_chunk *c) {
  uint8_t head[UMP_BLOCK_HEAD];
  int err = 0;
  if (c->begins && (f->fresh || (uint64_t)f->size >= f->most)) err = begin_file(f);
  if (err) return f->fresh = true, err;
  f->fresh = false;
  ump_block_head(ump_bytes(c->p, c->n), head);
  err = write_all(f->fd, head, sizeof head);
  if (!err) err = write_all(f->fd, c->p, c->n);
  if (err) { /* what was written of it is no use to anybody */
    f->fresh = true;
    if (ftruncate(f->fd, f->size) != 0) return err; /* then the reader finds that it is torn */
    return err;
  }
  f->size += (off_t)(sizeof head + c->n);
  time_t now = time(NULL);
  if (now - f->synced >= SYNC_EVERY) fdatasync(f->fd), f->synced = now;
  return 0;
}

/* ---- the thread ---- */

static struct item *take(struct ump_record_file *f) {
  pthread_mutex_lock(&f->lock);
  while (!f->first && !f->ending) pthread_cond_wait(&f->more, &f->lock);
  struct item *i = f->first;
  if (i && !(f->first = i->next)) f->last = &f->first;
  pthread_mutex_unlock(&f->lock);
  return i;
}

static void done(struct ump_record_file *f, struct item *i, int err) {
  pthread_mutex_lock(&f->lock);
  f->waiting -= i->c.cap;
  if (err) {
    f->failed = true, f->told = false;
    snprintf(f->error, sizeof f->error, "cannot write %s: %s", f->path, strerror(-err));
  }
  pthread_mutex_unlock(&f->lock);
  ump_free(&ump_mem_libc, i->c.p, i->c.cap);
  free(i);
}

static bool may_write(struct ump_record_file *f, const struct item *i) {
  pthread_mutex_lock(&f->lock);
  if (f->again && i->c.begins) f->failed = f->again = false;
  bool may = !f->failed;
  pthread_mutex_unlock(&f->lock);
  return may;
}

static void *write_on(void *arg) {
  struct ump_record_file *f = arg;
  for (struct item *i; (i = take(f));) done(f, i, may_write(f, i) ? write_chunk(f, &i->c) : 0);
  return NULL;
}

/* ---- for the loop ---- */

int ump_record_file_open(const char *path, uint64_t most, struct ump_record_file **out, char *error, size_t cap) {
  struct ump_record_file *f = calloc(1, sizeof *f);
  *out = NULL;
  if (!f || !(f->path = strdup(path))) {
    free(f);
    snprintf(error, cap, "out of memory");
    return -ENOMEM;
  }
  f->fd = -1, f->last = &f->first, f->most = most;
  pthread_mutex_init(&f->lock, NULL);
  pthread_cond_init(&f->more, NULL);
  int err = begin_file(f);
  if (err == 0) err = -pthread_create(&f->thread, NULL, write_on, f);
  if (err == 0) return *out = f, 0;
  snprintf(error, cap, "cannot record to %s: %s; is the folder there, and writable?", path, strerror(-err));
  if (f->fd >= 0) close(f->fd);
  free(f->path);
  free(f);
  return err;
}

bool ump_record_file_keep(struct ump_record_file *f, struct ump_tap_chunk *c) {
  struct item *i = malloc(sizeof *i);
  if (!i) return false;
  *i = (struct item){.c = *c};
  pthread_mutex_lock(&f->lock);
  bool ok = (!f->failed || (f->again && c->begins)) && f->waiting + c->cap <= WAITING;
  if (ok) {
    *f->last = i, f->last = &i->next;
    f->waiting += c->cap;
    pthread_cond_signal(&f->more);
  }
  pthread_mutex_unlock(&f->lock);
  if (!ok) free(i);
  return ok;
}

bool ump_record_file_failed(struct ump_record_file *f, char *error, size_t cap) {
  pthread_mutex_lock(&f->lock);
  bool failed = f->failed && !f->told;
  if (failed) snprintf(error, cap, "%s", f->error);
  f->told = true;
  pthread_mutex_unlock(&f->lock);
  return failed;
}

void ump_record_file_again(struct ump_record_file *f) {
  pthread_mutex_lock(&f->lock);
  f->again = f->failed;
  pthread_mutex_unlock(&f->lock);
}

size_t ump_record_file_waiting(struct ump_record_file *f) {
  pthread_mutex_lock(&f->lock);
  size_t n = f->waiting;
  pthread_mutex_unlock(&f->lock);
  return n;
}

void ump_record_file_close(struct ump_record_file *f) {
  if (!f) return;
  pthread_mutex_lock(&f->lock);
  f->ending = true;
  pthread_cond_signal(&f->more);
  pthread_mutex_unlock(&f->lock);
  pthread_join(f->thread, NULL);
  if (f->fd >= 0) fdatasync(f->fd), close(f->fd);
  pthread_cond_destroy(&f->more);
  pthread_mutex_destroy(&f->lock);
  free(f->path);
  free(f);
}

/* ---- reading ---- */

static int slurp(const char *path, uint8_t **out, size_t *n) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  struct stat st;
  *out = NULL, *n = 0;
  if (fd < 0) return -errno;
  if (fstat(fd, &st) != 0) return close(fd), -errno;
  if (S_ISDIR(st.st_mode)) return close(fd), -EISDIR;
  uint8_t *p = malloc((size_t)st.st_size + 1);
  if (!p) return close(fd), -ENOMEM;
  while (*n < (size_t)st.st_size) {
    ssize_t k = read(fd, p + *n, (size_t)st.st_size - *n);
    if (k < 0 && errno == EINTR) continue;
    if (k <= 0) break;
    *n += (size_t)k;
  }
  close(fd);
  *out = p;
  return 0;
}

struct part {
  struct ump_recording r;
  struct ump_entry snapshot; /* number[3]: of the run, number[4]: of the snapshot in it */
  uint64_t last;             /* number[4] of its last snapshot */
  int err;                   /* negative errno, or enum ump_block_end */
};

static void read_part(const char *path, struct part *p) {
  uint8_t *bytes;
  size_t n, sound = 0;
  *p = (struct part){0};
  p->err = slurp(path, &bytes, &n);
  if (p->err) return;
  p->r.bytes = n, p->r.files = 1;
  p->err = ump_blocks_read(&ump_mem_libc, ump_bytes(bytes, n), &p->r.p, &p->r.n, &p->r.cap, &sound);
  if (p->err == UMP_BLOCK_TORN || p->err == UMP_BLOCK_DAMAGED)
    snprintf(p->r.note, sizeof p->r.note, "%s: %s after %zu of %zu bytes; what comes before that is used", path,
             p->err == UMP_BLOCK_TORN ? "the last block is not all there (the host was killed, or is writing)"
                                      : "a block is damaged (its checksum is wrong)",
             sound, n);
  free(bytes);
  struct ump_entry_reader in = ump_entry_reader(ump_bytes(p->r.p, p->r.n));
  struct ump_entry e;
  if (!ump_entry_get(&in, &p->snapshot) || p->snapshot.kind != UMP_ENTRY_SNAPSHOT) p->snapshot.kind = 0;
  p->last = p->snapshot.number[4];
  while (ump_entry_get(&in, &e))
    if (e.kind == UMP_ENTRY_SNAPSHOT) p->last = e.number[4];
}

static bool leads_to(const struct part *before, const struct part *after) {
  if (before->err != UMP_BLOCK_WHOLE || !before->snapshot.kind || !after->snapshot.kind) return false;
  return before->snapshot.number[3] == after->snapshot.number[3] && before->last + 1 == after->snapshot.number[4];
}

static bool prepend(struct ump_recording *r, const struct ump_recording *before) {
  uint8_t *p = ump_realloc(&ump_mem_libc, r->p, r->cap, r->n + before->n);
  if (!p) return false;
  if (r->n) memmove(p + before->n, p, r->n);
  if (before->n) memcpy(p, before->p, before->n);
  r->p = p, r->cap = r->n = r->n + before->n;
  r->bytes += before->bytes, r->files++;
  return true;
}

int ump_recording_read(const char *path, struct ump_recording *out, char *error, size_t cap) {
  struct part now, before;
  char name[4096];
  read_part(path, &now);
  *out = now.r;
  if (now.err < 0) {
    snprintf(error, cap, "cannot read %s: %s", path, strerror(-now.err));
    return now.err;
  }
  if (now.err == UMP_BLOCK_NOT_OURS || !now.snapshot.kind) {
    snprintf(
        error, cap, "%s %s", path,
        now.err == UMP_BLOCK_NOT_OURS
            ? "is no recording of this version: umpire run --record FILE makes one"
            : "holds no snapshot to begin with: the host was killed before it had written one, or the file is damaged");
    ump_recording_free(out);
    return -EINVAL;
  }
  for (int i = 1; i < UMP_RECORD_PARTS; i++) {
    name_part(path, i, name, sizeof name);
    read_part(name, &before);
    bool ok = before.err >= 0 && leads_to(&before, &now) && prepend(out, &before.r);
    ump_recording_free(&before.r);
    if (!ok) break;
    now.snapshot = before.snapshot;
  }
  return 0;
}

void ump_recording_free(struct ump_recording *r) {
  ump_free(&ump_mem_libc, r->p, r->cap);
  r->p = NULL, r->n = r->cap = 0;
}
