/* From a request to what answers it: a status, header lines, and a text or a piece of a file. */
#ifndef UMP_WEB_ANSWER_H
#define UMP_WEB_ANSWER_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>

#include "web/request.h"
#include "web/web.h"

/* What is served. The loop's thread changes the folder, the server's own reads it. */
struct ump__web_site {
  pthread_mutex_t lock; /* of root and folder */
  char *root, *folder;
  char *library, *about, *common; /* these never change. library: NULL if there is none; common: the header lines of
                                     every answer and the empty one behind them */
  _Atomic uint64_t requests, errors;
};

int ump__web_site_init(struct ump__web_site *s, const struct ump_web_cfg *cfg); /* 0, or -ENOMEM; deinit either way */
void ump__web_site_deinit(struct ump__web_site *s);
bool ump__web_site_set(struct ump__web_site *s, const char *root, const char *folder);

struct ump__web_answer {
  unsigned status;
  bool last;               /* the connection ends with it */
  struct ump_writer lines; /* of its own; site->common follows */
  struct ump_bytes text;   /* a body that lies in memory: the site's, or a constant */
  int fd;                  /* the file that the body is of, the answer's to close; -1: none */
  off_t at, end;           /* the piece of it that is still to be sent */
  uint8_t bytes[4096];     /* of lines: the longest has a path in it (Location), coded three to one */
};

void ump__web_answer_init(struct ump__web_answer *a);
void ump__web_answer_deinit(struct ump__web_answer *a);
void ump__web_answer(struct ump__web_site *s, const struct ump__web_request *r, struct ump__web_answer *a);

#endif
