"""What exists and where: models, deployments, the price book. Data in `data/`, overridden by the user.

`load_catalog` gives the catalog of an installation; `check` every mistake of its configuration;
`describe` rows for a person. `catalog.imports` reads other gateways' configurations.
"""

from passerelle.catalog.describe import ModelRow, describe
from passerelle.catalog.load import ENDING, build, check, load_catalog
from passerelle.catalog.lookup import Catalog

__all__ = ["ENDING", "Catalog", "ModelRow", "build", "check", "describe", "load_catalog"]
