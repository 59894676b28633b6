"""Feed every decoder with bytes that nobody would send, for as long as asked. Run by `make fuzz`.

    make fuzz ARGS="--seconds 3600 --found fuzz-found"

The decoders and what each must keep to are `tests/fuzzing/table.py`; the same table is run in miniature by
`make test`. Here atheris (libFuzzer for Python) chooses the bytes by the branches they reach, and every other
input is changed as JSON (`tests/fuzzing/mutate.py`), to get behind the first brace. One process; a finding is
written down once for each place it comes from, and the run goes on.

Beside what the table asks of each decoder, each input is to be done with in a second and 200 µs a byte of
processor time (atheris makes Python about five times slower), and within 64 MiB of memory beside 2 kB a byte.
"""

import argparse
import atexit
import functools
import gc
import hashlib
import json
import os
import resource
import signal
import sys
import time
import traceback
import tracemalloc
from pathlib import Path
from types import FrameType

import atheris

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "src"), str(ROOT)]
with atheris.instrument_imports(include=["passerelle"]):
    from tests.fuzzing import mutate
    from tests.fuzzing.table import DECODERS

NAMES = tuple(DECODERS)
HANG_S = 30.0
LOOK_AT_MEMORY = 50
"""Every how many inputs memory is counted, which makes everything slow."""


class HangError(BaseException):
    """An input took longer than any may."""


class Run:
    """What was fed, and what was found."""

    def __init__(self, found: Path, only: str) -> None:
        self.executions = dict.fromkeys(NAMES, 0)
        self.findings: dict[str, int] = {}
        self.started = time.monotonic()
        self._found = found
        self._total = 0
        self._said = self.started
        self._index = [i for i, name in enumerate(NAMES) if only in name]
        self._peak = _rss()

    def one(self, data: bytes) -> None:
        """One input: its first byte says which decoder reads the rest."""
        if not data:
            return
        name = NAMES[self._index[data[0] % len(self._index)]]
        self.executions[name] += 1
        self._total += 1
        count = self._total % LOOK_AT_MEMORY == 0
        if count:
            tracemalloc.start()
        signal.setitimer(signal.ITIMER_VIRTUAL, HANG_S)
        begun = time.process_time()
        try:
            DECODERS[name].run(data[1:])
            # Twice, because the first run of anything warms something.
            if time.process_time() - begun > _allowed(data) and not count:
                begun = time.process_time()
                DECODERS[name].run(data[1:])
                took = time.process_time() - begun
                if took > _allowed(data):
                    raise HangError(f"{took:.1f} s for {len(data)} bytes")
        except (Exception, HangError) as error:
            self._note(name, data[1:], error)
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        if count:
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            if peak > (4 << 20) + 2_000 * len(data):
                self._note(name, data[1:], MemoryError(f"{peak} bytes for {len(data)}"))
        if (peak := _rss()) > self._peak:
            if peak - self._peak > (64 << 20):
                self._note(name, data[1:], MemoryError(f"{peak - self._peak} bytes more than ever before"))
            self._peak = peak
        if time.monotonic() - self._said > 60:
            self.say()

    def least_fed(self) -> tuple[int, str]:
        """The number and name of the decoder that was fed least."""
        return min(
            ((number, NAMES[index]) for number, index in enumerate(self._index)),
            key=lambda one: self.executions[one[1]],
        )

    def say(self) -> None:
        """How far it is, on one line."""
        self._said = time.monotonic()
        gc.collect()
        line = {
            "seconds": round(self._said - self.started),
            "executions": self._total,
            "findings": self.findings,
            "peak_mib": self._peak >> 20,
            "least_fed": (name := self.least_fed()[1], self.executions[name]),
        }
        print(json.dumps(line), flush=True)  # noqa: T201 - the log of the run
        (self._found / "executions.json").write_text(json.dumps(self.executions, indent=1))

    def _note(self, name: str, data: bytes, error: BaseException) -> None:
        frames = traceback.extract_tb(error.__traceback__)
        places = [f"{Path(f.filename).name}:{f.lineno}" for f in frames[-3:]]
        key = f"{name} {type(error).__name__} {places[-1] if places else ''}"
        self.findings[key] = self.findings.get(key, 0) + 1
        stem = self._found / hashlib.sha256(key.encode()).hexdigest()[:12]
        if stem.with_suffix(".txt").exists() and stem.with_suffix(".bin").stat().st_size <= len(data):
            return
        said = "".join(traceback.format_exception(error))
        stem.with_suffix(".bin").write_bytes(data)
        stem.with_suffix(".txt").write_text(f"{key}\n\n{data!r}\n\n{said[-6000:]}", errors="backslashreplace")
        words = str(error)[:200].encode("ascii", "backslashreplace").decode()
        print("FOUND", key, words, flush=True)  # noqa: T201


