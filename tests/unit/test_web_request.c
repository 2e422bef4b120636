/* host/web: heads of requests, as browsers and others write them, cut anywhere. */
#include "testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "web/request.h"
#include "web/web.h"

/* Feeds text in pieces of at most so many bytes. How many bytes were taken; SIZE_MAX: it is not done. */
static size_t feed(struct ump__web_request *r, const char *text, size_t n, size_t piece) {
  ump__web_request_init(r);
  for (size_t at = 0; at < n;) {
    size_t some = n - at < piece ? n - at : piece;
    uint8_t *copy = malloc(some); /* of its own, so that a sanitizer sees a read beyond its end */
    memcpy(copy, text + at, some);
    struct ump_bytes in = ump_bytes(copy, some);
    bool done = ump__web_request_feed(r, &in);
    size_t left = in.n;
    free(copy);
    at += some - left;
    if (done) return at;
    assert_int_equal(left, 0);
  }
  return SIZE_MAX;
}

static unsigned refused(const char *text) {
  struct ump__web_request whole, cut;
  size_t n = strlen(text), a = feed(&whole, text, n, SIZE_MAX), b = feed(&cut, text, n, 1);
  if (a == SIZE_MAX || b == SIZE_MAX) fail_msg("not done: %s", text);
  assert_int_equal(whole.refused, cut.refused);
  return whole.refused;
}

#define GET(target) "GET " target " HTTP/1.1\r\nHost: x\r\n\r\n"

static void test_web_request_gives_path_and_header_however_it_is_cut(void **state) {
  static const char text[] = "GET /a%20b?c=/d HTTP/1.1\r\nhost: x\r\nIF-NONE-MATCH: \"a\"\r\nX: y\r\nX:\r\n"
                             "If-None-Match:  \"b\" \t\r\nRange: bytes=0-1\r\n\r\nGET /next";
  (void)state;
  for (size_t piece = 1; piece < sizeof text; piece++) {
    struct ump__web_request r;
    assert_int_equal(feed(&r, text, sizeof text - 1, piece), sizeof text - 1 - strlen("GET /next"));
    assert_int_equal(r.refused, 0);
    assert_true(r.keep && !r.head);
    assert_string_equal(r.path, "/a%20b");
    assert_string_equal(ump__web_request_value(&r, UMP__WEB_IF_NONE_MATCH), "\"a\", \"b\"");
    assert_string_equal(ump__web_request_value(&r, UMP__WEB_RANGE), "bytes=0-1");
    assert_null(ump__web_request_value(&r, UMP__WEB_IF_RANGE));
  }
}

static void test_web_request_knows_when_the_connection_goes_on(void **state) {
  static const struct {
    const char *text;
    bool keep, head;
  } cases[] = {
      {GET("/"), true, false},
      {"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n", true, true},
      {"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", false, false},
      {"GET / HTTP/1.1\r\nHost: x\r\nConnection: x, Close\r\n\r\n", false, false},
      {"GET / HTTP/1.0\r\n\r\n", false, false},
      {"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", false, false}, /* it would have to be told, and is rare */
      {"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n", true, false},
      {"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", true, false},
      {"\r\n\r\nGET / HTTP/1.1\nHost: x\n\n", true, false},
  };
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct ump__web_request r;
    assert_int_equal(feed(&r, cases[i].text, strlen(cases[i].text), 7), strlen(cases[i].text));
    assert_int_equal(r.refused, 0);
    assert_int_equal(r.keep, cases[i].keep);
    assert_int_equal(r.head, cases[i].head);
  }
}

static void test_web_request_finds_the_path_of_each_form(void **state) {
  static const char *const cases[][2] = {
      {GET("/"), "/"},         {GET("/?"), "/"},         {GET("/a#b"), "/a"},     {GET("http://h:80/a?b"), "/a"},
      {GET("http://h"), "/"},  {GET("http://h?q"), "/"}, {GET("//a/b"), "//a/b"}, {GET("*"), "*"},
      {GET("/../a"), "/../a"},
  };
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct ump__web_request r;
    feed(&r, cases[i][0], strlen(cases[i][0]), SIZE_MAX);
    assert_int_equal(r.refused, 0);
    assert_string_equal(r.path, cases[i][1]);
  }
}

