"""Several workers behind one parent."""

import os
import re
import select
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from tests.serving import children, clean_env


def _ended(process: int, within_s: float) -> bool:
    """Whether a process (of which we need not be the parent) is over by then; told what `pidfd_open` gave."""
    return bool(select.select([process], [], [], within_s)[0])


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
        watched = [os.pidfd_open(pid) for pid in workers]
        os.kill(parent.pid, signal.SIGKILL)
        parent.wait(10)
        assert all(_ended(process, 10) for process in watched), "workers outlived their parent"
        for process in watched:
            os.close(process)
    with socket.socket() as again:
        again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        again.bind(("127.0.0.1", int(found.group(1))))
