"""Runs the programs of one `with_*.py` file: a job as JSON on each line of standard input, its outcome on a
line of standard output. `tests/contract/matrix_run.py` starts it with the Python that has the SDK.

A program is what a user writes with an SDK, and nothing more. It has a history of its own making, to which it
adds what the user says, what the model answers, and what tools found; the loop over them is here.
"""

import asyncio
import importlib
import importlib.metadata
import inspect
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict

_STEPS = 5
RUNNER = asyncio.Runner()
"""One loop for all, because clients stay on the loop they began on."""


class Bridge(BaseModel):
    """What a structured answer is parsed into."""

    model_config = ConfigDict(extra="forbid")
    river: Literal["Rhône", "Durance"]
    arches: int


@dataclass(frozen=True)
class Job:
    """What a program is asked to do. The words of both sides are `matrix_cases`'s."""

    action: str
    program: str
    url: str
    token: str
    model: str
    stream: bool = False
    system: str = ""
    turns: tuple[str, ...] = ()
    """What the user says, in this order."""
    tools: tuple[dict[str, Any], ...] = ()
    """Each with name, description and schema."""
    results: dict[str, str] = field(default_factory=dict)
    """What a tool finds, by the value of its argument."""
    failing: bool = False
    """The tools fail, and `results` say how."""
    choice: str = ""
    """`required`, `none`, or the name of the tool that must be called."""
    image: str = ""
    """A PNG in base64, beside the first turn."""
    image_result: str = ""
    """The same, beside a tool's result."""
    document: str = ""
    """A PDF in base64, beside the first turn."""
    structured: bool = False
    """The answer is a `Bridge`."""
    think: bool = False
    """Thinking is asked for."""
    max_tokens: int = 256
    malformed: bool = False
    """The limit on tokens is no number."""
    stop: tuple[str, ...] = ()
    temperature: float | None = None
    retries: int = 0
    timeout_s: float = 20.0
    texts: tuple[str, ...] = ()
    """To embed, or to count."""
    at_once: int = 0
    """How often to do it concurrently, with the SDK's asynchronous client."""
    hear: Callable[[str], None] = print
    """Tell it each piece of the answer's words as it arrives."""

    def found(self, arguments: dict[str, Any]) -> str:
        """What the tool called with `arguments` finds."""
        return self.results[str(next(iter(arguments.values()), ""))]


@dataclass
class Answer:
    """What a program makes of one answer of a model."""

    text: str = ""
    finish: str = ""
    """The SDK's own word."""
    usage: dict[str, int | None] = field(default_factory=dict)
    """`input`, `cached`, `output`, `reasoning`, as the SDK counts; what it does not tell is left out."""
    model: str = ""
    thought: str = ""
    calls: list[Any] = field(default_factory=list)
    """Name and arguments of each tool call."""
    parsed: Any = None
    """The structured answer, as the SDK parsed it."""
    whole: Any = None
    """The SDK's own object, for the program."""


class Program(Protocol):
    """One SDK, in one of its ways to speak."""

    def __init__(self, job: Job) -> None:
        """Makes the client, as its documentation does, pointed at the gateway."""

    def start(self, job: Job) -> list[Any]:
        """The history before the first turn."""
        ...

    def user(self, history: list[Any], words: str, job: Job) -> None:
        """Adds a turn of the user."""

    def ask(self, history: list[Any], job: Job) -> Answer:
        """Asks, and adds the answer to the history."""
        ...

    def results(self, history: list[Any], answer: Answer, job: Job) -> None:
        """Adds what the called tools found."""


def converse(program: Any, job: Job) -> list[Answer]:
    """The conversation, each call of a tool answered."""
    if hasattr(program, "converse"):
        whole: list[Answer] = program.converse(job)
        return whole
    history = program.start(job)
    answers = []
    for number, words in enumerate(job.turns):
        program.user(history, words, job if number == 0 else _without_media(job))
        for _ in range(_STEPS):
            answer = program.ask(history, job)
            answers.append(answer)
            if not answer.calls:
                break
            program.results(history, answer, job)
    return answers


def kept(made: dict[Any, Any], job: Job, make: Callable[[Job], Any]) -> Any:
    """What `make` gives for jobs of these settings, made once: a client of its own costs 50 ms."""
    key = (job.model, job.max_tokens, job.stop, job.temperature, job.think, job.malformed)
    if key not in made:
        made[key] = make(job)
    return made[key]


def _without_media(job: Job) -> Job:
    return Job(**{**vars(job), "image": "", "document": ""})


def do(made: dict[Any, Any], module: Any, job: Job) -> Any:
    """What came of a job."""
    key = (job.program, job.url, job.token, job.retries, job.timeout_s)
    if key not in made:
        made[key] = module.PROGRAMS[job.program](job)
    program = made[key]
    if job.action == "converse":
        answers = converse(program, job)
        return [{k: v for k, v in vars(a).items() if k != "whole"} for a in answers]
    found = getattr(program, job.action)(job)
    return RUNNER.run(found) if inspect.iscoroutine(found) else found


def problem(error: BaseException) -> dict[str, Any]:
    """What an exception is to a program that catches it."""
    response = getattr(error, "response", None) or getattr(error, "raw_response", None)
    headers = getattr(response, "headers", None) or getattr(error, "headers", None) or {}
    status = getattr(error, "status_code", None) or getattr(error, "code", None)
    if isinstance(response, dict):  # botocore's
        status = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        headers = response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    return {
        "kind": type(error).__name__,
        "kinds": [kind.__name__ for kind in type(error).__mro__],
        "status": status if isinstance(status, int) else None,
        "message": str(error),
        "retry_after": headers.get("retry-after") if hasattr(headers, "get") else None,
    }


def main() -> None:
    """Serve jobs until standard input ends. The first line out says which versions they run with."""
    module = importlib.import_module(sys.argv[1])
    out = sys.stdout
    sys.stdout = sys.stderr
    versions = {name: importlib.metadata.version(name) for name in module.PACKAGES}
    out.write(json.dumps({"versions": versions}) + "\n")
    out.flush()
    made: dict[Any, Any] = {}
    for line in sys.stdin:
        heard: list[str] = []
        asked = {k: tuple(v) if isinstance(v, list) else v for k, v in json.loads(line).items()}
        outcome: dict[str, Any]
        try:
            outcome = {"told": do(made, module, Job(**asked, hear=heard.append))}
        except Exception as error:  # whatever a user's program would have to catch
            outcome = {"error": problem(error)}
        outcome["heard"] = heard
        out.write(json.dumps(outcome, default=str) + "\n")
        out.flush()


if __name__ == "__main__":
    sys.modules["host"] = sys.modules["__main__"]
    main()
