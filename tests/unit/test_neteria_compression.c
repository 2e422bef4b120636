/* Neteria's option compression: wire section 8, hardening T19. zlib makes the clients' texts here too, but through
 * another door: compress2 with its own memory. */
#include "nt_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define A  "abbbc0f4-e591-11f1-aa15-02fc00000001"
#define E1 "003c4f0e-e592-11f1-a965-02fc00000001"

static struct ump_addr a;

static int addresses(void **state) {
  (void)state;
  a = nt_addr(1, 50000);
  return 0;
}

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* What Python 2 makes of it: zlib.compress(text).encode("base64"). Its size. */
static size_t pack(const void *text, size_t n, char *out) {
  static unsigned char packed[100000];
  uLongf m = sizeof packed;
  char *p = out;
  assert_int_equal(compress2(packed, &m, text, n, 6), Z_OK);
  for (size_t i = 0; i < m; i += 3) {
    unsigned v =
        (unsigned)packed[i] << 16 | (i + 1 < m ? (unsigned)packed[i + 1] << 8 : 0) | (i + 2 < m ? packed[i + 2] : 0);
    *p++ = digits[v >> 18], *p++ = digits[v >> 12 & 63];
    *p++ = i + 1 < m ? digits[v >> 6 & 63] : '=', *p++ = i + 2 < m ? digits[v & 63] : '=';
    if (i % 57 == 54) *p++ = '\n';
  }
  if (p[-1] != '\n') *p++ = '\n';
  return (size_t)(p - out);
}

static size_t unpack(const char *in, size_t n, char *out, size_t cap) {
  static unsigned char packed[20000];
  size_t m = 0, k = 0;
  unsigned v = 0;
  for (size_t i = 0; i < n && in[i] != '='; i++) {
    const char *d = in[i] == '\n' ? NULL : strchr(digits, in[i]);
    if (!d) continue;
    v = v << 6 | (unsigned)(d - digits);
    if (++k % 4 > 0) packed[m++] = (unsigned char)(v >> (8 - 2 * (k % 4) + (k % 4 == 1 ? 0 : 0)));
    if (k % 4 == 1) m--;
    if (k % 4 == 0) packed[m++] = (unsigned char)v;
  }
  uLongf size = cap - 1;
  assert_int_equal(uncompress((unsigned char *)out, &size, packed, m), Z_OK);
  out[size] = 0;
  return size;
}

static void send_packed(struct nt_world *w, const char *text) {
  static char out[200000];
  nt_in_bytes(w, a, out, pack(text, strlen(text), out));
}

static const char *answer(struct nt_world *w) {
  static char text[20000];
  const struct nt_sent *s = nt_take(w);
  if (!s) return "nothing";
  assert_memory_equal(s->text, "eJ", 2);
  assert_true(s->text[s->n - 1] == '\n');
  unpack(s->text, s->n, text, sizeof text);
  return text;
}

static void test_neteria_understands_the_page_s_own_example(void **state) {
  struct nt_world w;
  (void)state;
  nt_open(&w, (struct nt_cfg){.compression = true});
  nt_in(&w, a, "eJyrVspNLcnIT1GyUlDy93D0VNJRUCpLLSrOzM8DCRnqGegZg8SSS0szwYoclWoBioIOKg==\n");
  assert_int_equal(nt_counter(&w, "ohai"), 1); /* its answer would be longer than it */
  assert_int_equal(nt_counter(&w, "bad_compression"), 0);
  nt_close(&w);
}

static void test_neteria_is_off_by_default(void **state) {
  struct nt_world w;
  (void)state;
  nt_open(&w, (struct nt_cfg){0});
  nt_in(&w, a, "eJyrVspNLcnIT1GyUlDy93D0VNJRUCpLLSrOzM8DCRnqGegZg8SSS0szwYoclWoBioIOKg==\n");
  assert_int_equal(nt_counter(&w, "bad_json"), 1);
  nt_expect_nothing(&w);
  nt_close(&w);
}

