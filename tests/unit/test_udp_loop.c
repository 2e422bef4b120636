/* The UDP driver over real loopback sockets. */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <uv.h>

#include "testing.h"

#include "net/loop.h"
#include "net/sockaddr.h"
#include "net/udp.h"
#include "wire_echo.h"

/* This program's own recvmmsg and sendmmsg stand before the C library's: they count, and fail as a test wants them to.
 */
struct kernel {
  int take;                                /* datagrams that are taken before it fails; -1: all */
  int then;                                /* the errno it fails with */
  int interrupt_sends, interrupt_receives; /* so many calls fail with EINTR first */
  int sends, receives;
};
static struct kernel kernel = {.take = -1};

int sendmmsg(int fd, struct mmsghdr *v, unsigned n, int flags) {
  kernel.sends++;
  if (kernel.interrupt_sends > 0) return kernel.interrupt_sends--, errno = EINTR, -1;
  if (kernel.take == 0) return errno = kernel.then, -1;
  if (kernel.take > 0 && n > (unsigned)kernel.take) n = (unsigned)kernel.take;
  int sent = (int)syscall(SYS_sendmmsg, fd, v, n, flags);
  if (kernel.take > 0 && sent > 0) kernel.take -= sent;
  return sent;
}

int recvmmsg(int fd, struct mmsghdr *v, unsigned n, int flags, struct timespec *t) {
  kernel.receives++;
  if (kernel.interrupt_receives > 0) return kernel.interrupt_receives--, errno = EINTR, -1;
  return (int)syscall(SYS_recvmmsg, fd, v, n, flags, t);
}

struct world {
  struct testing_mem mem;
  struct testing_log log;
  struct testing_rng rng;
  struct ump_engine *engine;
  struct ump_loop *loop;
  struct ump_udp *udp;
  struct ump_addr bound;
};

static struct ump_addr loopback(uint8_t family) {
  struct ump_addr a = {.family = family};
  if (family == 4)
    memcpy(a.ip, (uint8_t[]){127, 0, 0, 1}, 4);
  else
    a.ip[15] = 1;
  return a;
}

static void begin(struct world *w, const struct ump_addr *where) {
  uint32_t index;
  kernel = (struct kernel){.take = -1};
  testing_mem_init(&w->mem), testing_log_init(&w->log), testing_rng_init(&w->rng, 1);
  struct ump_engine_cfg ec = {.mem = &w->mem.mem, .rng = &w->rng.rng, .log = &w->log.log};
  assert_non_null(w->engine = ump_engine_new(&ec, ump_monotonic()));
  struct ump_loop_cfg lc = {.mem = &w->mem.mem, .engine = w->engine, .log = &w->log.log};
  assert_non_null(w->loop = ump_loop_new(&lc));
  assert_int_equal(ump_udp_open(w->loop, where, wire_echo_datagram.max_datagram, &w->udp, &w->bound), 0);
  struct ump_proto_cfg pc = {
      .mem = &w->mem.mem, .rng = &w->rng.rng, .log = &w->log.log, .limit = 10, .per_address = 10};
  assert_int_equal(ump_engine_listen(w->engine, &wire_echo_datagram, &pc, 10, &index, ump_monotonic()), 0);
  assert_int_equal(ump_udp_start(w->udp, index), 0);
}

static void end(struct world *w) {
  assert_int_equal(ump_engine_load(w->engine), 0);
  ump_loop_free(w->loop); /* closes the socket, too */
  ump_engine_free(w->engine);
  testing_mem_assert_empty(&w->mem);
}

static int client(const struct world *w) {
  union ump_sockaddr sa;
  int family = w->bound.family == 6 ? AF_INET6 : AF_INET, fd = socket(family, SOCK_DGRAM, 0);
  struct ump_addr to = w->bound;
  if (memcmp(to.ip, (uint8_t[16]){0}, 16) == 0) to = loopback(4), to.port = w->bound.port; /* a wildcard */
  if (to.family == 4 && family == AF_INET6) close(fd), fd = socket(family = AF_INET, SOCK_DGRAM, 0);
  socklen_t len = ump_addr_to_sockaddr(&to, family, &sa);
  assert_int_equal(connect(fd, &sa.any, len), 0);
  return fd;
}

