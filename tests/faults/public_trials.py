"""The 31 named faults tried on a running gateway: what came of each, in every dialect and way of delivery."""

import socket
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from tests.faultd import Received, Send, Step, answer
from tests.faults.fault_cells import MODES, Mode
from tests.faults.fault_house import DEADLINES, HIDDEN, TOTAL_S
from tests.faults.fault_readers import broken_text, error_kind, whole_text
from tests.faults.fault_scene import Scene
from tests.faults.public_faults import NAMED, Named, Outcome
from tests.gateway.door import DIALECTS, Answer, Asked, asked
from tests.gateway.duos import Duo, Theatre, theatre
from tests.gateway.house import until
from tests.gateway.stage import SECRET, Stage, good
from tests.upstream_answers import TEXT

from passerelle.core.request import Dialect

NOWHERE = ("P1", "P2", "P3", "P4", "P5", "P6", "P7", "H2", "H4", "H9", "H12")
"""Faults that are also tried with nobody else to ask."""
PAIRS: tuple[tuple[Dialect, Dialect], ...] = (
    *((dialect, dialect) for dialect in DIALECTS),
    ("openai_chat", "anthropic"),
    ("anthropic", "openai_chat"),
    ("openai_responses", "gemini"),
)
"""The caller's dialect and the provider's: relayed in every one, and translated between the most used."""


@dataclass(frozen=True)
class Trial:
    """One fault, tried once, and what became of it."""

    named: Named
    client: Dialect
    provider: Dialect
    mode: Mode
    outcome: Outcome | None
    """None where the caller was told something untrue, or nothing legal: see `why`."""
    why: str
    took_s: float
    receipt: dict[str, Any]
    said: Answer | None
    both: bool = False
    """The other place does the same."""

    @property
    def expected(self) -> Outcome:
        """What it should have come to."""
        if self.both:
            return "error"
        return self.named.stream if self.mode == "stream" else self.named.verified

    @property
    def kinds(self) -> list[str | None]:
        """What the attempts are called in the receipt; None for the one that answered."""
        return [attempt.get("failure") for attempt in self.receipt.get("attempts", ())]


@contextmanager
def trials(
    folder: Path, stage: Stage, pairs: Sequence[tuple[Dialect, Dialect]] = PAIRS
) -> Iterator[list[Trial]]:
    """All of them, made at once. The books are looked at when the block ends."""
    asked_for = [
        (named, client, provider, mode, both)
        for mode in MODES
        for named in NAMED
        for client, provider in pairs
        if not named.only or provider in named.only
        for both in ((False, True) if named.number in NOWHERE and mode == "stream" else (False,))
    ]
    with socket.socket() as canary:
        canary.bind(("127.0.0.1", 0))
        canary.listen()
        canary.setblocking(False)
        elsewhere = f"http://127.0.0.1:{canary.getsockname()[1]}/stolen"
        of_one = max(sum(one[2] == provider for one in asked_for) for _, provider in pairs)
        with theatre(folder, stage, duos=of_one + 30, firsts={"a": None}, also=DEADLINES) as play:
            with ThreadPoolExecutor(32) as pool:
                tried = list(pool.map(lambda one: _try(play, elsewhere, *one), asked_for))
            # What came otherwise is asked again by itself: a healthy place may have been late in the crowd.
            yield [
                trial if trial.outcome == trial.expected else _try(play, elsewhere, *one, again=True)
                for one, trial in zip(asked_for, tried, strict=True)
            ]
            play.balanced()
            assert not [line for line in play.house.gateway.log if SECRET in line or "Traceback" in line]
        try:
            canary.accept()
        except BlockingIOError:
            return
        raise AssertionError("a redirect was followed")


