"""Verifying signatures of tokens with public keys, by PyJWT over `cryptography`.

The algorithm is the key's own, never the token's wish: the caller asks for a key by name and algorithm and gets one
that can verify nothing else. PyJWT is in the extra `oidc`, and imported only where issuers are configured.
"""

from collections.abc import Callable

from gateway.wire.key_sets import PublicKey

Verify = Callable[[bytes, bytes], bool]
"""Whether the second is a signature of the first."""


class Unusable(Exception):
    """A key that passes for one and is none: a point that lies on no curve."""


def verifier_of(key: PublicKey, algorithm: str) -> Verify:
    """What `key` verifies by `algorithm`; raises Unusable. Raises nothing itself, whatever it is given."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from jwt import PyJWK
    from jwt.exceptions import PyJWTError

    try:
        ready = PyJWK(dict(key.fields), algorithm=algorithm)
    except (PyJWTError, ValueError, UnsupportedAlgorithm):
        # From None: a decoding error quotes its input.
        raise Unusable from None

    def verify(signed: bytes, signature: bytes) -> bool:
        try:
            return ready.Algorithm.verify(signed, ready.key, signature) is True
        except (ValueError, UnsupportedAlgorithm):
            return False

    return verify
