/* The limit of what a server of laneya's requests can do here: one thread, epoll, a read and a write for each batch of
 * requests, the key copied into a ready answer. It validates, judges and remembers nothing.
 *
 *   bench_laneya_limit PORT */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { READ = 65536, EVENTS = 256 };

struct conn {
  int fd;
  size_t n;
  char rest[512];
};

static size_t answer(char *out, const char *payload) {
  const char *key = payload + sizeof "{\"type\": \"request\", \"key\": " - 1;
  char text[128];
  int n = snprintf(text, sizeof text, "{\"type\": \"response\", \"key\": %.*s, \"status\": \"success\", \"data\": {}}",
                   (int)strcspn(key, ","), key);
  return (size_t)sprintf(out, "%d:%s,", n, text);
}

static int serve(struct conn *c) {
  static char in[READ + 512], out[READ * 2];
  memcpy(in, c->rest, c->n);
  ssize_t got = read(c->fd, in + c->n, READ);
  if (got <= 0) return 0;
  size_t all = c->n + (size_t)got, at = 0, len = 0;
  for (char *colon; at < all; at = (size_t)(colon - in) + 2 + strtoul(in + at, NULL, 10)) {
    colon = memchr(in + at, ':', all - at);
    if (!colon || (size_t)(colon - in) + 2 + strtoul(in + at, NULL, 10) > all) break;
    len += answer(out + len, colon + 1);
  }
  c->n = all - at;
  memcpy(c->rest, in + at, c->n);
  return write(c->fd, out, len) == (ssize_t)len;
}

int main(int argc, char **argv) {
  struct sockaddr_in here = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)atoi(argc > 1 ? argv[1] : "0")),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  struct epoll_event events[EVENTS], ev = {.events = EPOLLIN};
  int one = 1, listener = socket(AF_INET, SOCK_STREAM, 0), ep = epoll_create1(0);
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (bind(listener, (struct sockaddr *)&here, sizeof here) != 0 || listen(listener, 511) != 0)
    return perror("listen"), 1;
  epoll_ctl(ep, EPOLL_CTL_ADD, listener, &ev);
  fprintf(stderr, "ready\n");
  for (;;) {
    int n = epoll_wait(ep, events, EVENTS, -1);
    for (int i = 0; i < n; i++) {
      struct conn *c = events[i].data.ptr;
      if (c && serve(c)) continue;
      if (c) {
        close(c->fd);
        free(c);
        continue;
      }
      c = calloc(1, sizeof *c);
      c->fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
      setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
      struct epoll_event mine = {.events = EPOLLIN, .data.ptr = c};
      epoll_ctl(ep, EPOLL_CTL_ADD, c->fd, &mine);
    }
  }
}
