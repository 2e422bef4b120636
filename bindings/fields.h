/* What the files that check a rulebook's table share: fields.c looks at handlers and settings, a file for each
 * declaration of a protocol at what that may hold. */
#ifndef UMP_BINDINGS_FIELDS_H
#define UMP_BINDINGS_FIELDS_H

#include "bindings/book.h"

struct ump_fields {
  lua_State *L;
  struct ump_book *b;
  int main, table; /* stack indices: the main chunk's function, or 0; the rulebook's table, on top but for what is being
                      looked at */
  const char *shown; /* the main file in messages */
  struct ump_buf *findings;
};

/* The line of a field: where its function begins, if it is one of this file's, else where a field of that name is set;
 * 0: not to be found. */
int ump__fields_line(struct ump_fields *f, const char *name);

/* ---- declarations: each looks at its field of the rulebook's table, tells what is wrong with it, and appends what
 * protocols are to know to config as a pair of a map (a string, then a value; base/plain.h). Returns how many pairs: 1,
 * or 0 when nothing is declared or it is wrong. Leaves the stack as it was. ---- */
typedef uint32_t ump_declare_fn(struct ump_fields *f, struct ump_buf *config);
ump_declare_fn ump__declare_channels; /* the table as it stands, once all of it was looked at */
ump_declare_fn ump__declare_pymmorpg; /* { version = "1.0.3", image = the files of the folder } */
ump_declare_fn ump__declare_web;      /* the path as it stands; for the host, see ump_rules_web */

/* Appends to a buffer by base/plain.h's functions. */
void ump__config_string(struct ump_buf *config, struct ump_bytes s);
void ump__config_count(struct ump_buf *config, void (*put)(struct ump_writer *, uint32_t), uint32_t count);
void ump__config_recount(struct ump_buf *config, size_t at, void (*put)(struct ump_writer *, uint32_t), uint32_t count);

/* image.c: the folder `path` below `root` as a list of tuples (name, contents) and (name, list of the same), names
 * sorted. Links are not followed and, like everything that is neither a file nor a folder, left out. 0; UMP_ETOOBIG:
 * more than max bytes (then nothing was appended); UMP_EINVAL or UMP_ENOMEM with error. */
struct ump_image {
  const char *root, *path;
  size_t max;
  const struct ump_log *log;
};
int ump__image_read(const struct ump_image *i, struct ump_buf *out, char *error, size_t error_cap);
/* Is the folder `path` there below root? 0; a negative errno: -ELOOP or -ENOTDIR where there is a link on the way, ...
 */
int ump__folder_there(const char *root, const char *path);
/* declare_pymmorpg.c: below the rulebook's folder by its form alone: relative, and nowhere "..". */
bool ump__is_inside(const char *path);

#endif
