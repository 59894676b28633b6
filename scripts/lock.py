"""Write the hashed lock files from pyproject.toml. Run by `make lock`.

`locks/run.txt` is what `make run` installs (with the local engine, telemetry and the
router's vectors), `locks/dev.txt` adds what
tests and checks need; the SDKs of `locks/sdks.txt` and `locks/llamaindex.txt` live in environments of their
own (`scripts/prepare_tests.py`); `locks/fuzz.txt` is what `make fuzz` installs beside. Universal for Python
3.11+ and free of registry addresses.
"""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COMMON = ["--universal", "--python-version", "3.11", "--generate-hashes", "--no-emit-index-url",
          "--no-emit-find-links", "--no-header", "--no-annotate", "--quiet"]  # fmt: skip
# The build backend is locked too, with what it wants for an editable install: the project itself installs
# without build isolation.
BUILD = "hatchling>=1.33\neditables>=0.5\n"
MORE_GROUPS = ("sdks", "llamaindex", "fuzz")


def main() -> None:
    """Write the locks, `run` a subset of `dev`."""
    locks = ROOT / "locks"
    locks.mkdir(exist_ok=True)
    uv = [sys.executable, "-m", "uv", "pip", "compile", *COMMON]
    extras = ["--extra", "local", "--extra", "otel", "--extra", "router"]
    build = locks / "build.in"
    build.write_text(BUILD)
    try:
        more = ["--extra", "eval", "--group", "dev"]
        dev = [*uv, "pyproject.toml", "locks/build.in", *extras, *more, "-o", "locks/dev.txt"]
        subprocess.run(dev, cwd=ROOT, check=True)  # noqa: S603 - a fixed command line
        run = [*uv, "pyproject.toml", "locks/build.in", *extras, "-c", "locks/dev.txt", "-o", "locks/run.txt"]
        subprocess.run(run, cwd=ROOT, check=True)  # noqa: S603
    finally:
        build.unlink()
    for group in MORE_GROUPS:
        more = [*uv, "--group", group, "-o", f"locks/{group}.txt"]
        subprocess.run(more, cwd=ROOT, check=True)  # noqa: S603
    for name in ("dev.txt", "run.txt", *[f"{group}.txt" for group in MORE_GROUPS]):
        text = (locks / name).read_text()
        if "://" in text:
            raise SystemExit(f"locks/{name} names an address; lock files must not")


if __name__ == "__main__":
    main()
