/* The sink behind base/log.h: one record a line on a file descriptor, as text for people or as JSON for machines.
 *
 * What strangers caused cannot harm the log (hardening T25):
 * - no raw control byte: bytes below 0x20, 0x7f, C1 controls, direction overrides and broken UTF-8 are written as
 * escapes; a traceback's line feeds become lines that start with "  | ", so no text can look like a record of its own;
 * - a text that names a stranger is cut after 256 bytes, any other after 3000;
 * - at most 10 records a second of one cause and address, 1000 a second in all, and "suppressed n" says what was left
 * out;
 * - a full pipe never stops the host: records are dropped and counted while the reader does not read.
 *
 * Text: own records at level info are the text alone ("ready"); all others are "LEVEL CAUSE ADDRESS: text". It has no
 * time stamps: terminals do not need them and journald, Docker and the like add their own. JSON has "time". */
#ifndef UMP_NET_LOGGER_H
#define UMP_NET_LOGGER_H

#include "base/hash.h"
#include "base/log.h"
#include "base/rng.h"
#include "base/time.h"

enum ump_log_format { UMP_LOG_TEXT, UMP_LOG_JSON };

#define UMP_LOG_STRANGER   256 /* bytes of a text with an address */
#define UMP_LOG_OWN        3000 /* of any other; a record is cut at 4096 bytes, so that a pipe takes it whole (PIPE_BUF) */
#define UMP_LOG_PER_SOURCE 10
#define UMP_LOG_OVERALL    1000

struct ump_logger;

struct ump_logger_cfg {
  int fd; /* where to; not closed */
  enum ump_log_format format;
  enum ump_level level; /* lowest level that is written */
  bool colour; /* text: with the colours of a terminal, by ECMA-48: red errors, yellow warnings, green reloads */
  struct ump_hash_key key; /* random, so that nobody can choose addresses that share a limit */
  ump_time (*now)(void);   /* NULL: the monotonic clock; tests give their own */
};

struct ump_logger *ump_logger_new(const struct ump_logger_cfg *cfg); /* NULL: no memory */
void ump_logger_free(struct ump_logger *l);                          /* tells what was suppressed; NULL is allowed */
void ump_logger_set(struct ump_logger *l, enum ump_log_format format, enum ump_level level);

struct ump_log ump_logger_log(struct ump_logger *l); /* the limited door, for everyone */

/* The host's own words (start, reload, stop): not limited, at info level without prefix. printf's format. */
void ump_logger_say(struct ump_logger *l, enum ump_level level, const char *cause, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* When suppressed records are to be told of; UMP_NEVER: none are. */
ump_time ump_logger_deadline(const struct ump_logger *l);
void ump_logger_tick(struct ump_logger *l, ump_time now);

/* Levels by name: "debug", "info", "warn", "error". 1: known. */
int ump_level_parse(const char *name, enum ump_level *out);

#endif
