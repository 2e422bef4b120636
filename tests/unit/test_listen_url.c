/* Listen URLs: what is accepted, and what a mistake is told. */
#include <stdlib.h>

#include "testing.h"

#include "net/listen_url.h"

static const struct ump_option options[] = {
    {.name = "hold_ms", .fallback = "1", .help = "holds it", .kind = UMP_OPTION_NUMBER, .min = 0, .max = 100},
    {.name = "discoverable", .fallback = "1", .help = "answers", .kind = UMP_OPTION_SWITCH},
    {.name = "server_name", .fallback = "", .help = "names it", .kind = UMP_OPTION_TEXT},
};
static const struct ump_proto_ops udp = {
    .scheme = "toy", .transport = UMP_DATAGRAM, .default_port = 4242, .options = options, .n_options = 3};
static const struct ump_proto_ops tcp = {.scheme = "other", .transport = UMP_STREAM, .default_port = 1};
static const struct ump_proto_ops *const list[] = {&udp, &tcp};
static const struct ump_protocols known = {list, 2};

static struct ump_listen got;
static char error[2048];

static void accept_url(const char *url) {
  if (ump_listen_parse(&known, url, &got, error, sizeof error) != 0) fail_msg("%s", error);
  assert_string_equal(error, "");
}

static void refuse(const char *url, const char *because) {
  assert_int_equal(ump_listen_parse(&known, url, &got, error, sizeof error), UMP_EINVAL);
  if (!strstr(error, because)) fail_msg("\"%s\" does not say \"%s\"", error, because);
}

static void assert_text(struct ump_bytes b, const char *text) {
  assert_int_equal(b.n, strlen(text));
  assert_memory_equal(b.p, text, b.n);
}

static void test_listen_url_has_scheme_host_and_port(void **state) {
  (void)state;
  accept_url("toy://127.0.0.1:40080");
  assert_ptr_equal(got.ops, &udp);
  assert_string_equal(got.host, "127.0.0.1");
  assert_int_equal(got.port, 40080);
  accept_url("other://example.org:0/");
  assert_ptr_equal(got.ops, &tcp);
  assert_string_equal(got.host, "example.org");
  assert_int_equal(got.port, 0);
}

static void test_listen_url_without_port_means_the_protocols_own(void **state) {
  (void)state;
  accept_url("toy://0.0.0.0");
  assert_int_equal(got.port, 4242);
  accept_url("toy://[::1]?limit=2");
  assert_int_equal(got.port, 4242);
  assert_int_equal(got.limit, 2);
}

static void test_listen_url_takes_ipv6_in_brackets(void **state) {
  (void)state;
  accept_url("toy://[::1]:99");
  assert_string_equal(got.host, "::1");
  assert_true(got.bracketed);
  assert_int_equal(got.port, 99);
}

static void test_listen_url_options_have_fallbacks(void **state) {
  (void)state;
  accept_url("toy://h:1");
  assert_int_equal(got.limit, 4096);
  assert_int_equal(got.per_address, 64);
  assert_int_equal(got.attempts, 10);
  assert_int_equal(got.n_values, 3);
  assert_int_equal(got.values[0].number, 1);
  assert_string_equal(got.values[2].name, "server_name");
  assert_int_equal(got.values[2].text.n, 0);
}

static void test_listen_url_options_are_read(void **state) {
  (void)state;
  accept_url("toy://h:1?limit=50&hold_ms=0&discoverable=0&server_name=My%20place%26more&attempts=3&per_address=7");
  assert_int_equal(got.limit, 50);
  assert_int_equal(got.per_address, 7);
  assert_int_equal(got.attempts, 3);
  assert_int_equal(got.values[0].number, 0);
  assert_int_equal(got.values[1].number, 0);
  assert_text(got.values[2].text, "My place&more");
}

static void test_listen_url_unknown_option_lists_the_known_ones(void **state) {
  (void)state;
  refuse("toy://h:1?hold=3", "unknown option \"hold\"");
  assert_non_null(strstr(error, "hold_ms"));
  assert_non_null(strstr(error, "holds it (default 1)"));
  assert_non_null(strstr(error, "per_address"));
  assert_non_null(strstr(error, "answers (0 or 1; default 1)"));
}

