"""Our HMAC is HMAC."""

import hmac

from hypothesis import given
from hypothesis import strategies as st

from passerelle.core.mac import Mac


@given(key=st.binary(max_size=200), message=st.binary(max_size=5000))
def test_a_mac_is_exactly_hmac_sha256(key: bytes, message: bytes) -> None:
    mac = Mac(key)
    assert mac.digest(message) == hmac.digest(key, message, "sha256")
    assert mac.digest(message) == hmac.digest(key, message, "sha256")
