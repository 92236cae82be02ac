#!/usr/bin/env python3
"""Sends ten datagrams of three records each, without a tag: send.py 127.0.0.1 9000 EPOCH

EPOCH is how often this device has started: count it up each time, since the server takes nothing of one that is over.

Schema 7: [{"name": "celsius", "kind": "f32"}, {"name": "rpm", "kind": "u16"}, {"name": "alarm", "kind": "u16"}]
"""
import socket
import struct
import sys
import time

MAGIC, VERSION, FLAGS, SCHEMA, SOURCE = 0x5346, 1, 0, 7, 18
HEADER = struct.Struct("<HBBHHBBHIQQ")
RECORD = struct.Struct("<fHH")
address, port, epoch, number = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), 0
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for turn in range(10):
    readings = [(20.5 + turn, 1500, 0), (20.6 + turn, 1501, 0), (20.7 + turn, 1502, 1)]
    records = b"".join(RECORD.pack(*reading) for reading in readings)
    header = HEADER.pack(
        MAGIC, VERSION, FLAGS, SCHEMA, RECORD.size, len(readings), 0, epoch, SOURCE, number, time.time_ns()
    )
    udp.sendto(header + records, (address, port))
    number += len(readings)  # Numbers count records.
