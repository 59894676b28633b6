"""`python -m bench`: measure, print the table, write it as JSON under `bench/results/`."""

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path

from bench import gateways, load, payloads
from bench.gateways import Running, free_port

Start = Callable[[int], AbstractContextManager[Running]]
Figures = dict[str, float]


@contextlib.contextmanager
def static_upstream() -> Iterator[int]:
    """nginx that answers every request from memory: never the bottleneck of a whole-answer run."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        conf = Path(folder) / "nginx.conf"
        openai = payloads.openai_answer().decode().replace("'", "")
        anthropic = payloads.anthropic_answer().decode().replace("'", "")
        conf.write_text(
            f"worker_processes 1;\ndaemon off;\npid {folder}/pid;\nerror_log {folder}/error.log;\n"
            "events { worker_connections 4096; }\nhttp { access_log off; default_type application/json;\n"
            f"  client_max_body_size 32m; client_body_buffer_size 256k; client_body_temp_path {folder}/b;\n"
            f"  proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u;\n"
            f"  scgi_temp_path {folder}/s; keepalive_requests 10000000;\n"
            f"  server {{ listen 127.0.0.1:{port};\n"
            f"    location /v1/messages {{ return 200 '{anthropic}'; }}\n"
            f"    location / {{ return 200 '{openai}'; }} }} }}\n"
        )
        command = ["taskset", "-c", load.LOAD_CORE, "nginx", "-c", str(conf)]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            time.sleep(0.3)
            yield port
        finally:
            process.terminate()
            process.wait(10)


@contextlib.contextmanager
def streaming_upstream(events: int, rate: float) -> Iterator[int]:
    """The mock that streams at a fixed pace and stamps its pieces."""
    port = free_port()
    command = ["taskset", "-c", load.LOAD_CORE, sys.executable, "-m", "bench.upstream"]
    process = subprocess.Popen([*command, str(port), str(events), str(rate)], cwd=gateways.ROOT)
    try:
        time.sleep(0.7)
        yield port
    finally:
        process.terminate()
        process.wait(10)


def whole(start: Start, seconds: int) -> Figures:
    """Boot, memory, throughput at 1 KB and 32 KB, CPU per request, latency added at 100 a second."""
    with static_upstream() as upstream:
        small, large = payloads.request_body(1024), payloads.request_body(32 << 10)
        straight = load.latency(upstream, "/v1/chat/completions", small, {}, rate=100, count=500)
        with start(upstream) as gateway:
            figures: Figures = {"boot_s": gateway.boot_s, "idle_mib": gateway.rss_mib()}
            through = load.latency(gateway.port, gateway.path, small, gateway.headers, rate=100, count=500)
            figures["added_p50_us"] = (statistics.median(through) - statistics.median(straight)) * 1e6
            url = f"http://127.0.0.1:{gateway.port}{gateway.path}"
            load.throughput(url, small, gateway.headers, seconds=2)
            before = gateway.cpu_s()
            seen = load.throughput(url, small, gateway.headers, seconds=seconds)
            figures["per_s"] = seen.per_s
            figures["cpu_us"] = (gateway.cpu_s() - before) / max(1, seen.requests) * 1e6
            figures["errors"] = seen.errors
            figures["per_s_32k"] = load.throughput(
                url, large, gateway.headers, seconds=max(2, seconds // 2)
            ).per_s
            figures["loaded_mib"] = gateway.rss_mib()
            return figures


def streamed(start: Start, *, count: int, events: int, rate: float) -> Figures:
    """Concurrent streams: all complete, CPU per piece, transit of a piece."""
    with streaming_upstream(events, rate) as upstream, start(upstream) as gateway:
        before = gateway.cpu_s()
        body = payloads.request_body(1024, stream=True)
        seen = load.streams(gateway.port, gateway.path, body, gateway.headers, count=count, end=b"[DONE]")
        used = gateway.cpu_s() - before
        return {
            "streams_complete": seen.complete / count,
            "cpu_us_piece": used / max(1, seen.pieces) * 1e6,
            "transit_p50_ms": seen.transit_p50_ms,
            "transit_p99_ms": seen.transit_p99_ms,
            "streams_mib": gateway.rss_mib(),
        }


def middle(runs: list[Figures]) -> tuple[Figures, Figures]:
    """Medians, and the spread around them as a share."""
    medians, spreads = {}, {}
    for name in runs[0]:
        values = [run[name] for run in runs]
        medians[name] = statistics.median(values)
        spreads[name] = (max(values) - min(values)) / medians[name] if medians[name] else 0.0
    return medians, spreads


def measure(name: str, start: Start, *, runs: int, seconds: int, stream: bool) -> Figures:
    """Everything about one gateway, each run in a fresh process."""
    gathered: list[Figures] = []
    for number in range(runs):
        print(f"  {name}: run {number + 1} of {runs}", file=sys.stderr, flush=True)
        figures = whole(start, seconds)
        if stream:
            figures |= streamed(start, count=200, events=150, rate=50)
        gathered.append(figures)
    medians, spreads = middle(gathered)
    return medians | {f"{k}_spread": v for k, v in spreads.items()}


COLUMNS = (
    ("boot_s", "boot s", "{:.2f}"),
    ("idle_mib", "MiB idle", "{:.0f}"),
    ("loaded_mib", "MiB loaded", "{:.0f}"),
    ("per_s", "req/s per core", "{:,.0f}"),
    ("cpu_us", "CPU µs/req", "{:,.0f}"),
    ("per_s_32k", "32 KB req/s", "{:,.0f}"),
    ("added_p50_us", "added p50 µs at 100/s", "{:,.0f}"),
    ("cpu_us_piece", "CPU µs/chunk", "{:.0f}"),
    ("transit_p50_ms", "transit p50 ms, 200 × 50/s", "{:.2f}"),
    ("streams_complete", "streams complete", "{:.0%}"),
    ("errors", "errors", "{:.0f}"),
)


def table(found: dict[str, Figures]) -> str:
    """The figures as Markdown, then our ratios."""
    lines = ["| gateway | " + " | ".join(said for _, said, _ in COLUMNS) + " |"]
    lines.append("|" + "---|" * (len(COLUMNS) + 1))
    for name, figures in found.items():
        cells = [form.format(figures[key]) if key in figures else "" for key, _, form in COLUMNS]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    ours = found.get("passerelle")
    if ours is None:
        return "\n".join(lines)
    lines.append("")
    for peer, figures in found.items():
        if peer.startswith("passerelle"):
            continue
        lines.append(f"- against {peer}: throughput {ours['per_s'] / figures['per_s']:.2f}×, CPU per request "
                     f"{ours['cpu_us'] / figures['cpu_us']:.2f}×, added p50 "
                     f"{ours['added_p50_us'] / max(1.0, figures['added_p50_us']):.2f}×")  # fmt: skip
        if "cpu_us_piece" in figures and "cpu_us_piece" in ours:
            lines[-1] += f", CPU per chunk {ours['cpu_us_piece'] / figures['cpu_us_piece']:.2f}×"
    translated = found.get("passerelle-translated")
    if translated is not None:
        request = translated["cpu_us"] / ours["cpu_us"]
        piece = translated["cpu_us_piece"] / ours["cpu_us_piece"]
        lines.append(f"- translated against relayed: CPU per request {request:.2f}×, per chunk {piece:.2f}×")
    return "\n".join(lines)


def main() -> None:
    """Parse arguments, measure, print."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--runs", type=int, default=3, help="fresh processes per gateway (default 3)")
    parser.add_argument("--seconds", type=int, default=8, help="seconds of throughput per run (default 8)")
    parser.add_argument("--only", help="comma-separated gateways")
    parser.add_argument(
        "--install-peers", action="store_true", help="install LiteLLM beside us, then measure"
    )
    asked = parser.parse_args()
    if asked.install_peers:
        gateways.install_peers()
    starts: dict[str, Start] = {
        "nginx": gateways.nginx,
        "nginx-plain": lambda upstream: gateways.nginx(upstream, plain=True),
        "passerelle": gateways.passerelle,
        "passerelle-translated": lambda upstream: gateways.passerelle(upstream, "anthropic"),
        "litellm": gateways.litellm,
    }
    wanted = asked.only.split(",") if asked.only else list(starts)
    os.sched_setaffinity(0, {int(load.LOAD_CORE)})
    found: dict[str, Figures] = {}
    for name in wanted:
        whole_only = name in ("litellm", "nginx-plain")  # the one delivers no 200 streams, the other buffers
        try:
            found[name] = measure(
                name, starts[name], runs=asked.runs, seconds=asked.seconds, stream=not whole_only
            )
        except FileNotFoundError as missing:
            print(f"  {name}: left out, {missing}", file=sys.stderr)
    shown = table(found)
    print(shown)
    results = gateways.ROOT / "bench" / "results"
    results.mkdir(exist_ok=True)
    at = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    (results / f"{at}.json").write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
