"""Static vectors are read from the installed package, which itself is not imported."""

import subprocess
import sys

from passerelle.catalog.language import static_vectors


def test_vectors_and_vocabulary_fit_together() -> None:
    found = static_vectors()
    assert found is not None
    table, vocabulary = found
    assert table.shape == (32_000, 256)
    assert len(vocabulary) == len(table)
    assert {" the", " les", "<0x0A>"} <= vocabulary.keys()
    assert max(vocabulary.values()) < len(table)


def test_the_package_itself_and_a_hub_are_not_imported() -> None:
    code = (
        "import sys; from passerelle.catalog.language import static_vectors; static_vectors();"
        "print([m for m in ('wordllama', 'tokenizers', 'requests', 'huggingface_hub') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