static void test_neteria_answers_likewise(void **state) {
  struct nt_world w;
  (void)state;
  nt_open(&w, (struct nt_cfg){.compression = true, .hold_ms = -1});
  send_packed(&w, "{\"method\": \"REGISTER\", \"cuuid\": \"" A "\"}");
  assert_string_equal(answer(&w), "{\"method\": \"OK REGISTER\"}");
  assert_int_equal(nt_notify(&w, w.last_session, "\"small\""), 0);
  nt_pass(&w, UMP_MS);
  while (nt_take(&w)) {
  }
  send_packed(&w, "{\"method\": \"EVENT\", \"cuuid\": \"" A "\", \"euuid\": \"" E1
                  "\", \"event_data\": {\"KEYDOWN\": \"up\"}, "
                  "\"timestamp\": \"2026-11-21 09:57:45.713460\", \"retry\": 0, \"priority\": \"normal\"}");
  assert_string_equal(w.last_name, "KEYDOWN");
  bool found = false;
  for (size_t n = w.seen; n < w.n_sent; n++)
    found = !strcmp(answer(&w), "{\"method\": \"LEGAL\", \"euuid\": \"" E1 "\", \"priority\": \"normal\"}") || found;
  assert_true(found);
  nt_event(&w, a, A, "plain", "\"x\""); /* and likewise the other way */
  found = false;
  for (const struct nt_sent *s; (s = nt_take(&w));) found = found || strstr(s->text, "\"plain\"");
  assert_true(found);
  nt_close(&w);
}

static void test_neteria_repeats_compressed_bytes_byte_for_byte(void **state) {
  struct nt_world w;
  (void)state;
  nt_open(&w, (struct nt_cfg){.compression = true, .hold_ms = -1});
  nt_register(&w, a, A);
  send_packed(&w, "{\"method\": \"EVENT\", \"cuuid\": \"" A "\", \"euuid\": \"" E1 "\", \"event_data\": \"x\", "
                  "\"timestamp\": \"2026-11-21 09:57:45.713460\", \"retry\": 0, \"priority\": \"normal\"}");
  const struct nt_sent *first = nt_take(&w);
  nt_event(&w, a, A, "other", "\"x\""); /* speaks plain now; what was said stays as it was */
  assert_non_null(nt_take(&w));
  nt_pass(&w, 2 * UMP_S);
  assert_string_equal(nt_take(&w)->text, first->text);
  nt_close(&w);
}

static void test_neteria_large_events_inflate_up_to_64_kilobytes(void **state) {
  struct nt_world w;
  (void)state;
  nt_open(&w, (struct nt_cfg){.compression = true, .hold_ms = -1});
  nt_register(&w, a, A);
  char *text = malloc(70000);
  assert_non_null(text);
  for (size_t n = 65500; n <= 65560; n += 10) { /* digits that compress to about a half, well below 64:1 */
    int k = snprintf(text, 70000,
                     "{\"method\": \"EVENT\", \"cuuid\": \"" A "\", \"euuid\": \"%zu\", \"event_data\": \"", n);
    uint64_t x = 1;
    for (size_t i = (size_t)k; i < n - 2; i++) {
      x = x * 6364136223846793005u + 1442695040888963407u;
      text[i] = i % 40 ? 'x' : (char)('0' + (x >> 60) % 10);
    }
    strcpy(text + n - 2, "\"}");
    assert_int_equal(strlen(text), n);
    uint64_t bad = nt_counter(&w, "bad_compression"), events = nt_counter(&w, "events");
    send_packed(&w, text);
    assert_int_equal(nt_counter(&w, "bad_compression") - bad, n > 65536);
    assert_int_equal(nt_counter(&w, "events") - events, n <= 65536);
  }
  free(text);
  nt_close(&w);
}

