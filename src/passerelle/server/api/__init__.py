"""The management API under `/api`: FastAPI, so that it describes itself at `/api/openapi.json`.

Every route is made with `guard.route`, which cannot be called without a permission.
"""

from passerelle.server.api.build import Context, build

__all__ = ["Context", "build"]
