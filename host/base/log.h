/* Where log lines go. Sans-IO code hands a level, a cause and text to a sink; the driver writes, escapes and limits the
 * rate (hardening T25: bytes below 0x20, 0x7f and broken UTF-8 escaped, 256 bytes a field, 10 lines a second per cause
 * and source). */
#ifndef UMP_BASE_LOG_H
#define UMP_BASE_LOG_H

#include "base/addr.h"
#include "base/bytes.h"

enum ump_level { UMP_DEBUG, UMP_INFO, UMP_WARN, UMP_ERROR };

struct ump_log_line {
  enum ump_level level;
  const char *cause;           /* short constant word for rate limiting and searching, "bad_json"; never NULL */
  const struct ump_addr *from; /* the stranger it is about, or NULL */
  struct ump_bytes text;       /* may hold bytes of a stranger's; may hold line feeds (tracebacks) */
};

struct ump_log {
  void (*write)(void *ctx, const struct ump_log_line *line); /* NULL: silence */
  void *ctx;
};

static inline void ump_log_write(const struct ump_log *l, enum ump_level level, const char *cause,
                                 const struct ump_addr *from, struct ump_bytes text) {
  if (l && l->write) l->write(l->ctx, &(struct ump_log_line){level, cause, from, text});
}
static inline void ump_log_text(const struct ump_log *l, enum ump_level level, const char *cause,
                                const struct ump_addr *from, const char *text) {
  ump_log_write(l, level, cause, from, ump_text(text));
}

#endif
