/* Intrusive doubly linked list with a head: timers of one interval are a list in order of time, so arming, ending and
 * expiring are O(1) without allocation. */
#ifndef UMP_BASE_LIST_H
#define UMP_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct ump_list {
  struct ump_list *prev, *next; /* a head points to itself when empty; a node that is in no list has next == NULL */
};

static inline void ump_list_init(struct ump_list *head) {
  head->prev = head->next = head;
}
static inline bool ump_list_empty(const struct ump_list *head) {
  return head->next == head;
}
static inline bool ump_list_linked(const struct ump_list *n) {
  return n->next != NULL;
}
static inline void ump_list_push(struct ump_list *head, struct ump_list *n) { /* at the end */
  n->prev = head->prev, n->next = head, head->prev->next = n, head->prev = n;
}
static inline void ump_list_remove(struct ump_list *n) { /* a node in no list is allowed */
  if (!n->next) return;
  n->prev->next = n->next, n->next->prev = n->prev, n->prev = n->next = NULL;
}
static inline struct ump_list *
ump_list_take(struct ump_list *head) { /* the first, which is in no list then; NULL: none */
  struct ump_list *n = head->next;
  if (n == head) return NULL;
  ump_list_remove(n);
  return n;
}

#define UMP_CONTAINER(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

#endif
