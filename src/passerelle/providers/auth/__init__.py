"""How a credential is shown to a provider: a key in a header, or a token that is asked for and renewed.

    header    a key as it is, in the header its provider looks at
    token     a token of a token endpoint: kept, renewed before it ends, asked for by one caller at a time
    entra     how Microsoft Entra is asked for one
    google    how Google is asked for one, and what its credential files hold

`token` and what is below it are imported by the providers that need them, not from here.
"""

from passerelle.providers.auth.header import AuthHeader, Carrier, openai_carrier

__all__ = ["AuthHeader", "Carrier", "openai_carrier"]
