"""Dialects are imported once requests are taken: not before, nor when the first caller of one waits."""

import json
import subprocess
import sys
from pathlib import Path

from tests.gateway.stage import Catalogue

_SCRIPT = """
import asyncio, json, os, signal, socket, sys
from pathlib import Path
from passerelle.app import App, Source, serve
from passerelle.codecs import registry

known = lambda: registry.client.cache_info().currsize
longest = 0.0

async def watch(at_ready):
    global longest
    loop = asyncio.get_running_loop()
    while known() < 4:
        before = loop.time()
        await asyncio.sleep(0.001)
        longest = max(longest, loop.time() - before)
    print(json.dumps([at_ready, known(), longest]))
    os.kill(os.getpid(), signal.SIGTERM)

async def main():
    source = Source(Path(sys.argv[1]), {}, {"data_dir": sys.argv[2]})
    app = App(source, source.read())
    watching = []
    ready = lambda: watching.append(asyncio.create_task(watch(known())))
    await serve(app, socket.create_server(("127.0.0.1", 0)), ready)

asyncio.run(main())
"""


def test_every_dialect_is_there_before_its_first_caller(tmp_path: Path) -> None:
    config = tmp_path / "passerelle.toml"
    config.write_text(Catalogue().text)
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT, str(config), str(tmp_path / "data")],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    at_ready, known, longest_s = json.loads(done.stdout)
    assert (at_ready, known) == (0, 4)
    print(f"the loop waited {longest_s * 1000:.0f} ms at most")
