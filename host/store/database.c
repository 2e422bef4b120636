#include "store/database.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
  SCHEMA = 1,        /* PRAGMA user_version */
  OURS = 0x756d7072, /* PRAGMA application_id: "umpr" */
  BUSY_MS = 2000,    /* how long another program's lock is waited for; never on the loop's thread */
};

/* ---- what went wrong, in words for the operator ---- */

static int tell(struct database *d, int rc, char *error, size_t error_cap) {
  const char *what = sqlite3_errmsg(d->db), *hint = "";
  switch (rc & 0xff) {
  case SQLITE_FULL:
    hint = ": there is no room left on its disk";
    break;
  case SQLITE_BUSY:
  case SQLITE_LOCKED:
    hint = ": another program keeps it locked; end that one, or wait";
    break;
  case SQLITE_NOTADB:
    hint = ": it is no SQLite database; give another path with --store";
    break;
  case SQLITE_CORRUPT:
    hint = ": it is damaged; put a copy in its place, or move it away to begin without accounts";
    break;
  case SQLITE_READONLY:
  case SQLITE_PERM:
    hint = ": it must be writable, and so must its folder";
    break;
  case SQLITE_CANTOPEN:
    hint = ": does its folder exist, and may the host write there?";
    break;
  case SQLITE_IOERR:
    hint = ": its disk fails";
    break;
  case SQLITE_NOMEM:
    what = "out of memory";
    break;
  default:
    break;
  }
  snprintf(error, error_cap, "accounts in %s: %s%s", d->path, what, hint);
  return (rc & 0xff) == SQLITE_NOMEM ? UMP_ENOMEM : UMP_EINVAL;
}

static int say(struct database *d, const char *what, char *error, size_t error_cap) {
  snprintf(error, error_cap, "accounts in %s: %s", d->path, what);
  return UMP_EINVAL;
}

/* ---- opening ---- */

/* SQLite would create the file with the umask's mode; its -wal and -shm files take after it. */
static int prepare_file(struct database *d, char *error, size_t error_cap) {
  struct stat st;
  int fd = open(d->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0600);
  if (fd < 0) {
    snprintf(error, error_cap, "accounts in %s: %s%s", d->path, strerror(errno),
             errno == ENOENT ? ": its folder must be there already" : "");
    return UMP_EINVAL;
  }
  int err = 0;
  if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
    err = say(d, "this is no file", error, error_cap);
  else if ((st.st_mode & 0077) && fchmod(fd, 0600) != 0)
    err = say(d, "others may read it, and that cannot be changed", error, error_cap);
  close(fd);
  return err;
}

static int run(struct database *d, const char *sql, char *error, size_t error_cap) {
  int rc = sqlite3_exec(d->db, sql, NULL, NULL, NULL);
  return rc == SQLITE_OK ? 0 : tell(d, rc, error, error_cap);
}

static int number(struct database *d, const char *sql, int64_t *out, char *error, size_t error_cap) {
  sqlite3_stmt *s = NULL;
  int rc = sqlite3_prepare_v2(d->db, sql, -1, &s, NULL);
  if (rc == SQLITE_OK) rc = sqlite3_step(s);
  if (rc == SQLITE_ROW) *out = sqlite3_column_int64(s, 0);
  int err = rc == SQLITE_ROW ? 0 : tell(d, rc, error, error_cap);
  sqlite3_finalize(s);
  return err;
}

static int check_whole(struct database *d, char *error, size_t error_cap) {
  sqlite3_stmt *s = NULL;
  int rc = sqlite3_prepare_v2(d->db, "PRAGMA quick_check(1)", -1, &s, NULL);
  if (rc == SQLITE_OK) rc = sqlite3_step(s);
  const char *said = rc == SQLITE_ROW ? (const char *)sqlite3_column_text(s, 0) : NULL;
  bool good = said && strcmp(said, "ok") == 0;
  int err = rc != SQLITE_ROW ? tell(d, rc, error, error_cap) : 0;
  if (!err && !good) {
    snprintf(error, error_cap,
             "accounts in %s: it is damaged (%s); put a copy in its place, or move it away to begin without accounts",
             d->path, said ? said : "?");
    err = UMP_EINVAL;
  }
  sqlite3_finalize(s);
  return err;
}

static int make_tables(struct database *d, char *error, size_t error_cap) {
  char sql[512];
  snprintf(
      sql, sizeof sql,
      "BEGIN IMMEDIATE;"
      "CREATE TABLE IF NOT EXISTS accounts (name TEXT PRIMARY KEY, hash TEXT NOT NULL, made INTEGER NOT NULL DEFAULT"
      " (unixepoch())) STRICT, WITHOUT ROWID;"
      "PRAGMA application_id = %d; PRAGMA user_version = %d; COMMIT",
      OURS, SCHEMA);
  int err = run(d, sql, error, error_cap);
  if (err) sqlite3_exec(d->db, "ROLLBACK", NULL, NULL, NULL);
  return err;
}

/* Whose is it, and of which age? */
static int check_schema(struct database *d, char *error, size_t error_cap) {
  int64_t owner = 0, version = 0, things = 0;
  int err = number(d, "SELECT count(*) FROM sqlite_schema", &things, error, error_cap);
  if (!err) err = number(d, "PRAGMA application_id", &owner, error, error_cap);
  if (!err) err = number(d, "PRAGMA user_version", &version, error, error_cap);
  if (err) return err;
  if (owner == 0 && version == 0 && things == 0) return make_tables(d, error, error_cap);
  if (owner != OURS)
    return say(d, "this is another program's database; give another path with --store", error, error_cap);
  if (version == SCHEMA) return 0;
  snprintf(error, error_cap,
           "accounts in %s: it was written by a newer umpire (schema %lld, this one knows %d): run that one", d->path,
           (long long)version, SCHEMA);
  return UMP_EINVAL;
}

