/* Plain data as bytes: nil, booleans, 64-bit integers, floats, strings, arrays and maps in one flat run of bytes.
 *
 * The neutral form between Lua and wires that are not JSON, and the form in which data outlives a VM (client.data,
 * save()). Only our own code writes it, so the reader asserts nothing but still never leaves its slice. Host byte
 * order: it never leaves the process except inside our own files, which start with a magic and a version.
 *
 * A value is a tag byte and, by tag:
 *   nil false true | int: 8 bytes | float: 8 bytes | string: u32 length, bytes
 *   array: u32 count, then that many values | map: u32 count, then key, value, key, value, ...
 * A Lua table with both an array part and a hash part is mixed: u32 count, that many values, then one map (with its
 * tag). UMP_PLAIN_NULL is host.null (JSON's null inside containers). An empty table marked host.array is an array of 0.
 */
#ifndef UMP_BASE_PLAIN_H
#define UMP_BASE_PLAIN_H

#include "base/bytes.h"

enum ump_plain_tag {
  UMP_PLAIN_NIL,
  UMP_PLAIN_NULL,
  UMP_PLAIN_FALSE,
  UMP_PLAIN_TRUE,
  UMP_PLAIN_INT,
  UMP_PLAIN_FLOAT,
  UMP_PLAIN_STRING,
  UMP_PLAIN_ARRAY,
  UMP_PLAIN_MAP,
  UMP_PLAIN_MIXED,
  UMP_PLAIN_TUPLE,  /* an array; a tag of its own for the one wire that tells them apart (wire/pymmorpg) */
  UMP_PLAIN_DELETE, /* in patches of the replicated state only: the key is removed. A tag without a value, as nil */
};

void ump_plain_put_tag(struct ump_writer *w, enum ump_plain_tag tag); /* nil, null, false, true */
void ump_plain_put_int(struct ump_writer *w, int64_t v);
void ump_plain_put_float(struct ump_writer *w, double v);
void ump_plain_put_string(struct ump_writer *w, struct ump_bytes s);
void ump_plain_put_array(struct ump_writer *w, uint32_t count);
void ump_plain_put_tuple(struct ump_writer *w, uint32_t count);
void ump_plain_put_map(struct ump_writer *w, uint32_t count);
void ump_plain_put_mixed(struct ump_writer *w, uint32_t count); /* of the array part; put_map comes after its values */

/* One step of reading: the tag and what belongs to it. For containers, count says how many values follow (for a map
 * twice as many, for a mixed one that many and a map); it is never more than the bytes that are left. 1: read, 0:
 * malformed or at the end. */
struct ump_plain {
  enum ump_plain_tag tag;
  int64_t i;
  double f;
  struct ump_bytes s;
  uint32_t count;
};
int ump_plain_get(struct ump_reader *r, struct ump_plain *out);
int ump_plain_skip(struct ump_reader *r); /* steps over one whole value, without recursion; 1 or 0 */

#endif
