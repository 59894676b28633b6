"""The gateways under test, each started the same way: on core 0, in front of the same mock.

A gateway that is not installed is left out of the table, and the table says so.
"""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bench import payloads

GATEWAY_CORE = "0"
ROOT = Path(__file__).resolve().parent.parent
PEERS = ROOT / "bench" / ".peers"
TICK = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


def free_port() -> int:
    """A port nobody listens on now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


@dataclass
class Running:
    """A started gateway."""

    name: str
    port: int
    process: subprocess.Popen[bytes]
    boot_s: float
    headers: dict[str, str] = field(default_factory=dict)
    path: str = "/v1/chat/completions"

    def pids(self) -> list[int]:
        """The process and all its descendants."""
        found = [self.process.pid]
        for pid in found:
            with contextlib.suppress(OSError):
                for task in Path(f"/proc/{pid}/task").iterdir():
                    found += [int(p) for p in (task / "children").read_text().split()]
        return found

    def cpu_s(self) -> float:
        """CPU seconds used so far, user and system, all processes and threads."""
        total = 0
        for pid in self.pids():
            with contextlib.suppress(OSError):
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                total += int(fields[11]) + int(fields[12])
        return total / TICK

    def rss_mib(self) -> float:
        """Resident memory of all processes, shared pages counted once each process."""
        total = 0
        for pid in self.pids():
            with contextlib.suppress(OSError):
                total += int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        return total * PAGE / (1 << 20)


def _pinned(command: list[str], **options: object) -> subprocess.Popen[bytes]:
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return subprocess.Popen(["taskset", "-c", GATEWAY_CORE, *command], **{**quiet, **options})  # type: ignore[call-overload,no-any-return]


def _answers(port: int, headers: dict[str, str]) -> bool:
    """Whether a real request is answered with 200."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/v1/chat/completions",
        data=payloads.request_body(1024),
        headers={"content-type": "application/json", **headers},
    )
    try:
        with urllib.request.urlopen(request, timeout=5) as reply:
            return bool(reply.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _started(
    name: str, port: int, process: subprocess.Popen[bytes], headers: dict[str, str], began: float
) -> Running:
    deadline = began + 120
    while not _answers(port, headers):
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"{name} did not start")
        time.sleep(0.01)
    return Running(name, port, process, time.monotonic() - began, headers)


@contextlib.contextmanager
def _ended(process: subprocess.Popen[bytes]) -> Iterator[None]:
    try:
        yield
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(15)


@contextlib.contextmanager
def nginx(upstream: int, *, plain: bool = False) -> Iterator[Running]:
    """nginx as a reverse proxy: tuned, with kept-alive upstream connections and nothing buffered; or plain,
    as `proxy_pass` alone makes it, which opens an upstream connection for every request.
    """
    port = free_port()
    kept = "" if plain else "keepalive 512; keepalive_requests 10000000;"
    tuned = "" if plain else 'proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off;'
    with tempfile.TemporaryDirectory() as folder:
        conf = Path(folder) / "nginx.conf"
        conf.write_text(
            f"worker_processes 1;\ndaemon off;\npid {folder}/pid;\nerror_log {folder}/error.log;\n"
            "events { worker_connections 4096; }\n"
            "http { access_log off; client_max_body_size 32m; client_body_buffer_size 256k;\n"
            f"  client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;\n"
            f"  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s; keepalive_requests 10000000;\n"
            f"  upstream up {{ server 127.0.0.1:{upstream}; {kept} }}\n"
            f"  server {{ listen 127.0.0.1:{port};\n"
            f"    location / {{ proxy_pass http://up; {tuned} }} }} }}\n"
        )
        began = time.monotonic()
        process = _pinned(["nginx", "-c", str(conf)])
        with _ended(process):
            yield _started("nginx", port, process, {}, began)


@contextlib.contextmanager
def passerelle(upstream: int, dialect: str = "openai_chat") -> Iterator[Running]:
    """Passerelle with everything on: key, policy, rate limit, hold, ledger, receipt, audit, metrics."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        config = Path(folder) / "passerelle.toml"
        kind = "anthropic" if dialect == "anthropic" else "openai_like"
        base = f"http://127.0.0.1:{upstream}" + ("" if kind == "anthropic" else "/v1")
        config.write_text(
            f"""
providers_from_environment = false
[telemetry]
log_level = "warning"
[limits]
requests_per_minute = 100000000
[policy]
default_data_class = "internal"
[policy.classes.internal]
regions = ["eu"]
training_use = ["no"]
[providers.mock]
kind = "{kind}"
base_url = "{base}"
credential = "env:MOCK_KEY"
allow_private_network = true
attributes = {{ regions = ["eu"], training_use = "no", retention_days = 0 }}
[[models]]
id = "{payloads.MODEL}"
maker = "bench"
family = "bench"
price = {{ input = 1.0, output = 4.0 }}
[[deployments]]
id = "mock/bench"
model = "{payloads.MODEL}"
provider = "mock"
upstream_model = "{payloads.MODEL}"
"""
        )
        env = {**os.environ, "MOCK_KEY": "mock", "PASSERELLE_DATA_DIR": str(data)}
        made = subprocess.run(
            [sys.executable, "-m", "passerelle", "keys", "create", "--name", "bench", "--json",
             "--budget", "1000000"],
            env=env, check=True, capture_output=True, text=True,
        ).stdout  # fmt: skip
        headers = {"authorization": f"Bearer {json.loads(made)['token']}"}
        began = time.monotonic()
        process = _pinned(
            [sys.executable, "-m", "passerelle", "serve", "--config", str(config), "--data", str(data),
             "--port", str(port)],
            env=env,
        )  # fmt: skip
        with _ended(process):
            yield _started("passerelle", port, process, headers, began)


@contextlib.contextmanager
def litellm(upstream: int) -> Iterator[Running]:
    """LiteLLM's proxy, one worker, as its documentation starts it; installed apart by `--peers`."""
    command = PEERS / "litellm" / "bin" / "litellm"
    if not command.exists():
        raise FileNotFoundError("litellm is not installed: python -m bench --install-peers")
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "config.yaml"
        config.write_text(
            f"model_list:\n  - model_name: {payloads.MODEL}\n    litellm_params:\n"
            f"      model: openai/{payloads.MODEL}\n      api_base: http://127.0.0.1:{upstream}/v1\n"
            "      api_key: mock\ngeneral_settings:\n  master_key: sk-bench\n"
        )
        env = {"PATH": os.environ["PATH"], "HOME": folder, "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
        began = time.monotonic()
        process = _pinned(
            [str(command), "--config", str(config), "--port", str(port), "--host", "127.0.0.1"], env=env
        )
        with _ended(process):
            yield _started("litellm", port, process, {"authorization": "Bearer sk-bench"}, began)


def install_peers() -> None:
    """Install what can be installed beside us, each in an environment of its own."""
    target = PEERS / "litellm"
    shutil.rmtree(target, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", str(target)], check=True)
    subprocess.run(
        [str(target / "bin" / "python"), "-m", "pip", "install", "--quiet", "litellm[proxy]"], check=True
    )
