"""Run a command in a network namespace with nothing in it but loopback, and one door: 127.0.0.1:8080 leads
to a Unix socket of the test's. `python agent_alone.py SOCKET COMMAND…`, under `unshare --net`.

Whatever else the command tries to reach does not exist. Exits with the command's status.
"""

import asyncio
import fcntl
import os
import socket
import struct
import sys

DOOR = 8080
_SIOCSIFFLAGS = 0x8914
_UP_AND_RUNNING = 0x1 | 0x40


def loopback_up() -> None:
    """What `ip link set lo up` does (netdevice(7))."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", _UP_AND_RUNNING))


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Bytes from one to the other, until the one ends."""
    try:
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


async def alone(socket_path: str, command: list[str]) -> int:
    """Open the door, run the command."""

    async def enter(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_unix_connection(socket_path)
        await asyncio.gather(pump(reader, inner_writer), pump(inner_reader, writer))

    loopback_up()
    async with await asyncio.start_server(enter, "127.0.0.1", DOOR):
        process = await asyncio.create_subprocess_exec(*command)
        return await process.wait()


if __name__ == "__main__":
    os._exit(asyncio.run(alone(sys.argv[1], sys.argv[2:])) & 0xFF)
