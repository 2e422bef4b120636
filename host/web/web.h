/* Pages for browsers: one folder of plain files over HTTP, GET and HEAD and nothing else.
 *
 * It is served on a thread of its own with a poll of its own, not on the loop that judges: reading a file may wait for
 * a disk, and parsing what browsers send is work that players should not wait for. The two threads share nothing but
 * the folder's name, which changes at a reload and is copied under a lock. So whatever a browser does, slow or hostile,
 * costs other browsers at most, and those are bounded too: connections, connections of one address, bytes of a
 * request's head, seconds for a head, seconds without a byte, seconds for an answer.
 *
 * Only files below the folder are ever opened. Each step of a path is an openat of one name with O_NOFOLLOW, so links
 * are not followed; names that begin with a dot are not served. */
#ifndef UMP_WEB_WEB_H
#define UMP_WEB_WEB_H

#include "base/addr.h"

struct ump_web;

enum {
  UMP_WEB_CONNECTIONS = 256, /* at a time; when they are too many, one that is idle gives way */
  UMP_WEB_PER_ADDRESS = 64,  /* of them from one address (IPv6: one /64); a browser opens six for each page */
  UMP_WEB_HEAD = 16 * 1024,  /* bytes of a request's head */
  UMP_WEB_PATH = 1024,       /* bytes of a request's path, once it is decoded */
  UMP_WEB_TIMEOUT = 10, /* seconds for a request's head from its first byte, between requests, and without progress */
  UMP_WEB_ANSWER_TIME = 30,    /* seconds for an answer, however it progresses, and those that its file takes at */
  UMP_WEB_SLOWEST = 16 * 1000, /* bytes a second */
};

struct ump_web_cfg {
  const char *root, *folder; /* the folder served is `folder` below `root`; copied */
  const char *library;       /* what lies in umpire/web/ below it is served as /umpire/; copied; NULL: nothing is */
  const char *about;         /* what /umpire.json answers; copied */
  const char *connect;       /* what scripts may connect to besides where the page is from, as in the policy; copied */
  uint32_t timeout_ms, answer_ms, slowest; /* 0: UMP_WEB_TIMEOUT, ANSWER_TIME, SLOWEST; others are for tests */
};

/* A socket that listens; bound: its address, with the port that was picked if addr's was 0. A negative errno on
 * failure. */
int ump_web_listen(const struct ump_addr *addr, struct ump_addr *bound);

/* Serves what comes in at the socket fd, which is the server's from now on. NULL: no memory, no thread (fd is closed).
 */
struct ump_web *ump_web_start(int fd, const struct ump_web_cfg *cfg);
/* Ends every connection and the thread. NULL is allowed. */
void ump_web_stop(struct ump_web *w);

/* Another folder, from the next request on. False: no memory, nothing has changed. */
bool ump_web_set_folder(struct ump_web *w, const char *root, const char *folder);

struct ump_web_stats {
  uint64_t requests, errors; /* all; answered 4xx and 5xx */
};
struct ump_web_stats ump_web_stats(struct ump_web *w);

/* Is there such a folder? 0; a negative errno: -ELOOP a link is on the way below root, -ENOTDIR, -ENOENT, ... */
int ump_web_folder_there(const char *root, const char *folder);

#endif
