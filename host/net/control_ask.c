/* The asking end of the control socket. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "net/control.h"

static int failed(int err, const char *path, char *error, size_t cap) {
  if (err == -ENOENT || err == -ECONNREFUSED)
    snprintf(error, cap,
             "no host is running at %s; start one with 'umpire run', or name its socket with --control PATH", path);
  else if (err == -ETIMEDOUT)
    snprintf(error, cap, "the host at %s did not answer in time", path);
  else if (err == -EACCES)
    snprintf(error, cap, "%s belongs to another user; only the user who runs the host may ask it", path);
  else
    snprintf(error, cap, "cannot talk to the host at %s: %s", path, strerror(-err));
  return err;
}

static int wait_for(int fd, short events, ump_time until) {
  for (;;) {
    ump_time left = until - ump_monotonic();
    struct pollfd p = {.fd = fd, .events = events};
    int n = left <= 0 ? 0 : poll(&p, 1, (int)((left + UMP_MS - 1) / UMP_MS));
    if (n > 0) return 0;
    if (n == 0) return -ETIMEDOUT;
    if (errno != EINTR) return -errno;
  }
}

static int send_all(int fd, struct ump_bytes b, ump_time until) {
  while (b.n > 0) {
    int err = wait_for(fd, POLLOUT, until);
    if (err != 0) return err;
    ssize_t n = send(fd, b.p, b.n, MSG_NOSIGNAL);
    if (n < 0 && errno != EINTR) return -errno;
    if (n > 0) b.p += n, b.n -= (size_t)n;
  }
  return 0;
}

static int read_line(int fd, char *reply, size_t cap, ump_time until) {
  size_t n = 0;
  for (;;) {
    int err = wait_for(fd, POLLIN, until);
    if (err != 0) return err;
    ssize_t got = recv(fd, reply + n, cap - 1 - n, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return -errno;
    if (got == 0) return -ECONNRESET;
    n += (size_t)got;
    if (reply[n - 1] == '\n') return reply[n - 1] = 0, 0;
    if (n == cap - 1) return -EMSGSIZE;
  }
}

int ump_control_connect(const char *path) {
  struct sockaddr_un sa = {.sun_family = AF_UNIX};
  if (strlen(path) >= sizeof sa.sun_path) return -ENAMETOOLONG;
  memcpy(sa.sun_path, path, strlen(path));
  int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  if (fd < 0) return -errno;
  if (connect(fd, (struct sockaddr *)&sa, sizeof sa) == 0) return fd;
  int err = -errno;
  close(fd);
  return err;
}

static int wait_end(int fd, ump_time until) {
  char rest[256];
  for (;;) {
    int err = wait_for(fd, POLLIN, until);
    if (err != 0) return err;
    ssize_t n = recv(fd, rest, sizeof rest, 0);
    if (n == 0 || (n < 0 && errno == ECONNRESET)) return 0;
    if (n < 0 && errno != EINTR) return -errno;
  }
}

int ump_control_ask(const char *path, struct ump_bytes request, ump_time at_most, bool until_gone, char *reply,
                    size_t reply_cap, char *error, size_t cap) {
  ump_time until = ump_monotonic() + at_most;
  int fd = ump_control_connect(path);
  if (fd < 0) return failed(fd, path, error, cap);
  int err = send_all(fd, request, until);
  if (err == 0) err = send_all(fd, ump_text("\n"), until);
  if (err == 0) err = read_line(fd, reply, reply_cap, until);
  if (err == 0 && until_gone) err = wait_end(fd, until);
  close(fd);
  return err == 0 ? 0 : failed(err, path, error, cap);
}
