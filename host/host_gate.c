/* --gate: a rulebook that is to be reloaded judges recorded play first, in an engine and a VM of its own on another
 * thread, while the players go on under the one in place. If verdicts change, it is refused. */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host.h"
#include "net/background.h"
#include "play.h"
#include "record_file.h"

enum { TOLD = 5, WORDS = 8192 };

struct host_gate {
  struct host *host;
  bool running, again; /* again: somebody asked meanwhile */
  atomic_bool cancelled;
  char why[64];
  uint64_t ticket; /* who waits for the answer on the control socket; 0: nobody */
  struct ump_accept accept;

  /* of the worker while it runs */
  uint8_t *entries;
  size_t n_entries;
  bool unreadable;
  struct ump_play_result result;
  char words[WORDS];
  size_t n_words;
  uint64_t told, refusing;
};

static void say(struct host_gate *g, const char *text) {
  size_t n = strlen(text);
  if (n > sizeof g->words - 1 - g->n_words) n = sizeof g->words - 1 - g->n_words;
  memcpy(g->words + g->n_words, text, n);
  g->words[g->n_words += n] = 0;
}

/* ---- on another thread ---- */

/* What a client may and may not do is what players notice at once; words and notifies may well be meant. */
static bool refuses(enum ump_difference_kind kind) {
  return kind == UMP_DIFFERS_VERDICT || kind == UMP_DIFFERS_CONNECT || kind == UMP_DIFFERS_KICK;
}

static void on_difference(void *ctx, const struct ump_difference *d, bool expected, const char *why) {
  struct host_gate *g = ctx;
  char text[2048];
  if (expected || !refuses(d->kind)) return;
  g->refusing++;
  if (g->told++ >= TOLD) return;
  ump_play_describe(d, why, text, sizeof text);
  say(g, "\n");
  say(g, text);
}

static bool load_file(struct host_gate *g) {
  struct ump_recording rec;
  char error[4096];
  if (ump_recording_read(g->host->options->gate, &rec, error, sizeof error) != 0) {
    say(g, error);
    return false;
  }
  g->entries = rec.p, g->n_entries = rec.n; /* freed in done() by its capacity, which malloc knows */
  return true;
}

static void work(void *ctx) {
  struct host_gate *g = ctx;
  const struct run_options *o = g->host->options;
  struct ump_play_cfg cfg = {.rulebook = g->host->path,
                             .library = g->host->places.library,
                             .rule_memory = o->rule_memory,
                             .load_time = o->load_time,
                             .at_most = o->gate_time,
                             .cancelled = &g->cancelled,
                             .accept = &g->accept,
                             .differs = on_difference,
                             .ctx = g};
  g->unreadable = !g->entries && !load_file(g);
  if (!g->unreadable) ump_play(&cfg, ump_bytes(g->entries, g->n_entries), &g->result);
}

/* ---- on the loop ---- */

static void start(struct host_gate *g);

static void answer(struct host_gate *g, bool ok, const char *text) {
  if (g->ticket) ump_host_answer_later(g->host, g->ticket, ok, text);
  g->ticket = 0;
}

static void refuse(struct host_gate *g) {
  char text[WORDS + 1024];
  struct host *h = g->host;
  snprintf(
      text, sizeof text,
      "the new rulebook judges recorded play differently: %llu of %llu verdicts and admissions (--gate %s, %llu events "
      "in %.2f s)%s%s\n    If that is what you mean: umpire reload --force, or --gate-accept verdict:NAME.",
      (unsigned long long)g->refusing, (unsigned long long)(g->result.totals.judged), h->options->gate,
      (unsigned long long)g->result.totals.events, ump_seconds(g->result.took), g->words,
      g->refusing > TOLD ? "\n    ..." : "");
  ump_logger_say(h->logger, UMP_ERROR, "reload", "refused (%s), the rulebook in place goes on: %s", g->why, text);
  answer(g, false, text);
}

