/* The TCP driver over real loopback sockets, with a protocol of lines (wire_echo.h). */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#include "testing.h"

#include "net/loop.h"
#include "net/sockaddr.h"
#include "net/tcp.h"
#include "wire_echo.h"

struct world {
  struct testing_mem mem;
  struct testing_log log;
  struct testing_rng rng;
  struct ump_engine *engine;
  struct ump_loop *loop;
  struct ump_tcp *tcp;
  struct ump_addr bound;
};

static void begin(struct world *w, uint32_t max) {
  uint32_t index;
  struct ump_addr where = {.family = 4, .ip = {127, 0, 0, 1}};
  testing_mem_init(&w->mem), testing_log_init(&w->log), testing_rng_init(&w->rng, 1);
  struct ump_engine_cfg ec = {.mem = &w->mem.mem, .rng = &w->rng.rng, .log = &w->log.log};
  assert_non_null(w->engine = ump_engine_new(&ec, ump_monotonic()));
  struct ump_loop_cfg lc = {.mem = &w->mem.mem, .engine = w->engine, .log = &w->log.log};
  assert_non_null(w->loop = ump_loop_new(&lc));
  assert_int_equal(ump_tcp_open(w->loop, &where, max, &w->tcp, &w->bound), 0);
  struct ump_proto_cfg pc = {
      .mem = &w->mem.mem, .rng = &w->rng.rng, .log = &w->log.log, .limit = 10, .per_address = 10};
  assert_int_equal(ump_engine_listen(w->engine, &wire_echo_stream, &pc, 10, &index, ump_monotonic()), 0);
  assert_int_equal(ump_tcp_start(w->tcp, index), 0);
}

static void turn(struct world *w) {
  uv_run(ump_loop_uv(w->loop), UV_RUN_NOWAIT);
}

static void end(struct world *w) {
  ump_loop_free(w->loop); /* closes what is open, too */
  assert_int_equal(wire_echo_facts()->opened, wire_echo_facts()->closed);
  assert_int_equal(ump_engine_load(w->engine), 0);
  ump_engine_free(w->engine);
  testing_mem_assert_empty(&w->mem);
}

static int client(struct world *w) {
  union ump_sockaddr sa;
  socklen_t len = ump_addr_to_sockaddr(&w->bound, AF_INET, &sa);
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  assert_int_equal(connect(fd, &sa.any, len), 0);
  fcntl(fd, F_SETFL, O_NONBLOCK);
  turn(w);
  return fd;
}

static void say(struct world *w, int fd, const char *text) {
  assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
  turn(w);
}

/* Runs the loop until the client has read n bytes, or the end (then what came before it). 2 s end a test that fails. */
static size_t hear(struct world *w, int fd, char *buf, size_t n) {
  size_t have = 0;
  for (ump_time until = ump_monotonic() + 2 * UMP_S; have < n && ump_monotonic() < until;) {
    turn(w);
    ssize_t got = recv(fd, buf + have, n - have, 0);
    if (got == 0 || (got < 0 && errno != EAGAIN)) break;
    if (got > 0) have += (size_t)got;
  }
  return have;
}

#define UNTIL(w, condition)                                                                                            \
  do {                                                                                                                 \
    for (ump_time until_ = ump_monotonic() + 3 * UMP_S; !(condition) && ump_monotonic() < until_;) turn(w);            \
    assert_true(condition);                                                                                            \
  } while (0)

static void test_tcp_gives_back_lines(void **state) {
  struct world w;
  char buf[64];
  (void)state;
  begin(&w, 0);
  int fd = client(&w);
  say(&w, fd, "hello\n");
  assert_int_equal(hear(&w, fd, buf, 6), 6);
  assert_memory_equal(buf, "hello\n", 6);
  say(&w, fd, "in pie"), say(&w, fd, "ces\n");
  assert_int_equal(hear(&w, fd, buf, 10), 10);
  assert_memory_equal(buf, "in pieces\n", 10);
  close(fd);
  UNTIL(&w, wire_echo_facts()->closed == 1);
  end(&w);
}

