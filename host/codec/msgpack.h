/* MessagePack as wire/pygase section 4 has it: what u-msgpack-python of version 2.5 writes and reads.
 *
 * Writing is msgpack-c's packer, on a writer of ours (msgpack_write.c). Reading is ours: msgpack-c's unpackers reserve
 * memory by the counts that a stranger claims (unpack.h builds objects in a zone), or keep a parser that can be
 * continued, with its nesting limited when it was compiled (unpack_template.h). Here the whole message is always there,
 * so the reader is a slice that gets shorter, and every count is compared with the bytes that are left before anything
 * is done with it. */
#ifndef UMP_CODEC_MSGPACK_H
#define UMP_CODEC_MSGPACK_H

#include "base/bytes.h"
#include "base/plain.h"

/* ---- reading: strangers' bytes ---- */

#define UMP_MSGPACK_DEPTH  32   /* containers in one another */
#define UMP_MSGPACK_VALUES 4096 /* of one message: wire/pygase section 8 */

/* What is left of a message. Failure sticks in r.bad. No map of it may take more than 64 KiB as plain data. */
struct ump_msgpack_reader {
  struct ump_reader r;
  uint32_t left;  /* values that may still come, keys included */
  uint32_t depth; /* containers that may still be opened */
};

static inline struct ump_msgpack_reader ump_msgpack_reader(struct ump_bytes in) {
  return (struct ump_msgpack_reader){ump_reader(in), UMP_MSGPACK_VALUES, UMP_MSGPACK_DEPTH};
}

/* One step: a whole scalar, or the head of a container; as ump_plain_get, with its tags (NULL, FALSE, TRUE, INT, FLOAT,
 * STRING, ARRAY, MAP). nil is NULL, as JSON's null is: it keeps its place in a list. An unsigned integer above 2^63 - 1
 * comes as FLOAT, as Lua reads such a numeral. text: the STRING was a str, and is valid UTF-8; otherwise it was a bin.
 * 1; 0: malformed, or something that is not taken: ext, NaN, infinity. */
int ump_msgpack_get(struct ump_msgpack_reader *m, struct ump_plain *out, bool *text);

/* One whole value, n values, or n pairs, appended to out as plain data. Keys are strings (str or bin), or integers, no
 * two of a map alike; with text_keys only str. At most UMP_MSGPACK_GROWTH times the bytes read are written. 1; 0: as
 * above, or a key that is neither, or too deep, too many; or out is full (out->full). */
int ump_msgpack_value(struct ump_msgpack_reader *m, struct ump_writer *out);
int ump_msgpack_values(struct ump_msgpack_reader *m, struct ump_writer *out, uint32_t n);
int ump_msgpack_pairs(struct ump_msgpack_reader *m, struct ump_writer *out, uint32_t n, bool text_keys);
#define UMP_MSGPACK_GROWTH 9 /* a small integer: 1 byte here, 9 there */

/* ---- writing ---- */

void ump_msgpack_put_nil(struct ump_writer *w);
void ump_msgpack_put_bool(struct ump_writer *w, bool v);
void ump_msgpack_put_int(struct ump_writer *w, int64_t v); /* in the fewest bytes */
void ump_msgpack_put_float(struct ump_writer *w,
                           double v); /* single precision; what would become infinite by it: double */
void ump_msgpack_put_string(struct ump_writer *w, struct ump_bytes s); /* str; what is no valid UTF-8: bin */
void ump_msgpack_put_bin(struct ump_writer *w, struct ump_bytes s);
void ump_msgpack_put_array(struct ump_writer *w, uint32_t count); /* the head only */
void ump_msgpack_put_map(struct ump_writer *w, uint32_t count);

/* One value of plain data. nil and null are nil, tuples are arrays. A mixed table is a map, its array part under the
 * integers from 1, as Lua has it. UMP_PLAIN_DELETE is bin `marker`, and a string of the same bytes, which would be read
 * as that, nil. Returns 0; UMP_EMALFORMED: a fault of who wrote it, or deeper than UMP_MSGPACK_WRITE_DEPTH;
 * UMP_ETOOBIG: w is full. */
#define UMP_MSGPACK_WRITE_DEPTH 64
int ump_msgpack_put_plain(struct ump_writer *w, struct ump_reader *plain, struct ump_bytes marker);

#endif
