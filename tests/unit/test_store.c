/* Accounts in a database: files, faults, crashes, several at once. */
#include "testing.h"

#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "store/store.h"

struct place {
  char folder[64], path[96], error[512];
};

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw) {
  return (void)st, (void)type, (void)ftw, remove(path);
}

static void begin(struct place *p) {
  strcpy(p->folder, "/tmp/umpire-store-XXXXXX");
  assert_non_null(mkdtemp(p->folder));
  snprintf(p->path, sizeof p->path, "%s/accounts.db", p->folder);
  p->error[0] = 0;
}

static void end(struct place *p) {
  chmod(p->folder, 0700);
  nftw(p->folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static struct ump_store *open_at(struct place *p, const char *path, uint64_t limit) {
  struct ump_store *s = NULL;
  struct ump_store_cfg cfg = {.path = path, .cost = UMP_STORE_CHEAP, .limit = limit};
  int err = ump_store_open(&cfg, &s, p->error, sizeof p->error);
  assert_int_equal(err == 0, s != NULL);
  return s;
}

static int login(struct place *p, struct ump_store *s, const char *name, const char *password) {
  return ump_store_login(s, false, ump_text(name), ump_text(password), p->error, sizeof p->error);
}

static int create(struct place *p, struct ump_store *s, const char *name, const char *password) {
  return ump_store_login(s, true, ump_text(name), ump_text(password), p->error, sizeof p->error);
}

static void sql(const char *path, const char *text) {
  sqlite3 *db;
  assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
  if (sqlite3_exec(db, text, NULL, NULL, NULL) != SQLITE_OK) fail_msg("%s: %s", text, sqlite3_errmsg(db));
  sqlite3_close(db);
}

/* ---- what it is for ---- */

static void test_store_knows_whom_it_made(void **state) {
  (void)state;
  struct place p;
  begin(&p);
  for (int file = 0; file < 2; file++) {
    struct ump_store *s = open_at(&p, file ? p.path : NULL, 0);
    assert_int_equal(login(&p, s, "ann", "secret"), 0);
    assert_int_equal(create(&p, s, "ann", "secret"), 1);
    assert_int_equal(create(&p, s, "ann", "other"), 0);
    assert_int_equal(login(&p, s, "ann", "secret"), 1);
    assert_int_equal(login(&p, s, "ann", "other"), 0);
    assert_int_equal(login(&p, s, "Ann", "secret"), 0); /* names differ by any byte */
    assert_int_equal(create(&p, s, "o'brien\" --", "x"), 1);
    assert_int_equal(login(&p, s, "o'brien\" --", "x"), 1);
    assert_int_equal(ump_store_login(s, true, ump_text("nul"), ump_bytes("a\0b", 3), p.error, sizeof p.error), 1);
    assert_int_equal(ump_store_login(s, false, ump_text("nul"), ump_bytes("a\0c", 3), p.error, sizeof p.error), 0);
    assert_int_equal(ump_store_login(s, false, ump_text("nul"), ump_bytes("a\0b", 3), p.error, sizeof p.error), 1);
    assert_string_equal(p.error, "");
    ump_store_close(s);
  }
  end(&p);
}

static void test_store_keeps_accounts_when_it_is_opened_again(void **state) {
  (void)state;
  struct place p;
  begin(&p);
  struct ump_store *s = open_at(&p, p.path, 0);
  assert_int_equal(create(&p, s, "ann", "secret"), 1);
  ump_store_close(s);
  s = open_at(&p, p.path, 0);
  assert_int_equal(login(&p, s, "ann", "secret"), 1);
  assert_int_equal(create(&p, s, "ann", "secret"), 0);
  ump_store_close(s);
  end(&p);
}

static void test_store_two_hosts_may_share_a_file(void **state) {
  (void)state;
  struct place p;
  begin(&p);
  struct ump_store *a = open_at(&p, p.path, 0), *b = open_at(&p, p.path, 0);
  assert_int_equal(create(&p, a, "ann", "secret"), 1);
  assert_int_equal(create(&p, b, "ann", "secret"), 0);
  assert_int_equal(login(&p, b, "ann", "secret"), 1);
  ump_store_close(a);
  ump_store_close(b);
  end(&p);
}

static void test_store_has_room_for_so_many_and_no_more(void **state) {
  (void)state;
  struct place p;
  begin(&p);
  struct ump_store *s = open_at(&p, NULL, 2);
  assert_int_equal(create(&p, s, "a", "x"), 1);
  assert_int_equal(create(&p, s, "b", "x"), 1);
  assert_int_equal(create(&p, s, "c", "x"), UMP_EFULL);
  assert_non_null(strstr(p.error, "--accounts"));
  assert_int_equal(create(&p, s, "a", "x"), 0); /* taken is taken, full or not */
  assert_int_equal(login(&p, s, "c", "x"), 0);
  assert_int_equal(login(&p, s, "b", "x"), 1);
  ump_store_close(s);
  end(&p);
}

/* ---- passwords ---- */

static char *whole_file(const char *path, size_t *n) {
  FILE *f = fopen(path, "rb");
  if (!f) return *n = 0, NULL;
  char *text = malloc(1 << 20);
  *n = fread(text, 1, 1 << 20, f);
  fclose(f);
  return text;
}

static bool holds(const char *path, const char *word) {
  size_t n, w = strlen(word);
  char *text = whole_file(path, &n);
  bool found = false;
  for (size_t i = 0; text && i + w <= n && !found; i++) found = memcmp(text + i, word, w) == 0;
  free(text);
  return found;
}

static void test_store_no_password_is_in_its_files(void **state) {
  (void)state;
  struct place p;
  char wal[128];
  begin(&p);
  struct ump_store *s = open_at(&p, p.path, 0);
  assert_int_equal(create(&p, s, "canary-name", "canary-password"), 1);
  snprintf(wal, sizeof wal, "%s-wal", p.path);
  assert_true(holds(wal, "canary-name") && holds(wal, "$argon2id$"));
  assert_false(holds(wal, "canary-password"));
  ump_store_close(s);
  assert_true(holds(p.path, "canary-name"));
  assert_false(holds(p.path, "canary-password"));
  end(&p);
}

static void test_store_hashes_are_argon2id_at_the_recommended_cost_and_are_renewed(void **state) {
  (void)state;
  struct place p;
  begin(&p);
  struct ump_store *s = open_at(&p, p.path, 0); /* cheap */
  assert_int_equal(create(&p, s, "ann", "secret"), 1);
  ump_store_close(s);
  assert_false(holds(p.path, "$argon2id$v=19$m=19456,t=2,p=1$"));
  struct ump_store_cfg cfg = {.path = p.path, .cost = UMP_STORE_STRONG};
  assert_int_equal(ump_store_open(&cfg, &s, p.error, sizeof p.error), 0);
  assert_int_equal(login(&p, s, "ann", "wrong"), 0);
  assert_int_equal(login(&p, s, "ann", "secret"), 1);
  ump_store_close(s);
  assert_true(holds(p.path, "$argon2id$v=19$m=19456,t=2,p=1$"));
  s = open_at(&p, p.path, 0);
  assert_int_equal(login(&p, s, "ann", "secret"), 1);
  ump_store_close(s);
  end(&p);
}

static double seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* CPU time, so that a busy machine does not matter; the median of seven. */
static double time_of(struct place *p, struct ump_store *s, const char *name) {
  double v[7];
  for (int i = 0; i < 7; i++) {
    double from = seconds();
    assert_int_equal(login(p, s, name, "wrong"), 0);
    v[i] = seconds() - from;
    for (int k = i; k > 0 && v[k] < v[k - 1]; k--) {
      double x = v[k];
      v[k] = v[k - 1], v[k - 1] = x;
    }
  }
  return v[3];
}

static void test_store_an_unknown_name_takes_as_long_as_a_wrong_password(void **state) {
  (void)state;
  struct place p;
  struct ump_store *s;
  struct ump_store_cfg cfg = {.cost = UMP_STORE_STRONG};
  begin(&p);
  assert_int_equal(ump_store_open(&cfg, &s, p.error, sizeof p.error), 0);
  assert_int_equal(create(&p, s, "ann", "secret"), 1);
  time_of(&p, s, "ann");
  double known = time_of(&p, s, "ann"), unknown = time_of(&p, s, "nobody");
  if (known > unknown * 1.5 || unknown > known * 1.5)
    fail_msg("known %.1f ms, unknown %.1f ms", known * 1e3, unknown * 1e3);
  ump_store_close(s);
  end(&p);
}

/* ---- the file ---- */

static void test_store_its_files_are_the_owners_alone(void **state) {
  (void)state;
  struct place p;
  struct stat st;
  char side[128];
  begin(&p);
  mode_t before = umask(0);
  for (int wide = 0; wide < 2; wide++) {
    if (wide) chmod(p.path, 0644);
    struct ump_store *s = open_at(&p, p.path, 0);
    create(&p, s, "ann", "secret");
    assert_int_equal(stat(p.path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    for (int i = 0; i < 2; i++) {
      snprintf(side, sizeof side, "%s-%s", p.path, i ? "shm" : "wal");
      assert_int_equal(stat(side, &st), 0);
      assert_int_equal(st.st_mode & 0777, 0600);
    }
    ump_store_close(s);
  }
  umask(before);
  end(&p);
}

static void refused(struct place *p, const char *path, const char *part) {
  assert_null(open_at(p, path, 0));
  if (!strstr(p->error, part) || !strstr(p->error, path)) fail_msg("\"%s\" does not say \"%s\"", p->error, part);
}

static void test_store_says_what_is_wrong_with_a_file(void **state) {
  (void)state;
  struct place p;
  char other[96];
  begin(&p);
  snprintf(other, sizeof other, "%s/none/accounts.db", p.folder);
  refused(&p, other, "its folder must be there");
  refused(&p, p.folder, "directory");
  snprintf(other, sizeof other, "%s/text", p.folder);
  FILE *f = fopen(other, "w");
  for (int i = 0; i < 1000; i++) fputs("this is a letter and no database. ", f);
  fclose(f);
  refused(&p, other, "no SQLite database");
  assert_true(holds(other, "this is a letter and no database."));
  snprintf(other, sizeof other, "%s/foreign.db", p.folder);
  sql(other, "CREATE TABLE bookmarks (url)");
  refused(&p, other, "another program's");
  snprintf(other, sizeof other, "%s/foreign2.db", p.folder);
  sql(other, "PRAGMA application_id = 7");
  refused(&p, other, "another program's");
  snprintf(other, sizeof other, "%s/pipe", p.folder);
  assert_int_equal(mkfifo(other, 0600), 0);
  refused(&p, other, "no file");
  end(&p);
}

static void test_store_says_that_a_newer_umpire_wrote_it(void **state) {
  (void)state;
  struct place p;
  begin(&p);
  ump_store_close(open_at(&p, p.path, 0));
  sql(p.path, "PRAGMA user_version = 2");
  refused(&p, p.path, "newer umpire (schema 2, this one knows 1)");
  end(&p);
}

static void test_store_says_that_it_is_locked_after_waiting(void **state) {
  (void)state;
  struct place p;
  sqlite3 *db;
  begin(&p);
  struct ump_store *s = open_at(&p, p.path, 0);
  assert_int_equal(create(&p, s, "ann", "secret"), 1);
  assert_int_equal(sqlite3_open(p.path, &db), SQLITE_OK);
  assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
  assert_int_equal(create(&p, s, "bob", "secret"), UMP_EINVAL);
  assert_non_null(strstr(p.error, "locked"));
  assert_int_equal(login(&p, s, "ann", "secret"), 1); /* readers do not wait for writers */
  assert_int_equal(sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
  assert_int_equal(create(&p, s, "bob", "secret"), 1);
  sqlite3_close(db);
  ump_store_close(s);
  end(&p);
}

static void damage(const char *path, long from, size_t n) {
  FILE *f = fopen(path, "r+b");
  fseek(f, from, SEEK_SET);
  for (size_t i = 0; i < n; i++) fputc(0xa5, f);
  fclose(f);
}

static void test_store_says_that_a_file_is_damaged(void **state) {
  (void)state;
  struct place p;
  char name[32];
  begin(&p);
  struct ump_store *s = open_at(&p, p.path, 0);
  for (int i = 0; i < 200; i++)
    snprintf(name, sizeof name, "player%d", i), assert_int_equal(create(&p, s, name, "x"), 1);
  ump_store_close(s);
  damage(p.path, 8192, 4000);
  refused(&p, p.path, "damaged");
  end(&p);
}

/* ---- when things go wrong while it runs ---- */

static void test_store_a_full_disk_loses_nothing_that_was_answered_for(void **state) {
  (void)state;
  struct place p;
  struct rlimit before, small;
  char name[32];
  int made = 0, result = 1;
  begin(&p);
  struct ump_store *s = open_at(&p, p.path, 0);
  getrlimit(RLIMIT_FSIZE, &before);
  small = before, small.rlim_cur = 64 << 10; /* what a file may grow to: as good as a full disk */
  signal(SIGXFSZ, SIG_IGN);
  setrlimit(RLIMIT_FSIZE, &small);
  while (result == 1 && made < 2000) {
    snprintf(name, sizeof name, "player%d", made);
    result = create(&p, s, name, "x");
    made += result == 1;
  }
  setrlimit(RLIMIT_FSIZE, &before);
  assert_int_equal(result, UMP_EINVAL);
  assert_true(strlen(p.error) > 20 && made > 10);
  for (int i = 0; i < made; i++)
    snprintf(name, sizeof name, "player%d", i), assert_int_equal(login(&p, s, name, "x"), 1);
  assert_int_equal(create(&p, s, "later", "x"), 1); /* there is room again */
  ump_store_close(s);
  end(&p);
}

/* A process that makes accounts and says so is killed in the middle, again and again: whatever it said is there. */
static void test_store_a_crash_keeps_every_account_that_was_answered_for(void **state) {
  (void)state;
  struct place p;
  char name[32];
  begin(&p);
  int total = 0;
  for (int round = 0; round < 8; round++) {
    int pipes[2];
    assert_int_equal(pipe(pipes), 0);
    pid_t child = fork();
    if (child == 0) {
      struct ump_store *s = open_at(&p, p.path, 0);
      for (int i = total;; i++) {
        snprintf(name, sizeof name, "player%d", i);
        if (create(&p, s, name, "x") < 0 || write(pipes[1], "x", 1) != 1) _exit(1);
      }
    }
    close(pipes[1]);
    char c;
    for (int i = 0; i < 5 + 7 * round; i++) assert_int_equal(read(pipes[0], &c, 1), 1), total++;
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    while (read(pipes[0], &c, 1) == 1) total++;
    close(pipes[0]);
    struct ump_store *s = open_at(&p, p.path, 0);
    assert_non_null(s);
    for (int i = 0; i < total; i++)
      snprintf(name, sizeof name, "player%d", i), assert_int_equal(login(&p, s, name, "x"), 1);
    ump_store_close(s);
  }
  assert_true(total > 8 * 5);
  end(&p);
}

struct thread {
  pthread_t id;
  struct ump_store *s;
  int made, known;
};

static void *work(void *arg) {
  struct thread *t = arg;
  char name[32], error[256];
  for (int i = 0; i < 40; i++) {
    snprintf(name, sizeof name, "player%d", i);
    t->made += ump_store_login(t->s, true, ump_text(name), ump_text("x"), error, sizeof error);
    t->known += ump_store_login(t->s, false, ump_text(name), ump_text("x"), error, sizeof error);
  }
  return NULL;
}

static void test_store_threads_at_once_make_each_account_once(void **state) {
  (void)state;
  struct place p;
  struct thread t[4] = {{0}};
  begin(&p);
  struct ump_store *s = open_at(&p, p.path, 0);
  int made = 0, known = 0;
  for (int i = 0; i < 4; i++) t[i].s = s, pthread_create(&t[i].id, NULL, work, &t[i]);
  for (int i = 0; i < 4; i++) pthread_join(t[i].id, NULL), made += t[i].made, known += t[i].known;
  assert_int_equal(made, 40);
  assert_int_equal(known, 160);
  ump_store_close(s);
  end(&p);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_store_knows_whom_it_made),
      cmocka_unit_test(test_store_keeps_accounts_when_it_is_opened_again),
      cmocka_unit_test(test_store_two_hosts_may_share_a_file),
      cmocka_unit_test(test_store_has_room_for_so_many_and_no_more),
      cmocka_unit_test(test_store_no_password_is_in_its_files),
      cmocka_unit_test(test_store_hashes_are_argon2id_at_the_recommended_cost_and_are_renewed),
      cmocka_unit_test(test_store_an_unknown_name_takes_as_long_as_a_wrong_password),
      cmocka_unit_test(test_store_its_files_are_the_owners_alone),
      cmocka_unit_test(test_store_says_what_is_wrong_with_a_file),
      cmocka_unit_test(test_store_says_that_a_newer_umpire_wrote_it),
      cmocka_unit_test(test_store_says_that_it_is_locked_after_waiting),
      cmocka_unit_test(test_store_says_that_a_file_is_damaged),
      cmocka_unit_test(test_store_a_full_disk_loses_nothing_that_was_answered_for),
      cmocka_unit_test(test_store_a_crash_keeps_every_account_that_was_answered_for),
      cmocka_unit_test(test_store_threads_at_once_make_each_account_once),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
