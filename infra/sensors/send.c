/* Sends ten datagrams of three records each: cc -std=c99 -D_POSIX_C_SOURCE=200809L -o send send.c && ./send 127.0.0.1 9000 1 [key]
 * Schema 7: [{"name": "celsius", "kind": "f32"}, {"name": "rpm", "kind": "u16"}, {"name": "alarm", "kind": "u16"}] */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

#include "gallop_sensor.h"

struct __attribute__((packed)) reading { float celsius; uint16_t rpm, alarm; };

int main(int argc, char **argv) {
    if (argc < 4) return fprintf(stderr, "send ADDRESS PORT EPOCH [KEY OF 16 CHARACTERS]\n"), 2;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[2]))};
    if (inet_pton(AF_INET, argv[1], &to.sin_addr) != 1) return fprintf(stderr, "not an address: %s\n", argv[1]), 2;
    if (argc > 4 && strlen(argv[4]) != 16) return fprintf(stderr, "a key is 16 bytes\n"), 2;
    const uint8_t *key = argc > 4 ? (const uint8_t *)argv[4] : NULL;
    struct gallop_sensor sensor = {.source_id = 17, .epoch = (uint16_t)atoi(argv[3]), .schema_id = 7,
                                   .record_len = sizeof(struct reading), .key_id = 1, .key = key};
    int udp = socket(AF_INET, SOCK_DGRAM, 0);
    for (int i = 0; i < 10; i++) {
        struct timespec now;
        clock_gettime(CLOCK_REALTIME, &now);
        struct reading readings[3] = {{20.5f + i, 1500, 0}, {20.6f + i, 1501, 0}, {20.7f + i, 1502, 1}};
        uint8_t packet[1472];
        uint64_t time_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
        size_t bytes = gallop_datagram(&sensor, time_ns, readings, 3, packet, sizeof packet);
        if (sendto(udp, packet, bytes, 0, (struct sockaddr *)&to, sizeof to) < 0) return perror("sendto"), 1;
    }
    return 0;
}
