"""TLS for the way out: verified always, 1.2 at least, sessions resumed.

Built like `ssl.create_default_context` (docs.python.org/3/library/ssl, read 2026-11-22) with two
differences: `SSLKEYLOGFILE` in the environment is not obeyed, and a session seen before is offered again.
Neither asyncio nor uvloop has a parameter for a session, but both make their TLS object through
`SSLContext.wrap_bio`, which has one.
"""

import functools
import ssl
import sys
from pathlib import Path

import msgspec

_MAX_SESSIONS = 64


class TlsSettings(msgspec.Struct, frozen=True):
    """How to trust a server, and how to be known to it. Verification cannot be turned off."""

    ca_file: str | None = None
    """PEM file of certification authorities to trust."""
    system_roots: bool = True
    """Trust the system's authorities too. Turn off to accept only those of `ca_file`."""
    client_cert_file: str | None = None
    """PEM file of our certificate chain, where the server asks for one."""
    client_key_file: str | None = None
    """PEM file of its key, when the key is not in `client_cert_file`."""


class ResumingContext(ssl.SSLContext):
    """A client context that offers each server the last session it gave."""

    _sessions: dict[str, ssl.SSLSession]

    def __new__(cls) -> "ResumingContext":
        """A context that verifies certificates and host names."""
        context = super().__new__(cls, ssl.PROTOCOL_TLS_CLIENT)
        context._sessions = {}
        return context

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        """As the parent's, with the remembered session of `server_hostname`."""
        if session is None and isinstance(server_hostname, str):
            session = self._sessions.get(server_hostname)
        return super().wrap_bio(incoming, outgoing, server_side, server_hostname, session)

    def remember(self, server_hostname: str, session: ssl.SSLSession | None) -> None:
        """Offer `session` to `server_hostname` next time."""
        if session is None or not session.has_ticket:
            return
        if len(self._sessions) >= _MAX_SESSIONS and server_hostname not in self._sessions:
            self._sessions.pop(next(iter(self._sessions)))
        self._sessions[server_hostname] = session


def build_context(settings: TlsSettings | None) -> ResumingContext:
    """The context for `settings`. Raises `ValueError` naming the file that cannot be used.

    The one for default settings is shared: reading the system's authorities takes some 30 ms.
    """
    if settings is None or settings == TlsSettings():
        return _default()
    return _build(settings)


@functools.cache
def _default() -> ResumingContext:
    return _build(TlsSettings())


def _build(settings: TlsSettings) -> ResumingContext:
    if settings.ca_file is None and not settings.system_roots:
        raise ValueError(
            "`system_roots` is off and no `ca_file` is given: no server could be trusted; name one"
        )
    context = ResumingContext()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    if sys.version_info >= (3, 13):
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN | ssl.VERIFY_X509_STRICT
    if settings.system_roots:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    if settings.ca_file is not None:
        try:
            context.load_verify_locations(cafile=settings.ca_file)
        except OSError as error:  # ssl.SSLError is one
            raise _unusable("ca_file", settings.ca_file, error) from error
    if settings.client_cert_file is not None:
        try:
            context.load_cert_chain(
                settings.client_cert_file, settings.client_key_file, password=_no_password
            )
        except OSError as error:
            raise _unusable("client_cert_file", settings.client_cert_file, error) from error
    elif settings.client_key_file is not None:
        raise ValueError("`client_key_file` is given without `client_cert_file`; name the certificate too")
    return context


def _no_password() -> str:
    """OpenSSL would otherwise ask on the terminal."""
    return ""


def _unusable(setting: str, file: str, error: OSError) -> ValueError:
    why = "cannot be read" if not isinstance(error, ssl.SSLError) else "holds no usable PEM"
    if not Path(file).exists():
        why = "does not exist"
    return ValueError(f"`{setting}` names `{file}`, which {why}; check the path and its permissions")
