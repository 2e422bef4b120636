#include "host_record.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "host.h"
#include "net/background.h"
#include "record_file.h"

/* What is written down reaches the disk this much later at most, and so does what a look at the disk's state. */
#define BEAT (100 * UMP_MS)
/* A disk that failed is tried again after so long; losing what could not be written ends as soon. */
#define AGAIN (30 * UMP_S)
/* Snapshots cost what a reload's save() and client.data cost, so a window does not begin anew more often than this. */
#define LEAST_WINDOW (1 * UMP_S)
enum { WINDOW_BYTES = 64 << 20 };

struct piece { /* of a window */
  struct piece *next;
  size_t n, cap;
  uint8_t *p;
};

struct half { /* from one snapshot to the next */
  struct piece *first, **last;
  uint64_t events;
  size_t bytes;
};

struct host_record {
  struct host *host;
  struct ump_tap *tap;
  struct ump_record_file *file;
  struct ump_rng rng;
  struct ump_beat *beat;
  uint64_t run, part; /* run: tells recordings apart */
  uint64_t window;    /* events that are kept in memory; 0: none */
  struct half before, now;
  ump_time began;      /* the last snapshot */
  ump_time again_at;   /* when a disk that failed is tried again; 0: it has not */
  ump_time not_before; /* of the next snapshot, when the last one failed */
  ump_time wall_at;    /* when the wall clock said wall_ns */
  int64_t wall_ns;
  char hash[17]; /* of the rulebook in place */
  bool forget;   /* the window, when the next snapshot comes: other rules judged what is in it */
};

/* ---- where chunks go ---- */

static void half_free(struct half *half) {
  for (struct piece *p = half->first, *next; p; p = next) {
    next = p->next;
    ump_free(&ump_mem_libc, p->p, p->cap);
    free(p);
  }
  *half = (struct half){0};
}

static bool keep_in_window(struct host_record *r, struct ump_tap_chunk *c, bool copy) {
  /* Snapshots make room. Where none can be made, what cannot be kept is lost. */
  if (!c->begins && r->before.bytes + r->now.bytes > WINDOW_BYTES) return false;
  struct piece *p = malloc(sizeof *p);
  if (!p) return false;
  *p = (struct piece){NULL, c->n, copy ? c->n : c->cap, copy ? ump_alloc(&ump_mem_libc, c->n) : c->p};
  if (!p->p) return free(p), false;
  if (copy) memcpy(p->p, c->p, c->n);
  if (c->begins) {
    half_free(r->forget ? &r->now : &r->before);
    if (r->forget) half_free(&r->before);
    r->before = r->now;
    r->now = (struct half){0};
    r->forget = false;
  }
  if (!r->now.first)
    r->now.first = p;
  else
    *r->now.last = p;
  r->now.last = &p->next;
  r->now.events += c->events, r->now.bytes += c->n;
  return true;
}

static bool keep(void *ctx, struct ump_tap_chunk *c) {
  struct host_record *r = ctx;
  bool kept = true;
  if (r->window) kept = keep_in_window(r, c, r->file != NULL);
  if (r->file) kept = ump_record_file_keep(r->file, c) && kept;
  return kept;
}

/* ---- snapshots ---- */

static int64_t wall_clock(void) {
  struct timespec t;
  clock_gettime(CLOCK_REALTIME, &t);
  return (int64_t)t.tv_sec * UMP_S + t.tv_nsec;
}

static int64_t wall_at(const struct host_record *r, ump_time now) {
  return r->wall_ns + (now - r->wall_at);
}

int64_t ump_host_record_wall(struct host *h) {
  return wall_at(h->record, ump_engine_now(h->engine)) / UMP_S;
}

