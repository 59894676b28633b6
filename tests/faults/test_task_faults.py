"""Embeddings, pictures, sound, rankings, verdicts: one engine is under all, and survives the same faults."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from tests import upstream_openai as openai
from tests.faultd import Send, answer
from tests.faults.fault_catalogue import FAULTS, Fault
from tests.faults.fault_house import DEADLINES, HIDDEN, SLACK_S, TOTAL_S
from tests.faults.fault_scene import Position, Scene
from tests.gateway.door import Answer, Asked, read_error
from tests.gateway.duos import Theatre
from tests.gateway.house import running
from tests.gateway.stage import ENV, SECRET, Catalogue, Stage
from tests.store.world import assert_books_balance


@dataclass(frozen=True)
class Task:
    """One operation: how it is asked, answered, and read."""

    gives: str
    path: str
    body: dict[str, Any]
    answered: Callable[[dict[str, Any]], Any]
    """What the provider says to the request."""
    read: Callable[[Answer], Any]
    """What matters of the answer."""
    takes: str = "text"
    form: bool = False
    kind: str = "application/json"

    def asked(self, model: str) -> Asked:
        """The request."""
        fields = {"model": model, **self.body}
        if not self.form:
            return Asked(self.path, json.dumps(fields).encode())
        lines = [
            f'--b\r\ncontent-disposition: form-data; name="{n}"\r\n\r\n{v}\r\n' for n, v in fields.items()
        ]
        sound = '--b\r\ncontent-disposition: form-data; name="file"; filename="a.mp3"\r\n\r\nID3\r\n--b--\r\n'
        headers = {"content-type": "multipart/form-data; boundary=b"}
        return Asked(self.path, "".join([*lines, sound]).encode(), headers=headers)

    def whole(self, model: str) -> bytes:
        """The body of the whole answer."""
        said = self.answered({"model": model, **self.body})
        return said if isinstance(said, bytes) else json.dumps(said).encode()


TASKS: dict[str, Task] = {
    "embeddings": Task(
        "embedding",
        "/v1/embeddings",
        {"input": ["a bridge", "a river"]},
        lambda body: openai.embeddings("", body),
        lambda said: [line["embedding"] for line in said.json["data"]],
    ),
    "images": Task(
        "image",
        "/v1/images/generations",
        {"prompt": "a bridge"},
        lambda body: openai.images("/images/generations", body),
        lambda said: [line["b64_json"] for line in said.json["data"]],
    ),
    "speech": Task(
        "speech",
        "/v1/audio/speech",
        {"input": "On the bridge.", "voice": "alloy"},
        lambda body: openai.speech("", body),
        lambda said: (said.headers["content-type"], said.body),
        kind="audio/mpeg",
    ),
    "transcription": Task(
        "transcript",
        "/v1/audio/transcriptions",
        {},
        lambda body: openai.transcription("", {**body, "response_format": "json"}),
        lambda said: said.json["text"],
        takes="audio",
        form=True,
    ),
    "rerank": Task(
        "ranking",
        "/v1/rerank",
        {"query": "bridge", "documents": ["a", "bb"]},
        lambda body: openai.rerank("", body),
        lambda said: [line["index"] for line in said.json["results"]],
    ),
    "moderation": Task(
        "verdict",
        "/v1/moderations",
        {"input": "no harm"},
        lambda body: openai.moderations("", body),
        lambda said: [line["flagged"] for line in said.json["results"]],
    ),
}
_ABOUT_CHAT = ("an empty answer", "a stream for a whole answer", "an error under 200")
"""Faults in the shape of a chat's answer."""
_LARGE = ("embedding", "image", "speech")
_TOO_LARGE = ("a body of any size", "an endless body")
"""What may be large may be too large, and would be so, and billed, elsewhere too."""
_ANY_BYTES = ("half a document", "a short body without length", "an empty document", "a list", "other bytes")
"""Faults that are none to a sound: any bytes may be one."""


@dataclass(frozen=True)
class Trial:
    """A fault in the way of a task."""

    task: str
    fault: Fault
    at: Position
    both: bool

    def __str__(self) -> str:
        return f"{self.task}: {self.fault.name} ({self.at}{', both places' * self.both})"


def _trials() -> Iterator[Trial]:
    for fault in FAULTS:
        if False not in fault.streams or fault.name in _ABOUT_CHAT:
            continue
        for at in fault.at:
            for task in TASKS:
                if task == "speech" and (fault.name in _ANY_BYTES or fault.harmless or fault.either):
                    continue  # the harmless ones say that they are JSON
                yield Trial(task, fault, at, both=False)
                if not (fault.harmless or fault.either or fault.refusal):
                    yield Trial(task, fault, at, both=True)