static void test_web_request_refuses_what_is_no_request_for_a_page(void **state) {
  static const struct {
    const char *text;
    unsigned status;
  } cases[] = {
      {"POST / HTTP/1.1\r\nHost: x\r\n\r\n", 405},
      {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n", 405},
      {"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", 405},
      {"CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n", 405},
      {"get / HTTP/1.1\r\n", 501},
      {"GETGET / HTTP/1.1\r\n", 501},
      {"hello\r\n", 501},
      {"\1\2\3\r\n", 501},
      {"GET\r\n\r\n", 501},
      {"GET x HTTP/1.1\r\n", 400},
      {"GET /\tx HTTP/1.1\r\nHost: x\r\n\r\n", 400},
      {"GET /\xc3\xa4 HTTP/1.1\r\nHost: x\r\n\r\n", 400}, /* browsers code it */
      {"GET / HTTP/1.1\r\nHost: x\r\nX y: z\r\n\r\n", 400},
      {"GET / HTTP/9.9\r\nHost: x\r\n\r\n", 505},
      {"GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505},
      {"GET /\r\n\r\n", 505},          /* HTTP/0.9 */
      {"GET / HTTP/1.1\r\n\r\n", 400}, /* no Host */
      {"GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nHost: x\r\nno line\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nHost: x\r\n X: y\r\n: z\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nHost : x\r\n\r\n", 400}, /* RFC 9112, 5.1 */
      {"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n", 413},
      {"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", 413},
      {"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", 413},
      {"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999999\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400},
  };
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    if (refused(cases[i].text) != cases[i].status) fail_msg("%s\n%u", cases[i].text, refused(cases[i].text));
}

/* before, then the same text again and again until there is an answer. */
static unsigned endless(const char *before, const char *text, size_t *taken) {
  size_t n = 3 * UMP_WEB_HEAD;
  char *all = malloc(n);
  size_t at = (size_t)snprintf(all, n, "%s", before), more = strlen(text);
  while (at + more < n) memcpy(all + at, text, more), at += more;
  struct ump__web_request whole, cut;
  *taken = feed(&whole, all, at, SIZE_MAX);
  feed(&cut, all, at, 13);
  free(all);
  assert_int_equal(whole.refused, cut.refused);
  return whole.refused;
}

static void test_web_request_bounds_everything(void **state) {
  size_t taken;
  (void)state;
  assert_int_equal(endless("GET /", "a", &taken), 414);
  assert_int_equal(endless("GET / HTTP/1.1\r\n", "a", &taken), 431);
  assert_true(taken <= UMP_WEB_HEAD);
  assert_int_equal(endless("GET / HTTP/1.1\r\nX: ", "a", &taken), 431);
  assert_true(taken <= UMP_WEB_HEAD);
  assert_int_equal(endless("GET / HTTP/1.1\r\n", "X: a\r\n", &taken), 431);
  assert_true(taken < 7 * (UMP__WEB_LINES + 10));
  assert_int_equal(endless("GET / HTTP/1.1\r\n", "Range: a\r\n", &taken), 431);
  assert_int_equal(endless("", "\r\n", &taken), 431);
  assert_int_equal(endless("", "a", &taken), 501);
}

/* A value that does not fit is none: never the first part of one. */
static void test_web_request_long_values_are_none(void **state) {
  char text[1024], value[UMP__WEB_VALUE + 2];
  (void)state;
  for (size_t n = UMP__WEB_VALUE - 1; n <= UMP__WEB_VALUE + 1; n++) {
    struct ump__web_request r;
    memset(value, 'v', n), value[n] = 0;
    snprintf(text, sizeof text, "GET / HTTP/1.1\r\nHost: x\r\nIf-Range: %s\r\n\r\n", value);
    feed(&r, text, strlen(text), 5);
    assert_int_equal(r.refused, 0);
    const char *kept = ump__web_request_value(&r, UMP__WEB_IF_RANGE);
    if (n <= UMP__WEB_VALUE)
      assert_string_equal(kept, value);
    else
      assert_null(kept);
  }
}

/* The longest target that is taken whole, and the shortest that is not. */
static void test_web_request_takes_targets_up_to_4096_bytes(void **state) {
  char target[UMP__WEB_URL + 2] = "/", text[UMP__WEB_URL + 64];
  (void)state;
  for (size_t n = UMP__WEB_URL; n <= UMP__WEB_URL + 1; n++) {
    struct ump__web_request r;
    memset(target + 1, 'a', n - 1), target[n] = 0;
    snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", target);
    assert_int_equal(feed(&r, text, strlen(text), 9) != SIZE_MAX, true);
    assert_int_equal(r.refused, n > UMP__WEB_URL ? 414 : 0);
    if (!r.refused) assert_string_equal(r.path, target);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_web_request_gives_path_and_header_however_it_is_cut),
      cmocka_unit_test(test_web_request_knows_when_the_connection_goes_on),
      cmocka_unit_test(test_web_request_finds_the_path_of_each_form),
      cmocka_unit_test(test_web_request_refuses_what_is_no_request_for_a_page),
      cmocka_unit_test(test_web_request_bounds_everything),
      cmocka_unit_test(test_web_request_long_values_are_none),
      cmocka_unit_test(test_web_request_takes_targets_up_to_4096_bytes),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