static void put_snapshot(struct host_record *r, struct ump_bytes saved, int64_t version, ump_time now, ump_time beat,
                         unsigned flags) {
  struct ump_entry e = {.kind = UMP_ENTRY_SNAPSHOT, .at = now, .flags = flags, .data = saved};
  e.number[0] = (uint64_t)version;
  e.number[1] = (uint64_t)wall_at(r, now);
  e.number[2] = (uint64_t)beat;
  e.number[3] = r->run;
  e.number[4] = r->part++;
  r->began = now;
  ump_tap_put(r->tap, &e);
}

static void put_rulebook(struct host_record *r, enum ump_entry_kind kind, bool yes, ump_time now) {
  struct ump_rules_info info;
  struct ump_entry e = {.kind = kind, .at = now, .flags = yes ? UMP_ENTRY_YES : 0};
  ump_rules_info(r->host->rules, &info);
  memcpy(r->hash, info.hash, sizeof r->hash);
  e.number[0] = (uint64_t)info.version;
  e.name = ump_text(info.path), e.text = ump_text(info.hash);
  if (kind == UMP_ENTRY_READY) {
    ump_rules_random(r->host->rules, e.number + 1);
    e.flags |= UMP_ENTRY_HAS_DATA;
  }
  ump_tap_put(r->tap, &e);
}

struct shot {
  struct host_record *r;
  ump_time now;
  unsigned flags;
};

static void tell_saved(void *ctx, struct ump_bytes saved, int64_t version) {
  struct shot *s = ctx;
  put_snapshot(s->r, saved, version, s->now, ump_engine_beat(s->r->host->engine), s->flags);
  ump_tap_put_listeners(s->r->tap);
  const struct ump_state *state = ump_engine_state(s->r->host->engine);
  struct ump_blob *content = ump_state_content(state, ump_state_root(state));
  if (content)
    ump_tap_put(s->r->tap, &(struct ump_entry){.kind = UMP_ENTRY_STATE, .data = ump_bytes(content->p, content->n)});
  ump_blob_unref(content);
}

static void tell_client(void *ctx, const struct ump_client *c, struct ump_bytes data) {
  struct shot *s = ctx;
  struct ump_entry e = {.kind = UMP_ENTRY_CLIENT, .listener = c->listener, .session = c->session, .data = data};
  e.id = ump_bytes(c->id.b, sizeof c->id.b);
  if (c->name) e.name = ump_text(c->name), e.flags |= UMP_ENTRY_HAS_NAME;
  if (c->version) e.text = ump_text(c->version), e.flags |= UMP_ENTRY_HAS_VERSION;
  if (c->channel) e.channel = ump_text(c->channel), e.flags |= UMP_ENTRY_CHANNEL;
  e.from = ump_tap_pseudonym(s->r->tap, &c->addr);
  ump_tap_put(s->r->tap, &e);
}

static void take_snapshot(struct host_record *r, unsigned flags) {
  struct host *h = r->host;
  struct shot shot = {r, ump_loop_now(h->loop), flags};
  struct ump_rules_teller tell = {tell_saved, tell_client, &shot};
  ump_time start = ump_monotonic();
  uint64_t lost = ump_tap_stats(r->tap).lost;
  if (ump_engine_now(h->engine) > shot.now) shot.now = ump_engine_now(h->engine);
  bool failed = ump_rules_snapshot(h->rules, shot.now, &tell) != 0;
  r->began = shot.now;
  r->not_before = failed ? start + AGAIN : 0;
  if (failed) return; /* logged; what is recorded goes on, and no file or window begins anew */
  put_rulebook(r, UMP_ENTRY_READY, true, shot.now);
  if (flags & UMP_ENTRY_BROKEN)
    ump_tap_put(r->tap, &(struct ump_entry){.kind = UMP_ENTRY_GAP, .at = shot.now, .number[0] = lost});
  ump_logger_say(h->logger, UMP_DEBUG, "record", "a snapshot took %.2f ms", (double)(ump_monotonic() - start) / 1e6);
}

/* ---- now and then ---- */

