"""What a model accepts and gives, checked against itself and said in words."""

from collections.abc import Iterator

from passerelle.core.model import OPERATION_GIVES, Modality, Model

_ALONE: frozenset[Modality] = frozenset({"embedding", "ranking", "verdict", "transcript", "speech"})
"""Given by models made for one operation."""

_NEEDS = {"parallel_tools": "tools", "json_schema": "json"}
"""A capability that means little without another."""


def gives_words(model: Model) -> bool:
    """Whether it answers in text."""
    return "text" in model.output_modalities


def gives_vectors(model: Model) -> bool:
    """Whether it turns text into embeddings."""
    return "embedding" in model.output_modalities


def servable(model: Model) -> bool:
    """Whether there is an operation of ours that such a model can serve."""
    return not model.output_modalities.isdisjoint(OPERATION_GIVES.values())


def contradictions(model: Model) -> Iterator[tuple[str, str, str]]:
    """Field, what is wrong and the next step, for each thing in a model that cannot be true."""
    alone = sorted(_ALONE & model.output_modalities)
    if alone and len(model.output_modalities) > 1:
        yield (
            "output_modalities",
            f"a model that gives `{alone[0]}` gives nothing else",
            "Declare two models, one for each",
        )
    if "embeddings" in model.capabilities and not gives_vectors(model):
        yield (
            "output_modalities",
            "it has the capability `embeddings` but does not give `embedding`",
            'Set `output_modalities = ["embedding"]`, or remove the capability',
        )
    context, output = model.context_tokens, model.max_output_tokens
    if context is not None and output is not None and output > context:
        yield (
            "max_output_tokens",
            f"{output} is more than the whole context of {context}",
            "Give the longest answer the model can write",
        )
    price = model.price
    if price is not None and (price.long_context is None) != (price.long_context_above is None):
        yield (
            "price",
            "`long_context` and `long_context_above` only mean something together",
            "Give both, or neither",
        )


def in_words(model: Model) -> str:
    """What it takes, gives and can do, on one line."""
    takes = ", ".join(sorted(model.input_modalities))
    gives = ", ".join(sorted(model.output_modalities))
    hidden = {"streaming", *(base for wide, base in _NEEDS.items() if wide in model.capabilities)}
    can = ", ".join(sorted(model.capabilities - hidden))
    return f"{takes} → {gives}" + (f"; {can}" if can else "")
