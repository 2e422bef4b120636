/* The text-like arguments of pickles: decimal numbers, Python 2 string literals, raw-unicode-escape, Latin-1. */
#ifndef UMP_CODEC_PICKLE_TEXT_H
#define UMP_CODEC_PICKLE_TEXT_H

#include "codec/pickle_values.h"

bool ump__pickle_integer(struct ump_bytes line, size_t max_digits, int64_t *out); /* -?[0-9]+ that fits 64 bits */
bool ump__pickle_float(struct ump_bytes line, double *out); /* decimal, inf, -inf, nan; 40 bytes */
/* New text nodes, decoded into the arena; 0: v->why. */
uint32_t ump__pickle_literal(struct values *v, struct ump_bytes line);     /* 'abc\n' as Python 2 writes it */
uint32_t ump__pickle_raw_unicode(struct values *v, struct ump_bytes line); /* Latin-1 with \uXXXX and \UXXXXXXXX */
uint32_t ump__pickle_latin1(struct values *v, uint32_t text); /* text of characters below U+0100 to bytes */
bool ump__pickle_utf8(struct ump_bytes text);                 /* well-formed, lone surrogates allowed as 3 bytes */

#endif
