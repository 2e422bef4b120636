/* host/web: from paths that strangers send to files. The server itself is tested over sockets, in
 * tests/e2e/web_spec.lua. */
#include "testing.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "web/files.h"
#include "web/web.h"

struct place {
  char root[64];
};

static void put(const struct place *p, const char *name, const char *text) {
  char path[256];
  snprintf(path, sizeof path, "%s/%s", p->root, name);
  FILE *f = fopen(path, "w");
  assert_non_null(f);
  fputs(text, f);
  fclose(f);
}

static void folder(const struct place *p, const char *name) {
  char path[256];
  snprintf(path, sizeof path, "%s/%s", p->root, name);
  assert_int_equal(mkdir(path, 0700), 0);
}

static void link_to(const struct place *p, const char *to, const char *name) {
  char path[256];
  snprintf(path, sizeof path, "%s/%s", p->root, name);
  assert_int_equal(symlink(to, path), 0);
}

/* root: secret, web/{index.html, a/{index.html, ..b}, .x, link -> ../secret, up -> ..}, other -> web */
static int make(void **state) {
  static struct place p;
  strcpy(p.root, "/tmp/umpire-web-XXXXXX");
  if (!mkdtemp(p.root)) return -1;
  put(&p, "secret", "no");
  folder(&p, "web");
  folder(&p, "web/a");
  put(&p, "web/index.html", "1");
  put(&p, "web/a/index.html", "22");
  put(&p, "web/a/b", "333");
  put(&p, "web/a/..b", "no");
  put(&p, "web/.x", "no");
  link_to(&p, "../secret", "web/link");
  link_to(&p, "..", "web/up");
  link_to(&p, "web", "other");
  *state = &p;
  return 0;
}

static int take_away(void **state) {
  char command[128];
  snprintf(command, sizeof command, "rm -rf '%s'", ((struct place *)*state)->root);
  return system(command);
}

/* The size of what a path opens, which tells these files apart; a negative enum ump__web_found when it opens none. */
static long size_of(const struct place *p, const char *path) {
  struct stat st;
  int fd = -1;
  enum ump__web_found found = ump__web_open(p->root, "web/", path, &fd, &st);
  if (found != UMP__WEB_FILE) return -(long)found;
  close(fd);
  return (long)st.st_size;
}

static void test_web_opens_files_below_the_folder(void **state) {
  const struct place *p = *state;
  assert_int_equal(size_of(p, "/"), 1);
  assert_int_equal(size_of(p, "/index.html"), 1);
  assert_int_equal(size_of(p, "/a/"), 2);
  assert_int_equal(size_of(p, "/%61/b"), 3);
  assert_int_equal(size_of(p, "/a%2fb"), 3);
  assert_int_equal(size_of(p, "/a"), -UMP__WEB_FOLDER);
}

static void test_web_opens_nothing_else(void **state) {
  static const char *const nothing[] = {"//",         "/.x",   "/%2ex",      "/a/..b", "/a/../index.html",
                                        "/../secret", "/link", "/up/secret", "/up/",   "/index.html/",
                                        "/b",         "/a/b/", "/a//b",      "/./",    "/.",
                                        "/.."};
  static const char *const malformed[] = {"", "a", "*", "/%", "/%2", "/%zz", "/%00", "/a%0a", "/\x7f", "/%2"};
  for (size_t i = 0; i < sizeof nothing / sizeof *nothing; i++)
    assert_int_equal(size_of(*state, nothing[i]), -UMP__WEB_NOTHING);
  for (size_t i = 0; i < sizeof malformed / sizeof *malformed; i++)
    assert_int_equal(size_of(*state, malformed[i]), -UMP__WEB_MALFORMED);
}

static void test_web_long_paths_are_nothing(void **state) {
  char path[4 * UMP_WEB_PATH] = "/";
  memset(path + 1, 'a', sizeof path - 2);
  assert_int_equal(size_of(*state, path), -UMP__WEB_NOTHING);
  for (size_t i = 1; i < sizeof path - 1; i += 2) path[i] = 'a', path[i + 1] = '/';
  assert_int_equal(size_of(*state, path), -UMP__WEB_NOTHING);
  path[257] = 0;
  memset(path + 1, 'a', 256);
  assert_int_equal(size_of(*state, path), -UMP__WEB_NOTHING);
}

static void test_web_folders_are_not_found_through_links(void **state) {
  const struct place *p = *state;
  assert_int_equal(ump_web_folder_there(p->root, "web"), 0);
  assert_int_equal(ump_web_folder_there(p->root, "web/a//"), 0);
  assert_int_equal(ump_web_folder_there(p->root, "nowhere"), -ENOENT);
  assert_int_equal(ump_web_folder_there(p->root, "secret"), -ENOTDIR);
  assert_true(ump_web_folder_there(p->root, "other") < 0);
  assert_true(ump_web_folder_there(p->root, "web/up") < 0);
  assert_true(ump_web_folder_there(p->root, "../") < 0);
}

/* Whatever is asked for, one of the three files that are served is opened, or none; and no descriptor stays open. */
static void test_web_random_paths_stay_inside(void **state) {
  static const char *const pieces[] = {"/", "..",  ".",      "%2e", "%2f", "a",  "b",      "index.html", "link", "up",
                                       "%", "%5c", "secret", "%00", "web", ".x", "/a/../", "%252e",      "\\",   "?"};
  const struct place *p = *state;
  uint64_t seed = 20261121;
  int before = dup(0), opened = 0;
  close(before);
  for (int round = 0; round < 20000; round++) {
    char path[256] = "/";
    for (int n = 1 + (int)(seed >> 33) % 6; n > 0; n--) {
      seed = seed * 6364136223846793005u + 1442695040888963407u;
      strcat(path, pieces[(seed >> 33) % (sizeof pieces / sizeof *pieces)]);
    }
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    long size = size_of(p, path);
    if (size > 0) opened++;
    if (size > 3) fail_msg("%s opened something of %ld bytes", path, size);
    if (strstr(path, "..") || strstr(path, "link") || strstr(path, "secret") || strstr(path, "up"))
      assert_true(size <= 0);
  }
  assert_true(opened > 100);
  int after = dup(0);
  close(after);
  assert_int_equal(before, after);
}

static void test_web_types_go_by_the_names_end(void **state) {
  (void)state;
  assert_string_equal(ump__web_type("/a/x.HTML"), "text/html; charset=utf-8");
  assert_string_equal(ump__web_type("x.min.js"), "text/javascript; charset=utf-8");
  assert_string_equal(ump__web_type("/a.js/x"), "application/octet-stream");
  assert_string_equal(ump__web_type("/x."), "application/octet-stream");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_web_opens_files_below_the_folder),
      cmocka_unit_test(test_web_opens_nothing_else),
      cmocka_unit_test(test_web_long_paths_are_nothing),
      cmocka_unit_test(test_web_folders_are_not_found_through_links),
      cmocka_unit_test(test_web_random_paths_stay_inside),
      cmocka_unit_test(test_web_types_go_by_the_names_end),
  };
  return cmocka_run_group_tests(tests, make, take_away);
}
