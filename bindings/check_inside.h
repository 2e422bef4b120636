/* What the files of `umpire check` share; nobody else includes it. */
#ifndef UMP_BINDINGS_CHECK_INSIDE_H
#define UMP_BINDINGS_CHECK_INSIDE_H

#include "bindings/book.h"
#include "bindings/check.h"

struct ump_checking {
  const struct ump_check_cfg *cfg;
  struct ump_book *book; /* loaded */
  const char *shown;     /* its main file in messages */
  struct ump_checked *out;
};

/* check_text.c. Runs in the book's VM, may raise: parameters of handlers, listen URLs, patterns. */
int ump__check_text(lua_State *L, struct ump_checking *c);
/* Every string that the rulebook's own files mention, into the table on top of the stack: text -> true. */
void ump__check_strings(lua_State *L, struct ump_checking *c);

/* check_pattern.c. Is there a text of at most UMP__CHECK_SUBJECT bytes for which the pattern takes more steps than a
 * call is given? Its length, and in sample one of its bytes; 0: none was found. work: the matcher's steps that may
 * still be taken to find one, some 2 ns each; what is used is taken from it. */
enum { UMP__CHECK_SUBJECT = 256, UMP__CHECK_WORK = 100000000 };
size_t ump__check_pattern(struct ump_bytes pattern, uint64_t *work, char *sample);

/* check_legal.c: opens the rulebook once more, in an engine of its own, and plays. */
void ump__check_legal(struct ump_checking *c);

#endif
