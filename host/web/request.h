/* The head of an HTTP/1 request, read by http-parser as its bytes come. Of its header only what pages need is kept, in
 * places of a fixed size, so that no number that a stranger sends decides over memory. Requests with a body are
 * refused: pages take none, and a body that is never read cannot be taken for the next request. */
#ifndef UMP_WEB_REQUEST_H
#define UMP_WEB_REQUEST_H

#include <http_parser.h>

#include "base/bytes.h"

enum {
  UMP__WEB_URL = 4096,  /* bytes of a request's target: a path of UMP_WEB_PATH with every byte coded fits */
  UMP__WEB_LINES = 100, /* of a header */
  UMP__WEB_NAME = 32,
  UMP__WEB_VALUE = 256, /* a value that is longer counts as none */
};

enum ump__web_field {
  UMP__WEB_HOST,
  UMP__WEB_IF_NONE_MATCH,
  UMP__WEB_IF_MODIFIED_SINCE,
  UMP__WEB_IF_RANGE,
  UMP__WEB_RANGE,
  UMP__WEB_TRANSFER_ENCODING,
  UMP__WEB_FIELDS, /* how many; also: none of these */
};

struct ump__web_request {
  /* Once it is done: */
  unsigned refused; /* 0, or the status that answers it: 400, 405, 413, 414, 431, 501, 505 */
  bool head, keep;  /* HEAD, not GET; the connection may be used again */
  const char *path; /* percent-coded, without a query */
  struct ump__web_value {
    unsigned times; /* lines of that name, whose values are joined with ", " */
    size_t n;       /* of what came, also of what was not kept */
    char text[UMP__WEB_VALUE + 1];
  } fields[UMP__WEB_FIELDS];

  /* While it is read: */
  http_parser parser;
  size_t n_bytes; /* of the head so far; 0: nobody has asked anything */
  unsigned lines;
  bool done, in_value;
  enum ump__web_field field;
  size_t n_name, n_url;
  char name[UMP__WEB_NAME], url[UMP__WEB_URL + 1];
};

void ump__web_request_init(struct ump__web_request *r);

/* Takes what belongs to this request from the front of *in. True: it is done, to be answered or refused. */
bool ump__web_request_feed(struct ump__web_request *r, struct ump_bytes *in);

/* The text of a header line; NULL: there is none, or one too long to be true. */
const char *ump__web_request_value(const struct ump__web_request *r, enum ump__web_field field);

#endif
