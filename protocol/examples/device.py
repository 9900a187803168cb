"""A checkpoint device in 130 lines that follows protocol/SPEC.md: verifies one text, then records three punches.

device.py HOST PORT SERVER_NAME CA CERTIFICATE KEY REGION PLACE TEXT     (paths are PEM; needs aioquic)
Exit code 0 if every punch was acknowledged. A real device also keeps its queue on disk, connects again and shows colours.
"""
import asyncio
import ssl
import struct
import sys
import time

from aioquic.asyncio import connect
from aioquic.quic.configuration import QuicConfiguration

COLOUR = {1: "green", 2: "yellow", 3: "red"}  # any other number: unknown
ADVICE = {1: "pass", 2: "stop", 3: "check-document", 5: "not-a-pass-code"}  # any other number: ask-staff
HELLO, VERIFY, PUNCH_BATCH = 1, 2, 3
WELCOME, VERDICTS, BUSY, GAP, ERROR, DRAIN, GATEWAYS = 129, 130, 131, 132, 133, 134, 138
EPOCH_BEHIND, NUMBER_USED, ACKNOWLEDGED_AHEAD = NUMBERING_LOST = 15, 31, 33  # a higher epoch heals these


def crc32c(data: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def frame(kind: int, request: int, body: bytes) -> bytes:
    head = struct.pack("<BBII", 1, kind, request, len(body)) + body
    return head + struct.pack("<I", crc32c(head))


async def read_frame(reader) -> tuple[int, int, bytes]:
    head = await reader.readexactly(10)
    version, kind, request, length = struct.unpack("<BBII", head)
    if version != 1 or length > 65536:
        raise ValueError("not a frame of version 1")
    body, (crc,) = await reader.readexactly(length), struct.unpack("<I", await reader.readexactly(4))
    if crc != crc32c(head + body):
        raise ValueError("wrong checksum")
    return kind, request, body


def scanned(text: str) -> bytes:
    data = text.encode()
    return struct.pack("<BH", 2, len(data)) + data


def batch(region: int, place: int, first: int, queue: list[tuple[str, int]]) -> bytes:
    punches = (scanned(text) + struct.pack("<BIQB", 1, place, at_ms, 0) for text, at_ms in queue)
    return struct.pack("<HQI", region, first, len(queue)) + b"".join(punches)


def verdicts(body: bytes) -> tuple[int, int]:
    """Prints a run of verdicts. Returns its first and last sequence; 0 and 0 for an answer to Verify."""
    first, _as_of_ms, count = struct.unpack_from("<QQI", body)
    for index in range(count):
        colour, advice, basis, reason = body[20 + 4 * index : 24 + 4 * index]
        what = f"punch {first + index}" if first else "verify"
        print(f"{what}: {COLOUR.get(colour, 'unknown')} {ADVICE.get(advice, 'ask-staff')} basis={basis} reason={reason}")
    return first, first + count - 1 if first else 0


def gateways(body: bytes) -> list[str]:
    """Returns the addresses of the city's gateways. A real device tries them in turn when its own is lost or drains."""
    (count,), at, addresses = struct.unpack_from("<I", body), 4, []
    for _ in range(count):
        (length,) = struct.unpack_from("<I", body, at)
        addresses.append(body[at + 4 : at + 4 + length].decode())
        at += 4 + length
    return addresses


async def session(host, port, tls, region, place, epoch: int, queue: list[tuple[str, int]]) -> int:
    """Sends the queue in that epoch. Returns 0 if all of it is acknowledged, -1 if it is refused, otherwise the next epoch to use."""
    async with asyncio.timeout(20), connect(host, int(port), configuration=tls) as connection:
        reader, writer = await connection.create_stream()
        writer.write(frame(HELLO, 1, struct.pack("<IQ", epoch, 0)))
        writer.write(frame(VERIFY, 2, struct.pack("<HI", int(region), 1) + scanned(queue[0][0])))
        acknowledged = 0
        punches = lambda first: batch(int(region), int(place), first, queue[first - 1 :])
        while acknowledged < len(queue):
            kind, request, body = await read_frame(reader)
            if kind == WELCOME:
                if struct.unpack_from("<QQ", body)[1] > 0:  # the log holds punches that this device never sent
                    return epoch + 1
                writer.write(frame(PUNCH_BATCH, 3, punches(1)))
            elif kind == VERDICTS:
                first, last = verdicts(body)
                if first and first <= acknowledged + 1:
                    acknowledged = max(acknowledged, last)
            elif kind == GATEWAYS:
                print("gateways:", *gateways(body))
            elif kind == BUSY:
                await asyncio.sleep(struct.unpack_from("<I", body)[0] / 1000)
                writer.write(frame(PUNCH_BATCH, 4, punches(acknowledged + 1)))
            elif kind == GAP:
                writer.write(frame(PUNCH_BATCH, 5, punches(struct.unpack("<Q", body)[0])))
            elif kind == ERROR and struct.unpack_from("<H", body)[0] in NUMBERING_LOST:
                code, detail = struct.unpack_from("<HQ", body)
                return 1 + max(epoch, detail if code == EPOCH_BEHIND else 0)
            elif kind in (ERROR, DRAIN):
                print(f"request {request}: refused, frame type {kind}: {body!r}", file=sys.stderr)
                return -1
    return 0


async def main(host, port, name, ca, certificate, key, region, place, text) -> int:
    tls = QuicConfiguration(is_client=True, alpn_protocols=["changtong/1"], server_name=name, idle_timeout=30.0)
    tls.verify_mode = ssl.CERT_REQUIRED
    tls.load_verify_locations(ca)
    tls.load_cert_chain(certificate, key)
    # A punch keeps the time at which it was scanned, however often it is sent.
    queue = [(shown, int(time.time() * 1000)) for shown in (text, text, "https://code.example/p/0000000000")]
    # This device stores nothing between runs, so each run takes a new epoch; seconds since 1970 only increase.
    epoch = int(time.time())
    while epoch > 0:
        epoch = await session(host, port, tls, region, place, epoch, queue)
    return -epoch


if __name__ == "__main__":
    if len(sys.argv) != 10:
        sys.exit(__doc__)
    sys.exit(asyncio.run(main(*sys.argv[1:])))
