/* Sensor datagrams for Gallop, version 1: many records of one width under one header, in one UDP packet.
 *
 *   struct gallop_sensor sensor = {.source_id = 17, .epoch = starts, .schema_id = 7, .record_len = sizeof records[0]};
 *   uint8_t packet[1472];
 *   size_t bytes = gallop_datagram(&sensor, now_ns, records, 3, packet, sizeof packet);   then sendto(.., packet, bytes, ..)
 *
 * C99, no allocation, no library. Records are written as they are: fields little-endian, one after the other, without gaps
 * (__attribute__((packed)) on a little-endian processor). Count `epoch` up at every start, and keep it over a loss of
 * power: the server takes nothing of an epoch that is over. Set `key` to the 16 bytes shared with the server for a tag.
 */
#ifndef GALLOP_SENSOR_H
#define GALLOP_SENSOR_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define GALLOP_HEADER_BYTES 32
#define GALLOP_TAG_BYTES 8

struct gallop_sensor {
    uint32_t source_id;   /* who sends */
    uint16_t epoch;       /* how often it has started */
    uint16_t schema_id;   /* what the records hold, as registered */
    uint16_t record_len;  /* bytes of a record */
    uint8_t key_id;       /* which key, if there is one */
    const uint8_t *key;   /* 16 bytes, or none for no tag */
    uint64_t next;        /* number of the next record; begins with 0 in each epoch */
};

static inline uint8_t *gallop_put(uint8_t *at, uint64_t value, int bytes) {
    for (int i = 0; i < bytes; i++) at[i] = (uint8_t)(value >> (8 * i));
    return at + bytes;
}

static inline uint64_t gallop_get(const uint8_t *at, size_t bytes) {
    uint64_t value = 0;
    for (size_t i = 0; i < bytes; i++) value |= (uint64_t)at[i] << (8 * i);
    return value;
}

static inline uint64_t gallop_turn(uint64_t value, int bits) { return value << bits | value >> (64 - bits); }

static inline void gallop_rounds(uint64_t v[4], int rounds) {
    while (rounds-- > 0) {
        v[0] += v[1]; v[1] = gallop_turn(v[1], 13); v[1] ^= v[0]; v[0] = gallop_turn(v[0], 32);
        v[2] += v[3]; v[3] = gallop_turn(v[3], 16); v[3] ^= v[2];
        v[0] += v[3]; v[3] = gallop_turn(v[3], 21); v[3] ^= v[0];
        v[2] += v[1]; v[1] = gallop_turn(v[1], 17); v[1] ^= v[2]; v[2] = gallop_turn(v[2], 32);
    }
}

/* SipHash-2-4. */
static inline uint64_t gallop_tag(const uint8_t *key, const uint8_t *bytes, size_t length) {
    uint64_t k0 = gallop_get(key, 8), k1 = gallop_get(key + 8, 8), word;
    uint64_t v[4] = {k0 ^ 0x736f6d6570736575u, k1 ^ 0x646f72616e646f6du, k0 ^ 0x6c7967656e657261u, k1 ^ 0x7465646279746573u};
    size_t at = 0;
    for (; at + 8 <= length; at += 8) {
        word = gallop_get(bytes + at, 8);
        v[3] ^= word; gallop_rounds(v, 2); v[0] ^= word;
    }
    word = gallop_get(bytes + at, length - at) | (uint64_t)(length & 0xff) << 56;
    v[3] ^= word; gallop_rounds(v, 2); v[0] ^= word;
    v[2] ^= 0xff; gallop_rounds(v, 4);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/* Writes a datagram of `count` records, measured at `time_ns` since 1970, into `packet`.
 * Returns its bytes; 0 if there is no record, or no room. Send it once: a second time it is a replay. */
static inline size_t gallop_datagram(struct gallop_sensor *sensor, uint64_t time_ns, const void *records, uint8_t count,
                                     uint8_t *packet, size_t room) {
    size_t records_bytes = (size_t)count * sensor->record_len;
    size_t bytes = GALLOP_HEADER_BYTES + records_bytes + (sensor->key ? GALLOP_TAG_BYTES : 0);
    if (records_bytes == 0 || room < bytes) return 0;
    uint8_t *at = gallop_put(packet, 0x5346, 2);
    at = gallop_put(at, 1, 1);
    at = gallop_put(at, sensor->key ? 1 : 0, 1);
    at = gallop_put(at, sensor->schema_id, 2);
    at = gallop_put(at, sensor->record_len, 2);
    at = gallop_put(at, count, 1);
    at = gallop_put(at, sensor->key_id, 1);
    at = gallop_put(at, sensor->epoch, 2);
    at = gallop_put(at, sensor->source_id, 4);
    at = gallop_put(at, sensor->next, 8);
    at = gallop_put(at, time_ns, 8);
    memcpy(at, records, records_bytes);
    at += records_bytes;
    if (sensor->key) gallop_put(at, gallop_tag(sensor->key, packet, bytes - GALLOP_TAG_BYTES), GALLOP_TAG_BYTES);
    sensor->next += count;
    return bytes;
}

#endif
