"""Several workers behind one parent."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.serving import children, clean_env


def _within(seconds: float) -> "list[float]":
    """Moments to look, a twentieth of a second apart."""
    return [0.05] * int(seconds / 0.05)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the kernel tells workers on Linux only")
def test_workers_end_when_their_parent_is_killed_and_the_port_is_free_again(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "passerelle", "serve", "--workers", "2", "--port", "0"]
    env = clean_env(PASSERELLE_DATA_DIR=str(tmp_path / "data"))
    with subprocess.Popen(command, env=env, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as parent:
        assert parent.stderr is not None
        found = re.search(r":(\d+)$", parent.stderr.readline().strip())
        assert found
        while '"ready"' not in (line := parent.stderr.readline()):
            assert line, "the gateway ended"
        workers = children(parent.pid)
        assert len(workers) == 2
        os.kill(parent.pid, signal.SIGKILL)
        parent.wait(10)
        for pause in _within(10):
            left = [pid for pid in workers if Path(f"/proc/{pid}").exists()]
            if not left:
                break
            time.sleep(pause)
        assert not left, "workers outlived their parent"
    with socket.socket() as again:
        again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        again.bind(("127.0.0.1", int(found.group(1))))
