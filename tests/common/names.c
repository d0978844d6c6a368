/* The name server and the network of a test: cc makes a library of this, and LD_PRELOAD puts it between the connector and
   the C library. There is no other way to a name server that is silent or changes its mind, on a machine that is not ours.

   NAMES_TABLE names a file with a line "name answer" for each name. An answer is addresses with commas between, or "silent":
   then there is none, ever. Names that are not in the table are the system's.

   Whatever is not this host is this host, at the same port, so that a site can have a public address. 93.184.216.99 refuses.
   NAMES_LOG names a file with a line for each lookup and each connection, as it was asked for. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

typedef int (*getaddrinfo_type)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
typedef int (*connect_type)(int, const struct sockaddr *, socklen_t);

static void note(const char *what, const char *whom) {
    char line[512];
    int length = snprintf(line, sizeof line, "%s %s\n", what, whom);
    int file = open(getenv("NAMES_LOG"), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (file >= 0) {
        if (write(file, line, length) < 0) abort();
        close(file);
    }
}

/* The line of the table for `name`, into `answer`; 0 if there is none. */
static int look_up(const char *name, char *answer, size_t size) {
    char line[1024], given[256], text[512];
    int found = 0;
    FILE *table = fopen(getenv("NAMES_TABLE"), "re");
    if (table == NULL) return 0;
    while (!found && fgets(line, sizeof line, table) != NULL) {
        found = sscanf(line, "%255s %511s", given, text) == 2 && strcmp(given, name) == 0;
    }
    fclose(table);
    if (found) snprintf(answer, size, "%s", text);
    return found;
}

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **result) {
    getaddrinfo_type real = (getaddrinfo_type)dlsym(RTLD_NEXT, "getaddrinfo");
    char answer[512], *rest = answer, *address;
    if (name == NULL) return real(name, service, hints, result);
    note("lookup", name);
    if (!look_up(name, answer, sizeof answer)) return real(name, service, hints, result);
    if (strcmp(answer, "silent") == 0) {
        for (;;) pause();
    }
    struct addrinfo **end = result;
    *result = NULL;
    while ((address = strsep(&rest, ",")) != NULL) {
        int failed = real(address, service, hints, end);
        if (failed) return failed;
        while (*end != NULL) end = &(*end)->ai_next;
    }
    return 0;
}

int connect(int file, const struct sockaddr *address, socklen_t length) {
    connect_type real = (connect_type)dlsym(RTLD_NEXT, "connect");
    char text[INET6_ADDRSTRLEN];
    if (address->sa_family == AF_INET) {
        struct sockaddr_in here = *(const struct sockaddr_in *)address;
        note("connect", inet_ntop(AF_INET, &here.sin_addr, text, sizeof text));
        if (strcmp(text, "93.184.216.99") == 0) {
            errno = ECONNREFUSED;
            return -1;
        }
        here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        return real(file, (struct sockaddr *)&here, sizeof here);
    }
    if (address->sa_family == AF_INET6) {
        struct sockaddr_in6 there = *(const struct sockaddr_in6 *)address;
        note("connect", inet_ntop(AF_INET6, &there.sin6_addr, text, sizeof text));
        there.sin6_addr = in6addr_loopback;
        return real(file, (struct sockaddr *)&there, sizeof there);
    }
    return real(file, address, length);
}
