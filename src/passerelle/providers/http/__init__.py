"""Our HTTP/1.1 client: bounded, pinned, strict, and light. Start at `client`."""

from passerelle.providers.http.client import HttpClient
from passerelle.providers.http.limits import PoolLimits
from passerelle.providers.http.origin import Origin, parse_origin
from passerelle.providers.http.response import HttpReply
from passerelle.providers.http.tls import TlsSettings

__all__ = ["HttpClient", "HttpReply", "Origin", "PoolLimits", "TlsSettings", "parse_origin"]
