"""A provider without a model, for demonstrations, drills and tests."""

from passerelle.providers.simulated.provider import SimulatedProvider, simulated_name
from passerelle.providers.simulated.script import Script, read_script

__all__ = ["Script", "SimulatedProvider", "read_script", "simulated_name"]
