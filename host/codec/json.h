/* JSON, strictly (RFC 8259 and the limits of the host): one pass over a whole text says whether it may be shown to
 * anyone, and remembers where the members of the top-level object are. Nothing is decoded into trees: rules get their
 * data from lua-cjson, which only ever sees text that passed here.
 *
 * Refused: depth over 32, more than 4096 values, NaN and Infinity, numbers that overflow a double (1e999), doubled keys
 * at any depth, NUL (also \u0000) in keys, invalid UTF-8, lone surrogates (\ud800), raw control characters, a BOM,
 * anything but white space after the value. Integers beyond 64 bits are accepted and marked (UMP_JSON_BIG). No
 * allocation, no recursion by input. */
#ifndef UMP_CODEC_JSON_H
#define UMP_CODEC_JSON_H

#include "base/bytes.h"

#define UMP_JSON_DEPTH 32
#define UMP_JSON_NODES 4096

enum ump_json_type {
  UMP_JSON_NONE,
  UMP_JSON_NULL,
  UMP_JSON_FALSE,
  UMP_JSON_TRUE,
  UMP_JSON_NUMBER,
  UMP_JSON_STRING,
  UMP_JSON_ARRAY,
  UMP_JSON_OBJECT,
};

/* What a value holds, itself or inside; what its decoder has to take care of. */
enum ump_json_holds {
  UMP_JSON_INTEGERS = 1,     /* number tokens without fraction and exponent, at most 2^53 in size */
  UMP_JSON_FLOATS = 2,       /* number tokens with a fraction or an exponent whose value is not whole */
  UMP_JSON_WHOLE_FLOATS = 4, /* 1.0, 1e3: floats that a decoder without types would take for integers */
  UMP_JSON_WIDE = 8,         /* integers beyond 2^53 that fit 64 bits signed */
  UMP_JSON_BIG = 16,         /* integers beyond 64 bits */
  UMP_JSON_NULLS = 32,
  UMP_JSON_EMPTY_ARRAYS = 64,
  UMP_JSON_NUL_BYTES = 128, /* \u0000 inside a string value */
};

/* A value inside a checked text. raw borrows from it and has no white space around it; a string's raw includes its
 * quotes. */
struct ump_json_value {
  enum ump_json_type type;
  unsigned holds;     /* enum ump_json_holds */
  unsigned n_members; /* of an array or object */
  bool escaped;       /* a string with a backslash in it: raw needs ump_json_unescape */
  struct ump_bytes raw;
};

/* A member the caller wants of the top-level object. key is given, value is filled in (UMP_JSON_NONE: not there). */
struct ump_json_slot {
  struct ump_bytes key;
  struct ump_json_value value;
};

/* Why a text was refused, for the log: a constant sentence and the byte offset. */
struct ump_json_error {
  const char *why;
  size_t offset;
  bool beyond; /* a bound of ours, where other decoders go on: NaN, Infinity, 1e999, a lone surrogate, a doubled key, a
                  NUL in a key, too deep, too many values. false: no JSON at all, up to there */
};

/* Checks a whole text. 0, or UMP_EMALFORMED with *error (may be NULL) filled in and top->type NONE. */
int ump_json_check(struct ump_bytes text, struct ump_json_value *top, struct ump_json_error *error);

/* Checks a whole text that must be an object and fills the slots; other members are checked and passed over. A key
 * written with escapes matches a slot by its decoded bytes. 0 or UMP_EMALFORMED (also for a text that is no object). On
 * failure, slots whose values were complete before the fault are filled: enough to answer a malformed EVENT by its id.
 */
int ump_json_members(struct ump_bytes text, struct ump_json_slot *slots, size_t n_slots, struct ump_json_error *error);

/* The only member of a checked object with n_members == 1. *key is a string value. Always succeeds on such an object.
 */
void ump_json_only_member(const struct ump_json_value *object, struct ump_json_value *key,
                          struct ump_json_value *value);

/* The same when the value need not be looked at again: gives its text. It holds what the object holds. */
struct ump_bytes ump_json_only_text(const struct ump_json_value *object, struct ump_json_value *key);

/* Iterates the members (key, value) of a checked object, or the elements of a checked array (key->type is NONE).
 * Start with it.at == 0. 1: gave one, 0: end. */
struct ump_json_iter {
  size_t at;
};
int ump_json_next(const struct ump_json_value *container, struct ump_json_iter *it, struct ump_json_value *key,
                  struct ump_json_value *value);

/* The bytes of a checked string value: without escapes they are borrowed from raw, else decoded into buf (never longer
 * than raw.n). Gives an empty slice with p == NULL if cap is too small. */
struct ump_bytes ump_json_string(const struct ump_json_value *v, uint8_t *buf, size_t cap);

/* Writes a quoted string; control characters, quotes and backslashes escaped, the rest as it is. Invalid UTF-8 is
 * replaced by U+FFFD. ASCII-only output with \u escapes is not needed by any client. */
void ump_json_write_string(struct ump_writer *w, struct ump_bytes s);

#endif
