#include "web/web.h"

#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "web/server.h"

struct ump_web {
  struct ump__web_site site;
  struct ump__web_server *server; /* the thread's, while it runs */
  pthread_t thread;
  int listener, wake;
  bool running;
};

/* ---- the socket ---- */

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

/* ---- life ---- */

static void *serve(void *ctx) {
  ump__web_serve(ctx);
  return NULL;
}

static bool start(struct ump_web *w) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, &before); /* the new thread takes no signals: they are for the loop */
  w->running = pthread_create(&w->thread, NULL, serve, w->server) == 0;
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return w->running;
}

struct ump_web *ump_web_start(int fd, const struct ump_web_cfg *cfg) {
  struct ump_web *w = calloc(1, sizeof *w);
  if (!w) return close(fd), NULL;
  w->listener = fd;
  w->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  struct ump__web_server_cfg server = {
      .site = &w->site,
      .listener = fd,
      .wake = w->wake,
      .timeout_ms = cfg->timeout_ms ? cfg->timeout_ms : UMP_WEB_TIMEOUT * 1000,
      .answer_ms = cfg->answer_ms ? cfg->answer_ms : UMP_WEB_ANSWER_TIME * 1000,
      .slowest = cfg->slowest ? cfg->slowest : UMP_WEB_SLOWEST,
  };
  if (ump__web_site_init(&w->site, cfg) == 0 && w->wake >= 0 && (w->server = ump__web_server_new(&server)) && start(w))
    return w;
  ump_web_stop(w);
  return NULL;
}

void ump_web_stop(struct ump_web *w) {
  uint64_t one = 1;
  if (!w) return;
  if (w->running && write(w->wake, &one, sizeof one) == sizeof one) pthread_join(w->thread, NULL);
  ump__web_server_free(w->server);
  ump__web_site_deinit(&w->site);
  if (w->wake >= 0) close(w->wake);
  close(w->listener);
  free(w);
}

bool ump_web_set_folder(struct ump_web *w, const char *root, const char *folder) {
  return ump__web_site_set(&w->site, root, folder);
}

struct ump_web_stats ump_web_stats(struct ump_web *w) {
  return (struct ump_web_stats){atomic_load_explicit(&w->site.requests, memory_order_relaxed),
                                atomic_load_explicit(&w->site.errors, memory_order_relaxed)};
}