static void look_at_disk(struct host_record *r, ump_time now) {
  char error[600];
  if (!r->file) return;
  if (ump_record_file_failed(r->file, error, sizeof error)) {
    ump_logger_say(r->host->logger, UMP_ERROR, "record",
                   "%s; the host goes on, and nothing is recorded until the disk takes it again (tried every 30 s)",
                   error);
    r->again_at = now + AGAIN;
  }
}

static void begin_anew_if_due(struct host_record *r, ump_time now) {
  struct ump_tap_stats s = ump_tap_stats(r->tap);
  uint64_t most = r->host->options->record_limit / UMP_RECORD_PARTS;
  if (now < r->not_before) return;
  if (s.losing && r->again_at && now >= r->again_at) {
    ump_record_file_again(r->file);
    r->again_at = 0;
    take_snapshot(r, UMP_ENTRY_BROKEN);
  } else if (s.losing && !r->again_at && (!r->file || ump_record_file_waiting(r->file) == 0)) {
    ump_logger_say(r->host->logger, UMP_WARN, "record", "%llu entries could not be recorded: %s",
                   (unsigned long long)s.lost, r->file ? "the disk was too slow" : "too much came at once");
    take_snapshot(r, UMP_ENTRY_BROKEN);
  } else if (r->file && s.since_bytes > most) {
    take_snapshot(r, 0);
  } else if (r->window && now - r->began >= LEAST_WINDOW &&
             (s.since > r->window / 2 || s.since_bytes > WINDOW_BYTES / 4)) {
    take_snapshot(r, 0);
  }
}

static void on_beat(void *ctx) {
  struct host_record *r = ctx;
  ump_time now = ump_monotonic();
  if (r->host->stopping) return;
  look_at_disk(r, now);
  begin_anew_if_due(r, now);
  ump_tap_seal(r->tap);
}

/* ---- for others ---- */

static size_t copy_half(const struct half *half, uint8_t *to) {
  size_t n = 0;
  for (const struct piece *p = half->first; p; p = p->next) memcpy(to + n, p->p, p->n), n += p->n;
  return n;
}

int ump_host_record_window(struct host *h, uint8_t **entries, size_t *n) {
  struct host_record *r = h->record;
  *entries = NULL, *n = 0;
  if (!r->window) return 0;
  ump_tap_seal(r->tap);
  uint8_t *p = malloc(r->before.bytes + r->now.bytes + 1);
  if (!p) return UMP_ENOMEM;
  *n = copy_half(&r->before, p);
  *n += copy_half(&r->now, p + *n);
  *entries = p;
  return 0;
}

void ump_host_record_status(struct host *h, char *out, size_t cap) {
  const struct host_record *r = h->record;
  out[0] = 0;
  if (!r) return;
  struct ump_tap_stats s = ump_tap_stats(r->tap);
  snprintf(out, cap, "%s%s%llu events, %llu bytes%s, %llu entries lost%s", r->file ? h->options->record : "in memory",
           r->file ? ": " : ": ", (unsigned long long)s.events, (unsigned long long)s.bytes,
           r->window ? ", the latest kept for the gate" : "", (unsigned long long)s.lost,
           s.losing ? "; nothing is recorded now" : "");
}

/* Somebody has changed the world from outside: what comes is played from here. */
void ump_host_record_touched(struct host *h) {
  if (h->record && !h->stopping) take_snapshot(h->record, UMP_ENTRY_BROKEN);
}

/* ---- life ---- */

long long ump_gate_window(const char *text, char *error, size_t cap) {
  char *end;
  if (strncmp(text, "last:", 5) != 0) return 0;
  long long n = strtoll(text + 5, &end, 10);
  if (text[5] >= '0' && text[5] <= '9' && !*end && n >= 100 && n <= 10000000) return n;
  snprintf(error, cap, "--gate last:N: N is a number of events, 100 to 10000000, not \"%s\"", text + 5);
  return -1;
}

static int out_of_memory(struct host *h) {
  ump_logger_say(h->logger, UMP_ERROR, "record", "out of memory");
  return EXIT_RULEBOOK;
}

