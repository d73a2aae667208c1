"""The first process of a pod: it holds the pod's network and forwards ports into it.

`pause.py FD:PORT...`, started in a network namespace of its own. Each FD is a listening socket that
was made outside, and so stays outside: what arrives there goes to 127.0.0.1:PORT in here. Nothing
else leads in, and nothing leads out.
"""

import asyncio
import contextlib
import socket
import subprocess
import sys
from functools import partial

_CHUNK = 65_536


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass bytes on until one side has no more, and say so to the other."""
    with contextlib.suppress(OSError):
        while chunk := await reader.read(_CHUNK):
            writer.write(chunk)
            await writer.drain()
        writer.write_eof()


async def _forward(port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One connection; closed at once where nothing listens in here."""
    with contextlib.suppress(OSError):
        try:
            inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", port)
            await asyncio.gather(_pump(reader, inner_writer), _pump(inner_reader, writer))
            inner_writer.close()
        finally:
            writer.close()


async def _serve(pairs: list[str]) -> None:
    for pair in pairs:
        descriptor, port = map(int, pair.split(":"))
        outside = socket.socket(fileno=descriptor)
        await asyncio.start_server(partial(_forward, port), sock=outside)
    print("ready", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    asyncio.run(_serve(sys.argv[1:]))
