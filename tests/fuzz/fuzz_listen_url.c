/* Any text as a listen URL: it is read or refused within bounds, a refusal says why, and what was read is in range. */
#include <stdlib.h>

#include "net/listen_url.h"
#include "proto/neteria/neteria.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const struct ump_proto_ops *const list[] = {&ump_neteria};
  static const struct ump_protocols known = {list, 1};
  struct ump_listen l;
  char url[2048], error[512];
  size_t n = size < sizeof url - 1 ? size : sizeof url - 1;
  memcpy(url, data, n);
  url[n] = 0;
  if (ump_listen_parse(&known, url, &l, error, sizeof error) != 0) {
    if (!error[0]) abort(); /* a refusal without a reason */
    return 0;
  }
  if (!l.host[0] || l.limit == 0 || l.per_address == 0 || l.attempts == 0) abort();
  for (size_t i = 0; i < l.n_values; i++) {
    const struct ump_option *o = &l.ops->options[i];
    if (o->kind == UMP_OPTION_NUMBER && (l.values[i].number < o->min || l.values[i].number > o->max)) abort();
    if (o->kind == UMP_OPTION_SWITCH && l.values[i].number > 1) abort();
    if (o->kind == UMP_OPTION_TEXT && l.values[i].text.n &&
        (l.values[i].text.p < (uint8_t *)l.text ||
         l.values[i].text.p + l.values[i].text.n > (uint8_t *)l.text + sizeof l.text))
      abort();
  }
  return 0;
}
