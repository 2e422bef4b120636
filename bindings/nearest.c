/* "did you mean ...?": the word that needs the fewest changes, a swap of neighbours counted as one (optimal string
 * alignment). */
#include "bindings/book.h"

enum { LONGEST = 40 };

static unsigned least(unsigned a, unsigned b) {
  return a < b ? a : b;
}

static unsigned distance(const char *a, size_t n_a, const char *b, size_t n_b) {
  unsigned d[LONGEST + 1][LONGEST + 1];
  for (size_t i = 0; i <= n_a; i++) d[i][0] = (unsigned)i;
  for (size_t j = 0; j <= n_b; j++) d[0][j] = (unsigned)j;
  for (size_t i = 1; i <= n_a; i++)
    for (size_t j = 1; j <= n_b; j++) {
      unsigned change = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
      d[i][j] = least(change, 1 + least(d[i - 1][j], d[i][j - 1]));
      bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) d[i][j] = least(d[i][j], d[i - 2][j - 2] + 1);
    }
  return d[n_a][n_b];
}

const char *ump__nearest(const char *word, const char *const *words, size_t n) {
  size_t n_word = strlen(word);
  const char *best = NULL;
  unsigned best_distance = n_word < 5   ? 2
                           : n_word < 9 ? 3
                                        : 4; /* one change in four letters, two in eight, else three */
  if (n_word > LONGEST) return NULL;
  for (size_t i = 0; i < n; i++) {
    size_t n_i = strlen(words[i]);
    if (n_i > LONGEST || n_i + 4 < n_word || n_word + 4 < n_i) continue;
    unsigned d = distance(word, n_word, words[i], n_i);
    if (d && d < best_distance) best = words[i], best_distance = d;
  }
  return best;
}
