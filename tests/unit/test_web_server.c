/* host/web: how long browsers may take. On real sockets with short times; nothing is asserted about who is fast. */
#include "testing.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "web/web.h"

enum { LARGE = 8 * 1024 * 1024, PATIENCE = 20 * 1000 };

struct place {
  char root[64];
  struct ump_web *web;
  uint16_t port;
  int descriptors;
};

static int descriptors(void) {
  int n = dup(0);
  close(n);
  return n;
}

static void put(const struct place *p, const char *name, size_t n) {
  char path[256];
  snprintf(path, sizeof path, "%s/web/%s", p->root, name);
  FILE *f = fopen(path, "w");
  assert_non_null(f);
  while (n-- > 0) fputc('x', f);
  fclose(f);
}

static void begin(struct place *p, uint32_t timeout_ms, uint32_t slowest) {
  struct ump_addr any = {.family = 4, .ip = {127, 0, 0, 1}}, bound;
  strcpy(p->root, "/tmp/umpire-web-XXXXXX");
  assert_non_null(mkdtemp(p->root));
  char folder[256];
  snprintf(folder, sizeof folder, "%s/web", p->root);
  assert_int_equal(mkdir(folder, 0700), 0);
  put(p, "index.html", 4);
  put(p, "large", LARGE);
  p->descriptors = descriptors();
  int fd = ump_web_listen(&any, &bound);
  assert_true(fd >= 0);
  struct ump_web_cfg cfg = {p->root, "web", NULL, "{}", "", timeout_ms, 100, slowest};
  assert_non_null(p->web = ump_web_start(fd, &cfg));
  p->port = bound.port;
}

static void end(struct place *p) {
  char command[128];
  ump_web_stop(p->web);
  assert_int_equal(descriptors(), p->descriptors);
  snprintf(command, sizeof command, "rm -rf '%s'", p->root);
  assert_int_equal(system(command), 0);
}

static int64_t now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* A small window: what is not read is not sent. */
static int dial(const struct place *p) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(p->port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
  int fd = socket(AF_INET, SOCK_STREAM, 0), small = 8192;
  setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
  assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
  return fd;
}

static bool say(int fd, const char *text) {
  return send(fd, text, strlen(text), MSG_NOSIGNAL) == (ssize_t)strlen(text);
}

/* Is there something to read, or the end, within so many ms? */
static bool stirs(int fd, int64_t wait) {
  struct pollfd p = {.fd = fd, .events = POLLIN};
  return poll(&p, 1, (int)wait) == 1;
}

/* Reads until the end, at most for so long. Bytes that came; -1: no end. */
static ssize_t drain(int fd) {
  static char buf[65536];
  ssize_t all = 0, n = 1;
  while (stirs(fd, PATIENCE)) {
    n = recv(fd, buf, sizeof buf, 0);
    if (n <= 0) return all; /* a reset is an end, too */
    all += n;
  }
  return -1;
}

