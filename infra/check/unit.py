"""Starts Gallop under the filters of its systemd unit, puts a record, reads it and stops.

    unit.py infra/systemd/gallop.service target/debug/gallop

It needs no running systemd: it applies SystemCallFilter, SystemCallErrorNumber and
RestrictAddressFamilies by itself, with the sets of calls that `systemd-analyze` knows and the
numbers that the C compiler knows.
"""

import base64
import ctypes
import errno
import json
import os
import platform
import re
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import urllib.request

AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS, SECCOMP_MODE_FILTER = 22, 38, 2
ALLOW, REFUSE, KILL_PROCESS = 0x7FFF0000, 0x00050000, 0x80000000
LOAD, EQUAL, RETURN = 0x20, 0x15, 0x06
NUMBER_AT, ARCH_AT, ARGUMENT_AT = 0, 4, 16
START_SECONDS_MAX = 60


def settings(unit):
    """What the unit says, each key with all its values in order."""
    found = {}
    for line in open(unit, encoding="utf-8"):
        key, separator, value = line.strip().partition("=")
        if separator and not key.startswith(("#", ";")):
            found.setdefault(key, []).append(value)
    return found


def calls(names):
    """The system calls that names and sets stand for."""
    found = set()
    for name in names:
        if not name.startswith("@"):
            found.add(name)
            continue
        printed = subprocess.run(["systemd-analyze", "syscall-filter", name], capture_output=True, text=True, check=True)
        members = (line.split("#")[0].strip() for line in printed.stdout.splitlines()[1:])
        found |= calls(member for member in members if member)
    return found


def allowed(unit):
    """The calls that SystemCallFilter allows: the first value begins the list, later ones change it."""
    found = calls(["@default"])
    for value in unit["SystemCallFilter"]:
        found = found - calls(value[1:].split()) if value.startswith("~") else found | calls(value.split())
    return found


def numbers():
    """The numbers of the system calls of this machine."""
    compiled = ["cc", "-dM", "-E", "-include", "sys/syscall.h", "-x", "c", os.devnull]
    printed = subprocess.run(compiled, capture_output=True, text=True, check=True).stdout
    return {name: int(number) for name, number in re.findall(r"^#define __NR_(\w+) (\d+)$", printed, re.M)}


def program(unit):
    """The filter as a program of the kernel's packet filter."""
    known = numbers()
    errors = unit.get("SystemCallErrorNumber")
    otherwise = REFUSE | getattr(errno, errors[0]) if errors else KILL_PROCESS
    families = [getattr(socket, name).value for name in unit["RestrictAddressFamilies"][0].split()]
    code = [(LOAD, 0, 0, ARCH_AT), (EQUAL, 1, 0, AUDIT_ARCH[platform.machine()]), (RETURN, 0, 0, KILL_PROCESS)]
    code += [(LOAD, 0, 0, NUMBER_AT), (EQUAL, 0, 2 + 2 * len(families), known["socket"]), (LOAD, 0, 0, ARGUMENT_AT)]
    for family in families:
        code += [(EQUAL, 0, 1, family), (RETURN, 0, 0, ALLOW)]
    code += [(RETURN, 0, 0, REFUSE | errno.EAFNOSUPPORT)]
    for name in sorted(allowed(unit) & known.keys()):
        code += [(EQUAL, 0, 1, known[name]), (RETURN, 0, 0, ALLOW)]
    code += [(RETURN, 0, 0, otherwise)]
    return b"".join(struct.pack("HBBI", *step) for step in code)


def confine(steps):
    """Puts this process, and all that it starts, under the filter."""

    class Program(ctypes.Structure):
        _fields_ = [("len", ctypes.c_ushort), ("filter", ctypes.c_char_p)]

    libc = ctypes.CDLL(None, use_errno=True)
    one = ctypes.c_ulong(1)
    nothing = ctypes.c_ulong(0)
    if libc.prctl(PR_SET_NO_NEW_PRIVS, one, nothing, nothing, nothing):
        raise OSError(ctypes.get_errno(), "no new privileges")
    filled = Program(len(steps) // 8, steps)
    if libc.prctl(PR_SET_SECCOMP, ctypes.c_ulong(SECCOMP_MODE_FILTER), ctypes.byref(filled), nothing, nothing):
        raise OSError(ctypes.get_errno(), "the filter is refused")


def kinesis(address, action, **arguments):
    """Calls the Kinesis API."""
    headers = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": f"Kinesis_20131202.{action}"}
    request = urllib.request.Request(address, json.dumps(arguments).encode(), headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.loads(answer.read() or "{}")


def check(unit, binary):
    """Starts, puts, reads back, stops."""
    steps = program(settings(unit))
    with tempfile.TemporaryDirectory() as data:
        command = [binary, "serve", "--port", "0", "--data", os.path.join(data, "gallop")]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, preexec_fn=lambda: confine(steps))
        try:
            signal.alarm(START_SECONDS_MAX)
            said = server.stdout.readline()
            address = re.search(r"http://[\d.:]+", said)
            if not address:
                sys.exit(f"{unit}: the server does not start under it: it ended with {server.wait()}")
            kinesis(address[0], "CreateStream", StreamName="confined", ShardCount=1)
            kinesis(address[0], "PutRecord", StreamName="confined", PartitionKey="k", Data=base64.b64encode(b"{}").decode())
            iterator = kinesis(
                address[0], "GetShardIterator", StreamName="confined", ShardId="shardId-000000000000",
                ShardIteratorType="TRIM_HORIZON",
            )
            records = kinesis(address[0], "GetRecords", ShardIterator=iterator["ShardIterator"])["Records"]
            assert len(records) == 1, records
            server.terminate()
            ended = server.wait()
            assert ended == 0, f"{unit}: the server stopped with {ended}"
        finally:
            signal.alarm(0)
            server.kill()
            server.wait()
    print(f"{unit}: a server starts, takes a record and stops under it")


if __name__ == "__main__":
    check(*sys.argv[1:])
