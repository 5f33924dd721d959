/* Ask a server which digit this is: ask digit.json [port]. POSIX sockets, no library. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static _Noreturn void fail(const char *what) {
    perror(what);
    exit(1);
}

static int connected(int port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int server = socket(AF_INET, SOCK_STREAM, 0);
    if (server < 0 || connect(server, (struct sockaddr *)&address, sizeof address) < 0)
        fail("connect");
    return server;
}

static void send_all(int server, const char *bytes, size_t size) {
    while (size > 0) {
        ssize_t sent = write(server, bytes, size);
        if (sent < 0) fail("write");
        bytes += sent;
        size -= sent;
    }
}

int main(int argc, char **argv) {
    char body[4096], head[256], answer[65536];
    FILE *file = argc > 1 ? fopen(argv[1], "rb") : NULL;
    if (!file) fail("digit.json");
    size_t size = fread(body, 1, sizeof body, file);
    fclose(file);

    int server = connected(argc > 2 ? atoi(argv[2]) : 8501);
    int length = snprintf(head, sizeof head,
                          "POST /v1/models/digits:predict HTTP/1.1\r\n"
                          "Host: 127.0.0.1\r\nConnection: close\r\n"
                          "Content-Length: %zu\r\n\r\n", size);
    send_all(server, head, length);
    send_all(server, body, size);

    size_t got = 0;
    for (ssize_t n; got < sizeof answer - 1; got += n) {
        n = read(server, answer + got, sizeof answer - 1 - got);
        if (n < 0) fail("read");
        if (n == 0) break;
    }
    answer[got] = 0;
    close(server);

    char *class = strstr(answer, "\"class\":"), *list = strstr(answer, "\"probabilities\":[");
    if (strncmp(answer, "HTTP/1.1 200", 12) || !class || !list) {
        fprintf(stderr, "%s\n", answer);
        return 1;
    }
    float largest = 0;
    for (char *next = strchr(list, '['); next && *next != ']';) {
        float probability = strtof(next + 1, &next); /* ends at a comma, or at the bracket */
        if (probability > largest) largest = probability;
    }
    printf("class %d, probability %.3f\n", atoi(class + strlen("\"class\":")), largest);
    return 0;
}
