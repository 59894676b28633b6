"""The road every model call takes: admit → plan → attempt → settle. Start with `road`."""