static void test_listen_url_says_what_is_wrong(void **state) {
  (void)state;
  refuse("", "looks like toy://0.0.0.0:4242");
  refuse("toy:/h", "looks like");
  refuse("tox://h:1", "unknown protocol \"tox\"; this program speaks toy, other");
  refuse("toy://", "host is missing");
  refuse("toy://:80", "host is missing");
  refuse("toy://[]:80", "host is missing");
  refuse("toy://::1:80", "IPv6 address goes in brackets");
  refuse("toy://[::1:80", "no closing bracket");
  refuse("toy://[::1]80", "only :PORT may follow");
  refuse("toy://[nonsense]:6", "no IPv6 address");
  refuse("toy://[127.0.0.1]:6", "no IPv6 address");
  refuse("toy://h:65536", "0 to 65535");
  refuse("toy://h:-1", "0 to 65535");
  refuse("toy://h:+1", "0 to 65535");
  refuse("toy://h:", "0 to 65535");
  refuse("toy://h:99999999999999999999999", "0 to 65535");
  refuse("toy://h:1/path", "no path");
  refuse("toy://h:1?limit", "has no value");
  refuse("toy://h:1?limit=0", "from 1 to 1000000");
  refuse("toy://h:1?limit=1e3", "from 1 to 1000000");
  refuse("toy://h:1?hold_ms=101", "from 0 to 100");
  refuse("toy://h:1?discoverable=2", "from 0 to 1");
  refuse("toy://h:1?server_name=%2", "two hex digits");
  refuse("toy://h:1?server_name=%00", "two hex digits");
}

static void test_listen_url_long_input_stays_in_bounds(void **state) {
  char url[4096];
  (void)state;
  memset(url, 'a', sizeof url);
  url[sizeof url - 1] = 0;
  refuse(url, "looks like");
  memcpy(url, "toy://", 6);
  refuse(url, "longer than");
  url[600] = 0;
  refuse(url, "longer than a name");
  memcpy(url, "toy://h:1?server_name=", 22);
  accept_url(url);
  assert_int_equal(got.values[2].text.n, 600 - 22);
}

static void test_listen_url_help_names_every_option(void **state) {
  char text[4096];
  (void)state;
  FILE *f = fmemopen(text, sizeof text, "w");
  ump_listen_help(&known, f);
  fclose(f);
  assert_non_null(strstr(text, "limit"));
  assert_non_null(strstr(text, "attempts"));
  assert_non_null(strstr(text, "Options of toy (UDP, port 4242):\n  hold_ms"));
  assert_non_null(strstr(text, "server_name        names it\n\n"));
}

static void test_listen_url_resolves_and_prints_addresses(void **state) {
  struct ump_addr a;
  char name[UMP_LISTEN_NAME];
  (void)state;
  accept_url("toy://127.0.0.1:5");
  assert_int_equal(ump_listen_resolve(&got, &a, error, sizeof error), 0);
  ump_listen_name(got.ops, &a, name);
  assert_string_equal(name, "toy://127.0.0.1:5");
  accept_url("toy://[::1]:6");
  assert_int_equal(ump_listen_resolve(&got, &a, error, sizeof error), 0);
  ump_listen_name(got.ops, &a, name);
  assert_string_equal(name, "toy://[::1]:6");
  accept_url("toy://nowhere.invalid:6");
  assert_int_equal(ump_listen_resolve(&got, &a, error, sizeof error), UMP_EINVAL);
  assert_non_null(strstr(error, "the host is not to be found"));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_listen_url_has_scheme_host_and_port),
      cmocka_unit_test(test_listen_url_without_port_means_the_protocols_own),
      cmocka_unit_test(test_listen_url_takes_ipv6_in_brackets),
      cmocka_unit_test(test_listen_url_options_have_fallbacks),
      cmocka_unit_test(test_listen_url_options_are_read),
      cmocka_unit_test(test_listen_url_unknown_option_lists_the_known_ones),
      cmocka_unit_test(test_listen_url_says_what_is_wrong),
      cmocka_unit_test(test_listen_url_long_input_stays_in_bounds),
      cmocka_unit_test(test_listen_url_help_names_every_option),
      cmocka_unit_test(test_listen_url_resolves_and_prints_addresses),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
