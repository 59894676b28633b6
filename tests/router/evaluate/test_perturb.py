import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from passerelle.router.evaluate.perturb import CHANGES, MOST_TYPOS, changed, language

ENGLISH = "Which of the following statements describes the small river? Answer with the correct one."
FRENCH = "Quelle est la rivière que les habitants trouvent souvent dans la ville, et pourquoi ? Expliquez."


@settings(max_examples=40)
@given(st.text(max_size=200), st.integers(0, 99))
def test_any_text_is_changed_without_error_and_by_a_seed_the_same_way(text: str, seed: int) -> None:
    for change in CHANGES:
        assert changed(change, [text], seed) == changed(change, [text], seed)


@given(st.integers(0, 200))
def test_case_and_spaces_change_nothing_else(seed: int) -> None:
    (cased,) = changed("case", [ENGLISH], seed)
    assert cased.casefold() == ENGLISH.casefold()
    (spaced,) = changed("spaces", [ENGLISH], seed)
    assert spaced.split() == ENGLISH.split()


@given(st.integers(0, 200))
def test_typing_mistakes_are_few_and_leave_short_words_and_figures_alone(seed: int) -> None:
    text = "In 1984 the total is 12345 of 99, " + "harmless words everywhere " * 60
    (typed,) = changed("typos", [text], seed)
    different = sum(a != b for a, b in zip(text.split(), typed.split(), strict=True))
    assert 1 <= different <= MOST_TYPOS
    assert typed.startswith("In 1984 the ")
    assert "12345 of 99," in typed


@pytest.mark.parametrize(("text", "spoken", "polite"), [(ENGLISH, "en", "Thank"), (FRENCH, "fr", "Merci")])
def test_politeness_is_of_the_prompts_language(text: str, spoken: str, polite: str) -> None:
    assert language(text) == spoken
    said = [changed("paraphrase", [text], seed)[0] for seed in range(30)]
    assert any(polite in one for one in said)
    other = "Merci" if spoken == "en" else "Thank"
    assert not any(other in one for one in said)


def test_synonyms_stand_for_whole_words_and_keep_a_capital() -> None:
    said = {changed("paraphrase", [ENGLISH], seed)[0] for seed in range(40)}
    assert any("little river" in one for one in said)
    assert any("Reply with" in one for one in said)
    assert not any("replyed" in one for one in said)


def test_every_change_changes_something() -> None:
    for change in CHANGES:
        assert any(changed(change, [ENGLISH], seed) != [ENGLISH] for seed in range(5)), change