static void test_neteria_a_bomb_is_dropped(void **state) {
  struct nt_world w;
  (void)state;
  nt_open(&w, (struct nt_cfg){.compression = true});
  char *text = malloc(8000001), *out = malloc(100000);
  assert_non_null(text);
  assert_non_null(out);
  memset(text, ' ', 8000000), text[8000000] = 0;
  size_t n = pack(text, 8000000, out); /* 1000:1 */
  assert_true(n <= 14000);
  nt_in_bytes(&w, a, out, n > 10240 ? 10240 : n);
  n = pack(text, 40000, out); /* below 64 KiB, but more than 64 times its size */
  assert_true(n * 64 < 40000);
  nt_in_bytes(&w, a, out, n);
  assert_int_equal(nt_counter(&w, "bad_compression"), 2);
  nt_expect_nothing(&w);
  free(text), free(out);
  nt_close(&w);
}

static void test_neteria_broken_compression_is_dropped(void **state) {
  static const char good[] = "eJyrVspNLcnIT1GyUlDy93D0VNJRUCpLLSrOzM8DCRnqGegZg8SSS0szwYoclWoBioIOKg==\n";
  struct nt_world w;
  (void)state;
  nt_open(&w, (struct nt_cfg){.compression = true});
  for (size_t n = 2; n < sizeof good - 2; n++) nt_in_bytes(&w, a, good, n); /* cut */
  assert_int_equal(nt_counter(&w, "bad_compression"), sizeof good - 4);
  for (size_t i = 2; i < sizeof good - 4; i++) { /* one character wrong: the checksum, at the latest */
    char bad[sizeof good];
    memcpy(bad, good, sizeof good);
    bad[i] = bad[i] == 'A' ? 'B' : 'A';
    nt_in_bytes(&w, a, bad, sizeof good - 1);
  }
  nt_in(&w, a, "eJ"), nt_in(&w, a, "eJ\n"), nt_in(&w, a, "eJ!!"), nt_in(&w, a, "eJ=="), nt_in(&w, a, "eJ==eJ==");
  assert_int_equal(nt_counter(&w, "ohai"), 0);
  nt_expect_nothing(&w);
  nt_in(&w, a, good);
  assert_int_equal(nt_counter(&w, "ohai"), 1);
  nt_close(&w);
}

static void test_neteria_answers_fit_a_datagram_even_when_nothing_compresses(void **state) {
  struct nt_world w;
  char data[10200];
  int sent = 0;
  (void)state;
  nt_open(&w, (struct nt_cfg){.compression = true, .hold_ms = -1});
  uint32_t s = nt_proven(&w, a, A);
  send_packed(&w,
              "{\"method\": \"OK EVENT\", \"cuuid\": \"" A "\", \"euuid\": \"none\"}"); /* it understands compression */
  uint64_t x = 1;
  for (size_t n = 9500; n < 10000; n += 5) {
    for (size_t i = 0; i < n; i++) {
      x = x * 6364136223846793005u + 1442695040888963407u;
      data[i] = digits[x >> 58];
    }
    data[0] = data[n - 1] = '"', data[n] = 0;
    int err = nt_notify(&w, s, data);
    const struct nt_sent *out = nt_take(&w);
    if (err == 0)
      assert_true(out && out->n <= 10240), sent++;
    else
      assert_int_equal(err, UMP_ETOOBIG);
  }
  assert_true(sent > 10 && sent < 90);
  nt_close(&w);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_neteria_understands_the_page_s_own_example),
      cmocka_unit_test(test_neteria_is_off_by_default),
      cmocka_unit_test(test_neteria_answers_likewise),
      cmocka_unit_test(test_neteria_repeats_compressed_bytes_byte_for_byte),
      cmocka_unit_test(test_neteria_large_events_inflate_up_to_64_kilobytes),
      cmocka_unit_test(test_neteria_a_bomb_is_dropped),
      cmocka_unit_test(test_neteria_broken_compression_is_dropped),
      cmocka_unit_test(test_neteria_answers_fit_a_datagram_even_when_nothing_compresses),
  };
  return cmocka_run_group_tests(tests, addresses, NULL);
}
