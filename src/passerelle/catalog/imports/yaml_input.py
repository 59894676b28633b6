"""YAML of strangers, read with bounds: a size cap, no tags, no aliases that multiply, lines kept.

`yaml.safe_load` shares aliased nodes, so a few lines can stand for billions of values once they are walked.
Here every value that is walked counts, repeated or not, and the count is bounded.
"""

from collections.abc import Hashable, Mapping
from typing import Any

import msgspec
import yaml

MAX_BYTES = 2 << 20
MAX_VALUES = 100_000
MAX_DEPTH = 64

_PLAIN_TAGS = frozenset({"tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"})

Path = tuple[str | int, ...]


class YamlRefusedError(Exception):
    """The text is not taken. `message` and `next_step` say why; `line` where, when known."""

    def __init__(self, message: str, next_step: str, line: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.next_step = next_step
        self.line = line


class YamlDocument(msgspec.Struct, frozen=True):
    """A mapping, and the 1-based line of every path in it."""

    data: Mapping[str, Any]
    lines: Mapping[Path, int]
    repeated: tuple[Path, ...] = ()
    """Keys written twice in one mapping; the last one counts."""


def read_yaml(text: str) -> YamlDocument:
    """Read one YAML document. Raises `YamlRefusedError`."""
    if len(text.encode("utf-8", "replace")) > MAX_BYTES:
        raise YamlRefusedError("the file is larger than 2 MiB", "Name the file that holds the settings")
    loader: yaml.SafeLoader | None = None
    try:
        loader = yaml.SafeLoader(text)
        root = loader.get_single_node()
        if root is None:
            raise YamlRefusedError("the file is empty", "Name the file that holds the settings")
        walk = _Walk(loader)
        data = walk.value(root, (), 0)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = None if mark is None else mark.line + 1
        raise YamlRefusedError(
            f"this is not YAML: {error.problem or error.context}", "Correct the line", line
        ) from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise YamlRefusedError(
            f"this is not YAML we take: {type(error).__name__}", "Correct the file"
        ) from None
    finally:
        if loader is not None:
            loader.dispose()
    if not isinstance(data, dict):
        raise YamlRefusedError("the file is not a mapping of settings", "Name LiteLLM's `config.yaml`", 1)
    return YamlDocument(data, walk.lines, tuple(walk.repeated))


class _Walk:
    def __init__(self, loader: yaml.SafeLoader) -> None:
        self.loader = loader
        self.lines: dict[Path, int] = {}
        self.repeated: list[Path] = []
        self._left = MAX_VALUES

    def value(self, node: yaml.Node, path: Path, depth: int) -> Any:
        line = node.start_mark.line + 1
        self._left -= 1
        if self._left < 0:
            raise YamlRefusedError(
                "the file stands for more than 100,000 values", "Write it without repeated aliases", line
            )
        if depth > MAX_DEPTH:
            raise YamlRefusedError("values are nested too deeply", "Write it flatter", line)
        self.lines.setdefault(path, line)
        if isinstance(node, yaml.CollectionNode) and node.tag not in _PLAIN_TAGS:
            raise YamlRefusedError("a value has a tag of its own", "Write it as plain YAML", line)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path, depth)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, (*path, i), depth + 1) for i, item in enumerate(node.value)]
        return self.loader.construct_object(node)

    def _mapping(self, node: yaml.MappingNode, path: Path, depth: int) -> dict[str, Any]:
        self.loader.flatten_mapping(node)
        if len(node.value) > MAX_VALUES:
            raise YamlRefusedError(
                "the file stands for more than 100,000 values", "Write it without repeated aliases"
            )
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = self.loader.construct_object(key_node)
            if not isinstance(key, Hashable) or isinstance(key, tuple):
                raise YamlRefusedError(
                    "a key is not plain text", "Write it as text", key_node.start_mark.line + 1
                )
            name = str(key)
            if name in found:
                self.repeated.append((*path, name))
            self.lines[(*path, name)] = key_node.start_mark.line + 1
            found[name] = self.value(value_node, (*path, name), depth + 1)
        return found
