/* Where the shipped Lua library and the simulator's module are: beside an installed program, else in the source tree
 * that it was built from, else where it was to be installed. */
#ifndef UMP_HOST_PLACE_H
#define UMP_HOST_PLACE_H

#include <stdbool.h>
#include <stddef.h>

#define UMP_PLACE 4096

struct ump_places {
  char library[UMP_PLACE]; /* "umpire/init.lua" is below it */
  char modules[UMP_PLACE]; /* "umpire/sim/core.so" is below it */
};

void ump_places_find(struct ump_places *p); /* $UMPIRE_LIBRARY and $UMPIRE_MODULES win */

/* Is there a file, or a folder with init.lua? False: error says what there is instead, and what a rulebook is. */
bool ump_rulebook_there(const char *path, char *error, size_t cap);

/* The first program of this name in $PATH. */
bool ump_program_find(const char *name, char *out, size_t cap);

#endif
