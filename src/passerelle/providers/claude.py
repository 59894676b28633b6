"""Claude at a cloud: the caller's `anthropic-beta`, cut to what the cloud knows.

Which betas those are stands in `codecs/anthropic/clouds.py`, which also says to the caller what was left out.
"""

import msgspec

from passerelle.codecs.anthropic.clouds import Cloud, known_betas
from passerelle.codecs.base import said_betas
from passerelle.providers.base import Call


def with_known_betas(call: Call, cloud: Cloud) -> Call:
    """`call` with one `anthropic-beta` of the cloud's own names, or with none when it knows none of them."""
    said = said_betas(call.headers)
    if not said:
        return call
    others = tuple(header for header in call.headers if header[0] != "anthropic-beta")
    known = known_betas(cloud, said)
    betas = (("anthropic-beta", ",".join(known)),) if known else ()
    return msgspec.structs.replace(call, headers=(*others, *betas))