static void turn(struct world *w) {
  uv_run(ump_loop_uv(w->loop), UV_RUN_NOWAIT);
}

/* Runs the loop until the client has something to read; 2 s is only there to end a test that fails. */
static ssize_t answer(struct world *w, int fd, void *buf, size_t n) {
  for (ump_time until = ump_monotonic() + 2 * UMP_S; ump_monotonic() < until;) {
    turn(w);
    ssize_t got = recv(fd, buf, n, MSG_DONTWAIT);
    if (got >= 0) return got;
  }
  fail_msg("no answer within 2 s");
  return -1;
}

static void test_udp_gives_back_what_came(void **state) {
  struct world w;
  char buf[64];
  (void)state;
  struct ump_addr where = loopback(4);
  begin(&w, &where);
  assert_int_not_equal(w.bound.port, 0);
  int fd = client(&w);
  assert_int_equal(send(fd, "hello", 5, 0), 5);
  assert_int_equal(answer(&w, fd, buf, sizeof buf), 5);
  assert_memory_equal(buf, "hello", 5);
  assert_int_equal(ump_udp_stats(w.udp)->datagrams_in, 1);
  assert_int_equal(ump_udp_stats(w.udp)->bytes_out, 5);
  close(fd);
  end(&w);
}

static void test_udp_speaks_ipv6(void **state) {
  struct world w;
  char buf[64];
  (void)state;
  struct ump_addr where = loopback(6);
  begin(&w, &where);
  int fd = client(&w);
  assert_int_equal(send(fd, "six", 3, 0), 3);
  assert_int_equal(answer(&w, fd, buf, sizeof buf), 3);
  close(fd);
  end(&w);
}

static void test_udp_ipv6_wildcard_takes_ipv4_and_calls_it_so(void **state) {
  struct world w;
  char buf[64];
  (void)state;
  struct ump_addr where = {.family = 6};
  begin(&w, &where);
  int fd = client(&w);
  assert_int_equal(send(fd, "four", 4, 0), 4);
  assert_int_equal(answer(&w, fd, buf, sizeof buf), 4);
  close(fd);
  end(&w);
}

static void test_udp_takes_64_datagrams_and_answers_them_as_one_batch(void **state) {
  struct world w;
  char buf[64];
  (void)state;
  struct ump_addr where = loopback(4);
  begin(&w, &where);
  int fd = client(&w);
  for (int i = 0; i < 64; i++) {
    int n = snprintf(buf, sizeof buf, "%d", i);
    assert_int_equal(send(fd, buf, (size_t)n, 0), n);
  }
  turn(&w);
  assert_int_equal(wire_echo_facts()->received, 64);
  assert_int_equal(wire_echo_facts()->flushed, 64);
  assert_int_equal(wire_echo_facts()->batches, 1);
  for (int i = 0; i < 64; i++) { /* in order, each whole */
    ssize_t n = answer(&w, fd, buf, sizeof buf - 1);
    buf[n] = 0;
    assert_int_equal(atoi(buf), i);
  }
  close(fd);
  end(&w);
}

static void test_udp_does_not_starve_the_rest_of_the_turn(void **state) {
  struct world w;
  (void)state;
  struct ump_addr where = loopback(4);
  begin(&w, &where);
  int fd = client(&w);
  for (int i = 0; i < 300; i++) assert_int_equal(send(fd, "x", 1, 0), 1);
  turn(&w);
  assert_int_equal(wire_echo_facts()->received, 256); /* 4 batches; the others come in the next turn */
  turn(&w);
  assert_int_equal(wire_echo_facts()->received, 300);
  close(fd);
  end(&w);
}

