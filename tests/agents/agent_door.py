"""The other side of `agent_alone`: a Unix socket whose connections lead to the gateway."""

import asyncio
import threading
from pathlib import Path
from urllib.parse import urlsplit

from tests.agents.agent_alone import pump


class Door:
    """The socket, in a thread with its own loop; use as a context manager."""

    def __init__(self, path: Path, base_url: str) -> None:
        self.path = path
        self._to = urlsplit(base_url)
        self._loop = asyncio.new_event_loop()
        self._open = threading.Event()
        self._shut = asyncio.Event()
        self._thread = threading.Thread(
            target=lambda: self._loop.run_until_complete(self._run()), daemon=True
        )

    def __enter__(self) -> "Door":
        self._thread.start()
        assert self._open.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._shut.set)
        self._thread.join(10)
        self._loop.close()
        self.path.unlink(missing_ok=True)

    async def _run(self) -> None:
        server = await asyncio.start_unix_server(self._enter, self.path)
        self._open.set()
        await self._shut.wait()
        server.close()
        inside = asyncio.all_tasks() - {asyncio.current_task()}
        for task in inside:
            task.cancel()
        await asyncio.gather(*inside, return_exceptions=True)

    async def _enter(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(self._to.hostname, self._to.port)
        await asyncio.gather(pump(reader, far_writer), pump(far_reader, writer))
