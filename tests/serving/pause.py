"""The first process of a pod: it holds the pod's network and forwards ports into it.

`pause.py FD:PORT... PORT=PATH...`, started in a network namespace of its own. Each FD is a
listening socket that was made outside, and so stays outside: what arrives there goes to
127.0.0.1:PORT in here. What arrives at a PORT in here goes to the socket at its PATH. Nothing else
leads in or out.
"""

import asyncio
import contextlib
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable
from functools import partial

_CHUNK = 65_536
_Opened = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass bytes on until one side has no more, and say so to the other."""
    with contextlib.suppress(OSError):
        while chunk := await reader.read(_CHUNK):
            writer.write(chunk)
            await writer.drain()
        writer.write_eof()


async def _forward(
    opened: Callable[[], Awaitable[_Opened]],
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
) -> None:
    """One connection; closed at once where nothing listens on the other side."""
    with contextlib.suppress(OSError):
        try:
            there_reader, there_writer = await opened()
            await asyncio.gather(_pump(reader, there_writer), _pump(there_reader, writer))
            there_writer.close()
        finally:
            writer.close()


async def _serve(pairs: list[str]) -> None:
    for pair in pairs:
        if "=" in pair:
            port, path = pair.split("=")
            out = partial(_forward, partial(asyncio.open_unix_connection, path))
            await asyncio.start_server(out, "127.0.0.1", int(port))
        else:
            descriptor, port = pair.split(":")
            inward = partial(_forward, partial(asyncio.open_connection, "127.0.0.1", int(port)))
            await asyncio.start_server(inward, sock=socket.socket(fileno=int(descriptor)))
    print("ready", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    asyncio.run(_serve(sys.argv[1:]))
