"""Bedrock's routes, which boto3 and every AWS SDK call: the model and the operation stand in the path.

`POST /model/{modelId}/converse`, `/converse-stream`, `/count-tokens`
(docs.aws.amazon.com/bedrock/latest/APIReference, read 2026-11-22). An id may be an ARN: its slashes come
encoded, and decoded they are part of the path, so the operation is what follows the last one.
"""

import msgspec

from passerelle.codecs.base import PathTarget
from passerelle.core.errors import Problem, ProblemError
from passerelle.server.call import ModelCalls
from passerelle.server.route import Arrival, Route

PREFIX = "/model/"
_OPERATIONS = {
    "converse": PathTarget("chat", stream=False),
    "converse-stream": PathTarget("chat", stream=True),
    "count-tokens": PathTarget("count_tokens", stream=False),
}


def routes(calls: ModelCalls) -> tuple[Route, ...]:
    """Everything under `/model`."""
    call = calls.handler("bedrock", _target)
    return (Route(PREFIX, frozenset({"POST"}), "model:call", call, "bedrock", prefix=True),)


def _target(arrival: Arrival) -> PathTarget:
    return target_of(arrival.rest)


def target_of(rest: str) -> PathTarget:
    """What is asked by `{modelId}/{operation}`. Raises `ProblemError` for no operation."""
    model, slash, operation = rest.rpartition("/")
    target = _OPERATIONS.get(operation)
    if not slash or not model or target is None:
        known = ", ".join(f"`{name}`" for name in _OPERATIONS)
        raise ProblemError(
            Problem(
                "not_found",
                f"`{rest[-120:]}` is no operation of a model; of Bedrock's operations {known} are "
                "served (see docs/api.md), so use Converse in place of InvokeModel.",
            )
        )
    return msgspec.structs.replace(target, model=model)
