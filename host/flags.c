#include "flags.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/time.h"
#include "net/logger.h"

int ump_usage(const struct command *c, const char *format, ...) {
  va_list args;
  va_start(args, format);
  fprintf(stderr, "umpire%s%s: ", c ? " " : "", c ? c->name : "");
  vfprintf(stderr, format, args);
  fprintf(stderr, "\nSee umpire%s%s --help.\n", c ? " " : "", c ? c->name : "");
  va_end(args);
  return EXIT_USAGE;
}

/* ---- help ---- */

static void print_indented(FILE *out, const char *text, int indent) {
  for (; *text; text++) {
    fputc(*text, out);
    if (*text == '\n') fprintf(out, "%*s", indent, "");
  }
}

void ump_flags_help(const struct command *c, FILE *out) {
  fprintf(out, "umpire %s%s%s%s\n\n%s\n", c->name, *c->operands ? " " : "", c->operands, c->n_flags ? " [FLAGS]" : "",
          c->summary);
  if (c->n_flags) fprintf(out, "\nFlags, and the environment variables that stand for them (a flag wins):\n");
  for (size_t i = 0; i < c->n_flags; i++) {
    const struct flag *f = &c->flags[i];
    char left[64];
    snprintf(left, sizeof left, "--%s%s%s", f->name, f->value ? " " : "", f->value ? f->value : "");
    fprintf(out, "  %-26s ", left);
    print_indented(out, f->help, 29);
    if (f->env) fprintf(out, " [%s]", f->env);
    fputc('\n', out);
  }
  if (c->more_help) fputc('\n', out), c->more_help(out);
}

/* ---- values ---- */

struct unit {
  const char *name;
  uint64_t size;
};

static const struct unit byte_units[] = {{"", 1},         {"B", 1},          {"K", 1024},     {"KiB", 1024},
                                         {"M", 1u << 20}, {"MiB", 1u << 20}, {"G", 1u << 30}, {"GiB", 1u << 30},
                                         {"k", 1024},     {"m", 1u << 20},   {"g", 1u << 30}, {NULL, 0}};
static const struct unit time_units[] = {{"ns", 1}, {"us", 1000}, {"ms", 1000000}, {"s", 1000000000}, {NULL, 0}};
static const struct unit count_units[] = {{"", 1}, {NULL, 0}};

/* Digits and a unit. False: anything else, or more than fits 62 bits (so that adding two never overflows). */
static bool parse_quantity(const char *text, const struct unit *units, uint64_t *out) {
  char *end;
  errno = 0;
  if (*text < '0' || *text > '9') return false;
  unsigned long long v = strtoull(text, &end, 10);
  if (errno != 0) return false;
  for (; units->name; units++) {
    if (strcmp(end, units->name) != 0) continue;
    if (v > (UINT64_MAX >> 2) / units->size) return false;
    *out = v * units->size;
    return true;
  }
  return false;
}

static bool parse_switch(const char *text, bool *out) {
  *out = strcmp(text, "1") == 0 || strcmp(text, "true") == 0 || strcmp(text, "yes") == 0 || strcmp(text, "on") == 0;
  return *out || !*text || strcmp(text, "0") == 0 || strcmp(text, "false") == 0 || strcmp(text, "no") == 0 ||
         strcmp(text, "off") == 0;
}

static bool add_url(struct flag_list *list, const char *url) {
  if (list->n == FLAG_MAX_URLS) return false;
  list->v[list->n++] = url;
  return true;
}

/* A comma begins a new URL only before SCHEME://, because an option's value may hold commas too. */
static bool begins_url(const char *s) {
  size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789");
  return n > 0 && strncmp(s + n, "://", 3) == 0;
}

static bool split_list(struct flag_list *list, const char *text, bool urls) {
  if (!(list->owned = strdup(text))) return false;
  char *start = list->owned;
  for (char *at = start; *at; at++) {
    if (*at != ',' || (urls && !begins_url(at + 1))) continue;
    *at = 0;
    if (!add_url(list, start)) return false;
    start = at + 1;
  }
  return !*start || add_url(list, start);
}

static const char *expectation(enum flag_kind kind) {
  switch (kind) {
  case FLAG_SWITCH:
    return "1 or 0";
  case FLAG_BYTES:
    return "a number of bytes, such as 64M or 1G";
  case FLAG_TIME:
    return "a time with its unit, such as 50ms or 2s";
  case FLAG_COUNT:
    return "a whole number";
  case FLAG_FORMAT:
    return "text or json";
  case FLAG_LEVEL:
    return "debug, info, warn or error";
  case FLAG_URLS:
    return "at most 32 listen URLs";
  case FLAG_WORDS:
    return "given at most 32 times";
  case FLAG_TEXT:
    break;
  }
  return "a text of at least one character";
}

static int bad_value(const struct command *c, const struct flag *f, const char *before, const char *name,
                     const char *text) {
  return ump_usage(c, "%s%s must be %s%s%s, not \"%s\"", before, name, expectation(f->kind),
                   f->least ? ", at least " : "", f->least ? f->least : "", text);
}

/* False: smaller than the flag allows. A 0 that has no meaning of its own would otherwise be taken for "the default".
 */