static void test_tcp_writes_all_before_it_closes(void **state) {
  struct world w;
  static char buf[4 << 20];
  (void)state;
  begin(&w, 0);
  int fd = client(&w);
  say(&w, fd, "flood 3000000\nquit\n"); /* more than the kernel takes at once */
  assert_int_equal(hear(&w, fd, buf, sizeof buf), 3000000);
  assert_int_equal(recv(fd, buf, 1, 0), 0); /* a clean end, no reset */
  close(fd);
  UNTIL(&w, ump_tcp_stats(w.tcp)->open == 0);
  assert_int_equal(ump_tcp_stats(w.tcp)->bytes_out, 3000000);
  end(&w);
}

/* Input that was not read would make close() reset the connection and take back our last words. */
static void test_tcp_last_words_survive_input_that_nobody_reads(void **state) {
  struct world w;
  char buf[64];
  (void)state;
  begin(&w, 0);
  int fd = client(&w);
  assert_int_equal(send(fd, "bye\nquit\n", 9, 0), 9);
  turn(&w);
  for (int i = 0; i < 20; i++) send(fd, "more\n", 5, MSG_NOSIGNAL);
  assert_int_equal(hear(&w, fd, buf, sizeof buf), 4);
  assert_memory_equal(buf, "bye\n", 4);
  assert_int_equal(recv(fd, buf, 1, 0), 0);       /* a clean end, no reset */
  assert_int_equal(wire_echo_facts()->closed, 1); /* for the protocol it is over already */
  close(fd);
  UNTIL(&w, ump_tcp_stats(w.tcp)->open == 0);
  end(&w);
}

static void test_tcp_does_not_wait_for_ever_for_a_peer_that_does_not_leave(void **state) {
  struct world w;
  char buf[8];
  (void)state;
  begin(&w, 0);
  int a = client(&w), b = client(&w);
  say(&w, a, "quit\n"), say(&w, b, "quit\n");
  assert_int_equal(hear(&w, a, buf, 1), 0);
  assert_int_equal(ump_tcp_stats(w.tcp)->open, 2);
  UNTIL(&w, ump_tcp_stats(w.tcp)->open == 0); /* after 2 s of real time: the one wait of this program */
  close(a), close(b);
  end(&w);
}

static void test_tcp_aborts_at_once(void **state) {
  struct world w;
  char buf[64];
  (void)state;
  begin(&w, 0);
  int fd = client(&w);
  say(&w, fd, "abort\n");
  UNTIL(&w, ump_tcp_stats(w.tcp)->open == 0);
  assert_int_equal(hear(&w, fd, buf, sizeof buf), 0);
  close(fd);
  end(&w);
}

/* A peer that sends and never reads: reading from it stops, so what waits for it stays bounded; when it reads, all
 * comes. */
static void test_tcp_stops_reading_from_a_peer_that_does_not_read(void **state) {
  struct world w;
  static char line[60], buf[1 << 16];
  (void)state;
  memset(line, 'a', sizeof line), line[sizeof line - 1] = '\n';
  begin(&w, 0);
  int fd = client(&w), small = 256 * 1024; /* well above the loopback MSS: smaller windows make the kernel stall */
  setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
  size_t sent = 0, idle = 0;
  while (idle < 2000 && sent < 64u << 20) { /* until the kernel takes no more from us for long: everybody is full */
    ssize_t n = send(fd, line + sent % sizeof line, sizeof line - sent % sizeof line, MSG_NOSIGNAL);
    if (n > 0)
      sent += (size_t)n, idle = 0;
    else
      idle++, turn(&w);
  }
  assert_true(sent < 64u << 20);
  assert_true(wire_echo_facts()->most_waiting < WIRE_ECHO_HIGH + 2 * 64 * 1024); /* high mark and one read's worth */
  size_t back = 0;
  for (ump_time until = ump_monotonic() + 5 * UMP_S;
       back < sent / sizeof line * sizeof line && ump_monotonic() < until;) {
    ssize_t n = recv(fd, buf, sizeof buf, 0);
    if (n > 0) back += (size_t)n;
    turn(&w);
  }
  assert_int_equal(back, sent / sizeof line * sizeof line);
  close(fd);
  UNTIL(&w, ump_tcp_stats(w.tcp)->open == 0);
  end(&w);
}

