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
            before, taken = gateway.cpu_s(), load.stolen_ticks()
            seen = load.throughput(url, small, gateway.headers, seconds=seconds)
            stolen, ticks = (now - then for now, then in zip(load.stolen_ticks(), taken, strict=True))
            figures["stolen"] = stolen / max(1, ticks)
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


def measure(starts: dict[str, Start], *, runs: int, seconds: int) -> dict[str, list[Figures]]:
    """Everything about each gateway, in rounds: what else the machine does comes over all of them alike."""
    gathered: dict[str, list[Figures]] = {name: [] for name in starts}
    for number in range(runs):
        for name, start in starts.items():
            print(f"  {name}: run {number + 1} of {runs}", file=sys.stderr, flush=True)
            try:
                figures = whole(start, seconds)
                if name not in WHOLE_ONLY:
                    figures |= streamed(start, count=200, events=150, rate=50)
            except FileNotFoundError as missing:
                print(f"  {name}: left out, {missing}", file=sys.stderr)
            else:
                gathered[name].append(figures)
    return {name: figures for name, figures in gathered.items() if figures}


WHOLE_ONLY = ("litellm", "nginx-plain")
"""The one delivers no 200 streams, the other buffers them."""

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
    ("stolen", "stolen", "{:.0%}"),
)
"""`stolen`: what the host gave to others of the processors while requests per second were counted."""


def table(gathered: dict[str, list[Figures]]) -> str:
    """Medians as Markdown, then our ratios: each within a round, then their median and range."""
    lines = ["| gateway | " + " | ".join(said for _, said, _ in COLUMNS) + " |"]
    lines.append("|" + "---|" * (len(COLUMNS) + 1))
    for name, runs in gathered.items():
        figures, _ = middle(runs)
        cells = [form.format(figures[key]) if key in figures else "" for key, _, form in COLUMNS]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    lines.append("")
    ours = gathered.get("passerelle", [])
    for peer, runs in gathered.items():
        if not peer.startswith("passerelle") and ours:
            said = [_ratio("throughput", ours, runs, "per_s"),
                    _ratio("CPU per request", ours, runs, "cpu_us"),
                    _ratio("added p50", ours, runs, "added_p50_us"),
                    _ratio("CPU per chunk", ours, runs, "cpu_us_piece")]  # fmt: skip
            lines.append(f"- against {peer}: " + ", ".join(filter(None, said)))
    translated = gathered.get("passerelle-translated", [])
    if translated and ours:
        said = [_ratio("CPU per request", translated, ours, "cpu_us"),
                _ratio("per chunk", translated, ours, "cpu_us_piece")]  # fmt: skip
        lines.append("- translated against relayed: " + ", ".join(filter(None, said)))
    return "\n".join(lines)


def _ratio(what: str, ours: list[Figures], theirs: list[Figures], key: str) -> str:
    found = [a[key] / b[key] for a, b in zip(ours, theirs, strict=False) if a.get(key) and b.get(key, 0) > 0]
    if not found:
        return ""
    return f"{what} {statistics.median(found):.2f}× ({min(found):.2f} to {max(found):.2f})"


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
    found = measure({name: starts[name] for name in wanted}, runs=asked.runs, seconds=asked.seconds)
    shown = table(found)
    print(shown)
    results = gateways.ROOT / "bench" / "results"
    results.mkdir(exist_ok=True)
    at = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    (results / f"{at}.json").write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
