/* What a rulebook in C answers to that which its test has no use for. */
#ifndef TESTS_IDLE_RULES_H
#define TESTS_IDLE_RULES_H

#include "engine/rulebook.h"

static inline int idle_login(void *self, struct ump_client *c, struct ump_bytes name, struct ump_bytes password,
                             bool create, struct ump_bytes *reason) {
  return (void)self, (void)c, (void)name, (void)password, (void)create, (void)reason, UMP_ENOSUPPORT;
}
static inline int idle_tick(void *self, ump_time dt) {
  return (void)self, (void)dt, 0;
}
static inline int idle_timer(void *self, uint64_t id) {
  return (void)self, (void)id, 0;
}
static inline void idle_timer_gone(void *self, uint64_t id) {
  (void)self, (void)id;
}
static inline void idle_forget(void *self, struct ump_client *c) {
  (void)self, (void)c;
}

#endif
