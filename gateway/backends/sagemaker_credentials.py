"""AWS credentials of one pool, and what is made from them: SigV4 headers, or a short-lived bearer token.

botocore finds, renews and signs. Finding and renewing may ask other machines, so it happens in a thread and ahead of
time; what is held here is frozen, and signing a request is a computation. botocore is imported in that thread and
only where a pool needs it.
"""

import asyncio
import base64
import re
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Final

from gateway.backends.http1 import Sign
from gateway.core.message import Headers, Message
from gateway.core.topology import Invoke
from gateway.errors import TidegateError
from gateway.ports import UpstreamUnreachable

SERVICE: Final = "sagemaker"

FRESH_S: Final = 120.0
"""How long credentials are used before they are looked at again, while requests go on with the old ones."""

VALID_S: Final = 540.0
"""How long they are used at all: botocore never hands out temporary ones with less than ten minutes left."""

RETRY_S: Final = 1.0
TOKEN_LIFETIME_S: Final = 900

_TOKEN_HOST: Final = "sagemaker.amazonaws.com"
_NAME: Final = re.compile("[A-Za-z][A-Za-z0-9_.-]{0,63}")


class CloudExtraMissing(TidegateError):
    """A pool needs a package that is not installed."""

    code = "cloud_extra_missing"
    default_message = "A pool with `backend: sagemaker` needs the package `botocore`: pip install 'tidegate[cloud]'."


@dataclass(frozen=True, slots=True)
class Keys:
    """AWS keys that a pool's settings name."""

    access_key: str
    secret_key: str
    session_token: str | None = None

    def __repr__(self) -> str:
        return "Keys(…)"


@dataclass(frozen=True, slots=True)
class _Held:
    signs: Mapping[str, Sign]
    since: float

    def __repr__(self) -> str:
        return "_Held(…)"


class Credentials:
    """One pool's credentials, good in every one of its `regions`. `ready` before connecting, then `sign_in` for every
    request."""

    def __init__(
        self, regions: Collection[str], invoke: Invoke, keys: Keys | None, *, now: Callable[[], float] = time.monotonic
    ) -> None:
        if find_spec("botocore") is None:
            raise CloudExtraMissing
        self._regions = tuple(sorted(regions))
        self._invoke = invoke
        self._keys = keys
        self._now = now
        self._source: Any = None
        self._held: _Held | None = None
        self._is_doubted = False
        self._taking: asyncio.Future[_Held | str] | None = None
        self._refused: tuple[float, str] | None = None

    async def ready(self) -> None:
        """Return once there is something to sign with; UpstreamUnreachable if there is nothing to be had.

        Credentials that are merely no longer fresh are renewed meanwhile.
        """
        held, now = (None if self._is_doubted else self._held), self._now()
        if held is not None and now - held.since < FRESH_S:
            return
        if self._taking is None and not (self._refused is not None and now - self._refused[0] < RETRY_S):
            self._taking = asyncio.get_running_loop().run_in_executor(None, self._take)
            self._taking.add_done_callback(self._taken)
        if held is not None and now - held.since < VALID_S:
            return
        if self._taking is not None:
            # Others wait for the same thread: one caller that gives up must not take it from them.
            await asyncio.shield(self._taking)
        if self._held is None or self._is_doubted or self._now() - self._held.since >= VALID_S:
            raise UpstreamUnreachable(f"AWS credentials: {self._refused[1] if self._refused else 'none'}")

    def sign_in(self, region: str, message: Message, host: bytes, path: bytes) -> Headers:
        """The headers that let `message` through at `host`, which is in `region`. Only after `ready`."""
        assert self._held is not None  # noqa: S101 -- nothing is sent without a connection, and that is after ready()
        return self._held.signs[region](message, host, path)

    def forget(self) -> None:
        """AWS refused them: look again before the next connection. Requests that have one go on with what they have."""
        self._is_doubted = True

    def _take(self) -> _Held | str:
        """In a thread. What went wrong is returned by name, since its text may quote a file or a URL."""
        try:
            if self._source is None:
                self._source = _source(self._keys)
            frozen = None if self._source is None else self._source.get_frozen_credentials()
            if frozen is None:
                return "none were found"
            since = self._now()
            sign_of = _bearer if self._invoke is Invoke.OPENAI else _signed
            return _Held({region: sign_of(frozen, region) for region in self._regions}, since)
        except Exception as exc:  # noqa: BLE001 -- whatever a provider raises, it must not quote itself into a log
            return error_name(exc)

    def _taken(self, taking: "asyncio.Future[_Held | str]") -> None:
        self._taking = None
        if taking.cancelled():
            return
        result = taking.result()
        if isinstance(result, _Held):
            self._held, self._is_doubted, self._refused = result, False, None
        else:
            self._refused = (self._now(), result)


def _bearer(frozen: Any, region: str) -> Sign:
    header = (b"authorization", b"Bearer " + bearer_token(frozen, region).encode())
    return lambda *_: (header,)


def _signed(frozen: Any, region: str) -> Sign:
    return lambda message, host, path: sigv4(frozen, region, message, host, path)


def _source(keys: Keys | None) -> Any:
    import botocore.credentials
    import botocore.session

    if keys is not None:
        return botocore.credentials.Credentials(keys.access_key, keys.secret_key, keys.session_token)
    return botocore.session.Session().get_credentials()


def sigv4(frozen: Any, region: str, message: Message, host: bytes, path: bytes) -> Headers:
    """The headers of Signature Version 4 over exactly this message."""
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest

    request = AWSRequest(
        method=message.method.decode(),
        # Signed with its body whatever the scheme, hence https here.
        url=f"https://{host.decode()}{path.decode()}",
        headers={"host": host.decode(), **{name.decode(): value.decode() for name, value in message.headers}},
        data=message.body,
    )
    SigV4Auth(frozen, SERVICE, region).add_auth(request)
    names = ("Authorization", "X-Amz-Date", "X-Amz-Security-Token")
    return tuple((name.lower().encode(), request.headers[name].encode()) for name in names if name in request.headers)


def bearer_token(frozen: Any, region: str) -> str:
    """A token for SageMaker's `/openai` paths: a presigned call that AWS looks at and that nobody makes."""
    from botocore.auth import SigV4QueryAuth
    from botocore.awsrequest import AWSRequest

    request = AWSRequest(
        method="POST",
        url=f"https://{_TOKEN_HOST}/",
        headers={"host": _TOKEN_HOST},
        params={"Action": "CallWithBearerToken"},
    )
    SigV4QueryAuth(frozen, SERVICE, region, expires=TOKEN_LIFETIME_S).add_auth(request)
    presigned = request.url.removeprefix("https://") + "&Version=1"
    return "sagemaker-api-key-" + base64.b64encode(presigned.encode()).decode()


def error_name(exc: BaseException) -> str:
    """AWS's code of an error, or the exception's type; never its text."""
    response = getattr(exc, "response", None)
    error = response.get("Error") if isinstance(response, dict) else None
    code = error.get("Code") if isinstance(error, dict) else None
    return code if isinstance(code, str) and _NAME.fullmatch(code) else type(exc).__name__
