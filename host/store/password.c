#include "store/password.h"

#include <sodium.h>

struct cost {
  unsigned long long passes;
  size_t bytes;
};

static struct cost cost_of(enum ump_store_cost cost) {
  if (cost == UMP_STORE_CHEAP)
    return (struct cost){crypto_pwhash_argon2id_OPSLIMIT_MIN, crypto_pwhash_argon2id_MEMLIMIT_MIN};
  return (struct cost){2, (size_t)19 << 20};
}

int ump__password_init(void) {
  return sodium_init() < 0 ? UMP_EINVAL : 0;
}

int ump__password_hash(enum ump_store_cost cost, struct ump_bytes password, char out[UMP_PASSWORD_HASH]) {
  struct cost c = cost_of(cost);
  return crypto_pwhash_argon2id_str(out, (const char *)password.p, password.n, c.passes, c.bytes) == 0 ? 0 : UMP_ENOMEM;
}

bool ump__password_matches(const char *hash, struct ump_bytes password) {
  return crypto_pwhash_argon2id_str_verify(hash, (const char *)password.p, password.n) == 0;
}

bool ump__password_is_old(enum ump_store_cost cost, const char *hash) {
  struct cost c = cost_of(cost);
  return crypto_pwhash_argon2id_str_needs_rehash(hash, c.passes, c.bytes) != 0;
}
