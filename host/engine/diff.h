/* What leads a client from one moment to another, as a patch. */
#ifndef UMP_ENGINE_DIFF_H
#define UMP_ENGINE_DIFF_H

#include "engine/out.h"
#include "engine/view.h"

/* Writes the map that leads from what `had` shows of version `from` to what `has` shows of the published version. had
 * NULL: the client has nothing. True: it removes something, or something that came since went again, so that it is
 * right for exactly that moment alone. Both parts the same (by address): costs what was written since. */
bool ump__diff(const struct ump_state *s, const struct ump__part *had, uint64_t from, const struct ump__part *has,
               struct ump__out *out);

#endif