static void test_udp_shows_a_longer_datagram_as_longer(void **state) {
  struct world w;
  char big[WIRE_ECHO_DATAGRAM + 100] = {0};
  (void)state;
  struct ump_addr where = loopback(4);
  begin(&w, &where);
  int fd = client(&w);
  assert_int_equal(send(fd, big, sizeof big, 0), sizeof big);
  turn(&w);
  assert_int_equal(wire_echo_facts()->longest, WIRE_ECHO_DATAGRAM + 1);
  assert_int_equal(wire_echo_facts()->flushed, 0);
  close(fd);
  end(&w);
}

static void test_udp_takes_an_empty_datagram(void **state) {
  struct world w;
  char buf[8];
  (void)state;
  struct ump_addr where = loopback(4);
  begin(&w, &where);
  int fd = client(&w);
  assert_int_equal(send(fd, "", 0, 0), 0);
  assert_int_equal(answer(&w, fd, buf, sizeof buf), 0);
  close(fd);
  end(&w);
}

/* A client that is gone makes the kernel tell us "connection refused" for what we send it; the socket must not care. */
static void test_udp_outlives_clients_that_are_gone(void **state) {
  struct world w;
  char buf[8];
  (void)state;
  struct ump_addr where = loopback(4);
  begin(&w, &where);
  for (int i = 0; i < 20; i++) {
    int gone = client(&w);
    assert_int_equal(send(gone, "bye", 3, 0), 3);
    close(gone);
    turn(&w);
  }
  int fd = client(&w);
  assert_int_equal(send(fd, "here", 4, 0), 4);
  assert_int_equal(answer(&w, fd, buf, sizeof buf), 4);
  close(fd);
  end(&w);
}

/* sendmmsg stops at the first datagram that cannot be sent: that one is counted and logged, those behind it still go.
 */
static void test_udp_drops_only_what_cannot_be_sent(void **state) {
  struct world w;
  char buf[64];
  (void)state;
  struct ump_addr where = loopback(4), nowhere = {.family = 4, .ip = {255, 255, 255, 255}, .port = 9};
  begin(&w, &where);
  int fd = client(&w);
  /* SO_BROADCAST is not set, so the kernel refuses this address with EACCES */
  ump_engine_recv(w.engine, 0, &nowhere, ump_text("unreachable"), ump_monotonic());
  assert_int_equal(send(fd, "fine", 4, 0), 4);
  assert_int_equal(answer(&w, fd, buf, sizeof buf), 4);
  assert_int_equal(ump_udp_stats(w.udp)->send_failed, 1);
  assert_int_equal(testing_log_count(&w.log, "send_failed"), 1);
  close(fd);
  end(&w);
}

/* The kernel takes 10, then nothing: what did not go is kept, and nothing is lost, sent twice or out of order. */
static void test_udp_waits_while_the_kernel_takes_no_more(void **state) {
  struct world w;
  char buf[64];
  (void)state;
  struct ump_addr where = loopback(4);
  begin(&w, &where);
  int fd = client(&w);
  for (int i = 0; i < 64; i++) assert_int_equal(send(fd, &(char){(char)i}, 1, 0), 1);
  kernel = (struct kernel){.take = 10, .then = EAGAIN};
  turn(&w);
  assert_int_equal(ump_udp_stats(w.udp)->datagrams_out, 10);
  assert_int_equal(ump_udp_stats(w.udp)->send_waits, 1);
  assert_int_equal(ump_udp_stats(w.udp)->datagrams_in, 64);
  kernel = (struct kernel){.take = -1};
  for (int i = 0; i < 64; i++) {
    assert_int_equal(answer(&w, fd, buf, sizeof buf), 1);
    assert_int_equal(buf[0], i);
  }
  assert_int_equal(recv(fd, buf, sizeof buf, MSG_DONTWAIT), -1);
  close(fd);
  end(&w);
}