static void test_tcp_peer_that_resets_is_gone(void **state) {
  struct world w;
  struct linger hard = {1, 0};
  (void)state;
  begin(&w, 0);
  int fd = client(&w);
  say(&w, fd, "flood 1000000\n");
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
  close(fd);
  UNTIL(&w, ump_tcp_stats(w.tcp)->open == 0);
  assert_int_equal(wire_echo_facts()->closed, 1);
  end(&w);
}

static void test_tcp_half_closed_peer_still_gets_its_answer(void **state) {
  struct world w;
  char buf[16];
  (void)state;
  begin(&w, 0);
  int fd = client(&w);
  assert_int_equal(send(fd, "last\n", 5, 0), 5);
  shutdown(fd, SHUT_WR);
  assert_int_equal(hear(&w, fd, buf, sizeof buf), 5);
  UNTIL(&w, wire_echo_facts()->eofs == 1 && ump_tcp_stats(w.tcp)->open == 0);
  close(fd);
  end(&w);
}

static void test_tcp_refused_by_the_protocol_is_closed(void **state) {
  struct world w;
  char buf[8];
  (void)state;
  begin(&w, 0);
  wire_echo_facts()->refuse = true;
  int fd = client(&w);
  assert_int_equal(hear(&w, fd, buf, 1), 0);
  UNTIL(&w, ump_tcp_stats(w.tcp)->open == 0);
  assert_int_equal(ump_tcp_stats(w.tcp)->refused, 1);
  assert_int_equal(wire_echo_facts()->closed, 0); /* it never was open */
  close(fd);
  end(&w);
}

static void test_tcp_at_its_limit_lets_new_ones_wait_and_serves_them_later(void **state) {
  struct world w;
  char buf[8];
  int fds[6];
  (void)state;
  begin(&w, 3);
  for (int i = 0; i < 6; i++) fds[i] = client(&w);
  for (int i = 0; i < 5; i++) turn(&w);
  assert_int_equal(wire_echo_facts()->opened, 3);
  assert_int_equal(ump_tcp_stats(w.tcp)->pauses, 1); /* it was put off once, not in each turn */
  for (int i = 0; i < 3; i++) close(fds[i]);
  for (int i = 3; i < 6; i++) {
    say(&w, fds[i], "me\n");
    assert_int_equal(hear(&w, fds[i], buf, 3), 3);
    close(fds[i]);
  }
  UNTIL(&w, ump_tcp_stats(w.tcp)->open == 0);
  end(&w);
}

/* Every descriptor of this process is looked at: the driver's end of the client's connection is one of them. */
static int servers_end(int fd) {
  struct sockaddr_in mine, peer;
  socklen_t len = sizeof mine;
  assert_int_equal(getsockname(fd, (struct sockaddr *)&mine, &len), 0);
  for (int other = 0; other < 1024; other++) {
    len = sizeof peer;
    if (getpeername(other, (struct sockaddr *)&peer, &len) == 0 && peer.sin_family == AF_INET &&
        peer.sin_port == mine.sin_port)
      return other;
  }
  return -1;
}

static int option(int fd, int level, int name) {
  int value = -1;
  socklen_t len = sizeof value;
  assert_int_equal(getsockopt(fd, level, name, &value, &len), 0);
  return value;
}

static void test_tcp_connections_answer_at_once_and_notice_who_vanished(void **state) {
  struct world w;
  (void)state;
  begin(&w, 0);
  int fd = client(&w);
  UNTIL(&w, wire_echo_facts()->opened == 1);
  int end_ = servers_end(fd);
  assert_true(end_ >= 0);
  assert_int_equal(option(end_, IPPROTO_TCP, TCP_NODELAY), 1);
  assert_int_equal(option(end_, SOL_SOCKET, SO_KEEPALIVE), 1);
  assert_int_equal(option(end_, IPPROTO_TCP, TCP_KEEPIDLE), 60);
  assert_int_equal(option(end_, IPPROTO_TCP, TCP_KEEPINTVL), 15);
  assert_int_equal(option(end_, IPPROTO_TCP, TCP_KEEPCNT), 4);
  assert_int_equal(option(end_, IPPROTO_TCP, TCP_USER_TIMEOUT), 120000);
  close(fd);
  UNTIL(&w, ump_tcp_stats(w.tcp)->open == 0);
  end(&w);
}