/* It cannot be loaded, or not with what was recorded: nothing is known about how it judges. */
static void refuse_unplayed(struct host_gate *g) {
  char text[sizeof g->result.error + 256];
  struct host *h = g->host;
  snprintf(text, sizeof text,
           "%s\n    That was with recorded play (--gate %s); umpire reload --force reloads without it.",
           g->result.error, h->options->gate);
  ump_logger_say(h->logger, UMP_ERROR, "reload", "refused (%s), the rulebook in place goes on: %s", g->why, text);
  answer(g, false, text);
}

static void tell_result(struct host_gate *g) {
  const struct ump_play_result *r = &g->result;
  struct host *h = g->host;
  if (r->over_time)
    ump_logger_say(h->logger, UMP_WARN, "gate",
                   "only the first %llu events could be played in %.1f s (--gate-time); their verdicts are the same",
                   (unsigned long long)r->totals.events, ump_seconds(r->took));
  else
    ump_logger_say(h->logger, UMP_INFO, "gate",
                   "%llu events played in %.2f s, and the verdicts are the same; other differences: %llu",
                   (unsigned long long)r->totals.events, ump_seconds(r->took),
                   (unsigned long long)(ump_play_unexpected(r) + r->expected));
}

static void done(void *ctx) {
  struct host_gate *g = ctx;
  struct host *h = g->host;
  g->running = false;
  free(g->entries);
  g->entries = NULL;
  if (h->stopping) {
    answer(g, false, "the host is stopping");
    return;
  }
  if (g->unreadable) {
    ump_logger_say(h->logger, UMP_ERROR, "gate", "refused (%s): %s; umpire reload --force reloads without it", g->why,
                   g->words);
    answer(g, false, g->words);
  } else if (g->refusing) {
    refuse(g);
  } else if (g->result.error[0]) {
    refuse_unplayed(g);
  } else if (g->again) { /* files were changed since: what was played is not what would be loaded */
    tell_result(g);
  } else {
    uint64_t ticket = g->ticket;
    g->ticket = 0;
    tell_result(g);
    ump_host_reload_now(h, g->why, ticket);
  }
  if (g->again) g->again = false, start(g);
}

static void start(struct host_gate *g) {
  struct host *h = g->host;
  g->n_words = g->told = g->refusing = 0;
  g->words[0] = 0;
  g->unreadable = false;
  g->result = (struct ump_play_result){0};
  if (h->record && ump_host_record_window(h, &g->entries, &g->n_entries) < 0) {
    answer(g, false, "out of memory");
    return;
  }
  g->running = ump_work_start(h->loop, work, done, g) == 0;
  if (!g->running) answer(g, false, "out of memory");
}

bool ump_host_gate(struct host *h, const char *why, uint64_t ticket) {
  struct host_gate *g = h->gate;
  if (!g) return false;
  if (g->running) {
    g->again = true; /* the file may have been changed since */
    if (ticket)
      ump_host_answer_later(h, ticket, false,
                            "another reload is being tried; ask again when the log tells how it went");
    return true;
  }
  snprintf(g->why, sizeof g->why, "%s", why);
  g->ticket = ticket;
  start(g);
  return true;
}

/* ---- life ---- */

int ump_host_gate_open(struct host *h) {
  const struct run_options *o = h->options;
  if (!o->gate) return 0;
  struct host_gate *g = calloc(1, sizeof *g);
  if (!g) return UMP_ENOMEM;
  g->host = h;
  for (size_t i = 0; i < o->gate_accept.n; i++) g->accept.v[g->accept.n++] = o->gate_accept.v[i];
  h->gate = g;
  return 0;
}

void ump_host_gate_end(struct host *h) {
  if (!h->gate) return;
  atomic_store(&h->gate->cancelled, true);
  h->gate->ticket = 0; /* the control socket is gone */
}

void ump_host_gate_close(struct host *h) {
  if (h->gate) free(h->gate->entries);
  free(h->gate);
}
