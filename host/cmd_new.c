/* umpire new NAME: a folder with a rulebook, its spec and what editors and tools want to know, made of the templates in
 * the library's folder `new`. In their names and texts @NAME@ (in names NAME) is the name, and "dot." before a name is
 * a dot. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd.h"
#include "place.h"

#define NAME_MAX_BYTES 40 /* of a file's name and of a word in the texts */
#define FILE_MAX_BYTES (1 << 20)

struct making {
  const char *name; /* of the rulebook */
  char library[UMP_PLACE + 16];
  char error[2 * UMP_PLACE];
};

static bool failed(struct making *m, const char *what, const char *path) {
  snprintf(m->error, sizeof m->error, "cannot %s %s: %s", what, path, strerror(errno));
  return false;
}

/* ---- texts ---- */

/* *text, its memory and its length; the caller frees it. */
static bool read_file(struct making *m, const char *path, char **text, size_t *n) {
  FILE *f = fopen(path, "rb");
  *text = NULL;
  if (!f) return failed(m, "read", path);
  *text = malloc(FILE_MAX_BYTES);
  *n = *text ? fread(*text, 1, FILE_MAX_BYTES, f) : 0;
  bool ok = *text && !ferror(f);
  fclose(f);
  return ok || failed(m, "read", path);
}

/* Writes the text with the name for each @NAME@. */
static void fill(const struct making *m, FILE *out, const char *text, size_t n) {
  static const char word[] = "@NAME@";
  enum { WORD = sizeof word - 1 };
  for (size_t i = 0; i < n;) {
    if (i + WORD <= n && memcmp(text + i, word, WORD) == 0) {
      fputs(m->name, out);
      i += WORD;
    } else {
      fputc(text[i++], out);
    }
  }
}

static bool copy_file(struct making *m, const char *from, const char *to) {
  char *text;
  size_t n = 0;
  bool ok = read_file(m, from, &text, &n);
  FILE *out = ok ? fopen(to, "wb") : NULL;
  if (ok && !out) ok = failed(m, "write", to);
  if (out) {
    fill(m, out, text, n);
    ok = !ferror(out);
    ok = fclose(out) == 0 && ok;
    if (!ok) failed(m, "write", to);
  }
  free(text);
  return ok;
}

/* ---- folders ---- */

/* "dot.busted" -> ".busted", "NAME_spec.lua" -> "dice_spec.lua" */
static void target_name(const struct making *m, const char *from, char *out, size_t cap) {
  const char *rest = strncmp(from, "dot.", 4) == 0 ? from + 3 : from;
  if (strncmp(rest, "NAME", 4) == 0)
    snprintf(out, cap, "%s%s", m->name, rest + 4);
  else
    snprintf(out, cap, "%s", rest);
}

static bool join(struct making *m, char out[UMP_PLACE], const char *folder, const char *name) {
  int n = snprintf(out, UMP_PLACE, "%s/%s", folder, name);
  errno = ENAMETOOLONG;
  return (n > 0 && n < UMP_PLACE) || failed(m, "use", folder);
}

/* All of a folder into one that is there. Templates are ours: plain files and folders, and no links. */
static bool copy_folder(struct making *m, const char *from, const char *to) {
  DIR *d = opendir(from);
  bool ok = d || failed(m, "read", from);
  for (struct dirent *e; ok && d && (e = readdir(d));) {
    char source[UMP_PLACE], target[UMP_PLACE], name[sizeof e->d_name + NAME_MAX_BYTES];
    struct stat st;
    if (e->d_name[0] == '.') continue;
    target_name(m, e->d_name, name, sizeof name);
    ok = join(m, source, from, e->d_name) && join(m, target, to, name);
    if (ok && stat(source, &st) != 0) ok = failed(m, "read", source);
    if (ok && S_ISDIR(st.st_mode)) ok = mkdir(target, 0777) == 0 || errno == EEXIST || failed(m, "make", target);
    if (ok) ok = S_ISDIR(st.st_mode) ? copy_folder(m, source, target) : copy_file(m, source, target);
  }
  if (d) closedir(d);
  return ok;
}

static void remove_folder(const char *path) {
  char inside[UMP_PLACE];
  DIR *d = opendir(path);
  for (struct dirent *e; d && (e = readdir(d));) {
    if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) continue;
    int n = snprintf(inside, sizeof inside, "%s/%s", path, e->d_name);
    if (n > 0 && n < UMP_PLACE && unlink(inside) != 0) remove_folder(inside);
  }
  if (d) closedir(d);
  rmdir(path);
}

/* What editors and luacheck read: folder/.umpire. */
static bool copy_tools(struct making *m, const char *folder) {
  char from[UMP_PLACE], to[UMP_PLACE], tools[UMP_PLACE];
  if (!join(m, tools, folder, ".umpire")) return false;
  if (mkdir(tools, 0777) != 0 && errno != EEXIST) return failed(m, "make", tools);
  if (!join(m, from, m->library, "luacheck.lua") || !join(m, to, tools, "luacheck.lua") || !copy_file(m, from, to))
    return false;
  if (!join(m, from, m->library, "meta") || !join(m, to, tools, "meta")) return false;
  if (mkdir(to, 0777) != 0 && errno != EEXIST) return failed(m, "make", to);
  return copy_folder(m, from, to);
}

