/* The command line by tables: one row names a flag, its environment variable, what it means and where its value goes.
 * The same rows make the help text, so neither can lag behind. */
#ifndef UMP_HOST_FLAGS_H
#define UMP_HOST_FLAGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum exit_code { EXIT_OK = 0, EXIT_RULEBOOK = 1, EXIT_USAGE = 2, EXIT_BIND = 3 };

enum flag_kind {
  FLAG_SWITCH, /* bool */
  FLAG_TEXT,   /* const char * */
  FLAG_URLS,   /* struct flag_list; repeatable, and comma separated in the environment */
  FLAG_WORDS,  /* struct flag_list; the same, of anything */
  FLAG_BYTES,  /* uint64_t; "64M", "128MiB", "4096" */
  FLAG_TIME,   /* int64_t, ns; "50ms", "2s", "250us" */
  FLAG_COUNT,  /* uint64_t */
  FLAG_FORMAT, /* enum ump_log_format */
  FLAG_LEVEL,  /* enum ump_level */
};

struct flag {
  const char *name, *env, *value; /* "listen", "UMPIRE_LISTEN", "URL" (NULL: takes none) */
  enum flag_kind kind;
  size_t at;         /* offset of its place in the options */
  const char *help;  /* one line; line feeds are indented */
  const char *least; /* "1M": smaller ones are refused, for they would stop everything; NULL: any */
};

#define FLAG_MAX_URLS 32
struct flag_list {
  const char *v[FLAG_MAX_URLS];
  size_t n;
  bool given;  /* on the command line: the first takes the place of the environment's */
  char *owned; /* what the environment's point into */
};

struct command {
  const char *name, *operands; /* "run", "RULEBOOK" */
  const char *summary;
  const struct flag *flags;
  size_t n_flags;
  unsigned min_operands, max_operands;
  int (*run)(const struct command *self, int argc, char **argv);
  void (*more_help)(FILE *out); /* may be NULL */
};

/* Fills options (already holding the fallbacks) from the environment, then from argv (after the command's name); flags
 * win. Operands are given in order. EXIT_OK; EXIT_USAGE: the mistake was printed; -1: help was asked for and printed.
 */
int ump_flags_parse(const struct command *c, int argc, char **argv, void *options, const char **operands);
void ump_flags_help(const struct command *c, FILE *out);
/* Prints "umpire run: MESSAGE" and where help is; returns EXIT_USAGE. */
int ump_usage(const struct command *c, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