def _allowed(data: bytes) -> float:
    return 1.0 + 200e-6 * len(data)


def _rss() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _hang(signum: int, frame: FrameType | None) -> None:
    raise HangError(f"more than {HANG_S} s")


def _mutator(run: Run, data: bytes, max_size: int, seed: int) -> bytes:
    """One half as JSON, one half as libFuzzer likes. Every eighth is for the decoder that was fed least: what
    is small finds new branches seldom, and would be forgotten.
    """
    if not data or seed % 8 == 3:
        number, name = run.least_fed()
        seeds = DECODERS[name].seeds
        data = bytes([number]) + seeds[seed // 8 % len(seeds)]
    changed = None
    if seed % 64 == 0 and len(data) > 1:  # what repeats without end: quadratic work shows itself
        begin, length = 1 + seed // 64 % (len(data) - 1), 1 + seed // 7 % 40
        part = data[begin : begin + length]
        changed = data[1:begin] + part * (max_size // len(part) // (1 + seed % 3)) + data[begin:]
    elif seed % 2:
        changed = mutate.mutate(data[1:], seed)
    if changed is None:
        changed = atheris.Mutate(data[1:], max_size - 1)
    return (data[:1] + changed)[:max_size]


def main() -> None:
    """Seeds into the corpus, then atheris."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument(
        "--found", type=Path, default=Path("fuzz-found"), help="findings and the corpus go here"
    )
    parser.add_argument("--more-seeds", type=Path, help="a folder: each file of it is fed to every decoder")
    parser.add_argument("--only", default="", help="decoders whose name contains this")
    asked = parser.parse_args()
    corpus = asked.found / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    run = Run(asked.found, asked.only)
    more: list[bytes] = []
    if asked.more_seeds:
        files = [path for path in sorted(asked.more_seeds.rglob("*")) if path.is_file()]
        more = [one for path in files if len(one := path.read_bytes()) < 8000]
        for one in more:
            mutate.learn(one)
    for number, name in enumerate([name for name in NAMES if asked.only in name]):
        for seed in DECODERS[name].seeds:
            mutate.learn(seed)
        talk = name.endswith(("/request", "/answer", "/stream", "/watched")) and name.count("/") == 1
        for seed in (*DECODERS[name].seeds, *(more if talk else ())):
            (corpus / hashlib.sha256(seed + name.encode()).hexdigest()[:16]).write_bytes(
                bytes([number]) + seed
            )
    signal.signal(signal.SIGVTALRM, _hang)
    argv = [
        sys.argv[0], f"-max_total_time={asked.seconds}", "-max_len=16384", "-timeout=300",
        "-rss_limit_mb=2048", "-len_control=0", "-print_final_stats=1", "-reload=0",
        f"-artifact_prefix={asked.found}{os.sep}", str(corpus),
    ]  # fmt: skip
    atexit.register(run.say)
    atheris.Setup(argv, run.one, custom_mutator=functools.partial(_mutator, run))
    atheris.Fuzz()


if __name__ == "__main__":
    main()
