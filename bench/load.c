// Load generator of the benchmarks: one operation, many times, by some processes; prints the seconds it took.
//   load OPERATION FOLDER WORKERS COUNT [BYTES]
//   load evict FOLDER 0 0    drops the folder's files from memory
// In C so that on a small machine the measured file system gets the processor, not the measuring program.
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char path[4096], other[4096];
static const char *folder;

static void fail(const char *what) {
  fprintf(stderr, "load: %s %s: %s\n", what, path, strerror(errno));
  _exit(1);
}

static double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec + now.tv_nsec / 1e9;
}

static void name_of(char *target, int worker, long i, const char *suffix) {
  snprintf(target, sizeof path, "%s/w%d/f%06ld%s", folder, worker, i, suffix);
}

static unsigned long random_state;
static unsigned long random_below(unsigned long limit) {
  random_state = random_state * 6364136223846793005UL + 1442695040888963407UL;
  return (random_state >> 33) % limit;
}

/* Sizes of small files: 1..64 KiB, the same sequence on every run. */
static size_t small_size(long i) { return 1024 + (size_t)((i * 7919) % 64512); }

static void write_all(int fd, const char *bytes, size_t count) {
  while (count > 0) {
    ssize_t done = write(fd, bytes, count);
    if (done < 0) fail("write");
    bytes += done;
    count -= done;
  }
}

static void work(const char *operation, int worker, long count, long bytes) {
  static char block[1 << 20];
  struct stat st;
  memset(block, 'x', sizeof block);
  random_state = 88172645463325252UL + worker;
  int file = -1;
  if (strcmp(operation, "randread") == 0 || strcmp(operation, "randwrite") == 0) {
    snprintf(path, sizeof path, "%s/big", folder);
    file = open(path, strcmp(operation, "randread") == 0 ? O_RDONLY : O_RDWR);
    if (file < 0) fail("open");
  }
  for (long i = 0; i < count; i++) {
    name_of(path, worker, i, "");
    if (strcmp(operation, "create") == 0) {
      int fd = open(path, O_CREAT | O_EXCL | O_WRONLY, 0644);
      if (fd < 0 || close(fd) < 0) fail("create");
    } else if (strcmp(operation, "stat") == 0) {
      if (stat(path, &st) < 0) fail("stat");
    } else if (strcmp(operation, "rename") == 0) {
      name_of(other, worker, i, ".renamed");
      if (rename(path, other) < 0) fail("rename");
    } else if (strcmp(operation, "unlink") == 0) {
      name_of(path, worker, i, ".renamed");
      if (unlink(path) < 0) fail("unlink");
    } else if (strcmp(operation, "readdir") == 0) {
      snprintf(path, sizeof path, "%s/w%d", folder, worker);
      DIR *dir = opendir(path);
      if (!dir) fail("opendir");
      while (readdir(dir)) {
      }
      closedir(dir);
    } else if (strcmp(operation, "smallwrite") == 0) {
      int fd = open(path, O_CREAT | O_EXCL | O_WRONLY, 0644);
      if (fd < 0) fail("create");
      write_all(fd, block, small_size(i));
      if (close(fd) < 0) fail("close");
    } else if (strcmp(operation, "smallread") == 0) {
      int fd = open(path, O_RDONLY);
      if (fd < 0) fail("open");
      size_t sum = 0;
      for (ssize_t got; (got = read(fd, block, sizeof block)) > 0;) sum += got;
      if (sum != small_size(i)) fail("short read");
      close(fd);
    } else if (strcmp(operation, "randread") == 0) {
      if (pread(file, block, 4096, (off_t)random_below(bytes / 4096) * 4096) != 4096) fail("pread");
    } else if (strcmp(operation, "randwrite") == 0) {
      if (pwrite(file, block, 4096, (off_t)random_below(bytes / 4096) * 4096) != 4096) fail("pwrite");
    }
  }
  if (strcmp(operation, "randwrite") == 0 && fsync(file) < 0) fail("fsync");
  if (strcmp(operation, "seqwrite") == 0) {
    snprintf(path, sizeof path, "%s/big", folder);
    int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0644);
    if (fd < 0) fail("create");
    for (long done = 0; done < bytes; done += sizeof block) write_all(fd, block, sizeof block);
    if (fsync(fd) < 0 || close(fd) < 0) fail("fsync");
  }
  if (strcmp(operation, "seqread") == 0) {
    snprintf(path, sizeof path, "%s/big", folder);
    int fd = open(path, O_RDONLY);
    if (fd < 0) fail("open");
    long sum = 0;
    for (ssize_t got; (got = read(fd, block, sizeof block)) > 0;) sum += got;
    if (sum != bytes) fail("short read");
    close(fd);
  }
}

static int evict(const char *file, const struct stat *st, int type, struct FTW *place) {
  (void)st, (void)place;
  if (type != FTW_F) return 0;
  int fd = open(file, O_RDONLY);
  if (fd < 0) return errno == ENOENT ? 0 : -1;
  fdatasync(fd);
  int failed = posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
  close(fd);
  return failed;
}

int main(int argc, char **argv) {
  if (argc < 5) {
    fprintf(stderr, "usage: load OPERATION FOLDER WORKERS COUNT [BYTES]\n");
    return 64;
  }
  folder = argv[2];
  if (strcmp(argv[1], "evict") == 0) return nftw(folder, evict, 64, FTW_PHYS) != 0;
  int workers = atoi(argv[3]);
  long count = atol(argv[4]), bytes = argc > 5 ? atol(argv[5]) : 0;
  for (int worker = 0; worker < workers; worker++) {
    snprintf(path, sizeof path, "%s/w%d", folder, worker);
    if (mkdir(path, 0755) < 0 && errno != EEXIST) fail("mkdir");
  }
  double started = seconds();
  for (int worker = 0; worker < workers; worker++) {
    pid_t pid = fork();
    if (pid < 0) fail("fork");
    if (pid == 0) {
      work(argv[1], worker, count / workers, bytes);
      _exit(0);
    }
  }
  int bad = 0, status;
  while (wait(&status) > 0) bad |= status;
  printf("%.6f\n", seconds() - started);
  return bad ? 1 : 0;
}
