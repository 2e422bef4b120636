/* Accounts of a simulated world: the real store in memory, at the lowest cost, answering at once. It is opened when
 * somebody logs in for the first time, since most worlds have no accounts at all. */
#include "accounts.h"

static int ask(void *self, const struct ump_account_question *q) {
  struct ump_sim_accounts *a = self;
  char error[256];
  struct ump_store_cfg cfg = {.cost = UMP_STORE_CHEAP};
  int err = a->store ? 0 : ump_store_open(&cfg, &a->store, error, sizeof error);
  int answer = err ? err : ump_store_login(a->store, q->create, q->name, q->password, error, sizeof error);
  if (answer < 0) ump_log_text(a->log, UMP_ERROR, "accounts", NULL, error);
  return answer;
}

void ump_sim_accounts_init(struct ump_sim_accounts *a, const struct ump_log *log) {
  *a = (struct ump_sim_accounts){.face = {ask, a}, .log = log};
}

void ump_sim_accounts_deinit(struct ump_sim_accounts *a) {
  ump_store_close(a->store);
  a->store = NULL;
}
