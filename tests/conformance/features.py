"""What is tried between every client and every provider: the rows of the table, in their order."""

from tests.conformance.feature import Feature
from tests.conformance.features_content import CONTENT
from tests.conformance.features_settings import SETTINGS_AND_TROUBLES
from tests.conformance.features_tools import TOOL_ROWS
from tests.conformance.features_words import WORDS_AND_TURNS

FEATURES: tuple[Feature, ...] = (*WORDS_AND_TURNS, *TOOL_ROWS, *CONTENT, *SETTINGS_AND_TROUBLES)

__all__ = ["FEATURES", "Feature"]
