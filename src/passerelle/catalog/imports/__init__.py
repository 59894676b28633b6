"""Other gateways' configurations, read into ours. Findings say what came along and what did not."""

from passerelle.catalog.imports.litellm import import_litellm
from passerelle.catalog.imports.report import ImportResult

__all__ = ["ImportResult", "import_litellm"]
