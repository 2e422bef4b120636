/* What rules.c, reload.c and check.c share; nobody else includes it. */
#ifndef UMP_BINDINGS_RULES_STATE_H
#define UMP_BINDINGS_RULES_STATE_H

#include "bindings/book.h"

struct ump_rules {
  struct ump_rules_cfg cfg; /* path is not used: see path */
  char *path, *root, *file; /* owned; root and file are made of path at each load */
  struct ump_book *book;    /* in place; NULL only while opening */
  uint64_t loads, refused;
  uint64_t errors, tripped; /* of books that are gone */
};

void ump__report(struct ump_report *r, bool ok, struct ump_buf *text); /* r may be NULL; keeps what else is in it */
bool ump__rules_place(struct ump_rules *r);
struct ump_book *ump__rules_new_book(struct ump_rules *r, struct ump_buf *findings);
/* Leaves what save() gives, packed, in b->out; empty: nothing. 0 or enum ump_vm_err, the message being the VM's. */
int ump__book_save(struct ump_book *b, ump_time budget);
/* snapshot.c: before it is loaded. false: no memory */
bool ump__book_go_on(struct ump_book *b, const struct ump_rules_start *s);

#endif
