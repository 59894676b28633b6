"""Google's token counts and ours, both ways.

Google's convention (ai.google.dev/api/generate-content#UsageMetadata and `google-genai` 3.4.0, read
2026-11-22): `promptTokenCount` includes `cachedContentTokenCount`; `candidatesTokenCount` excludes
`thoughtsTokenCount`; `toolUsePromptTokenCount` stands apart from both; `totalTokenCount` is the sum of
prompt, candidates, thoughts and tool use. The `…Details` lists split a count by modality.
"""

from typing import Any

from passerelle.codecs.gemini.types import ModalityTokens, UsageMetadata
from passerelle.core.usage import Usage


def read_usage(said: UsageMetadata) -> Usage:
    """Disjoint buckets whose total is Google's own."""
    prompt = _count(said.prompt_token_count)
    cached = min(_count(said.cached_content_token_count), prompt)
    uncached = prompt - cached
    audio = image = 0
    if said.prompt_tokens_details:
        of_cache = said.cache_tokens_details
        audio = _apart(said.prompt_tokens_details, of_cache, "AUDIO", uncached)
        image = _apart(said.prompt_tokens_details, of_cache, "IMAGE", uncached - audio)
    tools = _count(said.tool_use_prompt_token_count)
    output = _count(said.candidates_token_count)
    thoughts = _count(said.thoughts_token_count)
    total = _count(said.total_token_count)
    plain = not (thoughts or cached or tools or audio or image or said.candidates_tokens_details)
    if plain and total in (0, prompt + output):  # the usual case, at a third of the cost
        return Usage(input_tokens=prompt, output_tokens=output)
    if total and total != prompt + tools + output + thoughts:
        if thoughts and total == prompt + tools + output:
            output = max(output - thoughts, 0)  # this model counts its thoughts among the candidates
        elif total > prompt + tools + output + thoughts:
            # Some models leave their thoughts out of every count but the total, which is what is billed.
            thoughts = total - prompt - tools - output
    spoken = drawn = 0
    if said.candidates_tokens_details:
        spoken = _apart(said.candidates_tokens_details, None, "AUDIO", output)
        drawn = _apart(said.candidates_tokens_details, None, "IMAGE", output - spoken)
    return Usage(
        input_tokens=uncached - audio - image + tools,
        cache_read_tokens=cached,
        input_audio_tokens=audio,
        input_image_tokens=image,
        output_tokens=output - spoken - drawn,
        reasoning_tokens=thoughts,
        output_audio_tokens=spoken,
        output_image_tokens=drawn,
    )


def _count(said: int | None) -> int:
    """A count; below zero there is none, and no money to be had back for it."""
    return said if said and said > 0 else 0


def _apart(of: list[ModalityTokens], less: list[ModalityTokens] | None, modality: str, most: int) -> int:
    count = sum(entry.token_count or 0 for entry in of if entry.modality == modality)
    if less:
        count -= sum(entry.token_count or 0 for entry in less if entry.modality == modality)
    return max(0, min(count, most))


def write_usage(usage: Usage) -> dict[str, Any]:
    """`usageMetadata`; cache writes are part of the prompt, which is where Google would count them."""
    prompt = usage.total_input_tokens
    said: dict[str, Any] = {"promptTokenCount": prompt}
    if usage.cache_read_tokens:
        said["cachedContentTokenCount"] = usage.cache_read_tokens
    spoken, drawn = usage.output_audio_tokens, usage.output_image_tokens
    said["candidatesTokenCount"] = usage.output_tokens + spoken + drawn
    if usage.reasoning_tokens:
        said["thoughtsTokenCount"] = usage.reasoning_tokens
    said["totalTokenCount"] = usage.total_tokens
    audio, image = usage.input_audio_tokens, usage.input_image_tokens
    said["promptTokensDetails"] = _details(prompt - audio - image, audio, image)
    if spoken or drawn:
        said["candidatesTokensDetails"] = _details(usage.output_tokens, spoken, drawn)
    return said


def _details(text: int, audio: int, image: int) -> list[dict[str, Any]]:
    counts = (("TEXT", text), ("AUDIO", audio), ("IMAGE", image))
    return [{"modality": modality, "tokenCount": count} for modality, count in counts if count]
