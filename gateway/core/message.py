"""The bytes of one upstream request, before anything is opened.

A `Message` is what a clearance is minted for: method, target, headers and body, exactly. Credentials, the `Host`
header and the framing are not part of it; the backend adds those after the door, since they depend on the endpoint.
"""

import msgspec

Headers = tuple[tuple[bytes, bytes], ...]


class Message(msgspec.Struct, frozen=True, gc=False):
    """One request, encoded for one pool. `target` is the path below the endpoint's base path."""

    method: bytes
    target: bytes
    headers: Headers
    body: bytes
