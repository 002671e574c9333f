// Simulates a slow disk for a real server: when preloaded, it delays every fsync and fdatasync of the Java process by
// the number of milliseconds in the file named by SLOW_FSYNC. Without that file there is no delay.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static void wait_a_little(void) {
  const char *path = getenv("SLOW_FSYNC");
  FILE *file = path ? fopen(path, "r") : NULL;
  long delay = 0;
  if (!file) return;
  if (fscanf(file, "%ld", &delay) != 1) delay = 0;
  fclose(file);
  if (delay > 0 && delay < 5000) {
    struct timespec time = {delay / 1000, delay % 1000 * 1000000};
    nanosleep(&time, NULL);
  }
}

int fsync(int descriptor) {
  int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
  wait_a_little();
  return real(descriptor);
}

int fdatasync(int descriptor) {
  int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
  wait_a_little();
  return real(descriptor);
}
