/* umpire replay FILE [RULEBOOK]: recorded traffic through a rulebook, and what would be different. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd.h"
#include "codec/json.h"
#include "net/logger.h"
#include "net/loop.h"
#include "place.h"
#include "play.h"
#include "record/datum.h"
#include "record_file.h"
#include "replay_spec.h"

enum { MOST_ROWS = 64, LONGEST_ACCEPT = 64 * 1024 };

struct options {
  struct flag_list accept;
  const char *accept_file;
  uint64_t limit;
  bool json, spec;
  int64_t rule_time, load_time;
  uint64_t rule_memory;
};

#define AT(field) offsetof(struct options, field)

static const struct flag flags[] = {
    {"accept", "UMPIRE_ACCEPT", "WHAT", FLAG_WORDS, AT(accept),
     "a difference that is meant to be: verdict, reason, response, notify, connect or\n"
     "kick, alone or with the name of the event (of the notify), as in verdict:move;\n"
     "may be repeated (in the environment: comma separated)",
     NULL},
    {"accept-file", "UMPIRE_ACCEPT_FILE", "FILE", FLAG_TEXT, AT(accept_file),
     "more of them, one a line; # begins a comment", NULL},
    {"limit", "UMPIRE_REPLAY_LIMIT", "N", FLAG_COUNT, AT(limit),
     "differences to tell one by one (default 20); all are counted", NULL},
    {"json", NULL, NULL, FLAG_SWITCH, AT(json), "one JSON object a line: each difference, then the sum", NULL},
    {"spec", NULL, NULL, FLAG_SWITCH, AT(spec),
     "write a busted spec that plays the recording on the simulator, to standard output;\n"
     "RULEBOOK is then what the spec loads (default: the one that was recorded)",
     NULL},
    {"rule-time", "UMPIRE_RULE_TIME", "TIME", FLAG_TIME, AT(rule_time), "as of umpire run", "1ms"},
    {"rule-memory", "UMPIRE_RULE_MEMORY", "BYTES", FLAG_BYTES, AT(rule_memory), "as of umpire run", "1M"},
    {"load-time", "UMPIRE_LOAD_TIME", "TIME", FLAG_TIME, AT(load_time), "as of umpire run", "1ms"},
};

/* ---- what is summed up ---- */

struct row {
  enum ump_difference_kind kind;
  char name[65]; /* of the event or notify */
  uint64_t n, expected, clients;
};

struct telling {
  const struct options *o;
  struct row rows[MOST_ROWS];
  size_t n_rows;
  uint64_t told, others;
};

static struct row *row_of(struct telling *t, const struct ump_difference *d) {
  char name[65];
  size_t n = d->name.n < 64 ? d->name.n : 64;
  if (n) memcpy(name, d->name.p, n);
  name[n] = 0;
  for (size_t i = 0; i < t->n_rows; i++)
    if (t->rows[i].kind == d->kind && strcmp(t->rows[i].name, name) == 0) return &t->rows[i];
  if (t->n_rows == MOST_ROWS) return NULL;
  struct row *r = &t->rows[t->n_rows++];
  *r = (struct row){.kind = d->kind};
  memcpy(r->name, name, n + 1);
  return r;
}

static int by_kind_and_number(const void *x, const void *y) {
  const struct row *a = x, *b = y;
  if (a->kind != b->kind) return a->kind < b->kind ? -1 : 1;
  return a->n > b->n ? -1 : a->n < b->n;
}

/* ---- for machines ---- */

static void json_text(const char *key, struct ump_bytes s) {
  uint8_t buf[4096];
  struct ump_writer w = ump_writer(buf, sizeof buf);
  if (s.n > 600) s.n = 600;
  ump_json_write_string(&w, s);
  printf(",\"%s\":%.*s", key, (int)w.n, (const char *)buf);
}

static void json_side(const char *key, const struct ump_difference *d, const struct ump_outcome *o) {
  char text[512];
  ump_play_describe_side(d, o, text, sizeof text);
  json_text(key, ump_text(text));
}

static void json_difference(const struct ump_difference *d, bool expected, const char *why) {
  printf("{\"difference\":\"%s\",\"expected\":%s,\"time\":%.6f,\"event\":%llu,\"client\":%llu",
         ump_difference_names[d->kind], expected ? "true" : "false", d->at, (unsigned long long)d->event,
         (unsigned long long)d->client);
  json_text("protocol", ump_text(d->protocol));
  json_text("who", d->who);
  json_text("name", d->name);
  json_side("was", d, &d->was);
  json_side("is", d, &d->is);
  if (d->kind == UMP_DIFFERS_NOTIFY) printf(",\"clients\":%llu", (unsigned long long)d->clients);
  if (*why) json_text("why", ump_text(why));
  puts("}");
}

