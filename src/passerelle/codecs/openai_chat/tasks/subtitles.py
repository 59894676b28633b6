"""Subtitles out of segments: SubRip and WebVTT.

WebVTT: w3.org/TR/webvtt1; SubRip has no standard, its form is what players read (both read 2026-11-22).
"""

from collections.abc import Iterable
from typing import Any, Literal

Form = Literal["json", "text", "srt", "verbose_json", "vtt", "diarized_json"]


def srt(segments: Iterable[dict[str, Any]]) -> str:
    """SubRip: numbered, commas in the times."""
    blocks = [
        f"{number}\n{_time(start, ',')} --> {_time(end, ',')}\n{text}\n"
        for number, (start, end, text) in enumerate(_cues(segments), 1)
    ]
    return "\n".join(blocks)


def vtt(segments: Iterable[dict[str, Any]]) -> str:
    """WebVTT."""
    blocks = [f"{_time(start, '.')} --> {_time(end, '.')}\n{text}\n" for start, end, text in _cues(segments)]
    return "\n".join(["WEBVTT\n", *blocks])


def _cues(segments: Iterable[dict[str, Any]]) -> Iterable[tuple[float, float, str]]:
    for segment in segments:
        # A blank line would end the cue, and an arrow would begin another.
        text = " ".join(str(segment.get("text", "")).split()).replace("-->", "->")
        yield float(segment.get("start") or 0), float(segment.get("end") or 0), text


def _time(seconds: float, point: str) -> str:
    ms = round(max(0.0, seconds) * 1000)
    return f"{ms // 3_600_000:02}:{ms // 60_000 % 60:02}:{ms // 1000 % 60:02}{point}{ms % 1000:03}"
