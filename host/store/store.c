/* Logging in and making accounts. What the database is and how it is opened is in database.c. */
#include "store/store.h"

#include <stdlib.h>

#include "store/database.h"
#include "store/password.h"

enum { DEFAULT_LIMIT = 100000 };

struct ump_store {
  struct database db; /* locks itself */
  enum ump_store_cost cost;
  pthread_mutex_t decoy_lock;
  char decoy[UMP_PASSWORD_HASH]; /* what passwords of unknown names are held against; "": not made yet */
};

int ump_store_open(const struct ump_store_cfg *cfg, struct ump_store **out, char *error, size_t error_cap) {
  struct ump_store *s = calloc(1, sizeof *s);
  *out = NULL;
  if (!s || pthread_mutex_init(&s->decoy_lock, NULL) != 0) {
    free(s);
    snprintf(error, error_cap, "out of memory");
    return UMP_ENOMEM;
  }
  s->cost = cfg->cost;
  int err = ump__password_init();
  if (err)
    snprintf(error, error_cap, "the system gives no random numbers");
  else
    err = ump__database_open(&s->db, cfg->path, cfg->limit ? cfg->limit : DEFAULT_LIMIT, error, error_cap);
  if (!err) return *out = s, 0;
  pthread_mutex_destroy(&s->decoy_lock);
  free(s);
  return err;
}

void ump_store_close(struct ump_store *s) {
  if (!s) return;
  ump__database_close(&s->db);
  pthread_mutex_destroy(&s->decoy_lock);
  free(s);
}

/* ---- unknown names take as long as known ones ---- */

/* Made when the first log-in of all needs it, whether its name is known or not; others wait. */
static int make_decoy(struct ump_store *s) {
  static const char nobody[] = "nobody has this password";
  pthread_mutex_lock(&s->decoy_lock);
  int err = s->decoy[0] ? 0 : ump__password_hash(s->cost, ump_text(nobody), s->decoy);
  pthread_mutex_unlock(&s->decoy_lock);
  return err;
}

static int out_of_memory(char *error, size_t error_cap) {
  snprintf(error, error_cap, "not enough memory to hash a password");
  return UMP_ENOMEM;
}

/* A hash of today's cost takes the place of one that was made at another. That it cannot be written harms nothing. */
static void renew(struct ump_store *s, struct ump_bytes name, struct ump_bytes password) {
  char hash[UMP_PASSWORD_HASH], error[256];
  if (ump__password_hash(s->cost, password, hash) == 0) ump__database_change(&s->db, name, hash, error, sizeof error);
}

static int check(struct ump_store *s, struct ump_bytes name, struct ump_bytes password, char *error, size_t error_cap) {
  char hash[UMP_PASSWORD_HASH];
  if (make_decoy(s)) return out_of_memory(error, error_cap);
  int found = ump__database_find(&s->db, name, hash, error, error_cap);
  if (found < 0) return found;
  bool yes = ump__password_matches(found ? hash : s->decoy, password) && found;
  if (yes && ump__password_is_old(s->cost, hash)) renew(s, name, password);
  return yes;
}

static int make(struct ump_store *s, struct ump_bytes name, struct ump_bytes password, char *error, size_t error_cap) {
  char hash[UMP_PASSWORD_HASH];
  if (ump__password_hash(s->cost, password, hash)) return out_of_memory(error, error_cap);
  return ump__database_add(&s->db, name, hash, error, error_cap);
}

int ump_store_login(struct ump_store *s, bool create, struct ump_bytes name, struct ump_bytes password, char *error,
                    size_t error_cap) {
  if (error_cap) error[0] = 0;
  return create ? make(s, name, password, error, error_cap) : check(s, name, password, error, error_cap);
}
