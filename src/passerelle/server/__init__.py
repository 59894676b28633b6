"""HTTP: dialect routes under `v1/`, management under `api/`, health; every route declares its permission."""
