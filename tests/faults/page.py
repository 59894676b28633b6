"""`make faults`: try the 31 named faults on a gateway, and write what came of them into docs/resilience.md.

    python -m tests.faults.page

Two parts of the page are written so, each between marks: the table of the faults, and the named behaviours
as one caller saw them. Ids, dates and the names of the trial's own places are put in plain words, so that the
page changes only when the gateway does.
"""

import json
import re
import sys
import tempfile
from pathlib import Path
from textwrap import fill

from tests.docs.pages import DOCS
from tests.faults.fault_cells import MODES
from tests.faults.public_faults import HARDER, NAMED, PUBLIC, Outcome
from tests.faults.public_trials import Trial, trials
from tests.gateway.stage import Stage

PAGE = DOCS / "resilience.md"
_MARK = "<!-- written by `make faults`: {} -->"
_WORDS: dict[Outcome, str] = {
    "whole": "the whole answer",
    "refused": "the provider's refusal",
    "told": "an honest error in the stream",
    "left": "let go, and settled",
    "error": "an honest error",
}
_FAILED = "**failed**"
_SHOWN_HEADERS = ("retry-after", "x-should-retry", "x-passerelle-attempts", "x-passerelle-deployment")
SHOWN: tuple[tuple[str, bool, str], ...] = (
    ("P1", False, "429 with `retry-after`"),
    ("P1", True, "429 with `retry-after`, and nowhere else to go"),
    ("P2", True, "429 without `retry-after`, and nowhere else to go"),
    ("P3", False, "500, once"),
    ("P4", False, "503, again and again"),
    ("P4", True, "503, and nowhere else to go"),
    ("P5", False, "a reset before the head, again and again"),
    ("P6", False, "silence"),
    ("P6", True, "silence, and nowhere else to go"),
    ("P7", False, "a first word that comes too late"),
    ("P8", False, "a cut in the middle"),
    ("P9", False, "a stall in the middle"),
    ("P10", False, "an event that is no JSON"),
    ("P11", False, "a stream without `[DONE]`"),
    ("H15", False, "a clean end without an end"),
    ("P12", False, "a context that is too long"),
    ("P13", False, "a refusal by the content filter"),
)
"""Fault, whether both places do it, and the heading."""


def written(text: str, tried: list[Trial]) -> str:
    """`text`, a page, with its written parts as these trials make them."""
    return _put(_put(text, "the table", table(tried)), "the behaviours", behaviours(tried))


def table(tried: list[Trial]) -> str:
    """What each fault came to, in every way of delivery."""
    modes = " | ".join(f"`{mode}`" for mode in MODES)
    lines = [f"| | what happens | {modes} |", "|---|---|" + "---|" * len(MODES)]
    plain = [trial for trial in tried if not trial.both]
    for named in NAMED:
        came = [_came([t for t in plain if t.named is named and t.mode == mode]) for mode in MODES]
        lines.append(f"| {named.number} | {named.what} | {' | '.join(came)} |")
    for mode in MODES:
        came = [_came([t for t in plain if t.named is named and t.mode == mode]) for named in NAMED]
        told, failed = came.count(_WORDS["told"]), came.count(_FAILED)
        of = f"{len(PUBLIC)} public and {len(HARDER)} harder faults"
        sums = (
            f"`{mode}`: of {of}, {told} end in an honest error in the stream, {failed} fail; the",
            f"other {len(NAMED) - told - failed} are not to be noticed, or are refusals.",
        )
        lines += ["", *sums]
    return "\n".join(lines)


def _came(mine: list[Trial]) -> str:
    outcomes = {trial.outcome for trial in mine}
    (outcome,) = outcomes if len(outcomes) == 1 else (None,)
    return _FAILED if outcome is None else _WORDS[outcome]


def behaviours(tried: list[Trial]) -> str:
    """What a caller of Chat Completions sees of each, and what the receipt says."""
    by_name = {
        (t.named.number, t.both): t
        for t in tried
        if t.mode == "stream" and (t.client, t.provider) == ("openai_chat", "openai_chat")
    }
    return "\n\n".join(_behaviour(heading, by_name[number, both]) for number, both, heading in SHOWN)


def _behaviour(heading: str, trial: Trial) -> str:
    assert trial.said is not None
    said = [f"HTTP/1.1 {trial.said.status}"]
    said += [f"{name}: {trial.said.headers[name]}" for name in _SHOWN_HEADERS if name in trial.said.headers]
    said += ["", *_body(trial.said.body.decode().strip())]
    attempts = [
        f"{attempt.get('failure', 'answered')} at `{_place(attempt['deployment'])}`"
        + (", billed" if attempt.get("cost_nanos") else ", not billed")
        for attempt in trial.receipt["attempts"]
    ]
    text = "\n".join(_plain(line) for line in said)
    receipt = "; ".join([f"Receipt: {trial.receipt['outcome']}", *attempts])
    return f"### {heading[0].upper()}{heading[1:]}\n\n```\n{text}\n```\n\n{fill(receipt, 120)}."


def _place(deployment: str) -> str:
    return "first/model" if deployment.startswith("chata") else "second/model"


def _plain(line: str) -> str:
    line = re.sub(r"\bchat[ab]/chata\d+-model\.chat[ab]", lambda m: _place(m[0]), line)
    return re.sub(r"`chat([ab])`", lambda m: "`first`" if m[1] == "a" else "`second`", line)


def _body(body: str) -> list[str]:
    """A body as the page shows it: an error whole, of a stream its last two events."""
    if body.startswith("{"):
        return json.dumps(json.loads(body), indent=2, ensure_ascii=False).split("\n")
    *before, last = body.split("\n\n")
    return ["…", _event(before[-1]), "", *_event(last).split("\n")]


def _event(line: str) -> str:
    """An event without what says nothing here."""
    if "{" not in line:
        return line
    event = json.loads(line.removeprefix("data: "))
    if "error" in event:
        return "data: " + json.dumps(event, indent=2)
    kept = {"model": event["model"], "choices": [{"delta": choice["delta"]} for choice in event["choices"]]}
    if event.get("usage"):
        kept["usage"] = {name: event["usage"][name] for name in ("prompt_tokens", "completion_tokens")}
    return "data: " + json.dumps(kept)


def _put(text: str, name: str, part: str) -> str:
    begin, end = _MARK.format(f"{name}, from here"), _MARK.format(f"{name}, to here")
    before, found, rest = text.partition(begin)
    assert found, begin
    _, found, after = rest.partition(end)
    assert found, end
    return f"{before}{begin}\n\n{part}\n\n{end}{after}"


def main() -> int:
    """Write the page; 1 when a fault came to what it should not."""
    with tempfile.TemporaryDirectory() as folder, Stage() as stage, trials(Path(folder), stage) as tried:
        PAGE.write_text(written(PAGE.read_text(), tried))
        wrong = [trial for trial in tried if trial.outcome != trial.expected]
        for trial in wrong:
            print(f"{trial.named.number} ({trial.client} < {trial.provider}, {trial.mode}): {trial.why}")
        print(f"{len(tried)} trials, {len(wrong)} that came to what they should not; wrote {PAGE}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
