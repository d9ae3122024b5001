/*
 * Executes system calls as told on its standard input, as several processes with identities of their own.
 *
 *     syscalls FOLDER uid:gid[,gid...] ...
 *
 * One line a call: the number of the process (0 is the first identity), the name of the call, its arguments. One line
 * comes back for each: the result, or the name of the errno. Open files are kept in numbered slots of each process.
 * Paths are relative to FOLDER; in texts `%20` stands for a space and so on, `%n` alone for the empty text.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#define SLOTS 16
#define LINE_BYTES (256 * 1024)
#define DATA_BYTES (4 * 1024 * 1024)
#define ARGS 12

static int slots[SLOTS];
static struct stat stamps[SLOTS];
static char line[LINE_BYTES];
static char answer[LINE_BYTES];
static size_t answered;
static unsigned char data[DATA_BYTES];
static char *args[ARGS];

static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void say(const char *format, ...) {
  va_list list;
  va_start(list, format);
  answered += vsnprintf(answer + answered, sizeof answer - answered, format, list);
  va_end(list);
  if (answered >= sizeof answer) answered = sizeof answer - 1;
}

static void say_text(const char *text, size_t bytes) {
  for (size_t i = 0; i < bytes; i++) {
    unsigned char c = text[i];
    if (c > 32 && c < 127 && c != '%') say("%c", c);
    else say("%%%02x", c);
  }
}

/* The result of a call whose success needs no words. */
static void done(long result) {
  if (result < 0) say("%s", strerrorname_np(errno));
  else say("%ld", result);
}

static long long number(int i) { return args[i] ? strtoll(args[i], NULL, 0) : 0; }
static const char *text(int i) { return args[i] ? args[i] : ""; }
static int slot(int i) { return slots[number(i) % SLOTS]; }

static void decode(char *word) {
  if (strcmp(word, "%n") == 0) {
    *word = 0;
    return;
  }
  char *to = word;
  for (char *from = word; *from; from++) {
    unsigned value;
    if (*from == '%' && sscanf(from + 1, "%2x", &value) == 1) {
      *to++ = (char)value;
      from += 2;
    } else *to++ = *from;
  }
  *to = 0;
}

/* Bytes that tell their place, so that one in the wrong place shows. */
static void fill(size_t bytes, long long offset, unsigned seed) {
  for (size_t i = 0; i < bytes; i++) data[i] = (unsigned char)((offset + i) * 31 + ((offset + i) >> 8) * 7 + seed);
}

static uint32_t digest(const unsigned char *bytes, size_t count) {
  uint32_t hash = 2166136261u;
  for (size_t i = 0; i < count; i++) hash = (hash ^ bytes[i]) * 16777619u;
  return hash;
}

static void say_read(ssize_t count) {
  if (count < 0) done(-1);
  else say("%zd %08x", count, digest(data, count));
}

static void say_stat(const struct stat *s) {
  int folder = S_ISDIR(s->st_mode);
  say("%06o %lu %u:%u size=%lld rdev=%u:%u atime=%lld.%09ld mtime=%lld.%09ld ctime=%lld.%09ld", s->st_mode,
      (unsigned long)s->st_nlink, s->st_uid, s->st_gid, folder ? 0 : (long long)s->st_size,
      S_ISCHR(s->st_mode) || S_ISBLK(s->st_mode) ? major(s->st_rdev) : 0,
      S_ISCHR(s->st_mode) || S_ISBLK(s->st_mode) ? minor(s->st_rdev) : 0, (long long)s->st_atim.tv_sec,
      s->st_atim.tv_nsec, (long long)s->st_mtim.tv_sec, s->st_mtim.tv_nsec, (long long)s->st_ctim.tv_sec,
      s->st_ctim.tv_nsec);
}

static void statted(int result, const struct stat *s) {
  if (result < 0) done(-1);
  else say_stat(s);
}

/* Remembers the times of a path, to tell later which of them have changed. */
static void stamp(const char *path) {
  struct stat *kept = &stamps[number(1) % SLOTS];
  done(lstat(path, kept));
}

