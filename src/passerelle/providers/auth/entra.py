"""Asking Microsoft Entra for a token as an application (the OAuth 2.0 client credentials flow).

From learn.microsoft.com, "OAuth 2.0 client credentials flow on the Microsoft identity platform" (v2.0: POST
`/{tenant}/oauth2/v2.0/token` with `client_id`, `client_secret`, `scope` ending in `/.default`,
`grant_type`), "National clouds" (the three hosts), and "Configure Azure OpenAI with Microsoft Entra ID"
(the scope and the role `Cognitive Services OpenAI User`). Claude on Foundry has a scope of its own (anthropic
SDK 2.12.0, `lib/foundry.md`). All read 2026-11-22.
"""

from typing import Final
from urllib.parse import quote, urlencode

import msgspec

from passerelle.core.errors import PasserelleError
from passerelle.providers.auth.token import Asking
from passerelle.providers.base import SendError
from passerelle.providers.entry import Credential, EntraEntry

AUTHORITIES: Final = {
    "public": ("https://login.microsoftonline.com", "https://cognitiveservices.azure.com/.default"),
    "usgov": ("https://login.microsoftonline.us", "https://cognitiveservices.azure.us/.default"),
    "china": ("https://login.partner.microsoftonline.cn", "https://cognitiveservices.azure.cn/.default"),
}
"""By cloud: who gives the tokens, and what for. Nothing else says where a client's secret goes."""
CLAUDE_SCOPE: Final = "https://ai.azure.com/.default"
"""What for at Claude's own surface, which the public cloud alone has."""


class EntraGrant(msgspec.Struct):
    """An application's right to a token. Its repr shows no secret."""

    provider: str
    path: str
    client_id: str
    secret: Credential
    scope: str

    def ask(self) -> Asking:
        """See `token.Grant`."""
        try:
            secret = self.secret()
        except PasserelleError as error:  # it says where the secret should be, never what it is
            raise SendError(
                "auth",
                f"the client secret of provider `{self.provider}` cannot be read: {error}",
                sent=False,
            ) from error
        form = {
            "grant_type": "client_credentials",
            "client_id": self.client_id,
            "client_secret": secret or "",
            "scope": self.scope,
        }
        return Asking(urlencode(form).encode(), (secret or "",))


def entra_grant(provider: str, said: EntraEntry, *, claude: bool = False) -> tuple[str, EntraGrant]:
    """The origin of the token endpoint, and the grant. `said.token_url` replaces the known endpoint, and
    `said.scope` the known scopes. `claude`: for the surface where Claude is spoken to.
    """
    authority, scope = AUTHORITIES[said.cloud]
    if claude and said.cloud == "public":
        scope = CLAUDE_SCOPE
    url = said.token_url or f"{authority}/{quote(said.tenant_id, safe='')}/oauth2/v2.0/token"
    scheme, _, rest = url.partition("://")
    host, _, path = rest.partition("/")
    grant = EntraGrant(provider, f"/{path}", said.client_id, said.client_secret, said.scope or scope)
    return f"{scheme}://{host}", grant