int ump_host_record_open(struct host *h) {
  const struct run_options *o = h->options;
  char error[4600];
  long long window = o->gate ? ump_gate_window(o->gate, error, sizeof error) : 0;
  if (!o->record && window <= 0) return EXIT_OK;
  struct host_record *r = calloc(1, sizeof *r);
  if (!r) return out_of_memory(h);
  h->record = r;
  r->host = h;
  signal(SIGXFSZ, SIG_IGN); /* a limit of the system's on files is an error of the disk like any other */
  r->window = (uint64_t)window;
  ump_rng_fill(&h->rng, &r->run, sizeof r->run);
  if (o->record &&
      ump_record_file_open(o->record, o->record_limit / UMP_RECORD_PARTS, &r->file, error, sizeof error) != 0) {
    ump_logger_say(h->logger, UMP_ERROR, "record", "%s", error);
    return EXIT_RULEBOOK;
  }
  struct ump_tap_cfg cfg = {.mem = &ump_mem_libc, .rng = &h->rng, .keep = keep, .ctx = r};
  r->tap = ump_tap_new(&cfg);
  if (!r->tap) return out_of_memory(h);
  r->rng = ump_tap_rng(r->tap);
  return EXIT_OK;
}

struct ump_rng ump_host_record_rng(struct host *h) {
  return h->record ? h->record->rng : h->rng;
}

void ump_host_record_begin(struct host *h, struct ump_bytes saved, int64_t version, ump_time now) {
  if (!h->record) return;
  h->record->wall_at = now, h->record->wall_ns = wall_clock();
  put_snapshot(h->record, saved, version, now, 0, UMP_ENTRY_FRESH);
}

void ump_host_record_ready(struct host *h) {
  if (!h->record) return;
  put_rulebook(h->record, UMP_ENTRY_READY, true, h->record->began);
  ump_engine_watch_timers(h->engine, ump_tap_timers, h->record->tap);
  if (h->options->record)
    ump_logger_say(
        h->logger, UMP_INFO, "record",
        "recording to %s: names, what clients send and are told, and client.data; no addresses, no passwords",
        h->options->record);
}

int ump_host_record_listen(struct host *h, const struct ump_proto_ops **ops, struct ump_proto_cfg *cfg) {
  return h->record ? ump_tap_listen(h->record->tap, ops, cfg) : 0;
}

int ump_host_record_start(struct host *h) {
  if (!h->record) return EXIT_OK;
  h->record->beat = ump_beat_new(h->loop, BEAT, on_beat, h->record);
  return h->record->beat ? EXIT_OK : out_of_memory(h);
}

void ump_host_record_reload(struct host *h, ump_time now) {
  if (h->record) ump_tap_put(h->record->tap, &(struct ump_entry){.kind = UMP_ENTRY_RELOAD, .at = now});
}

void ump_host_record_reloaded(struct host *h, bool ok) {
  struct host_record *r = h->record;
  if (!r) return;
  char before[sizeof r->hash];
  memcpy(before, r->hash, sizeof before);
  put_rulebook(r, UMP_ENTRY_RELOADED, ok, 0);
  if (!ok || !r->window || strcmp(before, r->hash) == 0) return;
  r->forget = true;
  take_snapshot(r, 0);
}

void ump_host_record_stop(struct host *h, ump_time now) {
  if (h->record) ump_tap_put(h->record->tap, &(struct ump_entry){.kind = UMP_ENTRY_STOP, .at = now});
}

void ump_host_record_end(struct host *h) {
  if (!h->record) return;
  ump_beat_free(h->record->beat);
  h->record->beat = NULL;
}

void ump_host_record_close(struct host *h) {
  struct host_record *r = h->record;
  if (!r) return;
  ump_tap_free(r->tap);
  ump_record_file_close(r->file);
  half_free(&r->before), half_free(&r->now);
  free(r);
}
