"""The server of the admin plane inside a worker's own loop."""

import contextlib
from collections.abc import Iterator

import uvicorn


class AdminServer(uvicorn.Server):
    """Uvicorn without its own signal handlers: who stops a worker is the supervisor's to say."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
