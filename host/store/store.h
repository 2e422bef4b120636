/* Accounts in an SQLite database: a name, and the argon2id hash of a password.
 *
 * Any thread may call ump_store_login, several at once; it takes as long as a hash takes (some 30 ms), with the
 * database locked only for the moments before and after. A name that is unknown takes as long as a wrong password. An
 * account is on the disk before the answer says that it was made.
 *
 * A file is created with mode 0600, and set to it if it was wider. Several hosts may share one file. */
#ifndef UMP_STORE_STORE_H
#define UMP_STORE_STORE_H

#include "base/bytes.h"
#include "base/err.h"

struct ump_store;

enum ump_store_cost {
  UMP_STORE_STRONG, /* 19 MiB and two passes: OWASP's recommendation for argon2id, with memory for several at once */
  UMP_STORE_CHEAP,  /* as little as there is: for simulations and tests, never for passwords of people */
};

struct ump_store_cfg {
  const char *path; /* NULL: in memory, gone when it is closed */
  enum ump_store_cost cost;
  uint64_t limit; /* accounts; 0: 100 000. Strangers can make them, so there is an end to it */
};

/* 0; UMP_EINVAL: error says what is wrong with the file and what to do; UMP_ENOMEM. */
int ump_store_open(const struct ump_store_cfg *cfg, struct ump_store **out, char *error, size_t error_cap);
void ump_store_close(struct ump_store *s); /* nobody may be inside of ump_store_login. NULL is allowed */

/* name: 1-64 bytes of UTF-8; password: 1-1024 bytes. create: makes the account, no when the name is taken. 1: yes, 0:
 * no; UMP_EFULL (limit), UMP_EINVAL (the database cannot be read or written), UMP_ENOMEM: error says why. */
int ump_store_login(struct ump_store *s, bool create, struct ump_bytes name, struct ump_bytes password, char *error,
                    size_t error_cap);

#endif
