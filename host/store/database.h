/* The database of accounts: one table, opened with care, locked for each use. */
#ifndef UMP_STORE_DATABASE_H
#define UMP_STORE_DATABASE_H

#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>

#include "base/bytes.h"
#include "base/err.h"
#include "store/password.h"

struct database {
  pthread_mutex_t lock;
  sqlite3 *db;
  sqlite3_stmt *find, *add, *change;
  char *path; /* for messages: "memory" when there is no file */
  uint64_t limit;
};

/* All of these: a negative code comes with its error. */
int ump__database_open(struct database *d, const char *path, uint64_t limit, char *error, size_t error_cap);
void ump__database_close(struct database *d);
int ump__database_find(struct database *d, struct ump_bytes name, char hash[UMP_PASSWORD_HASH], char *error,
                       size_t error_cap); /* 1, 0 */
int ump__database_add(struct database *d, struct ump_bytes name, const char *hash, char *error,
                      size_t error_cap); /* 1; 0: taken */
int ump__database_change(struct database *d, struct ump_bytes name, const char *hash, char *error, size_t error_cap);

#endif
