/* Any bytes as printable text: what the logger and the control socket write. */
#ifndef UMP_NET_ESCAPE_H
#define UMP_NET_ESCAPE_H

#include "base/bytes.h"

enum ump_escape {
  UMP_ESCAPE_LINE, /* for a line of text: controls as \n, \x1b, \u009b; broken UTF-8 as \xff */
  UMP_ESCAPE_FOLD, /* as LINE, but a line feed becomes a new line that starts with "  | ", a tab four spaces */
  UMP_ESCAPE_JSON, /* inside a JSON string: the same, with JSON's own escapes; broken UTF-8 as the text \xff */
};

/* Writes in, escaped; stops in good order (whole characters, no half escapes) where w is full. */
void ump_escape(struct ump_writer *w, struct ump_bytes in, enum ump_escape how);

/* The longest beginning of in of at most max bytes that does not end within a character. */
struct ump_bytes ump_escape_cut(struct ump_bytes in, size_t max);

#endif
