from hypothesis import given
from hypothesis import strategies as st

from passerelle.codecs.sealed import MARK, Sealed, seal, unseal

words = st.none() | st.text(st.characters(exclude_categories=["Cs"]), min_size=1)


@given(st.sampled_from(["anthropic", "gemini", "openai_responses"]), words, words, words, words)
def test_a_sealed_block_comes_back_whole(
    origin: str, signature: str | None, encrypted: str | None, identifier: str | None, call: str | None
) -> None:
    block = Sealed(origin, signature, encrypted, identifier, call)
    sealed = seal(block)
    assert sealed.isascii()
    assert sealed.encode().startswith(MARK)
    assert unseal(sealed) == block


def test_base64_does_not_grow() -> None:
    signature = "EqQBCkYIBxgCKkDx+/A9==" * 40
    assert len(seal(Sealed("anthropic", signature))) == len(signature) + len("psl1!anthropic!!!!")


@given(st.text())
def test_a_providers_own_block_is_not_ours(text: str) -> None:
    assert text.startswith("psl1!") or unseal(text) is None
    assert unseal("psl1!" + text.replace("!", "")) is None
