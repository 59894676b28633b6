"""Settings made to fit the model at hand, in any dialect: what is adapted, left out or refused, and why.

`settings` decides, on core's names and plain values. `request` does it to a decoded request, `relayed` to a
caller's own bytes.
"""

from passerelle.codecs.fitting.relayed import fit_body
from passerelle.codecs.fitting.request import fit_request
from passerelle.codecs.fitting.settings import UnfitError

__all__ = ["UnfitError", "fit_body", "fit_request"]