static void changes(const char *path) {
  const struct stat *kept = &stamps[number(1) % SLOTS];
  struct stat now;
  if (lstat(path, &now) < 0) {
    done(-1);
    return;
  }
  int modified = memcmp(&kept->st_mtim, &now.st_mtim, sizeof now.st_mtim) != 0;
  int changed = memcmp(&kept->st_ctim, &now.st_ctim, sizeof now.st_ctim) != 0;
  say("%s%s", modified ? "mtime " : "", changed ? "ctime" : modified ? "" : "nothing");
}

static int by_text(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

/* The names of a folder in order of the alphabet, each with its type. */
static void list_folder(DIR *folder) {
  if (!folder) {
    done(-1);
    return;
  }
  static char *names[100000];
  size_t count = 0;
  struct dirent *entry;
  while ((entry = readdir(folder)) && count < 100000) {
    char *name = malloc(300);
    snprintf(name, 300, "%s:%d", entry->d_name, entry->d_type);
    names[count++] = name;
  }
  closedir(folder);
  qsort(names, count, sizeof *names, by_text);
  for (size_t i = 0; i < count; i++) {
    say("%s", i ? " " : "");
    say_text(names[i], strlen(names[i]));
    free(names[i]);
  }
}

/* An open folder from its beginning. */
static DIR *rewound(int fd) {
  int copy = dup(fd);
  return copy >= 0 && lseek(copy, 0, SEEK_SET) == 0 ? fdopendir(copy) : NULL;
}

/* Whether going back to a told position gives the same rest again; and a rewind the whole. */
static void seek_folder(const char *path, int skip) {
  DIR *folder = opendir(path);
  if (!folder) {
    done(-1);
    return;
  }
  for (int i = 0; i < skip; i++) readdir(folder);
  long place = telldir(folder);
  uint64_t sums[3] = {0, 0, 0};
  long counts[3] = {0, 0, 0};
  for (int pass = 0; pass < 3; pass++) {
    if (pass == 1) seekdir(folder, place);
    if (pass == 2) rewinddir(folder);
    for (struct dirent *entry; (entry = readdir(folder)); counts[pass]++)
      sums[pass] += digest((unsigned char *)entry->d_name, strlen(entry->d_name));
  }
  closedir(folder);
  say("%s all=%ld", counts[0] == counts[1] && sums[0] == sums[1] ? "same" : "other", counts[2]);
}

/* ACLs as `u::rwx` texts with digits: u:7,g:5,o:0,m:7,u1000:5,g2000:4 */
static size_t encode_acl(const char *words) {
  size_t at = 4;
  uint32_t version = 2;
  memcpy(data, &version, 4);
  for (const char *word = words; word && *word; word = strchr(word, ',') ? strchr(word, ',') + 1 : NULL) {
    uint32_t id = 0xffffffff;
    unsigned perm = 0, named = 0;
    if (sscanf(word + 1, "%u:%u", &named, &perm) == 2) id = named;
    else sscanf(word + 1, ":%u", &perm);
    int is_named = id != 0xffffffff;
    uint16_t tag = *word == 'u'   ? (is_named ? 2 : 1)
                   : *word == 'g' ? (is_named ? 8 : 4)
                   : *word == 'm' ? 16
                                  : 32;
    uint16_t bits = (uint16_t)perm;
    memcpy(data + at, &tag, 2);
    memcpy(data + at + 2, &bits, 2);
    memcpy(data + at + 4, &id, 4);
    at += 8;
  }
  return at;
}

static const char *acl_name(int i) {
  return text(i)[0] == 'd' ? "system.posix_acl_default" : "system.posix_acl_access";
}

static void say_acl(ssize_t bytes) {
  if (bytes < 0) {
    done(-1);
    return;
  }
  for (ssize_t at = 4; at + 8 <= bytes; at += 8) {
    uint16_t tag, perm;
    uint32_t id;
    memcpy(&tag, data + at, 2);
    memcpy(&perm, data + at + 2, 2);
    memcpy(&id, data + at + 4, 4);
    const char *letter = tag < 3 ? "u" : tag < 9 ? "g" : tag == 16 ? "m" : "o";
    if (tag == 2 || tag == 8) say("%s%s%u:%u", at > 4 ? "," : "", letter, id, perm);
    else say("%s%s:%u", at > 4 ? "," : "", letter, perm);
  }
}

static void say_xattr(ssize_t bytes) {
  if (bytes < 0) done(-1);
  else say("%zd %08x", bytes, digest(data, bytes));
}

static void say_names(ssize_t bytes) {
  if (bytes < 0) {
    done(-1);
    return;
  }
  char *names[10000];
  size_t count = 0;
  for (char *name = (char *)data; name < (char *)data + bytes && count < 10000; name += strlen(name) + 1)
    /* What the kernel makes of ACLs is compared by getacl; labels of the machine are none of ours. */
    if (strncmp(name, "system.", 7) != 0 && strncmp(name, "security.selinux", 16) != 0) names[count++] = name;
  qsort(names, count, sizeof *names, by_text);
  say("names");
  for (size_t i = 0; i < count; i++) {
    say(" ");
    say_text(names[i], strlen(names[i]));
  }
}

static void set_times(int first, int fd, const char *path, int flags) {
  struct timespec times[2];
  for (int i = 0; i < 2; i++) {
    times[i].tv_sec = number(first + 2 * i);
    const char *ns = text(first + 2 * i + 1);
    times[i].tv_nsec = strcmp(ns, "now") == 0    ? UTIME_NOW
                       : strcmp(ns, "omit") == 0 ? UTIME_OMIT
                                                 : strtol(ns, NULL, 0);
  }
  done(path ? utimensat(AT_FDCWD, path, times, flags) : futimens(fd, times));
}

static void record_lock(int fd, const char *command, int first) {
  struct flock lock = {.l_type = (short)number(first), .l_whence = (short)number(first + 3)};
  lock.l_start = number(first + 1);
  lock.l_len = number(first + 2);
  int get = strcmp(command, "get") == 0;
  int result = fcntl(fd, get ? F_GETLK : strcmp(command, "wait") == 0 ? F_SETLKW : F_SETLK, &lock);
  if (result < 0 || !get) done(result);
  else if (lock.l_type == F_UNLCK) say("free");
  else say("held type=%d start=%lld len=%lld", lock.l_type, (long long)lock.l_start, (long long)lock.l_len);
}

/* Reads or writes through a shared mapping. */
static void mapped(int fd, long long offset, size_t bytes, int writes, unsigned seed) {
  struct stat s;
  if (fstat(fd, &s) == 0 && S_ISREG(s.st_mode) && offset + (long long)bytes > s.st_size) {
    say("beyond the end");
    return;
  }
  unsigned char *view = mmap(NULL, bytes, writes ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, fd, offset);
  if (view == MAP_FAILED) {
    done(-1);
    return;
  }
  if (writes) {
    fill(bytes, offset, seed);
    memcpy(view, data, bytes);
    msync(view, bytes, MS_SYNC);
  }
  say("%08x", digest(view, bytes));
  munmap(view, bytes);
}

static void make_socket(const char *path) {
  int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  struct sockaddr_un name = {.sun_family = AF_UNIX};
  snprintf(name.sun_path, sizeof name.sun_path, "%s", path);
  done(bind(fd, (struct sockaddr *)&name, sizeof name));
  close(fd);
}

static void run(const char *path) {
  pid_t pid = fork();
  if (pid == 0) {
    execl(path, path, NULL);
    _exit(errno);
  }
  int status;
  waitpid(pid, &status, 0);
  errno = WEXITSTATUS(status);
  done(errno ? -1 : 0);
}

/* Sums up what a file begins and ends with, and what lies around the end of its first chunk. */
static uint32_t sample(const char *path, long long size) {
  int fd = open(path, O_RDONLY);
  long long places[] = {0, 65536, (64LL << 20) - 65536, 64LL << 20, size > 65536 ? size - 65536 : 0};
  uint32_t hash = 0;
  for (int i = 0; i < 5; i++) {
    ssize_t bytes = pread(fd, data, 65536, places[i]);
    hash = hash * 31 + digest(data, bytes > 0 ? bytes : 0);
  }
  close(fd);
  return hash;
}

static void describe(const char *path, const struct stat *s) {
  say_text(path, strlen(path));
  say(" ");
  say_stat(s);
  if (S_ISLNK(s->st_mode)) {
    ssize_t bytes = readlink(path, (char *)data, DATA_BYTES);
    say(" -> ");
    say_text((char *)data, bytes > 0 ? bytes : 0);
    return;
  }
  if (S_ISREG(s->st_mode)) say(" data=%08x", sample(path, s->st_size));
  say(" acl=");
  say_acl(lgetxattr(path, "system.posix_acl_access", data, DATA_BYTES));
  if (S_ISDIR(s->st_mode)) {
    say(" default=");
    say_acl(lgetxattr(path, "system.posix_acl_default", data, DATA_BYTES));
  }
  say(" ");
  say_names(llistxattr(path, (char *)data, DATA_BYTES));
}

/* Everything below a folder, in order of the alphabet. */
static void walk(const char *path) {
  struct stat s;
  if (lstat(path, &s) < 0) {
    done(-1);
    return;
  }
  describe(path, &s);
  if (!S_ISDIR(s.st_mode)) return;
  struct dirent **entries;
  int count = scandir(path, &entries, NULL, alphasort);
  for (int i = 0; i < count; i++) {
    if (strcmp(entries[i]->d_name, ".") != 0 && strcmp(entries[i]->d_name, "..") != 0) {
      char child[PATH_MAX];
      snprintf(child, sizeof child, "%s/%s", path, entries[i]->d_name);
      say("\t");
      walk(child);
    }
    free(entries[i]);
  }
  if (count >= 0) free(entries);
}

static void open_slot(void) {
  int fd = open(text(2), (int)number(3), (mode_t)number(4));
  if (fd < 0) {
    done(-1);
    return;
  }
  int *place = &slots[number(1) % SLOTS];
  if (*place >= 0) close(*place);
  *place = fd;
  say("0");
}

static void close_slot(void) {
  int *place = &slots[number(1) % SLOTS];
  int result = *place < 0 ? (errno = EBADF, -1) : close(*place);
  *place = -1;
  done(result);
}

static void duplicate(void) {
  int fd = dup(slot(1));
  if (fd >= 0) {
    int *place = &slots[number(2) % SLOTS];
    if (*place >= 0) close(*place);
    *place = fd;
  }
  done(fd < 0 ? -1 : 0);
}

static size_t wanted(int i) {
  long long bytes = number(i);
  return bytes < 0 ? 0 : bytes > DATA_BYTES ? DATA_BYTES : (size_t)bytes;
}

static void copy_range(void) {
  off64_t from = number(2), to = number(4);
  done(copy_file_range(slot(1), &from, slot(3), &to, wanted(5), 0));
}

/* Writes `bytes` with the call that `offset` asks for: at the file's position when it is -1. */
static void write_some(long long offset, size_t bytes, unsigned seed) {
  struct stat s;
  int fd = slot(1);
  long long at = offset >= 0 ? offset : fstat(fd, &s) == 0 ? (long long)lseek(fd, 0, SEEK_CUR) : 0;
  fill(bytes, at < 0 ? 0 : at, seed);
  done(offset < 0 ? write(fd, data, bytes) : pwrite(fd, data, bytes, offset));
}

static int is(const char *name) { return strcmp(args[0], name) == 0; }

static int name_calls(void) {
  if (is("rename")) done(rename(text(1), text(2)));
  else if (is("renameat2")) done(renameat2(AT_FDCWD, text(1), AT_FDCWD, text(2), (unsigned)number(3)));
  else if (is("link")) done(link(text(1), text(2)));
  else if (is("linkat")) done(linkat(AT_FDCWD, text(1), AT_FDCWD, text(2), (int)number(3)));
  else if (is("linkfd")) {
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", slot(1));
    done(linkat(AT_FDCWD, path, AT_FDCWD, text(2), AT_SYMLINK_FOLLOW));
  } else if (is("symlink")) done(symlink(text(1), text(2)));
  else if (is("unlink")) done(unlink(text(1)));
  else if (is("rmdir")) done(rmdir(text(1)));
  else if (is("mkdir")) done(mkdir(text(1), (mode_t)number(2)));
  else if (is("mkfifo")) done(mkfifo(text(1), (mode_t)number(2)));
  else if (is("mknod"))
    done(mknod(text(1), (mode_t)number(2), makedev((unsigned)number(3), (unsigned)number(4))));
  else if (is("socket")) make_socket(text(1));
  else if (is("list")) list_folder(opendir(text(1)));
  else if (is("flist")) list_folder(rewound(slot(1)));
  else if (is("seekdir")) seek_folder(text(1), (int)number(2));
  else if (is("walk")) walk(text(1));
  else if (is("readlink")) {
    ssize_t bytes = readlink(text(1), (char *)data, DATA_BYTES);
    if (bytes < 0) done(-1);
    else say_text((char *)data, bytes);
  } else return 0;
  return 1;
}

static int attribute_calls(void) {
  struct stat s;
  if (is("stat")) statted(stat(text(1), &s), &s);
  else if (is("lstat")) statted(lstat(text(1), &s), &s);
  else if (is("fstat")) statted(fstat(slot(1), &s), &s);
  else if (is("stamp")) stamp(text(2));
  else if (is("changes")) changes(text(2));
  else if (is("chmod")) done(chmod(text(1), (mode_t)number(2)));
  else if (is("fchmod")) done(fchmod(slot(1), (mode_t)number(2)));
  else if (is("chown")) done(chown(text(1), (uid_t)number(2), (gid_t)number(3)));
  else if (is("lchown")) done(lchown(text(1), (uid_t)number(2), (gid_t)number(3)));
  else if (is("fchown")) done(fchown(slot(1), (uid_t)number(2), (gid_t)number(3)));
  else if (is("utimens")) set_times(2, -1, text(1), 0);
  else if (is("lutimens")) set_times(2, -1, text(1), AT_SYMLINK_NOFOLLOW);
  else if (is("futimens")) set_times(2, slot(1), NULL, 0);
  else if (is("access")) done(access(text(1), (int)number(2)));
  else if (is("eaccess")) done(faccessat(AT_FDCWD, text(1), (int)number(2), AT_EACCESS));
  else if (is("umask")) say("%03o", umask((mode_t)number(1)));
  else if (is("run")) run(text(1));
  else if (is("setxattr") || is("fsetxattr")) {
    fill(wanted(3), 0, (unsigned)number(4));
    done(is("setxattr") ? setxattr(text(1), text(2), data, wanted(3), (int)number(5))
                        : fsetxattr(slot(1), text(2), data, wanted(3), (int)number(5)));
  } else if (is("lsetxattr")) {
    fill(wanted(3), 0, (unsigned)number(4));
    done(lsetxattr(text(1), text(2), data, wanted(3), (int)number(5)));
  } else if (is("getxattr")) say_xattr(getxattr(text(1), text(2), data, args[3] ? wanted(3) : 65536));
  else if (is("fgetxattr")) say_xattr(fgetxattr(slot(1), text(2), data, 65536));
  else if (is("listxattr")) say_names(listxattr(text(1), (char *)data, 65536));
  else if (is("removexattr")) done(removexattr(text(1), text(2)));
  else if (is("setacl")) {
    size_t bytes = encode_acl(text(3));
    done(setxattr(text(1), acl_name(2), data, bytes, 0));
  } else if (is("getacl")) say_acl(getxattr(text(1), acl_name(2), data, DATA_BYTES));
  else if (is("removeacl")) done(removexattr(text(1), acl_name(2)));
  else return 0;
  return 1;
}

static int file_calls(void) {
  if (is("open")) open_slot();
  else if (is("close")) close_slot();
  else if (is("dup")) duplicate();
  else if (is("read")) say_read(read(slot(1), data, wanted(2)));
  else if (is("pread")) say_read(pread(slot(1), data, wanted(3), number(2)));
  else if (is("write")) write_some(-1, wanted(2), (unsigned)number(3));
  else if (is("pwrite")) write_some(number(2), wanted(3), (unsigned)number(4));
  else if (is("lseek")) done(lseek(slot(1), number(2), (int)number(3)));
  else if (is("truncate")) done(truncate(text(1), number(2)));
  else if (is("ftruncate")) done(ftruncate(slot(1), number(2)));
  else if (is("fallocate")) done(fallocate(slot(1), (int)number(2), number(3), number(4)));
  else if (is("posix_fallocate")) {
    errno = posix_fallocate(slot(1), number(2), number(3));
    done(errno ? -1 : 0);
  } else if (is("fsync")) done(fsync(slot(1)));
  else if (is("fdatasync")) done(fdatasync(slot(1)));
  else if (is("mapread")) mapped(slot(1), number(2), wanted(3), 0, 0);
  else if (is("mapwrite")) mapped(slot(1), number(2), wanted(3), 1, (unsigned)number(4));
  else if (is("copy")) copy_range();
  else if (is("flock")) done(flock(slot(1), (int)number(2)));
  else if (is("lock")) record_lock(slot(1), text(2), 3);
  else if (is("pid")) say("%d", getpid());
  else if (is("sleep")) done(usleep((useconds_t)number(1) * 1000));
  else return 0;
  return 1;
}

static void execute(char *words) {
  int count = 0;
  for (char *word = strtok(words, " "); word && count < ARGS - 1; word = strtok(NULL, " ")) {
    decode(word);
    args[count++] = word;
  }
  args[count] = NULL;
  answered = 0;
  if (!args[0] || (!name_calls() && !attribute_calls() && !file_calls())) say("unknown call");
}

static int become(char *identity) {
  gid_t groups[32];
  int count = 0;
  char *list = strchr(identity, ':');
  for (char *word = list ? list + 1 : NULL; word && count < 32; word = strchr(word, ',') ? strchr(word, ',') + 1 : NULL)
    groups[count++] = (gid_t)strtoul(word, NULL, 10);
  uid_t uid = (uid_t)strtoul(identity, NULL, 10);
  return setgroups(count > 1 ? count - 1 : 0, groups + 1) || setgid(groups[0]) || setuid(uid);
}

static void on_signal(int signal) { (void)signal; }

/* One process of its own: a line in, a line out. SIGUSR1 interrupts a call that waits. */
static void serve(char *identity, int in, int out) {
  for (int i = 0; i < SLOTS; i++) slots[i] = -1;
  if (become(identity) < 0) _exit(1);
  umask(022);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  struct sigaction action = {.sa_handler = on_signal};
  sigaction(SIGUSR1, &action, NULL);
  FILE *from = fdopen(in, "r");
  while (fgets(line, sizeof line, from)) {
    line[strcspn(line, "\n")] = 0;
    execute(line);
    answer[answered] = '\n';
    if (write(out, answer, answered + 1) < 0) break;
  }
  _exit(0);
}

int main(int argc, char **argv) {
  if (argc < 3 || chdir(argv[1]) < 0) {
    fprintf(stderr, "usage: syscalls FOLDER uid:gid[,gid...] ...\n");
    return 2;
  }
  int count = argc - 2;
  FILE *to[16], *from[16];
  for (int i = 0; i < count && i < 16; i++) {
    int down[2], up[2];
    if (pipe2(down, O_CLOEXEC) < 0 || pipe2(up, O_CLOEXEC) < 0) return 2;
    if (fork() == 0) {
      for (int other = 0; other < i; other++) fclose(to[other]), fclose(from[other]);
      close(down[1]);
      serve(argv[i + 2], down[0], up[1]);
    }
    close(down[0]);
    close(up[1]);
    to[i] = fdopen(down[1], "w");
    from[i] = fdopen(up[0], "r");
  }
  while (fgets(line, sizeof line, stdin)) {
    char *rest = strchr(line, ' ');
    int process = atoi(line);
    if (!rest || process < 0 || process >= count) {
      puts("no such process");
      continue;
    }
    fputs(rest + 1, to[process]);
    fflush(to[process]);
    if (!fgets(answer, sizeof answer, from[process])) strcpy(answer, "the process is gone\n");
    fputs(answer, stdout);
    fflush(stdout);
  }
  return 0;
}
