"""A running gateway for tests: the real command, in a process of its own, on a free port."""

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_LISTENS = re.compile(r"listens on (http://\S+)")
_KEPT = ("PATH", "HOME", "LANG", "TMPDIR", "VIRTUAL_ENV", "PYTHONPATH")


def clean_env(**more: str) -> dict[str, str]:
    """This process's environment without any provider's key in it."""
    return {**{k: v for k, v in os.environ.items() if k in _KEPT}, **more}


def passerelle(*args: str, data: Path, env: dict[str, str] | None = None, check: bool = True) -> str:
    """Run the command to its end and give its standard output."""
    done = subprocess.run(
        [sys.executable, "-m", "passerelle", *args],
        env=clean_env(PASSERELLE_DATA_DIR=str(data), **(env or {})),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if check and done.returncode != 0:
        raise AssertionError(f"passerelle {' '.join(args)} ended with {done.returncode}:\n{done.stderr}")
    return done.stdout


def children(pid: int) -> list[int]:
    """The processes whose parent is `pid`."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text()
            except OSError:
                continue
            if int(stat.rpartition(")")[2].split()[1]) == pid:
                found.append(int(entry.name))
    return found


@dataclass
class Gateway:
    """`passerelle serve` with a configuration; use as a context manager."""

    folder: Path
    config: str = ""
    workers: int = 1
    env: dict[str, str] = field(default_factory=dict)
    base_url: str = ""
    log: list[str] = field(default_factory=list)
    _news: threading.Condition = field(default_factory=threading.Condition)

    @property
    def data(self) -> Path:
        """Its data directory."""
        return self.folder / "data"

    @property
    def config_path(self) -> Path:
        """Its configuration file."""
        return self.folder / "passerelle.toml"

    def __enter__(self) -> "Gateway":
        self.folder.mkdir(parents=True, exist_ok=True)
        self.config_path.write_text(self.config)
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start the process and wait until it takes requests."""
        command = [sys.executable, "-m", "passerelle", "serve", "--config", str(self.config_path)]
        command += ["--data", str(self.data), "--port", "0", "--workers", str(self.workers)]
        self.process = subprocess.Popen(
            command, env=clean_env(**self.env), stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
        )
        listening, ready = threading.Event(), threading.Event()
        waiting = self.workers

        def read() -> None:
            nonlocal waiting
            assert self.process.stderr is not None
            for line in self.process.stderr:
                with self._news:
                    self.log.append(line)
                    self._news.notify_all()
                found = _LISTENS.search(line)
                if found:
                    self.base_url = found.group(1)
                    listening.set()
                if '"message":"ready"' in line:
                    waiting -= 1
                    if waiting <= 0:
                        ready.set()
            listening.set()
            ready.set()

        self._reader = threading.Thread(target=read, daemon=True)
        self._reader.start()
        if not ready.wait(90) or self.process.poll() is not None or not self.base_url:
            self.stop()
            raise AssertionError("the gateway did not start:\n" + "".join(self.log))

    def wait_for(self, condition: Callable[[], bool], within_s: float) -> bool:
        """Whether `condition()`, of what the log says, comes true in time; looked at with every new line."""
        with self._news:
            return self._news.wait_for(condition, within_s)

    def stop(self) -> int:
        """SIGTERM, and wait for its orderly end; gives the exit status."""
        if self.process.poll() is None:
            self.process.terminate()
        status = self.process.wait(30)
        self._reader.join(10)
        if self.process.stderr is not None:
            self.process.stderr.close()
        return status

    def kill(self) -> None:
        """kill -9."""
        self.process.kill()
        self.process.wait(30)
        self._reader.join(10)
        if self.process.stderr is not None:
            self.process.stderr.close()

    def key(self, *args: str) -> dict[str, Any]:
        """A fresh key, as `passerelle keys create --json` prints it."""
        printed = passerelle("keys", "create", "--json", *(args or ("--name", "test")), data=self.data)
        made: dict[str, Any] = json.loads(printed)
        return made

    def receipt(self, receipt_id: str) -> dict[str, Any]:
        """A receipt, through the command line."""
        shown: dict[str, Any] = json.loads(
            passerelle("receipts", "show", receipt_id, "--json", data=self.data)
        )
        return shown