static bool is_enough(const struct flag *f, const struct unit *units, uint64_t v) {
  uint64_t least = 0;
  return !f->least || (parse_quantity(f->least, units, &least) && v >= least);
}

static bool take_quantity(const struct flag *f, const char *text, const struct unit *units, uint64_t *out) {
  return parse_quantity(text, units, out) && is_enough(f, units, *out);
}

static bool take(const struct flag *f, const char *text, void *options) {
  void *at = (char *)options + f->at;
  uint64_t v = 0;
  switch (f->kind) {
  case FLAG_SWITCH:
    return parse_switch(text, at);
  case FLAG_TEXT:
    return *(const char **)at = text, *text != 0;
  case FLAG_URLS:
  case FLAG_WORDS:
    return add_url(at, text);
  case FLAG_BYTES:
    return take_quantity(f, text, byte_units, at);
  case FLAG_COUNT:
    return take_quantity(f, text, count_units, at);
  case FLAG_TIME:
    return take_quantity(f, text, time_units, &v) && (*(int64_t *)at = (int64_t)v, true);
  case FLAG_LEVEL:
    return ump_level_parse(text, at) == 1;
  case FLAG_FORMAT:
    *(enum ump_log_format *)at = strcmp(text, "json") == 0 ? UMP_LOG_JSON : UMP_LOG_TEXT;
    return strcmp(text, "json") == 0 || strcmp(text, "text") == 0;
  }
  return false;
}

/* ---- the environment, then the command line ---- */

static int from_environment(const struct command *c, void *options) {
  for (size_t i = 0; i < c->n_flags; i++) {
    const struct flag *f = &c->flags[i];
    const char *text = f->env ? getenv(f->env) : NULL;
    if (!text || !*text) continue; /* set to nothing is not set: compose files do so */
    bool list = f->kind == FLAG_URLS || f->kind == FLAG_WORDS;
    bool ok = list ? split_list((struct flag_list *)((char *)options + f->at), text, f->kind == FLAG_URLS)
                   : take(f, text, options);
    if (!ok) return bad_value(c, f, "the environment variable ", f->env, text);
  }
  return EXIT_OK;
}

static const struct flag *find(const struct command *c, const char *name, size_t n) {
  for (size_t i = 0; i < c->n_flags; i++)
    if (strlen(c->flags[i].name) == n && strncmp(c->flags[i].name, name, n) == 0) return &c->flags[i];
  return NULL;
}

static int unknown_flag(const struct command *c, const char *arg) {
  char known[512] = "none";
  size_t at = 0;
  for (size_t i = 0; i < c->n_flags && at < sizeof known; i++)
    at += (size_t)snprintf(known + at, sizeof known - at, "%s--%s", i ? ", " : "", c->flags[i].name);
  return ump_usage(c, "unknown flag %s; the flags are %s", arg, known);
}

struct args {
  const struct command *c;
  int argc, at;
  char **argv;
  void *options;
};

static int take_flag(struct args *a) {
  const char *arg = a->argv[a->at] + 2, *equals = strchr(arg, '='), *value = equals ? equals + 1 : NULL;
  const struct flag *f = find(a->c, arg, equals ? (size_t)(equals - arg) : strlen(arg));
  if (!f) return unknown_flag(a->c, a->argv[a->at]);
  if (f->kind == FLAG_SWITCH && !value) value = "1";
  if (!value && a->at + 1 < a->argc) value = a->argv[++a->at];
  if (!value) return ump_usage(a->c, "--%s needs a value: --%s %s", f->name, f->name, f->value);
  struct flag_list *list = f->kind == FLAG_URLS || f->kind == FLAG_WORDS ? (void *)((char *)a->options + f->at) : NULL;
  if (list && !list->given) list->n = 0, list->given = true;
  return take(f, value, a->options) ? EXIT_OK : bad_value(a->c, f, "--", f->name, value);
}

int ump_flags_parse(const struct command *c, int argc, char **argv, void *options, const char **operands) {
  unsigned n = 0;
  bool only_operands = false;
  for (int i = 0; i < argc && strcmp(argv[i], "--") != 0;
       i++) /* help comes first: it must not depend on anything else */
    if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) return ump_flags_help(c, stdout), -1;
  int err = from_environment(c, options);
  struct args a = {.c = c, .argc = argc, .argv = argv, .options = options};
  for (; err == EXIT_OK && a.at < argc; a.at++) {
    const char *arg = argv[a.at];
    if (!only_operands && strcmp(arg, "--") == 0)
      only_operands = true;
    else if (!only_operands && strncmp(arg, "--", 2) == 0)
      err = take_flag(&a);
    else if (!only_operands && arg[0] == '-' && arg[1])
      err = unknown_flag(c, arg);
    else if (n == c->max_operands)
      err = ump_usage(c, "unexpected argument \"%s\"", arg);
    else if (!*arg)
      err = ump_usage(c, "%s is an empty text", c->operands);
    else
      operands[n++] = arg;
  }
  if (err == EXIT_OK && n < c->min_operands) err = ump_usage(c, "%s is missing", c->operands);
  return err;
}
