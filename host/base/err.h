/* Error codes. Functions return 0 or one of these (negative); a function that may have nothing to give returns 1 when
 * it gave something. Each header says which codes a function returns and what the caller does next. */
#ifndef UMP_BASE_ERR_H
#define UMP_BASE_ERR_H

enum ump_err {
  UMP_OK = 0,
  UMP_ENOMEM = -1,     /* ours: give up this client or this message, keep the host */
  UMP_EMALFORMED = -2, /* the stranger's: drop, count, answer as the wire allows */
  UMP_ETOOBIG = -3,    /* over a size limit; nothing was queued */
  UMP_EFULL = -4,      /* a bounded queue or table is full; nothing was queued */
  UMP_EGONE = -5,      /* the client or thing is not there any more */
  UMP_ENOSUPPORT = -6, /* this protocol has no word for that */
  UMP_EINVAL = -7,     /* a configuration value is wrong */
  UMP_EAGAIN = -8,     /* not now: more bytes are needed */
};

/* "out of memory", ...; for logs and error messages. Unknown codes give "unknown error". */
const char *ump_err_name(int err);

#endif
