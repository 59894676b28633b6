"""docs/api.md says what the gateway does: every route, permission, header, error, and no other."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import pytest
from tests.docs.pages import ROOT, column, page, rows, section

from passerelle.app import App, Source
from passerelle.codecs import registry
from passerelle.core.errors import STATUS, Problem, ProblemKind
from passerelle.core.principal import ROLE_PERMISSIONS
from passerelle.core.request import Dialect
from passerelle.ledger.reports import DIMENSIONS
from passerelle.server.route import WANTED
from passerelle.server.v1 import bedrock, gemini

API = page("api.md")

BELOW = {"files": "{file_id}", "batches": "{batch_id}"}
"""What stands below a prefix."""
VERBS = (*gemini._VERBS, gemini.CREATE[1:])
BRANCHES = {
    ("GET", "/v1/files/{file_id}"): ["", "/content"],
    ("POST", "/v1/batches/{batch_id}"): ["/cancel"],
    ("POST", "/v1beta/batches/{batch_id}"): [":cancel"],
    ("GET", "/v1/messages/batches/{batch_id}"): ["", "/results"],
    ("POST", "/v1/messages/batches/{batch_id}"): ["/cancel"],
}
"""What one route serves besides, or instead."""


@dataclass(frozen=True, order=True)
class Said:
    """A route, as the page and the code both have it."""

    method: str
    path: str
    permission: str


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """A gateway that is not served."""
    data = tmp_path_factory.mktemp("api")
    source = Source(None, {"PASSERELLE_DATA_DIR": str(data), "HOME": str(data)}, {})
    built = App(source, source.read())
    yield built
    built.store.close()


def _documented() -> list[Said]:
    headings = ("## Model routes", "## Management routes", "## Probes")
    table = [row for heading in headings for row in rows(section(API, heading))]
    said: list[Said] = []
    for method, path, permission, *_ in table:
        stem, any_verb, _ = path.partition(":VERB")
        verbs = [f":{verb}" for verb in VERBS] if any_verb else [""]
        said += [Said(method, stem + verb, permission) for verb in verbs]
    return said


def _data_plane(app: App) -> set[Said]:
    """The entrance's routes, each under the method it is meant for (GET stands for HEAD too)."""
    found: set[Said] = set()
    for route in app.entrance.routes:
        for method in route.methods - {"HEAD"} or route.methods:
            path = route.path
            if route.path == bedrock.PREFIX:
                path = f"{route.path}{{modelId}}"
                found |= {Said(method, f"{path}/{name}", route.permission) for name in bedrock._OPERATIONS}
                continue
            if route.prefix:
                stem = route.path.split("/")[-2]
                path += BELOW.get(stem) or f"{{{stem.removesuffix('s')}}}"
            if path.endswith("{model}") and method == "POST":  # Gemini's alone
                found |= {Said(method, f"{path}:{verb}", route.permission) for verb in VERBS}
                continue
            found |= {
                Said(method, path + more, route.permission) for more in BRANCHES.get((method, path), [""])
            }
    return found


def _unfolded(route: Any) -> list[Any]:
    """FastAPI keeps an included router whole."""
    inside = getattr(route, "original_router", None)
    return [route] if inside is None else [r for given in inside.routes for r in _unfolded(given)]


def _management(app: App) -> set[Said]:
    application: Any = app._build_api()
    found = set()
    routes = [r for given in application.routes for r in _unfolded(given)]
    for route in routes:
        for method in route.methods - {"HEAD"}:
            found.add(Said(method, route.path, (route.openapi_extra or {})["x-permission"]))
    return found


def test_every_route_is_documented_with_its_permission_and_no_other_is(app: App) -> None:
    documented = _documented()
    assert len(documented) == len(set(documented)), "a route stands twice"
    assert sorted(documented) == sorted(_data_plane(app) | _management(app))


def test_what_each_role_may_do_is_as_the_page_says() -> None:
    told: dict[str, set[str]] = {}
    for roles, may, *_ in rows(section(API, "## Keys")):
        permissions = set(re.findall(r"\w+:\w+", may))
        for earlier in re.findall(r"as (\w+)", may):
            permissions |= told[earlier]
        told |= {role.strip(): permissions for role in roles.split(",")}
    assert told == {role: set(permissions) for role, permissions in ROLE_PERMISSIONS.items()}


def test_every_header_that_is_read_is_documented_and_no_other_is() -> None:
    assert sorted(column(section(API, "## Request headers"))) == sorted(name.decode() for name in WANTED)


def test_every_header_of_ours_that_is_sent_is_documented_and_no_other_is() -> None:
    documented = set(column(section(API, "## Response headers")))
    sent = {"x-request-id", "request-id", "retry-after", "x-should-retry", "allow", "idempotent-replayed"}
    for folder in ("server", "gateway"):
        for path in (ROOT / "src/passerelle" / folder).rglob("*.py"):
            sent |= set(re.findall(r'\(b"(x-passerelle-[a-z-]+)",', path.read_text()))
    assert documented == sent - {name.decode() for name in WANTED if name.startswith(b"x-passerelle-")}


@pytest.mark.parametrize("kind", get_args(ProblemKind))
def test_each_kind_of_error_is_told_as_the_page_says(kind: ProblemKind) -> None:
    found = [row for row in rows(section(API, "## Errors")) if row[0] == kind]
    assert len(found) == 1
    _, status, openai_type, openai_code, anthropic_type, gemini_status = found[0]

    def told(dialect: Dialect) -> dict[str, Any]:
        encoded = registry.client(dialect).encode_problem(Problem(kind, "Words."), "req_1")
        assert encoded.status == int(status) == STATUS[kind]
        error: dict[str, Any] = json.loads(encoded.body)["error"]
        return error

    for dialect in ("openai_chat", "openai_responses"):
        error = told(dialect)
        assert (error["type"], error["code"] or "") == (openai_type, openai_code)
    assert told("anthropic")["type"] == anthropic_type
    assert told("gemini")["status"] == gemini_status


def test_the_dimensions_of_usage_are_listed() -> None:
    listed = re.search(r"^`by` is one or more of (.*?);", API, re.MULTILINE)
    assert listed
    assert re.findall(r"`(\w+)`", listed.group(1)) == list(DIMENSIONS)


def test_links_between_pages_lead_somewhere() -> None:
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
    for path in pages:
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", path.read_text()):
            if "://" not in target and not target.endswith("performance.md"):
                assert (path.parent / target).exists(), f"{path.relative_to(ROOT)} links to `{target}`"


def test_pages_are_folded_to_a_readable_width() -> None:
    for path in sorted((ROOT / "docs").rglob("*.md")):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            prose = not line.startswith(("|", "    ", "```", "{", "- {")) and "http" not in line
            assert not prose or len(line) <= 122, f"{Path(path).relative_to(ROOT)}:{number}"