static void test_web_hangs_up_on_one_who_says_nothing(void **state) {
  struct place p;
  (void)state;
  begin(&p, 200, 0);
  int silent = dial(&p), half = dial(&p), served = dial(&p);
  assert_true(say(half, "GET / HT"));
  assert_true(say(served, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
  assert_int_equal(drain(silent), 0);
  assert_int_equal(drain(half), 0);
  assert_true(drain(served) > 100); /* its answer, and then an end, too */
  close(silent), close(half), close(served);
  end(&p);
}

/* Bytes do not buy time: a head has its deadline from its first byte on. */
static void test_web_hangs_up_on_one_who_drips(void **state) {
  struct place p;
  (void)state;
  begin(&p, 300, 0);
  int fd = dial(&p);
  int64_t start = now_ms();
  assert_true(say(fd, "GET / HTTP/1.1\r\nX: "));
  while (!stirs(fd, 20) && now_ms() < start + PATIENCE)
    if (!say(fd, "x")) break;
  assert_true(now_ms() - start >= 300);
  assert_int_equal(drain(fd), 0);
  close(fd);
  end(&p);
}

static void test_web_hangs_up_on_one_who_does_not_read(void **state) {
  struct place p;
  (void)state;
  begin(&p, 300, 0);
  int fd = dial(&p);
  assert_true(say(fd, "GET /large HTTP/1.1\r\nHost: x\r\n\r\n"));
  assert_true(stirs(fd, PATIENCE));
  poll(NULL, 0, 900); /* three times as long as it may */
  ssize_t got = drain(fd);
  assert_true(got >= 0 && got < LARGE);
  close(fd);
  end(&p);
}

/* Nor do bytes buy time when they are read one by one: an answer has its deadline, which its size moves. */
static void test_web_hangs_up_on_one_who_reads_slowly(void **state) {
  struct place p;
  char sip[1024];
  (void)state;
  begin(&p, 60000, 50 * 1000 * 1000); /* 8 MiB in 268 ms */
  int slow = dial(&p);
  int64_t start = now_ms();
  assert_true(say(slow, "GET /large HTTP/1.1\r\nHost: x\r\n\r\n"));
  ssize_t got = 0, n = 1;
  for (; n > 0 && now_ms() < start + 2000; poll(NULL, 0, 5))
    if ((n = recv(slow, sip, sizeof sip, 0)) > 0) got += n;
  if (n > 0) n = drain(slow), got += n; /* what was under way when it was hung up on */
  assert_true(n >= 0);
  assert_true(got < LARGE);
  close(slow);
  end(&p);
}

/* Refused, but told so: what had been sent behind the request does not take the answer back. */
static void test_web_lets_the_refused_read_why(void **state) {
  static char much[200 * 1000];
  struct place p;
  (void)state;
  begin(&p, 5000, 0);
  memset(much, 'A', sizeof much - 1);
  for (int i = 0; i < 20; i++) {
    char answer[64] = "";
    int fd = dial(&p);
    assert_true(say(fd, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n"));
    say(fd, much);
    assert_true(recv(fd, answer, sizeof answer - 1, MSG_WAITALL) == sizeof answer - 1);
    assert_int_equal(strncmp(answer, "HTTP/1.1 405 ", 13), 0);
    shutdown(fd, SHUT_WR);
    assert_true(drain(fd) >= 0);
    close(fd);
  }
  end(&p);
}

/* All places taken: who is idle gives way, who is being served does not. */
static void test_web_gives_an_idle_place_to_a_newcomer(void **state) {
  struct place p;
  int all[UMP_WEB_CONNECTIONS];
  (void)state;
  begin(&p, 60000, 0);
  for (unsigned i = 0; i < UMP_WEB_CONNECTIONS; i++) { /* 127.0.0.1 to 127.0.0.4: one address has 64 places */
    struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK + i / UMP_WEB_PER_ADDRESS)}};
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(p.port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    all[i] = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(all[i], (struct sockaddr *)&from, sizeof from), 0);
    assert_int_equal(connect(all[i], (struct sockaddr *)&to, sizeof to), 0);
    assert_true(say(all[i], i == 1 ? "GET / HTTP/1.1\r\nHost: x\r\n\r\n" : "GET / HTTP/1.1\r\nHost"));
  }
  char answer[2048];
  assert_true(recv(all[1], answer, sizeof answer, 0) > 100);
  poll(NULL, 0, 50); /* the heads that are begun are all read */
  struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK + 9)}};
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(p.port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
  int newcomer = socket(AF_INET, SOCK_STREAM, 0), late = socket(AF_INET, SOCK_STREAM, 0);
  assert_int_equal(bind(newcomer, (struct sockaddr *)&from, sizeof from), 0);
  assert_int_equal(connect(newcomer, (struct sockaddr *)&to, sizeof to), 0);
  assert_true(say(newcomer, "GET / HTTP/1.1\r\nHost: x\r\nX"));
  assert_int_equal(drain(all[1]), 0);
  from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 10);
  assert_int_equal(bind(late, (struct sockaddr *)&from, sizeof from), 0);
  assert_int_equal(connect(late, (struct sockaddr *)&to, sizeof to), 0);
  assert_int_equal(drain(late), 0); /* nobody is idle any more */
  assert_true(say(all[2], ": x\r\nConnection: close\r\n\r\n"));
  assert_true(drain(all[2]) > 100);
  assert_true(say(newcomer, ": y\r\nConnection: close\r\n\r\n"));
  assert_true(drain(newcomer) > 100);
  for (unsigned i = 0; i < UMP_WEB_CONNECTIONS; i++) close(all[i]);
  close(newcomer), close(late);
  end(&p);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_web_hangs_up_on_one_who_says_nothing),
      cmocka_unit_test(test_web_hangs_up_on_one_who_drips),
      cmocka_unit_test(test_web_hangs_up_on_one_who_does_not_read),
      cmocka_unit_test(test_web_hangs_up_on_one_who_reads_slowly),
      cmocka_unit_test(test_web_lets_the_refused_read_why),
      cmocka_unit_test(test_web_gives_an_idle_place_to_a_newcomer),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