def _some() -> list[Trial]:
    """Every fault at every place, each with another task than the one before."""
    places: dict[tuple[Fault, Position, bool], list[Trial]] = {}
    for trial in _trials():
        places.setdefault((trial.fault, trial.at, trial.both), []).append(trial)
    turn = count()
    return [mine[next(turn) % len(mine)] for mine in places.values()]


def _catalogue(stage: Stage, names: Sequence[tuple[str, Task]]) -> str:
    catalogue = Catalogue()
    for letter in "ab":
        catalogue.provider(f"chat{letter}", "openai_chat", stage.url, DEADLINES)
    for name, task in names:
        model = f"{name}-model"
        more = [f'output_modalities = ["{task.gives}"]', f'input_modalities = ["{task.takes}"]']
        catalogue.model(model, "chata", "chatb", more=more)
        catalogue.aliases.append(f'{name} = ["chata/{model}.chata", "chatb/{model}.chatb"]')
    return catalogue.text


def _hold(folder: Path, stage: Stage, trials: Sequence[Trial]) -> None:
    names = [(f"{turn}{n}", TASKS[trial.task]) for n, trial in enumerate(trials) for turn in ("t", "again")]
    wrong: list[str] = []
    with running(folder, _catalogue(stage, names), **ENV) as house:
        play = Theatre(house, stage, house.caller(budget_nanos=10**15), 0)

        def tried(number: int) -> None:
            trial = trials[number]
            try:
                try:
                    _try(play, f"t{number}", trial)
                except AssertionError:
                    if trial.fault.waits:
                        raise
                    _try(
                        play, f"again{number}", trial
                    )  # a healthy place may have been late, on a busy machine
            except Exception as error:  # it is the trial's, and the others go on
                wrong.append(f"{trial}: {type(error).__name__}: {error}")

        with ThreadPoolExecutor(32) as pool:
            list(pool.map(tried, range(len(trials))))
        play.balanced()
        assert_books_balance(house.gateway.data)
        assert not [line for line in house.gateway.log if SECRET in line or "Traceback" in line]
    assert not wrong, "\n".join([f"{len(wrong)} of {len(trials)}:", *wrong])


def _try(play: Theatre, name: str, trial: Trial) -> None:
    task, fault = TASKS[trial.task], trial.fault
    first, second = (f"{name}-model.chat{letter}" for letter in "ab")
    good = answer(task.whole(first), headers=(("content-type", task.kind),))
    scene = Scene("openai_chat", False, trial.at, "http://127.0.0.1:9/stolen", task.whole(first))
    steps = list(fault.steps(scene))
    play.stage.always(first, *(steps if trial.both else [Send(good)]))
    play.stage.always(second, *(steps if trial.both else [Send(good)]))
    if not trial.both:
        play.stage.script(first, *steps)
    began = time.monotonic()

    said = play.caller.door.send(task.asked(name))

    took_s = time.monotonic() - began
    spoken = said.body + repr(said.headers).encode()
    assert not [words for words in HIDDEN if words in spoken]
    receipt = play.receipt(said.headers["x-request-id"])
    kinds = [attempt.get("failure") for attempt in receipt["attempts"]]
    told = f"{kinds}, {said.status}, {said.body[:160]!r}"
    if fault.refusal:
        assert (said.status, kinds) == (400, [fault.failures[0]]), told
        read_error("openai_chat", said)
    elif kinds[-1] == "oversized":
        assert set(kinds) <= {"oversized", "timeout"}, told
        assert fault.name in _TOO_LARGE, told
        assert task.gives in _LARGE, told
        assert said.status == 502, told
        read_error("openai_chat", said)
    elif trial.both:
        assert said.status >= 400, told
        assert receipt["outcome"] == "failed", told
        assert set(kinds) <= set(fault.failures), told
        read_error("openai_chat", said)
    else:
        assert said.status == 200, told
        expected = Answer(200, {"content-type": said.headers["content-type"]}, task.whole(first))
        assert task.read(said) == task.read(expected), told
        if fault.harmless or (fault.either and len(kinds) == 1):
            assert kinds == [None], told
        else:
            assert kinds[0] in fault.failures, told
            assert kinds[1:] == [None], told
    assert took_s <= TOTAL_S + SLACK_S, f"{took_s:.1f} s"


def test_every_fault_is_survived_by_a_task(stage: Stage, tmp_path: Path) -> None:
    trials = _some()
    assert {trial.task for trial in trials} == set(TASKS)
    _hold(tmp_path, stage, trials)


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_every_fault_is_survived_by_every_task(stage: Stage, tmp_path: Path) -> None:
    _hold(tmp_path, stage, list(_trials()))
