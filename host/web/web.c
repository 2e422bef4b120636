#include "web/web.h"

#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "web/files.h"

struct ump_web {
  struct MHD_Daemon *daemon;
  pthread_mutex_t lock; /* of root and folder */
  char *root, *folder;
  char *about, *policy; /* these two never change */
  _Atomic uint64_t requests, errors;
};

/* ---- answers ---- */

static bool add(struct MHD_Response *r, const char *name, const char *value) {
  return MHD_add_response_header(r, name, value) == MHD_YES;
}

/* What every answer says: nothing is guessed from contents, pages stay out of other sites' frames and run only the
 * scripts that lie beside them, and a copy is asked about before it is used again, so that who saves a file sees it. */
static bool add_common(const struct ump_web *w, struct MHD_Response *r) {
  return add(r, "X-Content-Type-Options", "nosniff") && add(r, "Content-Security-Policy", w->policy) &&
         add(r, "Referrer-Policy", "no-referrer") && add(r, "Cross-Origin-Resource-Policy", "same-origin") &&
         add(r, "Cross-Origin-Opener-Policy", "same-origin") && add(r, MHD_HTTP_HEADER_CACHE_CONTROL, "no-cache");
}

/* Queues r, which is given up. MHD_NO ends the connection. */
static enum MHD_Result give(struct ump_web *w, struct MHD_Connection *c, unsigned status, struct MHD_Response *r) {
  if (!r) return MHD_NO;
  atomic_fetch_add_explicit(&w->requests, 1, memory_order_relaxed);
  if (status >= 400) atomic_fetch_add_explicit(&w->errors, 1, memory_order_relaxed);
  enum MHD_Result ok = add_common(w, r) ? MHD_queue_response(c, status, r) : MHD_NO;
  MHD_destroy_response(r);
  return ok;
}

static struct MHD_Response *text(const char *body, const char *type) {
  struct MHD_Response *r =
      MHD_create_response_from_buffer(strlen(body), (void *)(uintptr_t)body, MHD_RESPMEM_MUST_COPY);
  if (r && !add(r, MHD_HTTP_HEADER_CONTENT_TYPE, type)) MHD_destroy_response(r), r = NULL;
  return r;
}

static enum MHD_Result refuse(struct ump_web *w, struct MHD_Connection *c, unsigned status, const char *body,
                              const char *header, const char *value) {
  struct MHD_Response *r = text(body, "text/plain; charset=utf-8");
  if (r && header && !add(r, header, value)) MHD_destroy_response(r), r = NULL;
  return give(w, c, status, r);
}

/* ---- files ---- */

static void http_date(time_t t, char out[40]) { /* by hand: names of days and months must not follow the locale */
  static const char *const days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  struct tm d = {0};
  gmtime_r(&t, &d);
  snprintf(out, 40, "%s, %02d %s %04d %02d:%02d:%02d GMT", days[d.tm_wday % 7], d.tm_mday % 100, months[d.tm_mon % 12],
           (d.tm_year + 1900) % 10000, d.tm_hour % 100, d.tm_min % 100, d.tm_sec % 100);
}

/* Is the tag one of the list's? A tag of ours has neither comma nor quote inside. */
static bool lists(const char *header, const char *tag) {
  return strcmp(header, "*") == 0 || strstr(header, tag) != NULL;
}

/* RFC 9110, 13.2.2: a date counts only where there is no tag. */
static bool is_known(struct MHD_Connection *c, const char *tag, const char *date) {
  const char *tags = MHD_lookup_connection_value(c, MHD_HEADER_KIND, MHD_HTTP_HEADER_IF_NONE_MATCH);
  const char *since = MHD_lookup_connection_value(c, MHD_HEADER_KIND, MHD_HTTP_HEADER_IF_MODIFIED_SINCE);
  return tags ? lists(tags, tag) : since && strcmp(since, date) == 0;
}

