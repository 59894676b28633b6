"""What exists and where: models, deployments, the price book. Data in `data/`, overridden by the user."""
