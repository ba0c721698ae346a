"""Several addresses of one name, tried as RFC 8305 says: the next one soon, not when the first has failed for good.

The first to connect wins; what the others come to is closed. Which addresses may be tried at all is the caller's.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from itertools import zip_longest
from typing import Any, Final, TypeVar

from gateway.ports import UpstreamUnreachable

PACE_S: Final = 0.25
"""How long an address is alone before the next is tried beside it (RFC 8305, 8)."""

Connected = TypeVar("Connected")


def in_turns(addresses: Sequence[str]) -> tuple[str, ...]:
    """`addresses` with IPv6 and IPv4 taking turns, beginning with the first's (RFC 8305, 4): one may lead nowhere."""
    kinds: dict[bool, list[str]] = {}
    for address in addresses:
        kinds.setdefault(":" in address, []).append(address)
    return tuple(address for turn in zip_longest(*kinds.values()) for address in turn if address is not None)


async def first_connected(
    addresses: Sequence[str],
    dial: Callable[[str], Coroutine[Any, Any, Connected]],
    *,
    pace_s: float,
    discard: Callable[[Connected], object],
) -> Connected:
    """What `dial` made of the first of `addresses` to connect; `discard` gets what came of others after all.

    The next address is tried after `pace_s`, or when all before it have failed. Raises what the last to fail did.
    There must be an address.
    """
    if len(addresses) == 1:
        return await dial(addresses[0])
    loop = asyncio.get_running_loop()
    waiting = deque(addresses)
    # In order, so that of two which connect at the same moment the same one wins every time.
    running: list[asyncio.Task[Connected]] = []
    failed: Exception | None = None

    def close(task: asyncio.Task[Connected]) -> None:
        if not task.cancelled() and task.exception() is None:
            discard(task.result())

    try:
        while waiting or running:
            if waiting:
                running.append(loop.create_task(dial(waiting.popleft())))
            await asyncio.wait(running, timeout=pace_s if waiting else None, return_when=asyncio.FIRST_COMPLETED)
            for task in tuple(running):
                if task.done():
                    try:
                        winner = task.result()
                    except (OSError, UpstreamUnreachable) as exc:
                        failed = exc
                        running.remove(task)
                    else:
                        running.remove(task)
                        return winner
    finally:
        for task in running:
            task.cancel()
            task.add_done_callback(close)
    assert failed is not None  # noqa: S101 -- each address has connected or failed
    raise failed
