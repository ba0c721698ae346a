"""The part of the admin plane that changes something: overrides that end by themselves, for whoever holds the token.

`GET /admin/v1/controls` says what stands and how the pools do, `POST` sets one override. What an override may be is
`core/controls.py`; here is only its JSON.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import msgspec
from fastapi import APIRouter, Request, Response

from gateway.core.controls import Order
from gateway.errors import InvalidRequest, TidegateError
from gateway.runtime.admission import PoolLoad
from gateway.runtime.controls import ControlDesk
from gateway.wire.errors import body_of, headers_of

PATH: Final = "/admin/v1/controls"
_LARGEST: Final = 4096

_order: Final = msgspec.json.Decoder(Order).decode
_encode: Final = msgspec.json.Encoder().encode


def control_routes(
    desk: ControlDesk,
    load: Callable[[], Mapping[str, PoolLoad]],
    budget: Callable[[], object] = lambda: None,
    warm: Callable[[], Sequence[object]] = lambda: (),
) -> APIRouter:
    """The routes; whoever includes them asks for the credential. `budget` says how the money for burst stands, None
    where there is no limit to it; `warm` which pools are kept ready by the gateway itself."""
    router = APIRouter()

    @router.get(PATH)
    async def show() -> Response:
        told = {"controls": desk.controls, "epoch": desk.epoch, "pools": load(), "budget": budget(), "warm": warm()}
        return _json(told)

    @router.post(PATH)
    async def order(request: Request) -> Response:
        try:
            done = await desk.order(_read(await request.body()))
        except TidegateError as error:
            headers = {name.decode(): value.decode() for name, value in headers_of(error)}
            return Response(body_of(error), error.http_status, headers)
        told = {"controls": done.controls, "is_kept": done.is_kept, "is_recorded": done.is_recorded, "warm": warm()}
        return _json(told)

    return router


def _read(body: bytes) -> Order:
    try:
        if len(body) <= _LARGEST:
            return _order(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        pass
    raise InvalidRequest("The body is no override. `tidegate burst` and `tidegate pool` write one.", param="order")


def _json(shown: Mapping[str, object]) -> Response:
    return Response(_encode(shown), media_type="application/json")
