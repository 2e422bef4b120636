#include "net/logger.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "net/escape.h"

/* 1024 places for (cause, address) pairs. Two pairs that meet in one place within a second share its ten records; the
 * key is secret, so nobody can choose to share. */
#define PLACES 1024
/* Places whose suppressed records are told of one by one; further ones are summed up. 16 lines a second are bearable.
 */
#define TOLD 16
#define RECORD                                                                                                         \
  4096 /* PIPE_BUF of Linux: a pipe that polls as writable takes so much without blocking, and as one piece */

struct place {
  uint32_t second; /* in which `count` was counted */
  uint32_t count;
};

struct quiet { /* one place that suppressed records in this second */
  uint32_t place, n;
  const char *cause;
  struct ump_addr from;
};

struct ump_logger {
  struct ump_logger_cfg cfg;
  pthread_mutex_t lock; /* the watchdog's thread writes its last words here, too */
  struct place places[PLACES];
  struct quiet quiet[TOLD];
  size_t n_quiet;
  uint64_t others; /* suppressed records that found no room in `quiet`, or over the overall limit */
  uint64_t unread; /* records dropped because the reader does not read */
  uint32_t second, in_second;
};

static ump_time monotonic(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (ump_time)t.tv_sec * UMP_S + t.tv_nsec;
}

static const char *const levels[] = {"debug", "info", "warn", "error"};

int ump_level_parse(const char *name, enum ump_level *out) {
  for (size_t i = 0; i < sizeof levels / sizeof *levels; i++)
    if (strcmp(name, levels[i]) == 0) return *out = (enum ump_level)i, 1;
  return 0;
}

/* ---- writing one record ---- */

static void put_time(struct ump_writer *w) { /* 2026-01-31T12:00:00.123Z */
  struct timespec t;
  struct tm tm;
  char text[40];
  clock_gettime(CLOCK_REALTIME, &t);
  gmtime_r(&t.tv_sec, &tm);
  size_t n = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm);
  snprintf(text + n, sizeof text - n, ".%03dZ", (int)(t.tv_nsec / 1000000));
  ump_write_text(w, text);
}

static void put_json(struct ump_writer *w, const struct ump_log_line *line, const char *from, struct ump_bytes text) {
  ump_write_text(w, "{\"time\":\"");
  put_time(w);
  ump_write_text(w, "\",\"level\":\"");
  ump_write_text(w, levels[line->level]);
  ump_write_text(w, "\",\"cause\":\"");
  ump_escape(w, ump_text(line->cause), UMP_ESCAPE_JSON);
  if (from) ump_write_text(w, "\",\"from\":\""), ump_write_text(w, from);
  ump_write_text(w, "\",\"text\":\"");
  struct ump_writer inner = ump_writer(w->p + w->n, w->cap - w->n - 3); /* room for the end of the record */
  ump_escape(&inner, text, UMP_ESCAPE_JSON);
  w->n += inner.n;
  ump_write_text(w, "\"}\n");
}

/* What begins a record's colour; NULL: it has none. */
static const char *colour_of(const struct ump_log_line *line) {
  if (line->level == UMP_ERROR) return "\033[31m";
  if (line->level == UMP_WARN) return "\033[33m";
  if (line->level == UMP_DEBUG) return "\033[2m";
  return strcmp(line->cause, "rulebook") == 0 ? "\033[32m" : NULL;
}

static void put_text(struct ump_writer *w, const struct ump_log_line *line, const char *from, struct ump_bytes text,
                     bool bare, bool fold, bool coloured) {
  const char *colour = coloured ? colour_of(line) : NULL;
  if (colour) ump_write_text(w, colour);
  if (!bare) {
    ump_write_text(w, levels[line->level]);
    ump_write_text(w, " ");
    ump_escape(w, ump_text(line->cause), UMP_ESCAPE_LINE);
    if (from) ump_write_text(w, " "), ump_write_text(w, from);
    ump_write_text(w, ": ");
    if (colour) ump_write_text(w, "\033[0m");
    colour = NULL;
  }
  struct ump_writer inner = ump_writer(w->p + w->n, w->cap - w->n - 5);
  ump_escape(&inner, text, fold ? UMP_ESCAPE_FOLD : UMP_ESCAPE_LINE);
  w->n += inner.n;
  if (colour) ump_write_text(w, "\033[0m");
  ump_write_text(w, "\n");
}

/* A record for a pipe whose reader does not read is dropped: nobody who reads our log may stop the host. */
static void write_out(struct ump_logger *l, struct ump_bytes record) {
  struct pollfd p = {.fd = l->cfg.fd, .events = POLLOUT};
  if (poll(&p, 1, 0) == 0) {
    l->unread++;
    return;
  }
  while (record.n > 0) {
    ssize_t n = write(l->cfg.fd, record.p, record.n);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return; /* nobody to tell */
    record.p += n;
    record.n -= (size_t)n;
  }
}

static void record(struct ump_logger *l, const struct ump_log_line *line, bool own) {
  uint8_t buf[RECORD];
  char from[UMP_ADDR_TEXT];
  struct ump_writer w = ump_writer(buf, sizeof buf);
  bool stranger =
      line->from != NULL && line->level < UMP_ERROR; /* an error is our own fault: its text is a traceback */
  struct ump_bytes text = ump_escape_cut(line->text, stranger ? UMP_LOG_STRANGER : UMP_LOG_OWN);
  if (line->from) ump_addr_print(line->from, from);
  if (l->cfg.format == UMP_LOG_JSON)
    put_json(&w, line, line->from ? from : NULL, text);
  else
    put_text(&w, line, line->from ? from : NULL, text, own && line->level == UMP_INFO, !stranger, l->cfg.colour);
  write_out(l, ump_written(&w));
}

