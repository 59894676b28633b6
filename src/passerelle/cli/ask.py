"""`passerelle ask`."""

from typing import Any

import click

from passerelle.cli.client import Client
from passerelle.cli.common import json_option, print_json
from passerelle.core.money import show


@click.command()
@click.argument("question")
@click.option("--model", default="smart", show_default=True, help="A model id, an alias, or `smart`.")
@click.option(
    "--mode", type=click.Choice(["quality", "balanced", "cost", "fast"]), help="How `smart` chooses."
)
@click.option("--data-class", help="Declare the data class of the question.")
@click.option("--max-tokens", type=click.IntRange(1), default=512, show_default=True)
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
      passerelle ask "What is a footbridge?" --model smollm2-135m-instruct
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
        explanation = client.post("/v1/chat/completions", body, {**said, "x-passerelle-plan": "1"}).body
        if as_json:
            print_json(explanation)
        else:
            click.echo(explanation["words"])
        return
    answer = client.post("/v1/chat/completions", body, said)
    receipt = client.get(f"/api/receipts/{answer.headers['x-passerelle-receipt']}").body
    if as_json:
        print_json({"answer": answer.body, "receipt": receipt})
        return
    click.echo(answer.body["choices"][0]["message"]["content"] or "")
    click.echo()
    for line in told(receipt):
        click.echo(line)


def told(receipt: dict[str, Any]) -> list[str]:
    """A settled request in a few lines for a person: the plan in words, tokens, cost, where to read more."""
    body = receipt["receipt"]
    usage = body["usage"]
    counted = sum(value for name, value in usage.items() if name.endswith("_tokens"))
    output = sum(usage.get(n, 0) for n in ("output_tokens", "reasoning_tokens"))
    estimated = " (estimated)" if usage.get("source") == "estimated" else ""
    return [
        f"Model    {body['model']}, through {body['deployment']}",
        f"Plan     {receipt['words']}",
        f"Tokens   {counted - output} in, {output} out{estimated}",
        f"Cost     {show(body['cost_nanos'], body['currency'])}",
        f"Receipt  {body['id']}  (passerelle receipts show {body['id']})",
    ]
