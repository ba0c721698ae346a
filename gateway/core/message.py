"""The bytes of one upstream request, before anything is opened.

A `Message` is what a clearance is minted for: method, target, headers and body, exactly. Credentials, the `Host`
header and the framing are not part of it; the backend adds those after the door, since they depend on the endpoint.
"""

from dataclasses import dataclass

Headers = tuple[tuple[bytes, bytes], ...]


@dataclass(frozen=True, slots=True)
class Message:
    """One request, encoded for one pool. `target` is the path below the endpoint's base path."""

    method: bytes
    target: bytes
    headers: Headers
    body: bytes
