"""Runs programs of the matrix: each SDK in a process of its own, one case after the other."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tests.contract.contract_world import DIALECTS, World, embedder, model
from tests.contract.matrix_cases import CASES, SLOW, Case
from tests.contract.matrix_checks import Seen
from tests.contract.matrix_programs import PROGRAMS, Program
from tests.prepared import NODE_FOLDER, node_missing, python_sdks, python_sdks_missing
from tests.serving import clean_env

_PROGRAMS_FOLDER = Path(__file__).parent / "programs"


@dataclass(frozen=True)
class Cell:
    """A case of a program at a provider, and what came of it."""

    program: str
    provider: str
    case: str
    status: str
    """`passed`, `failed`, or `none`: there is no such thing."""
    why: str = ""


@dataclass(frozen=True)
class Ran:
    """What came of all cases of a program."""

    program: str
    versions: dict[str, str]
    cells: list[Cell]


def missing(program: Program) -> str:
    """Why it cannot be run here, or nothing."""
    if program.where == "node":
        return node_missing()
    return "" if program.where == "dev" else python_sdks_missing(program.where)


class Process:
    """The programs of one file, at work."""

    def __init__(self, program: Program) -> None:
        if program.where == "node":
            command, folder = ["node", "host.mjs", program.file], NODE_FOLDER
        else:
            own = python_sdks(program.where) / "bin" / "python"
            python = sys.executable if program.where == "dev" else str(own)
            command, folder = [python, "host.py", program.file], _PROGRAMS_FOLDER
        self._process = subprocess.Popen(
            command,
            cwd=folder,
            env=clean_env(PYTHONPATH="", AWS_EC2_METADATA_DISABLED="true"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    @cached_property
    def versions(self) -> dict[str, str]:
        """What it runs. Its SDK is imported by then, which may take seconds."""
        told: dict[str, str] = self._read()["versions"]
        return told

    def run(self, job: dict[str, Any]) -> dict[str, Any]:
        """What came of a job."""
        assert self.versions
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        return self._read()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the process ended; its words are on standard error"
        told: dict[str, Any] = json.loads(line)
        return told

    def close(self) -> None:
        """No more jobs."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:  # an SDK that keeps threads of its own
            self._process.kill()
            self._process.wait(5)
        self._process.stdout.close()


class Processes:
    """One process for all programs of a file, while they come one after the other. The next file's starts
    meanwhile: importing an SDK takes seconds.
    """

    def __init__(self) -> None:
        self._open: dict[tuple[str, str], Process] = {}

    @contextmanager
    def of(self, program: Program) -> Iterator[Process]:
        """The program's. After a failure it is not used again: it may still be at a job."""
        here = _home(program)
        coming = PROGRAMS[PROGRAMS.index(program) :]
        following = next((p for p in coming if _home(p) != here and not missing(p)), program)
        for home in self._open.keys() - {here, _home(following)}:
            self._open.pop(home).close()
        for each in (program, following):
            if _home(each) not in self._open:
                self._open[_home(each)] = Process(each)
        try:
            yield self._open[here]
        except BaseException:
            self._open.pop(here).close()
            raise

    def close(self) -> None:
        """No more jobs for any."""
        while self._open:
            self._open.popitem()[1].close()


def _home(program: Program) -> tuple[str, str]:
    return program.where, program.file


FRAMEWORKS = frozenset({"with_ai", "with_langchain", "with_llamaindex", "with_pydantic_ai"})
"""Programs that stand on the makers' own SDKs, and take three quarters of the time."""


def run_program(
    world: World,
    keys: dict[str, str],
    process: Process,
    program: Program,
    only: str = "",
    *,
    quick: bool = False,
) -> Iterator[Cell]:
    """Every case of a program at every provider. `only`: the cases whose names hold these words. `quick`: the
    slow ones are asked at one provider, and frameworks at two, others for each program.
    """
    place = PROGRAMS.index(program)
    own, other = (DIALECTS[(place + further) % len(DIALECTS)] for further in (0, 1))
    for case in CASES:
        if only not in case.name:
            continue
        for provider in DIALECTS:
            if quick and case.behaviour in SLOW and (provider != own or case.name.endswith("streamed")):
                continue
            if quick and program.file in FRAMEWORKS and provider not in (own, other):
                continue
            why = program.cannot.get(case.name) or (
                "" if provider in case.providers else "not this provider's affair"
            )
            if why:
                yield Cell(program.name, provider, case.name, "none", why)
            else:
                yield _cell(world, keys, process, program, case, provider)


def _cell(
    world: World, keys: dict[str, str], process: Process, program: Program, case: Case, provider: str
) -> Cell:
    action = case.ask.get("action", "converse")
    name = embedder(provider) if action == "embed" else model(provider, case.behaviour)
    ask = {"action": action, "program": program.name, "url": world.url, "model": name, **case.ask}
    if case.name == "unknown model looked up":
        ask["model"] = "no-such-model"
    ask["token"] = keys.get(case.ask.get("token", program.key), case.ask.get("token"))
    world.seen()
    began = time.monotonic()
    outcome = process.run(ask)
    seen = Seen(program, provider, ask, outcome, world.seen(), time.monotonic() - began)
    try:
        case.check(seen)
    except (AssertionError, KeyError, ValueError, IndexError, TypeError, AttributeError) as error:
        why = f"{type(error).__name__}: {error}" if not isinstance(error, AssertionError) else str(error)
        return Cell(program.name, provider, case.name, "failed", why.partition("\nassert")[0])
    return Cell(program.name, provider, case.name, "passed")


def make_keys(world: World) -> dict[str, str]:
    """The keys the cases speak of."""
    return {
        "own": world.token,
        "keeper": world.keeping_key(),
        "confined": world.new_key(models=[embedder("gemini")]),
        "auditor": world.new_key(role="auditor"),
    }


def program_named(name: str) -> Program:
    """One of the matrix."""
    return next(program for program in PROGRAMS if program.name == name)