static void json_sum(const struct telling *t, const struct ump_play_result *r) {
  printf("{\"events\":%llu,\"verdicts\":%llu,\"notifies\":%llu,\"logins\":%llu,\"lost\":%llu,\"seconds\":%.3f,\"took\":"
         "%.6f,"
         "\"unexpected\":%llu,\"expected\":%llu,\"recorded\":\"%s\",\"played\":\"%s\",\"sum\":[",
         (unsigned long long)r->totals.events, (unsigned long long)r->totals.judged,
         (unsigned long long)r->totals.notifies, (unsigned long long)r->totals.logins,
         (unsigned long long)r->totals.lost, r->totals.seconds, ump_seconds(r->took),
         (unsigned long long)ump_play_unexpected(r), (unsigned long long)r->expected, r->recorded, r->hash);
  for (size_t i = 0; i < t->n_rows; i++) {
    printf("%s{\"difference\":\"%s\"", i ? "," : "", ump_difference_names[t->rows[i].kind]);
    json_text("name", ump_text(t->rows[i].name));
    printf(",\"n\":%llu,\"expected\":%llu}", (unsigned long long)t->rows[i].n, (unsigned long long)t->rows[i].expected);
  }
  puts("]}");
}

/* ---- for people ---- */

static void on_difference(void *ctx, const struct ump_difference *d, bool expected, const char *why) {
  struct telling *t = ctx;
  struct row *row = row_of(t, d);
  char text[2048];
  if (row)
    row->n++, row->expected += expected;
  else
    t->others++;
  if (t->o->spec) return;
  if (expected && !t->o->json) return;
  if (t->told == t->o->limit) return;
  t->told++;
  if (t->o->json) {
    json_difference(d, expected, why);
    return;
  }
  ump_play_describe(d, why, text, sizeof text);
  puts(text);
}

static const char *plural(uint64_t n, const char *one, const char *many) {
  return n == 1 ? one : many;
}

/* Names are words of strangers, and terminals obey control characters. */
static const char *tamed(const char *s, char *out) {
  size_t n = 0;
  for (; s[n]; n++) out[n] = (uint8_t)s[n] < 0x20 || s[n] == 0x7f ? '?' : s[n];
  out[n] = 0;
  return out;
}

static void text_sum(struct telling *t, const struct ump_play_result *r) {
  uint64_t unexpected = ump_play_unexpected(r), all = unexpected + r->expected;
  double took = ump_seconds(r->took > 0 ? r->took : 1);
  qsort(t->rows, t->n_rows, sizeof *t->rows, by_kind_and_number);
  if (unexpected > t->told)
    printf("... and %llu more; --limit says how many are told\n", (unsigned long long)(unexpected - t->told));
  if (t->n_rows) printf("%sin sum:\n", t->told ? "\n" : "");
  for (size_t i = 0; i < t->n_rows; i++) {
    const struct row *w = &t->rows[i];
    char name[sizeof w->name];
    printf("  %-9s %-24s %8llu", ump_difference_names[w->kind], tamed(w->name, name), (unsigned long long)w->n);
    if (w->expected) printf("  (%llu accepted)", (unsigned long long)w->expected);
    putchar('\n');
  }
  if (t->others) printf("  others    %-24s %8llu\n", "", (unsigned long long)t->others);
  printf("%s%llu %s, %llu %s, %llu %s compared, %.1f s of play in %.3f s (%.0f events a second)\n",
         t->n_rows ? "\n" : "", (unsigned long long)r->totals.events, plural(r->totals.events, "event", "events"),
         (unsigned long long)r->totals.judged, plural(r->totals.judged, "verdict", "verdicts"),
         (unsigned long long)r->totals.notifies, plural(r->totals.notifies, "notify", "notifies"), r->totals.seconds,
         took, (double)r->totals.events / took);
  if (r->totals.lost)
    printf("%llu entries are missing in the recording: the disk was too slow, or full\n",
           (unsigned long long)r->totals.lost);
  if (r->totals.logins)
    printf("%llu %s as recorded: passwords are not, so a rulebook's own login is not put to the test\n",
           (unsigned long long)r->totals.logins, plural(r->totals.logins, "log-in", "log-ins"));
  printf("recorded with %s, hash %s; played with hash %s%s\n", r->path, r->recorded, r->hash,
         strcmp(r->recorded, r->hash) == 0 ? ", the same" : "");
  if (!all)
    puts("no difference");
  else if (!unexpected)
    printf("no difference but what is accepted (%llu)\n", (unsigned long long)r->expected);
  else
    printf("%llu %s\n", (unsigned long long)unexpected, plural(unexpected, "difference", "differences"));
}

/* ---- what is accepted ---- */

static int add_accept(const struct command *c, struct ump_accept *a, const char *where, const char *text) {
  char error[512];
  if (!ump_accept_check(text, error, sizeof error)) return ump_usage(c, "%s: %s", where, error);
  if (a->n == UMP_PLAY_ACCEPTS) return ump_usage(c, "%s: at most %d things can be accepted", where, UMP_PLAY_ACCEPTS);
  a->v[a->n++] = text;
  return EXIT_OK;
}

