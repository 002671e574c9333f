/* The floor of a scrape: connects to each member, sends `mntr` and `srvr` on a connection each, reads to the end, closes.
 *
 * usage: floor ROUNDS ADDRESS:PORT...
 *
 * Prints the CPU time per member in nanoseconds. Nothing is parsed or written. IPv4 only. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void die(const char *what) {
  perror(what);
  exit(1);
}

static void ask(const struct sockaddr_in *member, const char *command) {
  static char reply[65536];
  int stream = socket(AF_INET, SOCK_STREAM, 0);
  if (stream < 0 || connect(stream, (const struct sockaddr *)member, sizeof *member) < 0) die("floor: connect");
  if (send(stream, command, 4, 0) != 4) die("floor: send");
  ssize_t got, all = 0;
  while ((got = recv(stream, reply, sizeof reply, 0)) > 0) all += got;
  if (got < 0 || all == 0) die("floor: recv");
  close(stream);
}

/* CPU time by the scheduler's account, as scripts/bench reads it of the exporter. */
static double spent(void) {
  double nanos = 0;
  FILE *file = fopen("/proc/self/schedstat", "r");
  if (!file || fscanf(file, "%lf", &nanos) != 1) die("floor: /proc/self/schedstat");
  fclose(file);
  return nanos;
}

int main(int count, char **texts) {
  if (count < 3) {
    fprintf(stderr, "usage: floor ROUNDS ADDRESS:PORT...\n");
    return 2;
  }
  int rounds = atoi(texts[1]), members = count - 2;
  struct sockaddr_in *all = calloc(members, sizeof *all);
  for (int i = 0; i < members; i++) {
    char *colon = strrchr(texts[i + 2], ':');
    if (!colon) die("floor: address without a port");
    *colon = 0;
    all[i].sin_family = AF_INET;
    all[i].sin_port = htons(atoi(colon + 1));
    if (inet_pton(AF_INET, texts[i + 2], &all[i].sin_addr) != 1) die("floor: not an IPv4 address");
  }
  double before = spent();
  for (int round = 0; round < rounds; round++)
    for (int i = 0; i < members; i++) {
      ask(&all[i], "mntr");
      ask(&all[i], "srvr");
    }
  printf("%.0f\n", (spent() - before) / rounds / members);
  return 0;
}
