/* umpire check RULEBOOK: everything a load would complain about, and what may be a mistake, without serving it. */
#include <time.h>
#include <unistd.h>

#include "bindings/check.h"
#include "cmd.h"
#include "codec/json.h"
#include "luacheck.h"
#include "net/entropy.h"
#include "net/listen_url.h"
#include "net/logger.h"
#include "net/loop.h"
#include "place.h"
#include "protocols.h"

struct check_options {
  bool strict, json;
};

static ump_time vm_now(void *ctx) {
  return (void)ctx, ump_monotonic();
}
static int64_t vm_wall(void *ctx) {
  return (void)ctx, (int64_t)time(NULL);
}

/* ---- what is asked of others ---- */

/* Options are listed a line each, indented, with what they mean: here their names will do, in the same line. */
static void shorten(char *error) {
  char *out = strchr(error, '\n');
  for (char *line = out; line; line = strchr(line + 1, '\n')) {
    if (strncmp(line, "\n  ", 3) != 0 || line[3] == ' ') continue;
    size_t n = strcspn(line + 3, " \n");
    char *next = out + 1 + n; /* never beyond where line is: names get shorter by what they mean */
    memmove(out + 1, line + 3, n);
    *out = ' ', out = next;
  }
  if (out) *out = 0;
}

static bool can_listen(void *ctx, const char *url, char *error, size_t cap) {
  struct ump_listen scratch;
  (void)ctx;
  if (ump_listen_parse(ump_protocols(), url, &scratch, error, cap) == 0) return true;
  shorten(error);
  return false;
}

/* Our own check has found it: a name that is not there, or a file that does not compile. */
static bool is_told(const struct ump_buf *findings, const char *place) {
  size_t n = strlen(place);
  for (size_t i = 0; i + n <= findings->n; i++)
    if ((i == 0 || findings->p[i - 1] == '\n') && memcmp(findings->p + i, place, n) == 0) return true;
  return false;
}

static void take_luacheck(void *ctx, const char *file, int line, const char *code, const char *message) {
  struct ump_checked *c = ctx;
  char place[1024];
  snprintf(place, sizeof place, "%.1000s:%d:", file, line);
  bool is_ours = code[0] == 'E' || strncmp(code, "W11", 3) == 0; /* syntax; globals that are not there */
  if (is_ours && is_told(&c->errors, place)) return;
  if (c->warnings.n) ump_buf_byte(&c->warnings, '\n');
  ump_buf_print(&c->warnings, "%s %s (luacheck %s)", place, message, code);
}

static void ask_luacheck(const char *library, struct ump_checked *c) {
  static const char poorer[] = "unused and shadowed names were not looked for";
  if (!c->files.n) return;
  enum luacheck_result r = luacheck_ask(library, (const char *)c->files.p, c->files.n, take_luacheck, c);
  if (r == LUACHECK_MISSING)
    fprintf(stderr, "note: %s, because luacheck is not installed: apt-get install lua-check\n", poorer);
  if (r == LUACHECK_FAILED) fprintf(stderr, "note: %s, because luacheck did not work\n", poorer);
}

/* ---- telling ---- */

/* "FILE:LINE: text": the length of FILE, and the line; a line without such a head belongs to the finding before. */
static bool split(struct ump_bytes line, size_t *file, int *number) {
  for (size_t i = 0; i + 2 < line.n; i++) {
    if (line.p[i] != ':') continue;
    *file = i, *number = 0;
    size_t at = i + 1;
    while (at < line.n && line.p[at] >= '0' && line.p[at] <= '9' && *number < 100000000)
      *number = *number * 10 + (line.p[at++] - '0');
    if (at > i + 1 && at < line.n && line.p[at] == ':') return true;
  }
  return false;
}

static struct ump_bytes next_line(struct ump_bytes *rest) {
  const uint8_t *end = rest->n ? memchr(rest->p, '\n', rest->n) : NULL;
  struct ump_bytes line = ump_bytes(rest->p, end ? (size_t)(end - rest->p) : rest->n);
  size_t skip = line.n + (end != NULL);
  *rest = ump_bytes(rest->p + skip, rest->n - skip);
  return line;
}

/* Warnings say so after their place, as compilers do and editors know. */
static void print_findings(const struct ump_buf *findings, const char *kind) {
  size_t file;
  int number;
  for (struct ump_bytes rest = ump_buf_bytes(findings); rest.n;) {
    struct ump_bytes line = next_line(&rest);
    const char *text = (const char *)line.p;
    if (*kind && split(line, &file, &number)) {
      int head = fprintf(stderr, "%.*s:%d: ", (int)file, text, number);
      fprintf(stderr, "%s%.*s\n", kind, (int)line.n - head, text + head);
    } else {
      fprintf(stderr, "%.*s\n", (int)line.n, text);
    }
  }
}

static void print_json_string(struct ump_bytes s) {
  static uint8_t room[6 * 4096];
  struct ump_writer w = ump_writer(room, sizeof room);
  ump_json_write_string(&w, ump_bytes(s.p, s.n < 4000 ? s.n : 4000));
  printf("%.*s", (int)w.n, (const char *)room);
}

