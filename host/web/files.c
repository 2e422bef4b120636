#include "web/files.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "web/web.h"

/* ---- types ---- */

const char *ump__web_type(const char *path) {
  static const char *const types[][2] = {
      {"html", "text/html; charset=utf-8"},
      {"htm", "text/html; charset=utf-8"},
      {"js", "text/javascript; charset=utf-8"},
      {"mjs", "text/javascript; charset=utf-8"},
      {"css", "text/css; charset=utf-8"},
      {"json", "application/json"},
      {"map", "application/json"},
      {"webmanifest", "application/manifest+json"},
      {"txt", "text/plain; charset=utf-8"},
      {"md", "text/plain; charset=utf-8"},
      {"svg", "image/svg+xml"},
      {"png", "image/png"},
      {"jpg", "image/jpeg"},
      {"jpeg", "image/jpeg"},
      {"gif", "image/gif"},
      {"webp", "image/webp"},
      {"avif", "image/avif"},
      {"ico", "image/x-icon"},
      {"wasm", "application/wasm"},
      {"woff2", "font/woff2"},
      {"woff", "font/woff"},
      {"ttf", "font/ttf"},
      {"mp3", "audio/mpeg"},
      {"ogg", "audio/ogg"},
      {"wav", "audio/wav"},
      {"mp4", "video/mp4"},
      {"webm", "video/webm"},
  };
  const char *dot = strrchr(path, '.'), *slash = strrchr(path, '/');
  if (dot && (!slash || dot > slash))
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
      if (strcasecmp(dot + 1, types[i][0]) == 0) return types[i][1];
  return "application/octet-stream";
}

/* ---- paths ---- */

static int hex(char c) {
  return c >= '0' && c <= '9'   ? c - '0'
         : c >= 'a' && c <= 'f' ? c - 'a' + 10
         : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                : -1;
}

/* "/play/a%20b.js" -> "play/a b.js". A decoded slash or dot is treated like one that was not coded: what counts is what
 * would be opened. */
static enum ump__web_found decode(const char *path, char out[UMP_WEB_PATH]) {
  size_t n = 0;
  if (*path++ != '/') return UMP__WEB_MALFORMED;
  for (; *path; path++) {
    int c = (unsigned char)*path;
    if (c == '%') {
      int hi = hex(path[1]), lo = hi < 0 ? -1 : hex(path[2]);
      if (lo < 0) return UMP__WEB_MALFORMED;
      c = hi * 16 + lo;
      path += 2;
    }
    if (c < 0x20 || c == 0x7f) return UMP__WEB_MALFORMED;
    if (n == UMP_WEB_PATH - 1) return UMP__WEB_NOTHING;
    out[n++] = (char)c;
  }
  out[n] = 0;
  return UMP__WEB_FILE;
}

/* The next name of a path: copied into name, *at moved behind it and its slash. *last: nothing follows. False: it is
 * none that is served: empty (two slashes), too long, or beginning with a dot, which covers "." and "..". */
static bool next_name(const char **at, char name[256], bool *last) {
  size_t n = strcspn(*at, "/");
  if (n == 0 || n > 255 || **at == '.') return false;
  memcpy(name, *at, n);
  name[n] = 0;
  *last = (*at)[n] == 0;
  *at += n + !*last;
  return true;
}

/* One step down: opens name in the folder `at`, which is closed. */
static int step(int at, const char *name, int flags) {
  /* O_NONBLOCK: opening a pipe that somebody has put there must not wait for its other end */
  int fd = openat(at, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY | flags);
  int err = errno;
  close(at);
  return fd < 0 ? -err : fd;
}

int ump__web_open_folder(const char *root, const char *folder) {
  char name[256];
  bool last = false;
  int fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return -errno;
  while (*folder && !last && fd >= 0) {
    size_t n = strspn(folder, "/");
    folder += n;
    if (!*folder) break;
    if (!next_name(&folder, name, &last)) {
      close(fd);
      return -ENOENT;
    }
    fd = step(fd, name, O_DIRECTORY);
  }
  return fd;
}

int ump_web_folder_there(const char *root, const char *folder) {
  int fd = ump__web_open_folder(root, folder);
  if (fd < 0) return fd;
  close(fd);
  return 0;
}

static enum ump__web_found failed(int err) {
  return err == -EMFILE || err == -ENFILE || err == -ENOMEM ? UMP__WEB_BUSY : UMP__WEB_NOTHING;
}

enum ump__web_found ump__web_open(const char *root, const char *folder, const char *path, int *out, struct stat *st) {
  char decoded[UMP_WEB_PATH], name[256];
  bool last = false;
  enum ump__web_found found = decode(path, decoded);
  if (found != UMP__WEB_FILE) return found;
  int fd = ump__web_open_folder(root, folder);
  for (const char *at = decoded; fd >= 0 && !last;) {
    if (!*at) { /* it ended in a slash, or was nothing but one */
      fd = step(fd, "index.html", 0);
      break;
    }
    if (!next_name(&at, name, &last)) {
      close(fd);
      return UMP__WEB_NOTHING;
    }
    fd = step(fd, name, last ? 0 : O_DIRECTORY);
  }
  if (fd < 0) return failed(fd);
  found = fstat(fd, st) != 0             ? UMP__WEB_NOTHING
          : S_ISREG(st->st_mode)         ? UMP__WEB_FILE
          : S_ISDIR(st->st_mode) && last ? UMP__WEB_FOLDER
                                         : UMP__WEB_NOTHING;
  if (found == UMP__WEB_FILE)
    *out = fd;
  else
    close(fd);
  return found;
}
