/* Hashes of passwords: argon2id through libsodium, as the text that it makes of them ("$argon2id$v=19$m=..."), which
 * holds the salt and the cost. */
#ifndef UMP_STORE_PASSWORD_H
#define UMP_STORE_PASSWORD_H

#include "store/store.h"

enum { UMP_PASSWORD_HASH = 128 }; /* bytes of the text, with its NUL */

int ump__password_init(void); /* once per process at least; UMP_EINVAL: the system gives no randomness */
int ump__password_hash(enum ump_store_cost cost, struct ump_bytes password,
                       char out[UMP_PASSWORD_HASH]); /* 0, UMP_ENOMEM */
bool ump__password_matches(const char *hash, struct ump_bytes password);
bool ump__password_is_old(enum ump_store_cost cost, const char *hash); /* made at another cost than we would now */

#endif
