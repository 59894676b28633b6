"""What a request will probably use at a place: how long its answer is, and how much of its prompt is cached.

Two things are learned, each from what settled and each starting from a prior that is said below:

    lengths   tokens of an answer, by model and task, as a mean of logarithms: answers are a few words or a
              few pages, and a plain mean would be the pages'. A pair seen seldom is drawn towards the model's
              lengths, and those towards everybody's.
    caches    the shares of a prompt that a place read from its cache, and wrote to it: of conversations
              that went on there in time, and of all others.

Old answers fade, so that a model which has become talkative is known for it after some hundred answers. The
same history gives the same figures.
"""

import math

import msgspec

PRIOR_TOKENS = 400
"""An answer nobody has seen one like: as long as `gateway.estimate` takes any to be."""
_PRIOR_WEIGHT = 5.0
"""How many answers the prior, or the level above, is worth."""
_LONGEST_MEMORY = 300.0
"""What was seen longer ago than so many answers has faded."""
_MOST_ROWS = 4096
CACHE_S = 300.0
"""How long a prompt stays in a provider's cache when nothing reads it: five minutes at Anthropic, whose reads
renew it ("Prompt caching", platform.claude.com/docs); five to ten at OpenAI ("Prompt caching",
platform.openai.com/docs; both read 2026-11-22)."""
_READ_PRIOR, _WRITE_PRIOR = 0.9, 1.0
_CACHE_PRIOR_WEIGHT = 3.0
"""A conversation's next turn repeats nearly all of the one before it."""
FIRST_TURNS_OF_AN_AGENT = 8
_MOST_TURNS_AHEAD = 32


class _Row(msgspec.Struct, array_like=True):
    """What was seen of one kind of answer: how much (fading), and of the logarithms the mean and spread."""

    weight: float = 0.0
    mean: float = 0.0
    spread: float = 0.0
    """Their variance."""

    def add(self, value: float) -> None:
        self.weight = min(self.weight + 1.0, _LONGEST_MEMORY)
        share = 1.0 / self.weight
        step = value - self.mean
        self.mean += share * step
        self.spread = (1.0 - share) * (self.spread + share * step * step)


class Lengths:
    """Tokens of answers, reasoning included, by model and task."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, str], _Row] = {}

    def expected(self, model: str, task: str = "", *, most: int | None = None) -> int:
        """The mean of what an answer will have, at least 1; at most `most`, the caller's limit."""
        mean, spread = math.log(PRIOR_TOKENS), 0.0
        for key in (("", ""), (model, ""), (model, task)) if task else (("", ""), (model, "")):
            row = self._rows.get(key)
            if row is not None:
                trust = row.weight / (row.weight + _PRIOR_WEIGHT)
                mean += trust * (row.mean - mean)
                spread += trust * (row.spread - spread)
        tokens = max(1, round(math.exp(min(mean + spread / 2, 14.0))))
        return tokens if most is None else min(tokens, most)

    def add(self, model: str, task: str, tokens: int) -> None:
        """An answer of so many tokens is complete."""
        value = math.log(max(tokens, 1))
        for key in dict.fromkeys((("", ""), (model, ""), (model, task))):
            row = self._rows.pop(key, None)
            if row is None:
                row = _Row()
                if len(self._rows) >= _MOST_ROWS:
                    del self._rows[next(iter(self._rows))]  # the one that was seen longest ago
            self._rows[key] = row
            row.add(value)

    def state(self) -> bytes:
        """Everything, for `from_state`."""
        return msgspec.msgpack.encode([[*key, row] for key, row in self._rows.items()])

    @classmethod
    def from_state(cls, state: bytes) -> "Lengths":
        """What gave `state`. Raises `msgspec.DecodeError`."""
        made = cls()
        for model, task, row in msgspec.msgpack.decode(state, type=list[tuple[str, str, _Row]]):
            made._rows[model, task] = row
        return made


class _Shares(msgspec.Struct, array_like=True):
    """Of one place: shares of the prompt read from the cache by conversations that went on there in time, and
    written to it of what was not read; with how many requests say so.
    """

    read: float = _READ_PRIOR
    reads: float = _CACHE_PRIOR_WEIGHT
    written: float = _WRITE_PRIOR
    writes: float = _CACHE_PRIOR_WEIGHT


class Caches:
    """How well each place keeps prompts."""

    def __init__(self) -> None:
        self._places: dict[str, _Shares] = {}

    def read_share(self, place: str) -> float:
        """The share of what a conversation had before that its next turn finds in the cache."""
        shares = self._places.get(place)
        return _READ_PRIOR if shares is None else shares.read

    def write_share(self, place: str) -> float:
        """The share of what is not found that is written to it."""
        shares = self._places.get(place)
        return _WRITE_PRIOR if shares is None else shares.written

    def add(self, place: str, *, fresh: int, read: int, written: int, had: int) -> None:
        """A prompt of `fresh + read + written` tokens was served there, of which a conversation that went on
        in time `had` so many before; 0 where there was none.
        """
        shares = self._places.get(place)
        if shares is None:
            if len(self._places) >= _MOST_ROWS:
                del self._places[next(iter(self._places))]
            shares = self._places[place] = _Shares()
        if had > 0:
            shares.reads = min(shares.reads + 1.0, _LONGEST_MEMORY)
            shares.read += (min(read / had, 1.0) - shares.read) / shares.reads
        if fresh + written > 0:
            shares.writes = min(shares.writes + 1.0, _LONGEST_MEMORY)
            shares.written += (written / (fresh + written) - shares.written) / shares.writes

    def state(self) -> bytes:
        """Everything, for `from_state`."""
        return msgspec.msgpack.encode(self._places)

    @classmethod
    def from_state(cls, state: bytes) -> "Caches":
        """What gave `state`. Raises `msgspec.DecodeError`."""
        made = cls()
        made._places = msgspec.msgpack.decode(state, type=dict[str, _Shares])
        return made


def turns_ahead(turn: int, *, tools: bool, conversation: bool) -> int:
    """Over how many turns, this one included, a choice should be weighed.

    Of what has gone on for n turns nothing better is known than that it will for as many again (the
    "Copernican" estimate: Gott, Nature 363, 1993). One that begins has one turn, or an agent's first few.
    """
    if not conversation:
        return 1
    if turn <= 1:
        return FIRST_TURNS_OF_AN_AGENT if tools else 1
    return min(turn, _MOST_TURNS_AHEAD)


def a_turn(now_nanos: int, later_nanos: int, turns: int) -> int:
    """What a turn costs on average, where this one costs `now_nanos` and each of the others `later_nanos`."""
    return now_nanos if turns <= 1 else (now_nanos + later_nanos * (turns - 1)) // turns


class Commitment(msgspec.Struct, frozen=True, gc=False):
    """Capacity that is paid for whether it is used or not."""

    provider: str
    deployment: str | None
    """None: any of the provider's."""
    remaining_nanos: int
    """Of the amount, in this period."""


Commitments = tuple[Commitment, ...]
NO_COMMITMENTS: Commitments = ()


def marginal(cost_nanos: int, provider: str, deployment: str, commitments: Commitments) -> int:
    """What a request of that cost adds to the bill: nothing while what is committed there is not used up."""
    for one in commitments:
        if one.provider == provider and one.deployment in (None, deployment):
            cost_nanos -= min(cost_nanos, max(one.remaining_nanos, 0))
    return cost_nanos