static enum MHD_Result give_file(struct ump_web *w, struct MHD_Connection *c, const char *path, int fd,
                                 const struct stat *st) {
  char tag[80], date[40];
  snprintf(tag, sizeof tag, "\"%llx-%llx-%lx\"", (unsigned long long)st->st_size,
           (unsigned long long)st->st_mtim.tv_sec, (unsigned long)st->st_mtim.tv_nsec);
  http_date(st->st_mtim.tv_sec, date);
  bool known = is_known(c, tag, date);
  if (known) close(fd);
  struct MHD_Response *r = known ? MHD_create_response_from_buffer(0, (void *)(uintptr_t) "", MHD_RESPMEM_PERSISTENT)
                                 : MHD_create_response_from_fd64((uint64_t)st->st_size, fd);
  if (!r && !known) close(fd);
  const char *type = ump__web_type(path[strlen(path) - 1] == '/' ? "index.html" : path);
  if (r && !(add(r, MHD_HTTP_HEADER_ETAG, tag) && add(r, MHD_HTTP_HEADER_LAST_MODIFIED, date) &&
             (known || add(r, MHD_HTTP_HEADER_CONTENT_TYPE, type))))
    MHD_destroy_response(r), r = NULL;
  return give(w, c, known ? MHD_HTTP_NOT_MODIFIED : MHD_HTTP_OK, r);
}

static enum ump__web_found find(struct ump_web *w, const char *path, int *fd, struct stat *st) {
  pthread_mutex_lock(&w->lock);
  char *root = strdup(w->root), *folder = strdup(w->folder);
  pthread_mutex_unlock(&w->lock); /* before the disk is asked: a reload must not wait for it */
  enum ump__web_found found = root && folder ? ump__web_open(root, folder, path, fd, st) : UMP__WEB_BUSY;
  free(root);
  free(folder);
  return found;
}

static enum MHD_Result add_slash(struct ump_web *w, struct MHD_Connection *c, const char *path) {
  char to[4 * UMP_WEB_PATH];
  int n =
      snprintf(to, sizeof to, "%s/", path); /* begins with one slash: two were refused, so it leads to no other host */
  if (n < 0 || (size_t)n >= sizeof to) return refuse(w, c, MHD_HTTP_NOT_FOUND, "there is no such page\n", NULL, NULL);
  return refuse(w, c, MHD_HTTP_MOVED_PERMANENTLY, "it is a folder: add a slash\n", MHD_HTTP_HEADER_LOCATION, to);
}

/* ---- requests ---- */

static enum MHD_Result answer(struct ump_web *w, struct MHD_Connection *c, const char *path) {
  struct stat st;
  int fd = -1;
  if (strcmp(path, "/umpire.json") == 0) return give(w, c, MHD_HTTP_OK, text(w->about, "application/json"));
  switch (find(w, path, &fd, &st)) {
  case UMP__WEB_FILE:
    return give_file(w, c, path, fd, &st);
  case UMP__WEB_FOLDER:
    return add_slash(w, c, path);
  case UMP__WEB_MALFORMED:
    return refuse(w, c, MHD_HTTP_BAD_REQUEST, "a path that cannot be read\n", NULL, NULL);
  case UMP__WEB_BUSY:
    return refuse(w, c, MHD_HTTP_SERVICE_UNAVAILABLE, "too much is asked for at once\n", MHD_HTTP_HEADER_RETRY_AFTER,
                  "1");
  case UMP__WEB_NOTHING:
    break;
  }
  return refuse(w, c, MHD_HTTP_NOT_FOUND, "there is no such page\n", NULL, NULL);
}

/* Called when a request's head is there, then with each piece of its body, then once it is whole. Only what is answered
 * at the head ends the connection: other methods are, so that a body is never read, and a GET with one is hung up on.
 */
static enum MHD_Result on_request(void *ctx, struct MHD_Connection *c, const char *path, const char *method,
                                  const char *version, const char *body, size_t *n_body, void **of_request) {
  static char seen;
  struct ump_web *w = ctx;
  (void)version, (void)body;
  if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
    return refuse(w, c, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET and HEAD are served here\n", MHD_HTTP_HEADER_ALLOW,
                  "GET, HEAD");
  if (*of_request == &seen) return *n_body ? MHD_NO : answer(w, c, path);
  *of_request = &seen;
  return MHD_YES;
}

/* files.c decodes paths: the library's way would end a path at %00. */
static size_t as_it_is(void *ctx, struct MHD_Connection *c, char *s) {
  (void)ctx, (void)c;
  return strlen(s);
}

/* ---- life ---- */