static int prepare(struct database *d, char *error, size_t error_cap) {
  int rc = sqlite3_prepare_v3(d->db, "SELECT hash FROM accounts WHERE name = ?1", -1, SQLITE_PREPARE_PERSISTENT,
                              &d->find, NULL);
  /* one statement, so that two hosts that share the file cannot both find the name free */
  if (rc == SQLITE_OK)
    rc = sqlite3_prepare_v3(d->db,
                            "INSERT INTO accounts (name, hash) SELECT ?1, ?2 WHERE (SELECT count(*) FROM accounts) < ?3"
                            " OR EXISTS (SELECT 1 FROM accounts WHERE name = ?1) ON CONFLICT (name) DO NOTHING",
                            -1, SQLITE_PREPARE_PERSISTENT, &d->add, NULL);
  if (rc == SQLITE_OK)
    rc = sqlite3_prepare_v3(d->db, "UPDATE accounts SET hash = ?2 WHERE name = ?1", -1, SQLITE_PREPARE_PERSISTENT,
                            &d->change, NULL);
  return rc == SQLITE_OK ? 0 : tell(d, rc, error, error_cap);
}

static int open_file(struct database *d, bool in_memory, char *error, size_t error_cap) {
  int err = in_memory ? 0 : prepare_file(d, error, error_cap);
  if (err) return err;
  int rc = sqlite3_open_v2(in_memory ? ":memory:" : d->path, &d->db,
                           SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_FULLMUTEX, NULL);
  if (rc != SQLITE_OK) return tell(d, rc, error, error_cap);
  sqlite3_busy_timeout(d->db, BUSY_MS);
  sqlite3_limit(d->db, SQLITE_LIMIT_LENGTH, 1 << 20);
  err = check_schema(d, error, error_cap);
  if (!err) err = check_whole(d, error, error_cap);
  /* WAL: readers do not wait for writers. FULL: an account that was answered for is on the disk. */
  if (!err)
    err = run(d, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA trusted_schema = OFF", error, error_cap);
  return err ? err : prepare(d, error, error_cap);
}

int ump__database_open(struct database *d, const char *path, uint64_t limit, char *error, size_t error_cap) {
  const char *shown = path ? path : "memory";
  *d = (struct database){.limit = limit, .path = malloc(strlen(shown) + 1)};
  if (!d->path || pthread_mutex_init(&d->lock, NULL) != 0) {
    free(d->path);
    snprintf(error, error_cap, "out of memory");
    return UMP_ENOMEM;
  }
  memcpy(d->path, shown, strlen(shown) + 1);
  int err = open_file(d, !path, error, error_cap);
  if (err) ump__database_close(d);
  return err;
}

void ump__database_close(struct database *d) {
  sqlite3_finalize(d->find);
  sqlite3_finalize(d->add);
  sqlite3_finalize(d->change);
  sqlite3_close(d->db);
  pthread_mutex_destroy(&d->lock);
  free(d->path);
}

/* ---- using it ---- */

static void begin(struct database *d, sqlite3_stmt *s, struct ump_bytes name, const char *hash) {
  pthread_mutex_lock(&d->lock);
  sqlite3_bind_text(s, 1, (const char *)name.p, (int)name.n, SQLITE_STATIC);
  if (hash) sqlite3_bind_text(s, 2, hash, -1, SQLITE_STATIC);
}

static int end(struct database *d, sqlite3_stmt *s, int rc, int done, char *error, size_t error_cap) {
  int result = rc == SQLITE_DONE || rc == SQLITE_ROW ? done : tell(d, rc, error, error_cap);
  sqlite3_reset(s);
  sqlite3_clear_bindings(s);
  pthread_mutex_unlock(&d->lock);
  return result;
}

int ump__database_find(struct database *d, struct ump_bytes name, char hash[UMP_PASSWORD_HASH], char *error,
                       size_t error_cap) {
  begin(d, d->find, name, NULL);
  int rc = sqlite3_step(d->find), n = rc == SQLITE_ROW ? sqlite3_column_bytes(d->find, 0) : 0;
  bool good = n > 0 && n < UMP_PASSWORD_HASH;
  if (good) memcpy(hash, sqlite3_column_text(d->find, 0), (size_t)n), hash[n] = 0;
  int found = end(d, d->find, rc, rc == SQLITE_ROW, error, error_cap);
  return found == 1 && !good ? say(d, "a hash in it is damaged", error, error_cap) : found;
}

int ump__database_add(struct database *d, struct ump_bytes name, const char *hash, char *error, size_t error_cap) {
  begin(d, d->add, name, hash);
  sqlite3_bind_int64(d->add, 3, (sqlite3_int64)d->limit);
  int rc = sqlite3_step(d->add), added = rc == SQLITE_DONE ? sqlite3_changes(d->db) : 0;
  int result = end(d, d->add, rc, added, error, error_cap);
  char none[UMP_PASSWORD_HASH];
  if (result == 0 && ump__database_find(d, name, none, error, error_cap) == 0) {
    snprintf(error, error_cap, "accounts in %s: there are %llu, the limit (--accounts)", d->path,
             (unsigned long long)d->limit);
    return UMP_EFULL;
  }
  return result;
}

int ump__database_change(struct database *d, struct ump_bytes name, const char *hash, char *error, size_t error_cap) {
  begin(d, d->change, name, hash);
  int rc = sqlite3_step(d->change);
  return end(d, d->change, rc, 1, error, error_cap);
}
