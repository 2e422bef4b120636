/* What the joint protocol is made of, as functions on slices (wire/joint): the sizes of frames, the sizes of
 * application chunks, and the parameters of remote procedures. Nothing here allocates. */
#ifndef UMP_CODEC_JOINT_H
#define UMP_CODEC_JOINT_H

#include "base/bytes.h"
#include "base/err.h"
#include "base/plain.h"

/* ---- frames: a size N, one byte up to 127, two (15 bits, the top bit set) above ---- */

enum { UMP_JOINT_SIZE_MAX = 32767 };

size_t ump_joint_size_put(uint8_t out[2], size_t n); /* n <= UMP_JOINT_SIZE_MAX; the shortest form: 1 or 2 bytes */
/* At the front of in. The bytes it takes, 1 or 2; 0: more are needed. */
size_t ump_joint_size_get(struct ump_bytes in, size_t *n);

/* ---- application chunks: a size and a body. The size is stored minus one, in at most m bytes: bytes 1..m-1 carry
 * seven bits each, the lowest first, and the top bit says that more follow; byte m carries eight ---- */

enum { UMP_JOINT_CHUNK_HEAD = 5 };

/* m for the largest chunk that both sides were built with: 1 for up to 256, 2 for up to 32768, 3 for 4 MiB, 4 for 512
 * MiB, else 5. */
unsigned ump_joint_chunk_width(size_t max_chunk);
size_t ump_joint_chunk_put(uint8_t out[UMP_JOINT_CHUNK_HEAD], size_t n,
                           unsigned m); /* n >= 1 and fits m; bytes written */
/* At the front of in. The bytes it takes; 0: more are needed. *padded: a last byte 0 behind others, which the shortest
 * form never has. */
size_t ump_joint_chunk_get(struct ump_bytes in, unsigned m, size_t *n, bool *padded);

/* ---- remote procedures: types ----
 * A type is written in prefix form, one byte each: Array<Map<Int32, String>> is ARRAY MAP INT32 STRING. */

enum ump_joint_type {
  UMP_JOINT_BOOL,
  UMP_JOINT_BYTE,
  UMP_JOINT_UINT16,
  UMP_JOINT_INT16,
  UMP_JOINT_INT32,
  UMP_JOINT_FLOAT,
  UMP_JOINT_DOUBLE,
  UMP_JOINT_STRING,
  UMP_JOINT_BYTES,
  UMP_JOINT_ARRAY,
  UMP_JOINT_MAP,
  UMP_JOINT_N_TYPES,
};

enum {
  UMP_JOINT_TYPE_MAX = 32, /* bytes of one parameter's type: 15 containers in one another */
  UMP_JOINT_TYPE_DEPTH = 15,
};

/* From the text of a declaration: Bool Byte UInt16 Int16 Int32 Int Float Double String Bytes Array<T> List<T> Vector<T>
 * Map<K, V> IntMap<V> StringMap<V>, and Serialized, a String in the text form of haxe.Serializer, handed on as it is.
 * Blanks may stand between the parts. Keys are whole numbers or String. 0 and the bytes at out's end; UMP_EMALFORMED:
 * *why says what is wrong with it, a constant; nothing was written. */
int ump_joint_type_parse(struct ump_bytes text, struct ump_writer *out, const char **why);

/* ---- remote procedures: parameters. types: the prefix forms of all of them, one behind the other ---- */

/* From the wire to plain data, an array with a value for each parameter: lists become arrays, maps become maps, String
 * must be valid UTF-8 and Bytes need not. 0; UMP_EMALFORMED: cut short, bytes remain, or not of these types;
 * UMP_ETOOBIG: the writer is full. No count reserves anything: what is written grows with the bytes that are read, at
 * most tenfold. */
int ump_joint_call_read(struct ump_bytes types, struct ump_bytes in, struct ump_writer *plain);
enum {
  UMP_JOINT_PLAIN_FACTOR = 10,
  UMP_JOINT_PLAIN_EXTRA = 16
}; /* room of the writer that is always enough: in.n * 10 + 16 */

/* What a rulebook's value lacks for its type. */
struct ump_joint_fault {
  unsigned parameter; /* from 1; 0: their number is wrong */
  const char *why;    /* a constant: "must be a whole number from 0 to 255" */
};

/* From plain data to the wire. data: an array of as many values as there are parameters; for one parameter the bare
 * value will do unless it is an array itself; for none nothing at all. Empty or nil lists and maps have the count 0. An
 * array or mixed table given as a map has the keys 1, 2, 3. 0; UMP_EMALFORMED: *fault says why; UMP_ETOOBIG: out is
 * full. */
int ump_joint_call_write(struct ump_bytes types, struct ump_bytes data, struct ump_writer *out,
                         struct ump_joint_fault *fault);

/* The length of the type at the front of types; 0: there is none. */
size_t ump_joint_type_length(struct ump_bytes types);

#endif