static int read_accepts(const struct command *c, const char *path, char *text, struct ump_accept *a) {
  FILE *f = fopen(path, "r");
  size_t n = f ? fread(text, 1, LONGEST_ACCEPT - 1, f) : 0;
  int code = EXIT_OK;
  if (!f) return ump_usage(c, "--accept-file: cannot read %s", path);
  fclose(f);
  text[n] = 0;
  for (char *line = text, *next; line && code == EXIT_OK; line = next) {
    next = strchr(line, '\n');
    if (next) *next++ = 0;
    line[strcspn(line, "#")] = 0;
    line += strspn(line, " \t\r");
    for (size_t k = strlen(line); k && strchr(" \t\r", line[k - 1]);) line[--k] = 0;
    if (*line) code = add_accept(c, a, path, line);
  }
  return code;
}

/* ---- the command ---- */

static int play(const struct command *self, const struct options *o, struct ump_recording *rec, const char *rulebook,
                struct ump_accept *accept) {
  struct telling t = {.o = o};
  struct ump_play_result result;
  struct ump_places places;
  struct ump_logger_cfg logging = {.fd = STDERR_FILENO, .level = UMP_WARN};
  struct ump_logger *logger = ump_logger_new(&logging);
  if (!logger) return EXIT_RULEBOOK;
  struct ump_log log = ump_logger_log(logger);
  struct ump_watchdog *watchdog = ump_watchdog_new(0, &log);
  ump_places_find(&places);
  struct ump_play_cfg cfg = {.rulebook = rulebook,
                             .library = places.library,
                             .watchdog = watchdog,
                             .log = &log,
                             .rule_memory = o->rule_memory,
                             .rule_time = o->rule_time,
                             .load_time = o->load_time,
                             .accept = accept,
                             .differs = on_difference,
                             .ctx = &t};
  bool ok = ump_play(&cfg, ump_bytes(rec->p, rec->n), &result);
  if (watchdog) ump_watchdog_free(watchdog);
  ump_logger_free(logger);
  if (!ok) {
    fprintf(stderr, "umpire %s: %s\n", self->name, result.error);
    return EXIT_RULEBOOK;
  }
  if (o->json)
    json_sum(&t, &result);
  else
    text_sum(&t, &result);
  return ump_play_unexpected(&result) ? EXIT_RULEBOOK : EXIT_OK;
}

static int with_recording(const struct command *self, const struct options *o, const char *const *operands,
                          struct ump_accept *accept) {
  char error[8192], recorded[4096];
  struct ump_recording rec;
  if (ump_recording_read(operands[0], &rec, error, sizeof error) != 0) return ump_usage(self, "%s", error);
  if (rec.note[0]) fprintf(stderr, "umpire replay: %s\n", rec.note);
  const char *rulebook = operands[1] ? operands[1] : ump_spec_rulebook(&rec, recorded, sizeof recorded);
  int code = EXIT_OK;
  if (!rulebook)
    code = ump_usage(self, "RULEBOOK is missing, and the recording does not name one");
  else if (!ump_rulebook_there(rulebook, error, sizeof error))
    code = (fprintf(stderr, "umpire replay: %s\n", error), EXIT_RULEBOOK);
  else if (o->spec)
    code = ump_spec_write(&rec, operands[0], rulebook, stdout);
  else
    code = play(self, o, &rec, rulebook, accept);
  ump_recording_free(&rec);
  return code;
}

static int run(const struct command *self, int argc, char **argv) {
  static char text[LONGEST_ACCEPT];
  struct options o = {.limit = 20};
  struct ump_accept accept = {.n = 0};
  const char *operands[2] = {NULL, NULL};
  int code = ump_flags_parse(self, argc, argv, &o, operands);
  for (size_t i = 0; code == EXIT_OK && i < o.accept.n; i++)
    code = add_accept(self, &accept, "--accept", o.accept.v[i]);
  if (code == EXIT_OK && o.accept_file) code = read_accepts(self, o.accept_file, text, &accept);
  if (code == EXIT_OK) code = with_recording(self, &o, operands, &accept);
  free(o.accept.owned);
  return code < 0 ? EXIT_OK : code;
}

static void more_help(FILE *out) {
  fprintf(
      out,
      "FILE is what umpire run --record FILE wrote; FILE.1 to FILE.3, if they lead up to it, are played before it.\n"
      "RULEBOOK is the changed rulebook (default: the one that was recorded).\n\n"
      "Exit codes: 0 no difference (but what is accepted), 1 differences, or the rulebook is wrong, 2 usage.\n");
}

const struct command ump_cmd_replay = {
    .name = "replay",
    .operands = "FILE [RULEBOOK]",
    .summary = "play recorded traffic through a changed rulebook: which verdicts, responses and notifies would differ",
    .flags = flags,
    .n_flags = sizeof flags / sizeof *flags,
    .min_operands = 1,
    .max_operands = 2,
    .run = run,
    .more_help = more_help,
};
