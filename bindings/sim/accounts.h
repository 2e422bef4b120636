#ifndef UMP_SIM_ACCOUNTS_H
#define UMP_SIM_ACCOUNTS_H

#include "base/log.h"
#include "engine/accounts.h"
#include "store/store.h"

struct ump_sim_accounts {
  struct ump_accounts face; /* for ump_engine_set_accounts */
  struct ump_store *store;  /* NULL: nobody has logged in yet */
  const struct ump_log *log;
};

void ump_sim_accounts_init(struct ump_sim_accounts *a,
                           const struct ump_log *log); /* log is borrowed; a must stay where it is */
void ump_sim_accounts_deinit(struct ump_sim_accounts *a);

#endif
