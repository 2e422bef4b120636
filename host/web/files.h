/* From a request's path to an open file. */
#ifndef UMP_WEB_FILES_H
#define UMP_WEB_FILES_H

#include <sys/stat.h>

#include "base/bytes.h"

enum ump__web_found {
  UMP__WEB_FILE,   /* fd and st are its */
  UMP__WEB_FOLDER, /* a folder without a slash at the end: relative links in its page would lead astray */
  UMP__WEB_NOTHING,
  UMP__WEB_MALFORMED, /* a path that no browser sends: % without two digits, control characters */
  UMP__WEB_BUSY,      /* no file descriptors, no memory: not the asker's fault */
};

/* The path of a request, percent-coded as it came and without its query: "/", "/play/app.js". A path that ends in a
 * slash is that folder's index.html. fd is the caller's to close. */
enum ump__web_found ump__web_open(const char *root, const char *folder, const char *path, int *fd, struct stat *st);

/* A folder below root; never through a link. A descriptor, or a negative errno. */
int ump__web_open_folder(const char *root, const char *folder);

/* By the name's end; "application/octet-stream" for what nobody knows. */
const char *ump__web_type(const char *path);

#endif
