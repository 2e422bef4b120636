/* Netstrings as laneya sends them (wire/laneya, Transport and framing): digits ":" payload ",". The length is decimal
 * without sign, blanks or a leading zero, of at most 7 digits. */
#ifndef UMP_CODEC_NETSTRING_H
#define UMP_CODEC_NETSTRING_H

#include "base/bytes.h"
#include "base/err.h"

#define UMP_NETSTRING_DIGITS 7
#define UMP_NETSTRING_HEAD   9 /* longest head, ':' included, and a byte to spare */

/* Looks at the first netstring of `in`. 0: it is whole, *payload borrows from in, and it is *size bytes long in all.
 * UMP_EAGAIN: more bytes are needed (*size: how many the whole takes, 0: not known yet). UMP_EMALFORMED, UMP_ETOOBIG
 * (over max): told at the first byte that shows it; the stream cannot be followed any further. */
int ump_netstring_read(struct ump_bytes in, size_t max, struct ump_bytes *payload, size_t *size);

/* Writes the head of a netstring ("12:"); the payload and a ',' follow. Returns its length. */
size_t ump_netstring_head(size_t n, char out[UMP_NETSTRING_HEAD]);

/* A decimal length: digits up to `end`, as above. The same grammar serves PYMMORPG's sizes (end ' ', which has no lone
 * 0). 0 with *value and *used (end included), UMP_EAGAIN, UMP_EMALFORMED. */
int ump_length_read(struct ump_bytes in, char end, size_t *value, size_t *used);

#endif
