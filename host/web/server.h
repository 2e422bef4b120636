/* The connections of browsers: one thread, one poll. Nothing here waits but that poll and the disk. */
#ifndef UMP_WEB_SERVER_H
#define UMP_WEB_SERVER_H

#include "web/answer.h"

struct ump__web_server;

struct ump__web_server_cfg {
  struct ump__web_site *site;
  int listener, wake;                      /* stay the caller's; once wake can be read, ump__web_serve returns */
  uint32_t timeout_ms, answer_ms, slowest; /* web.h */
};

struct ump__web_server *ump__web_server_new(const struct ump__web_server_cfg *cfg); /* NULL: no memory */
void ump__web_server_free(struct ump__web_server *s);
void ump__web_serve(struct ump__web_server *s);

#endif
