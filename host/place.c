#include "place.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The folder of this program, or "" when /proc does not tell. */
static void own_folder(char out[UMP_PLACE]) {
  ssize_t n = readlink("/proc/self/exe", out, UMP_PLACE - 1);
  out[n > 0 ? n : 0] = 0;
  char *slash = strrchr(out, '/');
  if (slash) *slash = 0;
}

static int try_place(char out[UMP_PLACE], const char *base, const char *below, const char *probe) {
  char path[UMP_PLACE];
  int n = snprintf(out, UMP_PLACE, "%s%s", base, below);
  if (n < 0 || n >= UMP_PLACE) return 0;
  n = snprintf(path, sizeof path, "%.3900s%s", out, probe);
  return n > 0 && n < UMP_PLACE && access(path, R_OK) == 0;
}

static void find_one(char out[UMP_PLACE], const char *env, const char *own, const char *beside, const char *built,
                     const char *installed, const char *probe) {
  const char *set = getenv(env);
  if (set && *set) {
    snprintf(out, UMP_PLACE, "%s", set);
    return;
  }
  if (*own && try_place(out, own, beside, probe)) return;
  if (try_place(out, built, "", probe)) return;
  try_place(out, installed, "", probe);
}

void ump_places_find(struct ump_places *p) {
  char own[UMP_PLACE];
  own_folder(own);
  find_one(p->library, "UMPIRE_LIBRARY", own, "/../share/umpire", UMPIRE_SOURCE_LIBRARY, UMPIRE_INSTALL_LIBRARY,
           "/umpire");
  find_one(p->modules, "UMPIRE_MODULES", own, "/../lib/umpire", UMPIRE_BUILD_MODULES, UMPIRE_INSTALL_MODULES,
           "/umpire");
}

bool ump_rulebook_there(const char *path, char *error, size_t cap) {
  char inside[UMP_PLACE];
  struct stat st;
  if (stat(path, &st) != 0) {
    snprintf(error, cap, "%s: %s; a rulebook is a .lua file, or a folder with init.lua", path,
             errno == ENOENT ? "there is no such file or folder" : strerror(errno));
    return false;
  }
  int n = snprintf(inside, sizeof inside, "%s/init.lua", path);
  if (!S_ISDIR(st.st_mode) || (n > 0 && n < UMP_PLACE && access(inside, F_OK) == 0)) return true;
  snprintf(error, cap, "%s: a folder without init.lua; name one of its files, or call the rulebook's first file so",
           path);
  return false;
}

bool ump_program_find(const char *name, char *out, size_t cap) {
  const char *path = getenv("PATH");
  for (const char *at = path; at && *at;) {
    size_t n = strcspn(at, ":");
    int len = snprintf(out, cap, "%.*s/%s", (int)n, at, name);
    if (len > 0 && (size_t)len < cap && access(out, X_OK) == 0) return true;
    at += n + (at[n] == ':');
  }
  return false;
}
