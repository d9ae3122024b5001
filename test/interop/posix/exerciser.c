/*
 * Changes one file in every way that there is, in random order, and compares each byte with what it must be.
 *
 *     exerciser FILE SEED OPERATIONS BASE [OTHER]
 *
 * What is changed and compared lies from byte BASE on, a multiple of the page size. OTHER is the same file through another
 * mount; it is read whenever FILE was closed. Prints the last operations, and ends with 1, when a byte is wrong.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define BYTES_MAX (400 * 1024L)
#define PAGE_BYTES 4096L
#define TOLD 40
#define TOLD_BYTES 120

static unsigned char model[BYTES_MAX], buffer[BYTES_MAX];
static long size, operation;
static off_t base;
static int fd;
static const char *path, *other;
static char told[TOLD][TOLD_BYTES];

static long below(long n) { return random() % n; }

static void fail(const char *what, long at) {
  printf("%s at %ld (%s)\n", what, at, strerror(errno));
  for (long i = operation >= TOLD ? operation - TOLD + 1 : 0; i <= operation; i++) puts(told[i % TOLD]);
  exit(1);
}

static void tell(const char *what, long offset, long length) {
  snprintf(told[operation % TOLD], TOLD_BYTES, "%ld: %s %ld +%ld, size %ld", operation, what, offset, length, size);
}

static void compare(const char *what, const unsigned char *bytes, long offset, long length) {
  for (long i = 0; i < length; i++)
    if (bytes[i] != model[offset + i]) fail(what, offset + i);
}

/* The file is at least so long from now on; what is new are zeros. */
static void grow(long end) {
  if (end <= size) return;
  memset(model + size, 0, end - size);
  size = end;
}

static void fill(unsigned char *bytes, long length) {
  for (long i = 0; i < length; i++) bytes[i] = random();
}

static void write_some(long offset, long length) {
  fill(buffer, length);
  grow(offset);
  grow(offset + length);
  memcpy(model + offset, buffer, length);
  if (pwrite(fd, buffer, length, base + offset) != length) fail("write", offset);
}

static void read_some(long offset, long length) {
  long expected = offset >= size ? 0 : offset + length > size ? size - offset : length;
  if (pread(fd, buffer, length, base + offset) != expected) fail("length of a read", offset);
  compare("read", buffer, offset, expected);
}

/* Through a mapping, which has to lie inside of the file. */
static void map_some(long offset, long length, int writes) {
  if (offset >= size) return;
  if (offset + length > size) length = size - offset;
  long before = offset % PAGE_BYTES;
  int rights = writes ? PROT_READ | PROT_WRITE : PROT_READ;
  unsigned char *map = mmap(NULL, before + length, rights, MAP_SHARED, fd, base + offset - before);
  if (map == MAP_FAILED) fail("mmap", offset);
  compare("mapping", map + before, offset, length);
  if (writes) {
    fill(map + before, length);
    memcpy(model + offset, map + before, length);
    if (below(2) && msync(map, before + length, MS_SYNC) < 0) fail("msync", offset);
  }
  munmap(map, before + length);
}

static void cut(long length) {
  grow(length);
  size = length;
  if (ftruncate(fd, base + length) < 0) fail("truncate", length);
}

static void allocate(int mode, long offset, long length) {
  if (fallocate(fd, mode, base + offset, length) < 0) fail("fallocate", offset);
  if (!(mode & FALLOC_FL_KEEP_SIZE)) grow(offset + length);
  long end = offset + length > size ? size : offset + length;
  if (mode && offset < end) memset(model + offset, 0, end - offset);
}

static void copy(long from, long to, long length) {
  if (from >= size) return;
  if (from + length > size) length = size - from;
  if (to + length > BYTES_MAX) length = BYTES_MAX - to;
  if (labs(to - from) < length) return;
  off_t in = base + from, out = base + to;
  for (long left = length; left > 0;) {
    ssize_t copied = copy_file_range(fd, &in, fd, &out, left, 0);
    if (copied <= 0) fail("copy_file_range", from);
    left -= copied;
  }
  grow(to + length);
  memcpy(model + to, model + from, length);
}

static void look_elsewhere(void) {
  int there = open(other, O_RDONLY);
  if (there < 0) fail("open elsewhere", 0);
  if (pread(there, buffer, BYTES_MAX, base) != size) fail("length elsewhere", 0);
  compare("read elsewhere", buffer, 0, size);
  close(there);
}

static void reopen(void) {
  struct stat now;
  if (close(fd) < 0) fail("close", 0);
  fd = open(path, O_RDWR);
  if (fd < 0) fail("open", 0);
  if (fstat(fd, &now) < 0 || now.st_size != base + size) fail("size", 0);
  if (other) look_elsewhere();
}

static void sync_all(void) {
  if ((below(2) ? fsync(fd) : fdatasync(fd)) < 0) fail("fsync", 0);
}

#define OPERATION(name, call) tell(name, offset, length), call

static void operate(void) {
  long offset = below(BYTES_MAX);
  long length = 1 + below(below(4) ? 20000 : 120000);
  if (offset + length > BYTES_MAX) length = BYTES_MAX - offset;
  switch (below(17)) {
    case 0: case 1: case 2: OPERATION("write", write_some(offset, length)); break;
    case 3: case 4: case 5: OPERATION("read", read_some(offset, length)); break;
    case 6: case 7: OPERATION("read mapped", map_some(offset, length, 0)); break;
    case 8: case 9: OPERATION("write mapped", map_some(offset, length, 1)); break;
    case 10: OPERATION("truncate", cut(offset)); break;
    case 11: OPERATION("allocate", allocate(0, offset, length)); break;
    case 12: OPERATION("zero", allocate(FALLOC_FL_ZERO_RANGE, offset, length)); break;
    case 13: OPERATION("punch", allocate(FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, length)); break;
    case 14: OPERATION("copy", copy(offset, below(BYTES_MAX), length)); break;
    case 15: OPERATION("sync", sync_all()); break;
    case 16: OPERATION("reopen", reopen()); break;
  }
}

int main(int argc, char **argv) {
  if (argc < 5) {
    fprintf(stderr, "usage: exerciser FILE SEED OPERATIONS BASE [OTHER]\n");
    return 64;
  }
  path = argv[1];
  srandom(atol(argv[2]));
  long operations = atol(argv[3]);
  base = atol(argv[4]);
  other = argv[5];
  fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0644);
  if (fd < 0 || ftruncate(fd, base) < 0) fail("create", 0);
  for (; operation < operations; operation++) operate();
  return 0;
}