def _try(
    play: Theatre,
    elsewhere: str,
    named: Named,
    client: Dialect,
    provider: Dialect,
    mode: Mode,
    both: bool,
    *,
    again: bool = False,
) -> Trial:
    duo = play.duo(provider)
    steps = list(named.steps(Scene(provider, True, "before", elsewhere)))
    if both:
        play.stage.always(duo.second, *steps)
    elif named.number == "P14":
        play.stage.when(duo.second, _takes_no_prefill)
    if named.again or both:
        play.stage.always(duo.first, *steps)
    else:
        play.stage.script(duo.first, *steps)
    headers = {
        "x_request_id": "-".join([named.number, client, provider, mode, *["both"] * both, *["again"] * again])
    }
    if mode == "verified":
        headers["x_passerelle_delivery"] = mode
    more: dict[str, Any] = {"stream_options": {"include_usage": True}} if client == "openai_chat" else {}
    ask = asked(client, duo.name, stream=True, **more)
    began = time.monotonic()
    said: Answer | None = None
    if named.stream == "left":
        _leave(play, duo, ask, headers, heard=mode == "stream")
        session = play.stage.seen(duo.first)[0].session
        gone = play.stage.gone(session, 1.0)
        took_s = time.monotonic() - began
        outcome, why = ("left" if gone else None), "the provider's connection was kept"
        receipt = _settled(play, headers["x_request_id"])
        if receipt["outcome"] != "cancelled" or receipt["cost_nanos"] <= 0:
            outcome, why = None, f"{receipt['outcome']}, {receipt['cost_nanos']} nanos"
        return Trial(named, client, provider, mode, outcome, why, took_s, receipt, None)  # type: ignore[arg-type]
    if named.number == "H14":
        said = _slowly(play, ask, headers)
    else:
        said = play.caller.door.send(ask, **headers)
    took_s = time.monotonic() - began
    receipt = play.receipt(said.headers["x-request-id"])
    found, why = _heard(client, said, receipt, both=both)
    if found is not None and took_s > TOTAL_S + 0.25:
        found, why = None, f"it took {took_s:.1f} s"
    return Trial(named, client, provider, mode, found, why, took_s, receipt, said, both)


def _leave(play: Theatre, duo: Duo, ask: Asked, headers: dict[str, str], *, heard: bool) -> None:
    """Go away: after the first byte of the answer, or, where none may come before it is whole, once the
    provider has been asked."""
    door = play.caller.door
    if heard:
        response, connection = door.begin(ask, **headers)
        response.read(1)
        response.close()
    else:
        connection = HTTPConnection(door.host, door.port, timeout=door.timeout_s)
        sent = {"content-type": "application/json", "authorization": f"Bearer {door.token}"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request("POST", ask.path, ask.body, sent)
        until(lambda: play.stage.seen(duo.first), "the provider was asked")
    connection.close()


def _takes_no_prefill(request: Received, body: dict[str, Any]) -> Sequence[Step]:
    """A place that refuses to go on from a begun answer, as newer models of Anthropic's do."""
    turns = body.get("messages") or body.get("contents") or body.get("input")
    if isinstance(turns, list) and turns[-1].get("role") in ("assistant", "model"):
        return [Send(answer(b'{"error": {"message": "no prefill, please"}}', status=400))]
    return [Send(good(request.path, body))]


def _settled(play: Theatre, request_id: str) -> dict[str, Any]:
    """The receipt of a request whose caller went away, as soon as there is one."""
    door = play.caller.door
    shown = until(lambda: _found(door.get(f"/api/receipts/{request_id}")), "the request is settled")
    receipt: dict[str, Any] = shown.json["receipt"]
    return receipt


def _found(answer: Answer) -> Answer | None:
    return answer if answer.status == 200 else None


def _slowly(play: Theatre, ask: Any, headers: dict[str, str]) -> Answer:
    """Read a few bytes at a time."""
    response, connection = play.caller.door.begin(ask, **headers)
    body = b""
    while piece := response.read(512):
        body += piece
        time.sleep(0.02)
    told = {name.lower(): value for name, value in response.getheaders()}
    connection.close()
    return Answer(response.status, told, body)


def _heard(
    client: Dialect, said: Answer, receipt: dict[str, Any], *, both: bool
) -> tuple[Outcome | None, str]:
    """What the caller was told, judged by a strict reader of its dialect and by the receipt."""
    if any(words in said.body for words in HIDDEN):
        return None, "the provider's own words, or its key, were told"
    outcome, attempts = receipt["outcome"], receipt["attempts"]
    try:
        if said.status >= 400:
            error_kind(client, said)
            if both:
                return ("error", "") if outcome == "failed" else (None, f"an error, and {outcome}")
            refused = attempts[-1]["failure"] in ("context_length", "content_policy") and said.status == 400
            return ("refused", "") if refused else (None, f"status {said.status}: {said.body[:200]!r}")
        if outcome == "answered":
            text = whole_text(client, said, stream=True)
            return ("whole", "") if text == TEXT else (None, f"heard {text!r} and called it whole")
        text = broken_text(client, said)
        honest = outcome == "incomplete" and TEXT.startswith(text) and text not in ("", TEXT)
        return ("told", "") if honest else (None, f"{outcome}, after {text!r}")
    except Exception as error:
        return None, f"{type(error).__name__}: {error}; {said.body[-200:]!r}"