static void print_json_findings(const struct ump_buf *findings, const char *severity, bool *first) {
  for (struct ump_bytes rest = ump_buf_bytes(findings); rest.n;) {
    struct ump_bytes line = next_line(&rest), whole = line, place = ump_bytes(NULL, 0);
    size_t file;
    int number = 0;
    while (rest.n) { /* a traceback goes with its error */
      struct ump_bytes ahead = rest, more = next_line(&ahead);
      size_t ignored;
      int also;
      if (!more.n || (more.p[0] != ' ' && more.p[0] != '\t' && split(more, &ignored, &also))) break;
      whole.n = (size_t)(more.p + more.n - whole.p), rest = ahead;
    }
    if (split(line, &file, &number)) {
      place = ump_bytes(line.p, file);
      size_t head = file + (size_t)snprintf(NULL, 0, ":%d: ", number);
      if (head <= whole.n) whole = ump_bytes(whole.p + head, whole.n - head);
    }
    printf("%s{\"severity\":\"%s\",\"file\":", *first ? "" : ",", severity);
    print_json_string(place);
    printf(",\"line\":%d,\"message\":", number);
    print_json_string(whole);
    printf("}");
    *first = false;
  }
}

static void tell(const char *path, const struct ump_checked *c, bool good, bool json) {
  if (!json) {
    print_findings(&c->errors, "");
    print_findings(&c->warnings, "warning: ");
    if (!c->errors.n) printf("%.*s\n", (int)c->about.n, (const char *)c->about.p);
    return;
  }
  bool first = true;
  printf("{\"ok\":%s,\"rulebook\":", good ? "true" : "false");
  print_json_string(ump_text(path));
  printf(",\"findings\":[");
  print_json_findings(&c->errors, "error", &first);
  print_json_findings(&c->warnings, "warning", &first);
  printf("]}\n");
}

/* ---- the command ---- */

static int check(const char *path, const struct check_options *o, struct ump_logger *logger,
                 struct ump_entropy *entropy) {
  char error[UMP_PLACE + 256];
  struct ump_checked found;
  struct ump_places places;
  if (!ump_rulebook_there(path, error, sizeof error)) return fprintf(stderr, "%s\n", error), EXIT_RULEBOOK;
  struct ump_log log = ump_logger_log(logger);
  struct ump_watchdog *watchdog = ump_watchdog_new(0, &log);
  ump_places_find(&places);
  struct ump_check_cfg cfg = {.path = path, .listen = can_listen};
  cfg.vm = (struct ump_vm_cfg){.library = places.library,
                               .watchdog = watchdog,
                               .log = &log,
                               .rng = ump_entropy_rng(entropy),
                               .now = vm_now,
                               .wall = vm_wall};
  ump_check(&cfg, &found);
  ask_luacheck(places.library, &found);
  bool good = !found.errors.n && found.about.n && !(o->strict && found.warnings.n);
  tell(path, &found, good, o->json);
  ump_checked_free(&found);
  if (watchdog) ump_watchdog_free(watchdog);
  return good ? EXIT_OK : EXIT_RULEBOOK;
}

static int run(const struct command *self, int argc, char **argv) {
  const char *path = NULL;
  struct check_options o = {false, false};
  struct ump_entropy entropy;
  struct ump_logger_cfg cfg = {.fd = STDERR_FILENO, .level = UMP_INFO};
  int code = ump_flags_parse(self, argc, argv, &o, &path);
  if (code != EXIT_OK) return code < 0 ? EXIT_OK : code;
  ump_entropy_init(&entropy);
  struct ump_logger *logger = ump_logger_new(&cfg);
  code = logger ? check(path, &o, logger, &entropy) : EXIT_RULEBOOK;
  ump_logger_free(logger);
  ump_entropy_deinit(&entropy);
  return code;
}

static void more_help(FILE *out) {
  fprintf(
      out,
      "Errors: what a load would refuse; handlers with more parameters than they are given; listen URLs that cannot "
      "be\n"
      "served; a legal that changes something (it is tried on made-up clients and events).\n"
      "Warnings: what luacheck finds, if it is installed (unused and shadowed locals, values that nobody reads, ...);\n"
      "patterns for find, match, gmatch and gsub that can take very long.\n"
      "Each is told as FILE:LINE: MESSAGE, warnings as FILE:LINE: warning: MESSAGE, to standard error.\n"
      "Exit codes: 0 no errors, 1 errors (with --strict, warnings too), 2 usage.\n");
}

#define AT(field) offsetof(struct check_options, field)
static const struct flag flags[] = {
    {"strict", NULL, NULL, FLAG_SWITCH, AT(strict), "warnings count as errors: exit 1", NULL},
    {"json", NULL, NULL, FLAG_SWITCH, AT(json),
     "print findings as one JSON object: ok, rulebook, findings (severity,\nfile, line, message)", NULL},
};

const struct command ump_cmd_check = {
    .name = "check",
    .operands = "RULEBOOK",
    .summary = "load it in the sandbox and print its handlers, or what is wrong with it, with file:line",
    .flags = flags,
    .n_flags = sizeof flags / sizeof *flags,
    .min_operands = 1,
    .max_operands = 1,
    .run = run,
    .more_help = more_help,
};
