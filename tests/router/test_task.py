"""Who says what a request is, and the classifier that is shipped."""

import numpy as np
import pytest

from passerelle.catalog.language import task_weights
from passerelle.gateway.learning.kinds import classifier as shipped
from passerelle.router.classify import Classifier
from passerelle.router.embed import BUCKETS
from passerelle.router.quality.base import Sight
from passerelle.router.quality.view import pack
from passerelle.router.task import SURE, TASKS, Work, looked_at, told


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return shipped()


def seen(words: str, **more: int) -> Sight:
    return Sight(words, features=pack(Sight(words), None), **more)


def test_the_weights_shipped_say_where_they_come_from_and_how_good_they_are() -> None:
    saved = task_weights()
    assert saved.names == TASKS
    assert saved.buckets == BUCKETS
    assert "MIT" in saved.provenance
    assert saved.accuracy["outcome data held out"] > 0.9


def test_a_tag_comes_before_the_route_before_the_role() -> None:
    assert told("mail", "support", "coder") == Work("mail", "tag")
    assert told(None, "support", "coder") == Work("support", "route")
    assert told(None, None, "Coder") == Work("code", "role")
    assert told(None, None, "nobody knows") is None
    assert told(None, None, None) is None


def test_pictures_speak_before_tools_and_tools_before_words(classifier: Classifier) -> None:
    code = "Write a Python function that reverses a linked list, with tests."
    assert looked_at(seen(code, images=1, tools=3), classifier.guess) == Work("vision", "images")
    assert looked_at(seen(code, tools=3), classifier.guess) == Work("tool use", "tools")
    assert looked_at(seen(code), classifier.guess).task == "code"


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
    found = looked_at(seen(words), classifier.guess)
    assert (found.task, found.said) == (task, "words")
    assert SURE <= found.sureness <= 1
    assert classifier.names[int(classifier.probabilities(words).argmax())] == task


def test_what_is_unsure_is_unknown() -> None:
    even = Classifier(TASKS, np.zeros((BUCKETS, len(TASKS)), np.float32), np.zeros(len(TASKS), np.float32))
    assert looked_at(seen("hm"), even.guess) == Work(None, "words", pytest.approx(1 / 9, abs=1e-3))
    assert looked_at(seen("hm"), None) == Work(None, "words", 0.0)
    assert looked_at(Sight("Translate this."), even.guess).task is None, "nothing was packed of it"


def test_weights_of_another_shape_are_refused() -> None:
    with pytest.raises(ValueError, match="train them anew"):
        Classifier(("a",), np.zeros((3, 1), np.float32), np.zeros(1, np.float32))
