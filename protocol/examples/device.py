"""A checkpoint device in 190 lines that follows protocol/SPEC.md: verifies one text, then records three punches.

device.py HOST PORT SERVER_NAME CA CERTIFICATE KEY REGION PLACE TEXT [GATEWAY ...]     (paths are PEM; needs aioquic)
A GATEWAY is HOST:PORT, as the answers to enrolment and renewal list them. Exit code 0 if every punch was acknowledged.
A real device also keeps its queue on disk, shows colours, and comes home to its first gateway after a while.
"""
import asyncio
import contextlib
import random
import ssl
import struct
import sys
import time

from cryptography import x509
from aioquic.asyncio import connect
from aioquic.quic.configuration import QuicConfiguration

COLOUR = {1: "green", 2: "yellow", 3: "red"}  # any other number: unknown
ADVICE = {1: "pass", 2: "stop", 3: "check-document", 5: "not-a-pass-code"}  # any other number: ask-staff
HELLO, VERIFY, PUNCH_BATCH = 1, 2, 3
WELCOME, VERDICTS, BUSY, GAP, ERROR, DRAIN, GATEWAYS = 129, 130, 131, 132, 133, 134, 138
EPOCH_BEHIND, NUMBER_USED, ACKNOWLEDGED_AHEAD = NUMBERING_LOST = 15, 31, 33  # a higher epoch heals these
CONNECT_S, ANSWER_S = 3, 4  # a gateway that takes longer is silent, and another one is tried
FAILURES_MAX = 10


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
    """Returns the addresses of the city's gateways."""
    (count,), at, addresses = struct.unpack_from("<I", body), 4, []
    for _ in range(count):
        (length,) = struct.unpack_from("<I", body, at)
        addresses.append(body[at + 4 : at + 4 + length].decode())
        at += 4 + length
    return addresses


def weight(device: int, address: str) -> int:
    value = 0xCBF29CE484222325
    for byte in address.encode() + struct.pack("<Q", device):
        value = (value ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    for factor in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
        value = (value ^ value >> 33) * factor & 0xFFFFFFFFFFFFFFFF
    return value ^ value >> 33


class Lost(Exception):
    """The gateway is silent, gone or shuts down: the device tries the next one."""


class Refused(Exception):
    """The gateway refuses what this device says: to ask another one changes nothing."""


class Device:
    def __init__(self, given, name, ca, certificate, key, region, place, text, addresses):
        self.given, self.name, self.ca, self.certificate, self.key = given, name, ca, certificate, key
        self.region, self.place = int(region), int(place)
        with open(certificate, "rb") as file:
            names = x509.load_pem_x509_certificate(file.read()).extensions.get_extension_for_class(x509.SubjectAlternativeName)
        self.number = int(names.value.get_values_for_type(x509.UniformResourceIdentifier)[0].rpartition(":")[2])
        # A punch keeps the time at which it was scanned, however often it is sent.
        self.queue = [(shown, int(time.time() * 1000)) for shown in (text, text, "https://code.example/p/0000000000")]
        # This device stores nothing between runs, so each run takes a new epoch; seconds since 1970 only increase.
        self.epoch, self.acknowledged = int(time.time()), 0
        self.order, self.at = [], 0
        self.take(addresses)

    def take(self, addresses: list[str]):
        """Takes a list of gateways. The one in use stays in use."""
        used = self.order[self.at] if self.order else None
        self.order = sorted(set(addresses), key=lambda address: (-weight(self.number, address), address))
        if self.given not in self.order:
            self.order.append(self.given)
        self.at = self.order.index(used) if used in self.order else 0

    def punches(self, first: int) -> bytes:
        return batch(self.region, self.place, first, self.queue[first - 1 :])

    async def session(self, address: str):
        """Sends what is not acknowledged to that gateway. Returns when all of it is, or with a higher epoch."""
        host, _, port = address.rpartition(":")
        host = host.strip("[]")
        name = self.name if address == self.given else host
        tls = QuicConfiguration(is_client=True, alpn_protocols=["changtong/1"], server_name=name, idle_timeout=30.0)
        tls.verify_mode = ssl.CERT_REQUIRED
        tls.load_verify_locations(self.ca)
        tls.load_cert_chain(self.certificate, self.key)
        async with contextlib.AsyncExitStack() as stack:
            async with asyncio.timeout(CONNECT_S):
                connection = await stack.enter_async_context(connect(host, int(port), configuration=tls))
            reader, writer = await connection.create_stream()
            writer.write(frame(HELLO, 1, struct.pack("<IQ", self.epoch, self.acknowledged)))
            writer.write(frame(VERIFY, 2, struct.pack("<HI", self.region, 1) + scanned(self.queue[0][0])))
            while self.acknowledged < len(self.queue):
                async with asyncio.timeout(ANSWER_S):
                    kind, request, body = await read_frame(reader)
                if kind == WELCOME:
                    if struct.unpack_from("<QQ", body)[1] > self.acknowledged:  # punches that this device never sent
                        self.epoch, self.acknowledged = self.epoch + 1, 0
                        return
                    writer.write(frame(PUNCH_BATCH, 3, self.punches(self.acknowledged + 1)))
                elif kind == VERDICTS:
                    first, last = verdicts(body)
                    if first and first <= self.acknowledged + 1:
                        self.acknowledged = max(self.acknowledged, last)
                elif kind == GATEWAYS:
                    print("gateways:", *gateways(body))
                    self.take(gateways(body))
                elif kind == BUSY:
                    await asyncio.sleep(struct.unpack_from("<I", body)[0] / 1000)
                    writer.write(frame(PUNCH_BATCH, 4, self.punches(self.acknowledged + 1)))
                elif kind == GAP:
                    writer.write(frame(PUNCH_BATCH, 5, self.punches(struct.unpack("<Q", body)[0])))
                elif kind == ERROR and struct.unpack_from("<H", body)[0] in NUMBERING_LOST:
                    code, detail = struct.unpack_from("<HQ", body)
                    self.epoch, self.acknowledged = 1 + max(self.epoch, detail if code == EPOCH_BEHIND else 0), 0
                    return
                elif kind == DRAIN:
                    raise Lost("it shuts down")
                elif kind == ERROR:
                    raise Refused(f"request {request}: {body!r}")

    async def run(self) -> int:
        failures = 0
        while self.acknowledged < len(self.queue) and failures < FAILURES_MAX:
            address = self.order[self.at]
            try:
                await self.session(address)
            except Refused as refused:
                print(f"{address} refuses {refused}", file=sys.stderr)
                return 1
            except (Lost, OSError, EOFError) as lost:  # a time that is over is an OSError, a stream that ends an EOFError
                print(f"{address} is lost: {str(lost) or type(lost).__name__}")
                await asyncio.sleep(random.random() * 0.1 * 2**failures)
                failures, self.at = failures + 1, (self.at + 1) % len(self.order)
        return int(self.acknowledged < len(self.queue))


if __name__ == "__main__":
    if len(sys.argv) < 10:
        sys.exit(__doc__)
    host, port, *others = sys.argv[1:]
    device = Device(f"{host}:{port}", *others[:7], others[7:])
    sys.exit(asyncio.run(device.run()))