static socklen_t to_sockaddr(const struct ump_addr *a, struct sockaddr_storage *out) {
  memset(out, 0, sizeof *out);
  if (a->family == 6) {
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(a->port), .sin6_scope_id = a->scope};
    memcpy(&v6.sin6_addr, a->ip, 16);
    memcpy(out, &v6, sizeof v6);
    return sizeof v6;
  }
  struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(a->port)};
  memcpy(&v4.sin_addr, a->ip, 4);
  memcpy(out, &v4, sizeof v4);
  return sizeof v4;
}

static uint16_t port_of(int fd) {
  struct sockaddr_storage sa;
  socklen_t n = sizeof sa;
  if (getsockname(fd, (struct sockaddr *)&sa, &n) != 0) return 0;
  struct sockaddr_in6 v6; /* the port of both families is in the same place */
  memcpy(&v6, &sa, sizeof v6);
  return ntohs(v6.sin6_port);
}

int ump_web_listen(const struct ump_addr *addr, struct ump_addr *bound) {
  struct sockaddr_storage sa;
  socklen_t n = to_sockaddr(addr, &sa);
  int on = 1, fd = socket(sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return -errno;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on,
             sizeof on); /* a host that was just ended must not keep its port taken */
  if (sa.ss_family == AF_INET6) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  if (bind(fd, (struct sockaddr *)&sa, n) != 0 || listen(fd, 128) != 0) {
    int err = errno;
    close(fd);
    return -err;
  }
  *bound = *addr;
  bound->port = port_of(fd);
  return fd;
}

static char *make_policy(const char *connect) {
  static const char format[] = "default-src 'self'; connect-src 'self'%s%s; img-src 'self' data:; object-src 'none'; "
                               "base-uri 'none'; form-action 'self'; frame-ancestors 'none'";
  size_t n = sizeof format + strlen(connect) + 1;
  char *policy = malloc(n);
  if (policy) snprintf(policy, n, format, *connect ? " " : "", connect);
  return policy;
}

static struct MHD_Daemon *start(struct ump_web *w, int fd) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, &before); /* the new thread takes no signals: they are for the loop */
  struct MHD_Daemon *d =
      MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD, 0, NULL, NULL, on_request, w, MHD_OPTION_LISTEN_SOCKET, fd,
                       MHD_OPTION_CONNECTION_LIMIT, (unsigned)UMP_WEB_CONNECTIONS, MHD_OPTION_PER_IP_CONNECTION_LIMIT,
                       (unsigned)UMP_WEB_PER_ADDRESS, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)UMP_WEB_TIMEOUT,
                       MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)UMP_WEB_HEAD, MHD_OPTION_UNESCAPE_CALLBACK, as_it_is,
                       NULL, MHD_OPTION_END);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return d;
}

struct ump_web *ump_web_start(int fd, const struct ump_web_cfg *cfg) {
  struct ump_web *w = calloc(1, sizeof *w);
  if (w && pthread_mutex_init(&w->lock, NULL) != 0) free(w), w = NULL;
  if (!w) return close(fd), NULL;
  w->about = strdup(cfg->about);
  w->policy = make_policy(cfg->connect);
  if (w->about && w->policy && ump_web_set_folder(w, cfg->root, cfg->folder)) w->daemon = start(w, fd);
  if (w->daemon) return w;
  close(fd);
  ump_web_stop(w);
  return NULL;
}

void ump_web_stop(struct ump_web *w) {
  if (!w) return;
  if (w->daemon) MHD_stop_daemon(w->daemon); /* which closes the socket that listens */
  pthread_mutex_destroy(&w->lock);
  free(w->root);
  free(w->folder);
  free(w->about);
  free(w->policy);
  free(w);
}

bool ump_web_set_folder(struct ump_web *w, const char *root, const char *folder) {
  char *new_root = strdup(root), *new_folder = strdup(folder);
  if (!new_root || !new_folder) {
    free(new_root);
    free(new_folder);
    return false;
  }
  pthread_mutex_lock(&w->lock);
  char *old_root = w->root, *old_folder = w->folder;
  w->root = new_root, w->folder = new_folder;
  pthread_mutex_unlock(&w->lock);
  free(old_root);
  free(old_folder);
  return true;
}

struct ump_web_stats ump_web_stats(struct ump_web *w) {
  return (struct ump_web_stats){atomic_load_explicit(&w->requests, memory_order_relaxed),
                                atomic_load_explicit(&w->errors, memory_order_relaxed)};
}