/* ---- the limits ---- */

static void tell(struct ump_logger *l, enum ump_level level, const char *cause, const struct ump_addr *from,
                 uint64_t n) {
  char text[80];
  snprintf(text, sizeof text, "suppressed %llu more like this", (unsigned long long)n);
  record(l, &(struct ump_log_line){level, cause, from, ump_text(text)}, false);
}

static void tell_suppressed(struct ump_logger *l) {
  for (size_t i = 0; i < l->n_quiet; i++)
    tell(l, UMP_WARN, l->quiet[i].cause, l->quiet[i].from.family ? &l->quiet[i].from : NULL, l->quiet[i].n);
  if (l->others) tell(l, UMP_WARN, "log_limit", NULL, l->others);
  l->n_quiet = 0;
  l->others = 0;
  uint64_t unread = l->unread;
  l->unread = 0;
  if (unread) tell(l, UMP_WARN, "log_unread", NULL, unread);
}

static void suppress(struct ump_logger *l, const struct ump_log_line *line, uint32_t place) {
  for (size_t i = 0; i < l->n_quiet; i++)
    if (l->quiet[i].place == place) {
      l->quiet[i].n++;
      return;
    }
  if (l->n_quiet == TOLD || place == PLACES) {
    l->others++;
    return;
  }
  struct quiet *q = &l->quiet[l->n_quiet++];
  *q = (struct quiet){.place = place, .n = 1, .cause = line->cause};
  if (line->from) q->from = *line->from, q->from.port = 0;
}

static uint32_t place_of(const struct ump_logger *l, const struct ump_log_line *line) {
  uint8_t key[17] = {0};
  if (line->from) key[0] = line->from->family, memcpy(key + 1, line->from->ip, 16);
  uint64_t h = ump_hash64(&l->cfg.key, ump_bytes(key, sizeof key)) ^ ump_hash64(&l->cfg.key, ump_text(line->cause));
  return (uint32_t)(h % PLACES);
}

/* What a rulebook prints on purpose (no address, below warn) is bounded by the overall limit alone: an author who
 * prints a table row by row wants to see all of it. */
static bool within_limits(struct ump_logger *l, const struct ump_log_line *line) {
  if (l->in_second >= UMP_LOG_OVERALL) return suppress(l, line, PLACES), false;
  if (line->from || line->level >= UMP_WARN) {
    uint32_t place = place_of(l, line);
    struct place *p = &l->places[place];
    if (p->second != l->second) *p = (struct place){l->second, 0};
    if (p->count >= UMP_LOG_PER_SOURCE) return suppress(l, line, place), false;
    p->count++;
  }
  l->in_second++;
  return true;
}

static void next_second(struct ump_logger *l, ump_time now) {
  uint32_t second = (uint32_t)(now / UMP_S);
  if (second == l->second) return;
  l->second = second;
  l->in_second = 0;
  tell_suppressed(l);
}

void ump_logger_tick(struct ump_logger *l, ump_time now) {
  pthread_mutex_lock(&l->lock);
  next_second(l, now);
  pthread_mutex_unlock(&l->lock);
}

ump_time ump_logger_deadline(const struct ump_logger *l) {
  return l->n_quiet || l->others || l->unread ? ((ump_time)l->second + 1) * UMP_S : UMP_NEVER;
}

/* Waits 0.1 s at most: the watchdog must get to its abort even when the loop's thread is stuck in a write of its own.
 */
static bool locked(struct ump_logger *l) {
  struct timespec until;
  clock_gettime(CLOCK_REALTIME, &until);
  until.tv_nsec += 100000000;
  if (until.tv_nsec >= 1000000000) until.tv_sec++, until.tv_nsec -= 1000000000;
  return pthread_mutex_timedlock(&l->lock, &until) == 0;
}

static void limited(void *ctx, const struct ump_log_line *line) {
  struct ump_logger *l = ctx;
  if (line->level < l->cfg.level || !locked(l)) return;
  next_second(l, l->cfg.now());
  if (within_limits(l, line)) record(l, line, false);
  pthread_mutex_unlock(&l->lock);
}

/* ---- doors ---- */

void ump_logger_say(struct ump_logger *l, enum ump_level level, const char *cause, const char *format, ...) {
  if (level < l->cfg.level) return;
  char text[UMP_LOG_OWN];
  va_list args;
  va_start(args, format);
  int n = vsnprintf(text, sizeof text, format, args);
  va_end(args);
  if (n < 0) return;
  size_t len = (size_t)n < sizeof text ? (size_t)n : sizeof text - 1;
  pthread_mutex_lock(&l->lock);
  record(l, &(struct ump_log_line){level, cause, NULL, ump_bytes(text, len)}, true);
  pthread_mutex_unlock(&l->lock);
}

struct ump_log ump_logger_log(struct ump_logger *l) {
  return (struct ump_log){limited, l};
}

struct ump_logger *ump_logger_new(const struct ump_logger_cfg *cfg) {
  struct ump_logger *l = calloc(1, sizeof *l);
  if (!l) return NULL;
  l->cfg = *cfg;
  if (!l->cfg.now) l->cfg.now = monotonic;
  l->second = (uint32_t)(l->cfg.now() / UMP_S);
  pthread_mutex_init(&l->lock, NULL);
  return l;
}

void ump_logger_set(struct ump_logger *l, enum ump_log_format format, enum ump_level level) {
  l->cfg.format = format;
  l->cfg.level = level;
}

void ump_logger_free(struct ump_logger *l) {
  if (!l) return;
  tell_suppressed(l);
  pthread_mutex_destroy(&l->lock);
  free(l);
}