static void test_udp_sends_64_datagrams_with_one_call_and_asks_once(void **state) {
  struct world w;
  (void)state;
  struct ump_addr where = loopback(4);
  begin(&w, &where);
  int fd = client(&w);
  turn(&w);
  for (int i = 0; i < 40; i++) assert_int_equal(send(fd, "x", 1, 0), 1);
  kernel.sends = kernel.receives = 0;
  turn(&w);
  assert_int_equal(wire_echo_facts()->flushed, 40);
  assert_int_equal(kernel.sends, 1);
  assert_int_equal(kernel.receives, 1);
  close(fd);
  end(&w);
}

static void test_udp_is_not_disturbed_by_signals(void **state) {
  struct world w;
  char buf[8];
  (void)state;
  struct ump_addr where = loopback(4);
  begin(&w, &where);
  int fd = client(&w);
  kernel = (struct kernel){.take = -1, .interrupt_sends = 1, .interrupt_receives = 1};
  assert_int_equal(send(fd, "sig", 3, 0), 3);
  assert_int_equal(answer(&w, fd, buf, sizeof buf), 3);
  assert_int_equal(kernel.interrupt_sends + kernel.interrupt_receives, 0);
  assert_int_equal(ump_udp_stats(w.udp)->send_failed, 0);
  assert_int_equal(ump_udp_stats(w.udp)->datagrams_in, 1);
  close(fd);
  end(&w);
}

static void test_udp_port_in_use_is_an_error(void **state) {
  struct world w;
  struct ump_udp *second = (struct ump_udp *)1;
  struct ump_addr bound;
  (void)state;
  struct ump_addr where = loopback(4);
  begin(&w, &where);
  assert_int_equal(ump_udp_open(w.loop, &w.bound, 512, &second, &bound), -EADDRINUSE);
  assert_null(second);
  end(&w);
}

static void test_udp_and_loop_survive_every_failing_allocation(void **state) {
  (void)state;
  for (size_t n = 1;; n++) {
    struct testing_mem mem;
    struct testing_log log;
    struct testing_rng rng;
    struct ump_udp *udp;
    struct ump_addr where = loopback(4), bound;
    testing_mem_init(&mem), testing_log_init(&log), testing_rng_init(&rng, 1);
    struct ump_engine_cfg ec = {.mem = &ump_mem_libc, .rng = &rng.rng, .log = &log.log};
    struct ump_engine *engine = ump_engine_new(&ec, 0);
    testing_mem_fail(&mem, n, false);
    struct ump_loop_cfg lc = {.mem = &mem.mem, .engine = engine, .log = &log.log};
    struct ump_loop *loop = ump_loop_new(&lc);
    if (loop) {
      int err = ump_udp_open(loop, &where, 512, &udp, &bound);
      assert_true(err == 0 || err == -ENOMEM);
    }
    ump_loop_free(loop);
    ump_engine_free(engine);
    testing_mem_assert_empty(&mem);
    if (!mem.failed) break;
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_udp_gives_back_what_came),
      cmocka_unit_test(test_udp_speaks_ipv6),
      cmocka_unit_test(test_udp_ipv6_wildcard_takes_ipv4_and_calls_it_so),
      cmocka_unit_test(test_udp_takes_64_datagrams_and_answers_them_as_one_batch),
      cmocka_unit_test(test_udp_does_not_starve_the_rest_of_the_turn),
      cmocka_unit_test(test_udp_shows_a_longer_datagram_as_longer),
      cmocka_unit_test(test_udp_takes_an_empty_datagram),
      cmocka_unit_test(test_udp_outlives_clients_that_are_gone),
      cmocka_unit_test(test_udp_drops_only_what_cannot_be_sent),
      cmocka_unit_test(test_udp_waits_while_the_kernel_takes_no_more),
      cmocka_unit_test(test_udp_sends_64_datagrams_with_one_call_and_asks_once),
      cmocka_unit_test(test_udp_is_not_disturbed_by_signals),
      cmocka_unit_test(test_udp_port_in_use_is_an_error),
      cmocka_unit_test(test_udp_and_loop_survive_every_failing_allocation),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