/* Two ports, one supply of descriptors: 64 of them stay for everything else, and whoever waits comes in when one is
 * free. */
static void test_tcp_ports_share_the_descriptors_there_are(void **state) {
  enum { LIMIT = 134 }; /* 70 connections, for both ends are in this process: */
  struct world w;
  struct rlimit was, less;
  struct ump_tcp *second;
  struct ump_addr where = {.family = 4, .ip = {127, 0, 0, 1}}, first_bound;
  struct ump_proto_cfg pc = {.limit = 10};
  uint32_t index;
  int fds[90];
  (void)state;
  getrlimit(RLIMIT_NOFILE, &was);
  less = was;
  less.rlim_cur = LIMIT;
  setrlimit(RLIMIT_NOFILE, &less); /* the ports ask for it when they are opened */
  begin(&w, 0);
  pc.mem = &w.mem.mem, pc.rng = &w.rng.rng, pc.log = &w.log.log;
  first_bound = w.bound;
  assert_int_equal(ump_tcp_open(w.loop, &where, 0, &second, &w.bound), 0);
  setrlimit(RLIMIT_NOFILE, &was);
  assert_int_equal(ump_engine_listen(w.engine, &wire_echo_stream, &pc, 10, &index, ump_monotonic()), 0);
  assert_int_equal(ump_tcp_start(second, index), 0);
  struct ump_addr bound[2] = {first_bound, w.bound};
  for (int i = 0; i < 90; i++) w.bound = bound[i % 2], fds[i] = client(&w);
  for (int i = 0; i < 5; i++) turn(&w);
  assert_int_equal(ump_tcp_stats(w.tcp)->open + ump_tcp_stats(second)->open, LIMIT - 64);
  for (int i = 0; i < 70; i += 2) close(fds[i]); /* all of the first port's that are in */
  UNTIL(&w, ump_tcp_stats(w.tcp)->accepted + ump_tcp_stats(second)->accepted == 90);
  for (int i = 0; i < 90; i++)
    if (i >= 70 || i % 2) close(fds[i]);
  UNTIL(&w, ump_tcp_stats(w.tcp)->open == 0 && ump_tcp_stats(second)->open == 0);
  end(&w);
}

static void on_waited(uv_timer_t *timer) {
  uv_close((uv_handle_t *)timer, NULL);
  uv_stop(timer->loop);
}

static void wait_in_loop(struct world *w, unsigned ms) {
  uv_timer_t timer;
  uv_timer_init(ump_loop_uv(w->loop), &timer);
  uv_update_time(ump_loop_uv(w->loop));
  uv_timer_start(&timer, on_waited, ms, 0);
  uv_run(ump_loop_uv(w->loop), UV_RUN_DEFAULT);
  turn(w); /* and the timer is closed */
}

static ump_time cpu_time(void) {
  struct timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return (ump_time)t.tv_sec * UMP_S + t.tv_nsec;
}

/* When descriptors run out all the same (somebody else took them), newcomers are turned away: no spinning, no harm to
 * others. */
