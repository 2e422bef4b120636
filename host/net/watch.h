/* --watch: tells when a file of the rulebook was saved. Folders are watched, not files, because editors write a new
 * file and rename it over the old one, after which a watch on the old one would see nothing. Changes that come within
 * 100 ms of each other are told once. */
#ifndef UMP_NET_WATCH_H
#define UMP_NET_WATCH_H

#include "net/loop.h"

struct ump_watch;

struct ump_watch *ump_watch_new(struct ump_loop *l, void (*changed)(void *ctx), void *ctx); /* NULL: no memory */
/* Watches the folder of this file too; doing so again changes nothing. 0, or a negative errno (logged). */
int ump_watch_file(struct ump_watch *w, const char *path);
void ump_watch_free(struct ump_watch *w); /* before ump_loop_free; NULL is allowed */

#endif
