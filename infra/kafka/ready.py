"""Waits until every broker of a cluster names all of them: `ready.py HOST:PORT,.. NUMBER`. Speaks the protocol's one
request it needs (Metadata, version 0), so that no client library has to be there."""

import socket
import struct
import sys
import time

PATIENCE_S = 60


def live_brokers(address):
    host, port = address.rsplit(":", 1)
    with socket.create_connection((host, int(port)), timeout=2) as connection:
        client = b"ready"
        # Api 3 (Metadata), version 0, correlation id 1, client id, no topics named: all of them.
        request = struct.pack(">hhih", 3, 0, 1, len(client)) + client + struct.pack(">i", 0)
        connection.sendall(struct.pack(">i", len(request)) + request)
        answer = connection.makefile("rb")
        (size,) = struct.unpack(">i", answer.read(4))
        _, brokers = struct.unpack(">ii", answer.read(size)[:8])
        return brokers


def main():
    addresses, number = sys.argv[1].split(","), int(sys.argv[2])
    begin = time.monotonic()
    waiting = list(addresses)
    while waiting and time.monotonic() < begin + PATIENCE_S:
        try:
            if live_brokers(waiting[0]) >= number:
                waiting.pop(0)
                continue
        except (OSError, struct.error):
            pass
        time.sleep(0.1)
    if waiting:
        sys.exit(f"not ready after {PATIENCE_S} s: {' '.join(waiting)}")


main()