static void test_tcp_out_of_descriptors_turns_newcomers_away_and_does_not_spin(void **state) {
  struct world w;
  struct rlimit was, none;
  char buf[8];
  int fds[8];
  (void)state;
  begin(&w, 100);
  int there = client(&w);
  for (int i = 0; i < 8; i++) fds[i] = socket(AF_INET, SOCK_STREAM, 0);
  getrlimit(RLIMIT_NOFILE, &was);
  none = was;
  none.rlim_cur = (rlim_t)fds[7] + 1; /* no descriptor beyond these */
  setrlimit(RLIMIT_NOFILE, &none);
  union ump_sockaddr sa;
  socklen_t len = ump_addr_to_sockaddr(&w.bound, AF_INET, &sa);
  for (int i = 0; i < 8; i++) assert_int_equal(connect(fds[i], &sa.any, len), 0);
  ump_time cpu = cpu_time();
  for (int i = 0; i < 50; i++) turn(&w);
  assert_int_equal(ump_tcp_stats(w.tcp)->accepted, 1);
  assert_true(w.log.n <= 8);                                                 /* not a line for each turn */
  for (int i = 0; i < 8; i++) assert_int_equal(hear(&w, fds[i], buf, 1), 0); /* their connections have ended */
  wait_in_loop(&w, 200);                                                     /* for there is nothing to do */
  assert_true(cpu_time() - cpu < 100 * UMP_MS);
  say(&w, there, "on\n");
  assert_int_equal(hear(&w, there, buf, 3), 3);
  setrlimit(RLIMIT_NOFILE, &was);
  int later = client(&w);
  say(&w, later, "me\n");
  assert_int_equal(hear(&w, later, buf, 3), 3);
  for (int i = 0; i < 8; i++) close(fds[i]);
  close(there), close(later);
  UNTIL(&w, ump_tcp_stats(w.tcp)->open == 0);
  end(&w);
}

static void test_tcp_numbers_are_used_again(void **state) {
  struct world w;
  (void)state;
  begin(&w, 0);
  for (int i = 0; i < 50; i++) {
    int fd = client(&w);
    close(fd);
    UNTIL(&w, ump_tcp_stats(w.tcp)->open == 0);
  }
  assert_int_equal(wire_echo_facts()->opened, 50);
  end(&w);
}

static void test_tcp_port_in_use_is_an_error(void **state) {
  struct world w;
  struct ump_tcp *second = (struct ump_tcp *)1;
  struct ump_addr bound;
  (void)state;
  begin(&w, 0);
  assert_int_equal(ump_tcp_open(w.loop, &w.bound, 0, &second, &bound), -EADDRINUSE);
  assert_null(second);
  end(&w);
}

/* What happens when memory runs out at any point of a short life; the world must be empty after each. */
static void test_tcp_survives_every_failing_allocation(void **state) {
  (void)state;
  for (size_t n = 1; n < 200; n++) {
    struct world w;
    char buf[16];
    begin(&w, 0);
    testing_mem_fail(&w.mem, n, false);
    int fd = client(&w);
    send(fd, "flood 5000000\n", 14, MSG_NOSIGNAL); /* more than the kernel takes: the rest is copied */
    for (int i = 0; i < 5; i++) turn(&w);
    hear(&w, fd, buf, 1);
    bool done = w.mem.failed == 0;
    close(fd);
    testing_mem_fail(&w.mem, 0, false);
    end(&w);
    if (done) return;
  }
  fail_msg("allocations without end");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_tcp_gives_back_lines),
      cmocka_unit_test(test_tcp_writes_all_before_it_closes),
      cmocka_unit_test(test_tcp_last_words_survive_input_that_nobody_reads),
      cmocka_unit_test(test_tcp_does_not_wait_for_ever_for_a_peer_that_does_not_leave),
      cmocka_unit_test(test_tcp_aborts_at_once),
      cmocka_unit_test(test_tcp_stops_reading_from_a_peer_that_does_not_read),
      cmocka_unit_test(test_tcp_peer_that_resets_is_gone),
      cmocka_unit_test(test_tcp_half_closed_peer_still_gets_its_answer),
      cmocka_unit_test(test_tcp_refused_by_the_protocol_is_closed),
      cmocka_unit_test(test_tcp_at_its_limit_lets_new_ones_wait_and_serves_them_later),
      cmocka_unit_test(test_tcp_connections_answer_at_once_and_notice_who_vanished),
      cmocka_unit_test(test_tcp_ports_share_the_descriptors_there_are),
      cmocka_unit_test(test_tcp_out_of_descriptors_turns_newcomers_away_and_does_not_spin),
      cmocka_unit_test(test_tcp_numbers_are_used_again),
      cmocka_unit_test(test_tcp_port_in_use_is_an_error),
      cmocka_unit_test(test_tcp_survives_every_failing_allocation),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
