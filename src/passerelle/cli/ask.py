"""`passerelle ask`."""

from typing import Any

import click

from passerelle.cli import look
from passerelle.cli.client import Client
from passerelle.cli.common import json_option, print_json
from passerelle.core.model import DATA_CLASSES
from passerelle.core.money import show

CHAT = "/v1/chat/completions"
MOST_SHOWN = 10
"""Candidates, and exclusions, that are worth a person's time."""


@click.command()
@click.argument("question")
@click.option("--model", default="smart", show_default=True, help="A model id, an alias, or `smart`.")
@click.option(
    "--mode", type=click.Choice(["quality", "balanced", "cost", "fast"]), help="How `smart` chooses."
)
@click.option("--data-class", type=click.Choice(DATA_CLASSES), help="How sensitive the question is.")
@click.option(
    "--max-tokens", type=click.IntRange(1), default=512, show_default=True, help="Longest answer, in tokens."
)
@click.option("--plan", "plan_only", is_flag=True, help="Explain the choice; call nothing.")
@click.option("--url", help="The gateway  [env: PASSERELLE_BASE_URL; default: http://127.0.0.1:8080]")
@click.option("--key", help="An API key  [env: PASSERELLE_API_KEY]")
@json_option
def command(
    question: str,
    model: str,
    mode: str | None,
    data_class: str | None,
    max_tokens: int,
    plan_only: bool,
    url: str | None,
    key: str | None,
    as_json: bool,
) -> None:
    """Ask a running gateway one question, and see the plan, tokens and cost.

    \b
    Example:
      passerelle ask "What is a footbridge?" --model smart --mode cost
      passerelle ask "What is a footbridge?" --data-class personal --plan
    """
    client = Client(url, key)
    headers = {"x-passerelle-mode": mode, "x-passerelle-data-class": data_class}
    said = {name: value for name, value in headers.items() if value is not None}
    body = {
        "model": model,
        "messages": [{"role": "user", "content": question}],
        "max_completion_tokens": max_tokens,
    }
    if plan_only:
        explanation = client.post(CHAT, body, {**said, "x-passerelle-plan": "1"}).body
        if as_json:
            print_json(explanation)
        else:
            tell_plan(explanation["plan"], explanation["words"])
    elif as_json:
        answer = client.post(CHAT, body, said)
        receipt = client.get(f"/api/receipts/{answer.headers['x-passerelle-receipt']}").body
        print_json({"answer": answer.body, "receipt": receipt})
    else:
        receipt_id = converse(client, body, said)
        look.say()
        tell(client.get(f"/api/receipts/{receipt_id}").body)


def converse(client: Client, body: dict[str, Any], headers: dict[str, str] | None = None) -> str:
    """Write the answer as it arrives; gives the id of its receipt. Raises `Failure`."""
    with client.stream(CHAT, {**body, "stream": True}, headers) as (events, answered):
        begun = False
        for event in events:
            for choice in event.get("choices", ()):
                text = choice.get("delta", {}).get("content") or ""
                if not begun:
                    text = text.lstrip()
                begun = begun or bool(text)
                click.echo(text, nl=False)
        look.say()
    return answered["x-passerelle-receipt"]


def tell(shown: dict[str, Any], *, indent: str = "") -> None:
    """A settled request for a person: what answered, why, tokens, cost, where to read more."""
    receipt = shown["receipt"]
    usage = receipt["usage"]
    counted = sum(value for name, value in usage.items() if name.endswith("_tokens"))
    output = sum(value for name, value in usage.items() if name.startswith(("output_", "reasoning_")))
    estimated = " (estimated)" if usage.get("source") == "estimated" else ""
    if receipt.get("deployment"):
        look.labelled("Model", f"{receipt['model']}, through {receipt['deployment']}", indent=indent)
    look.labelled("Why", shown["words"], indent=indent)
    look.labelled("Tokens", f"{counted - output} in, {output} out{estimated}", indent=indent)
    look.labelled("Cost", show(receipt["cost_nanos"], receipt["currency"]), indent=indent)
    look.labelled("Time", _time(receipt), indent=indent)
    look.labelled("Receipt", receipt["id"], indent=indent)


def tell_plan(plan: dict[str, Any], words: str) -> None:
    """A plan for a person: the decision, then who was considered."""
    look.labelled("Why", words)
    candidates, rejections = plan["candidates"], plan["rejections"]
    for place, candidate in enumerate(candidates[:MOST_SHOWN], 1):
        because = f": {candidate['because']}" if candidate.get("because") else ""
        look.labelled(f"{place}.", f"{candidate['deployment']}{because}")
    _tell_more(candidates)
    for rejection in rejections[:MOST_SHOWN]:
        look.labelled("No", f"{rejection['deployment']}: {rejection['rule']}, {rejection['reason']}")
    _tell_more(rejections)


def _tell_more(found: list[Any]) -> None:
    if len(found) > MOST_SHOWN:
        look.labelled("", f"and {len(found) - MOST_SHOWN} more; `--json` has them all")


def _time(receipt: dict[str, Any]) -> str:
    said = look.seconds(receipt["duration_ns"])
    attempts = receipt["attempts"]
    first = attempts[-1].get("first_content_ns") if attempts else None
    return f"{said}, first content after {look.seconds(first)}" if first else said
