"""Holds around attempts: reserve an upper bound before each call, settle with the trip.

The budget is checked on the deployment that bills, at every attempt: a takeover to a dearer place holds
what is missing before it is called.
"""

from passerelle.core.clock import mint
from passerelle.core.errors import Problem, ProblemError
from passerelle.core.model import Deployment
from passerelle.gateway.estimate import most_it_can_cost
from passerelle.gateway.trip import Trip
from passerelle.store import Store
