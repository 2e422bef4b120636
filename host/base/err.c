#include "base/err.h"

const char *ump_err_name(int err) {
  switch (err) {
  case UMP_OK:
    return "no error";
  case UMP_ENOMEM:
    return "out of memory";
  case UMP_EMALFORMED:
    return "malformed";
  case UMP_ETOOBIG:
    return "too big";
  case UMP_EFULL:
    return "full";
  case UMP_EGONE:
    return "gone";
  case UMP_ENOSUPPORT:
    return "not supported by this protocol";
  case UMP_EINVAL:
    return "invalid value";
  case UMP_EAGAIN:
    return "not now";
  default:
    return "unknown error";
  }
}
