"""Hypothesis strategies and builders for small worlds: models, deployments, principals, policies."""

from hypothesis import strategies as st

from passerelle.core.model import DATA_CLASSES, Attributes, Deployment, Model, Price
from passerelle.core.principal import ROLE_PERMISSIONS, Principal, Rights
from passerelle.policy.rules import Demands

REGIONS = ("eu", "eu-west-3", "us", "us-east-1", "local")
MAKERS = ("openai", "anthropic", "mistral")


def model(name: str = "m1", *, quality: float | None = 0.5, price: Price | None = None) -> Model:
    """A text model."""
    return Model(id=name, maker="mistral", family="fam", quality=quality, price=price)


def deployment(name: str, of: Model | None = None, **fields: object) -> Deployment:
    """A deployment at provider `p`."""
    base = {"provider": "p", "upstream_model": "up", "dialect": "openai_chat"}
    return Deployment(id=name, model=of or model(), **{**base, **fields})  # type: ignore[arg-type]


def principal(rights: Rights | None = None, *patterns: tuple[str, ...]) -> Principal:
    """A member of organisation `org_a`."""
    return Principal(
        org_id="org_a",
        workspace_id="wsp_a",
        project_id="prj_a",
        key_id="key_a",
        key_name="test",
        role="member",
        permissions=ROLE_PERMISSIONS["member"],
        rights=rights or Rights(),
        model_patterns=patterns,
    )


some_regions = st.none() | st.lists(st.sampled_from(REGIONS), min_size=1, max_size=3).map(tuple)
attributes = st.builds(
    Attributes,
    regions=some_regions,
    storage_regions=some_regions,
    jurisdictions=st.none() | st.sampled_from([("EU",), ("US",), ("EU", "US")]),
    hosting=st.none() | st.sampled_from(["self", "direct", "hyperscaler"]),
    retention_days=st.none() | st.integers(0, 60),
    training_use=st.none() | st.sampled_from(["no", "opt_in", "yes"]),
    certifications=st.none() | st.sampled_from([(), ("iso27001",), ("iso27001", "hds")]),
    max_data_class=st.none() | st.sampled_from(DATA_CLASSES),
)
demands = st.builds(
    Demands,
    regions=some_regions,
    storage_regions=some_regions,
    jurisdictions=st.none() | st.sampled_from([("EU",), ("US", "EU")]),
    hosting=st.none() | st.sampled_from([("self",), ("self", "direct")]),
    max_retention_days=st.none() | st.integers(0, 30),
    training_use=st.none() | st.sampled_from([("no",), ("no", "opt_in")]),
    certifications=st.sampled_from([(), ("iso27001",), ("hds",)]),
)
prices = st.none() | st.builds(
    Price, version=st.just("v"), input=st.integers(0, 10**11), output=st.integers(0, 10**11)
)


@st.composite
def deployments(draw: st.DrawFn) -> tuple[Deployment, ...]:
    """Up to eight deployments of up to four models."""
    models = [
        Model(
            id=f"m{i}",
            maker=draw(st.sampled_from(MAKERS)),
            family="fam",
            quality=draw(st.none() | st.floats(0, 1)),
            price=draw(prices),
            capabilities=frozenset(draw(st.sets(st.sampled_from(["tools", "json_schema"])))),
            input_modalities=frozenset({"text"} | draw(st.sets(st.sampled_from(["image", "audio"])))),
            context_tokens=draw(st.none() | st.integers(1_000, 100_000)),
        )
        for i in range(draw(st.integers(1, 4)))
    ]
    return tuple(
        Deployment(
            id=f"p{i}/d{i}",
            model=draw(st.sampled_from(models)),
            provider=f"p{i % 3}",
            upstream_model="up",
            dialect="openai_chat",
            attributes=draw(attributes),
            weight=draw(st.sampled_from([0.0, 0.5, 1.0, 3.0])),
            demo=draw(st.booleans()),
        )
        for i in range(draw(st.integers(1, 8)))
    )
