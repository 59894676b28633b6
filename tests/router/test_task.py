"""Who says what a request is, and the classifier that is shipped."""

import zlib

import numpy as np
import pytest

from passerelle.catalog.language import task_weights
from passerelle.router.embed import BUCKETS
from passerelle.router.quality.base import Sight
from passerelle.router.task import TASKS, Classifier, kind_of


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    saved = task_weights()
    raw = np.frombuffer(zlib.decompress(saved.weights), np.int8).reshape(saved.buckets, -1)
    return Classifier(
        saved.names, raw.astype(np.float32) * np.float32(saved.step), np.array(saved.bias, np.float32)
    )


def test_the_weights_shipped_say_where_they_come_from_and_how_good_they_are() -> None:
    saved = task_weights()
    assert saved.names == TASKS
    assert saved.buckets == BUCKETS
    assert "MIT" in saved.provenance
    assert saved.accuracy["outcome data held out"] > 0.9


def test_a_tag_comes_before_the_route_before_the_role_before_the_words() -> None:
    sight = Sight("Translate this into French: good morning", task="mail")
    assert kind_of(sight, route="support", role="coder").task == "mail"
    untagged = Sight(sight.words)
    assert kind_of(untagged, route="support", role="coder").said == "route"
    assert kind_of(untagged, role="Coder").task == "code"
    assert kind_of(untagged, role="nobody knows").said == "words"


def test_pictures_and_tools_speak_before_words() -> None:
    assert kind_of(Sight("what is it?", images=1, tools=3)).task == "vision"
    assert kind_of(Sight("do it", tools=3)).task == "tool use"


@pytest.mark.parametrize(
    ("words", "task"),
    [
        ("Translate the following sentence into Spanish: the meeting starts at nine.", "translation"),
        ("Traduis en anglais : la réunion commence à neuf heures.", "translation"),
        ("Write a Python function that reverses a linked list, with tests.", "code"),
        ("Écris une fonction Python qui inverse une liste, avec des tests.", "code"),
        ("A baker has 120 rolls and sells 45 each hour. How many are left after 2 hours?", "maths"),
        ("Calcule la dérivée de 3x^2 + 5x.", "maths"),
        ("Summarise the following report in five bullet points.", "summarising"),
        ("Fais un résumé de ce rapport pour la direction.", "summarising"),
        ("Extract the names and dates from this contract as JSON.", "extraction"),
        ("Extrais les dates et les montants de cette lettre au format JSON.", "extraction"),
    ],
)
def test_plain_requests_are_told_from_their_words(classifier: Classifier, words: str, task: str) -> None:
    assert kind_of(Sight(words), classifier).task == task


def test_what_is_unsure_is_chat() -> None:
    even = Classifier(TASKS, np.zeros((BUCKETS, len(TASKS)), np.float32), np.zeros(len(TASKS), np.float32))
    assert kind_of(Sight("hm"), even).task == "chat"
    assert kind_of(Sight("hm")).sureness == 0.0


def test_weights_of_another_shape_are_refused() -> None:
    with pytest.raises(ValueError, match="train them anew"):
        Classifier(("a",), np.zeros((3, 1), np.float32), np.zeros(1, np.float32))
