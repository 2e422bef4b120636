/* Python pickles, data only (wire/pymmorpg, "The pickle decoder" and "The encoder"). Decoding never imports, looks up
 * or calls anything: it turns exactly the opcodes of the wire page into plain data (base/plain.h) and refuses the rest
 * at the byte that shows it. Limits: depth 32, 10 000 values (each time a value is reached counts), integers of 64
 * bits, memo indices below the size of the pickle. Memory and time are linear in the pickle's size, whatever numbers it
 * contains. */
#ifndef UMP_CODEC_PICKLE_H
#define UMP_CODEC_PICKLE_H

#include "base/bytes.h"
#include "base/err.h"
#include "base/mem.h"

struct ump_pickle_error {
  const char *why; /* a constant sentence */
  size_t offset;   /* of the opcode */
};

/* Decodes one whole pickle. *out is a new blob of one plain value; the caller drops it. Lists and sets are arrays,
 * tuples tuples, bytes and texts strings; a tuple that is a key is the text of its parts ("1, 2"). 0, UMP_EMALFORMED
 * with *error (may be NULL), UMP_ENOMEM. */
int ump_pickle_decode(const struct ump_mem *mem, struct ump_bytes pickle, struct ump_blob **out,
                      struct ump_pickle_error *error);

/* The same for a message, which is a list with a text first; anything else is UMP_EMALFORMED. (Plain data tells neither
 * a list from a set nor a text from bytes any more.) */
int ump_pickle_decode_message(const struct ump_mem *mem, struct ump_bytes pickle, struct ump_blob **out,
                              struct ump_pickle_error *error);

/* Encodes a plain value as protocol 2 without memo, readable by Python 2 and 3. 0; UMP_ETOOBIG: the writer is full.
 * Strings: ASCII as SHORT_BINSTRING or BINSTRING, other UTF-8 as BINUNICODE, anything else as bytes by the _codecs
 * pattern. */
int ump_pickle_encode(struct ump_bytes plain, struct ump_writer *out);

/* The pieces of an encoding, for replies that are not made of plain data alone (tuples, file contents). */
void ump_pickle_begin(struct ump_writer *w); /* 80 02 */
void ump_pickle_end(struct ump_writer *w);   /* . */
void ump_pickle_put(struct ump_writer *w, uint8_t opcode);
void ump_pickle_put_int(struct ump_writer *w, int64_t v);
void ump_pickle_put_float(struct ump_writer *w, double v);
void ump_pickle_put_text(struct ump_writer *w, struct ump_bytes s); /* by the rules above */
void ump_pickle_put_bytes(struct ump_writer *w,
                          struct ump_bytes s); /* always bytes: str in Python 2, bytes in Python 3 */
int ump_pickle_put_plain(struct ump_writer *w, struct ump_bytes plain); /* one value, without begin and end */

#endif