/* ---- names ---- */

/* A letter, then letters, digits, _ and -: good for a file, an image and a word of prose. NULL: good, else what is
 * wrong. */
static const char *wrong_name(const char *name) {
  if (!islower((unsigned char)name[0])) return "begins with a letter from a to z";
  for (const char *p = name; *p; p++)
    if (!islower((unsigned char)*p) && !isdigit((unsigned char)*p) && *p != '_' && *p != '-')
      return "is made of letters from a to z, digits, '_' and '-'";
  if (strlen(name) > NAME_MAX_BYTES) return "has at most 40 letters";
  if (strcmp(name, "umpire") == 0 || strcmp(name, "spec") == 0) return "must not be one that umpire uses itself";
  return NULL;
}

static void strip_slashes(char *path) {
  for (size_t n = strlen(path); n > 1 && path[n - 1] == '/'; n--) path[n - 1] = 0;
}

/* ---- the command ---- */

struct new_options {
  bool update;
};

static void put_quoted(const char *path) { /* for a shell; only the folders before the name can hold anything odd */
  putchar('\'');
  for (; *path; path++) fputs(*path == '\'' ? "'\\''" : (char[]){*path, 0}, stdout);
  putchar('\'');
}

static int say_error(const struct making *m) {
  fprintf(stderr, "umpire new: %s\n", m->error);
  return EXIT_RULEBOOK;
}

static int make(const struct command *self, struct making *m, const char *path) {
  char from[UMP_PLACE];
  const char *slash = strrchr(path, '/'), *wrong;
  m->name = slash ? slash + 1 : path;
  if ((wrong = wrong_name(m->name))) return ump_usage(self, "\"%s\" will not do: a rulebook's name %s", m->name, wrong);
  if (!join(m, from, m->library, "new")) return say_error(m);
  if (access(from, R_OK) != 0) {
    failed(m, "read the templates in", from);
    return say_error(m);
  }
  if (mkdir(path, 0777) != 0) { /* exclusive: whatever is there stays as it is */
    if (errno == EEXIST)
      fprintf(stderr, "umpire new: %s is there already, and is left alone; choose another name\n", path);
    else
      fprintf(stderr, "umpire new: cannot make %s: %s\n", path, strerror(errno));
    return EXIT_RULEBOOK;
  }
  if (!copy_folder(m, from, path) || !copy_tools(m, path)) {
    remove_folder(path);
    return say_error(m);
  }
  printf("%s is made. Type next:\n\n  cd ", path);
  put_quoted(path);
  printf("\n  umpire check %s.lua\n  umpire test\n  umpire run %s.lua --watch\n\n"
         "%s/README.md says what is in it.\n",
         m->name, m->name, path);
  return EXIT_OK;
}

static int update(struct making *m, const char *path) {
  char tools[UMP_PLACE];
  m->name = "NAME"; /* these files speak of no rulebook: copied as they are */
  if (!join(m, tools, path, ".umpire")) return say_error(m);
  if (access(tools, W_OK) != 0) {
    fprintf(stderr, "umpire new: %s: %s; --update is for a folder that umpire new made\n", tools, strerror(errno));
    return EXIT_RULEBOOK;
  }
  if (!copy_tools(m, path)) return say_error(m);
  printf("%s is as in umpire %s\n", tools, UMPIRE_VERSION);
  return EXIT_OK;
}

static int run(const struct command *self, int argc, char **argv) {
  struct new_options o = {false};
  struct making m = {0};
  struct ump_places places;
  char path[UMP_PLACE - 64];
  const char *operand = NULL;
  int code = ump_flags_parse(self, argc, argv, &o, &operand);
  if (code != EXIT_OK) return code < 0 ? EXIT_OK : code;
  if (strlen(operand) >= sizeof path) return ump_usage(self, "that name is too long");
  snprintf(path, sizeof path, "%s", operand);
  strip_slashes(path);
  ump_places_find(&places);
  snprintf(m.library, sizeof m.library, "%s/umpire", places.library);
  return o.update ? update(&m, path) : make(self, &m, path);
}

static void more_help(FILE *out) {
  fprintf(
      out,
      "NAME may have a path before it: umpire new games/dice. The folder must not be there yet.\n"
      "It gets a rulebook, a spec that passes, settings for busted, luacheck and editors, a Dockerfile and a README\n"
      "that says what to type next.\n");
}

static const struct flag flags[] = {
    {"update", NULL, NULL, FLAG_SWITCH, offsetof(struct new_options, update),
     "NAME is a folder that was made so: bring its copy of the annotations and of the\n"
     "standard for luacheck (.umpire) up to date, and touch nothing else",
     NULL},
};

const struct command ump_cmd_new = {
    .name = "new",
    .operands = "NAME",
    .summary = "make a folder with a small game to begin from: rulebook, spec, settings of tools",
    .flags = flags,
    .n_flags = sizeof flags / sizeof *flags,
    .min_operands = 1,
    .max_operands = 1,
    .run = run,
    .more_help = more_help,
};
