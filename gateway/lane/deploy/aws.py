"""AWS over the network: botocore's clients, the very ones that boto3 hands out, behind `calls.Aws`.

Keys come from where AWS's own programs look; proxies come from the file and never from the environment. What AWS or
botocore says stays inside `Declined`, to be told apart by; nothing of it is shown.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from gateway.core.deployment import Access
from gateway.errors import TidegateError
from gateway.lane.deploy.calls import Call, Declined, Document, Unreached

_ATTEMPTS: Final = 5
_CONNECT_S: Final = 10
_READ_S: Final = 120
_PIECE: Final = 1 << 20


class CloudExtraMissing(TidegateError):
    """botocore is not installed."""

    code = "cloud_extra_missing"
    default_message = "`tidegate sagemaker` needs the package `botocore`: pip install 'tidegate[cloud]'."


@dataclass(frozen=True, slots=True)
class Keys:
    """AWS keys that somebody hands in; a rehearsal's are made up."""

    access_key: str
    secret_key: str

    def __repr__(self) -> str:
        return "Keys(…)"


class Network:
    """Calls from this machine. Without `keys` they are looked for. Not for several threads at once."""

    def __init__(self, region: str, access: Access, folder: Path, keys: Keys | None = None) -> None:
        if find_spec("botocore") is None:
            raise CloudExtraMissing
        self._region = region
        self._access = access
        self._keys = keys
        self._ca = str(folder / access.ca) if access.ca is not None else None
        self._session: Any = None
        self._clients: dict[str, Any] = {}

    def ask(self, call: Call) -> Document:
        """The answer; raises Declined or Unreached."""
        import botocore
        import botocore.exceptions

        try:
            client = self._client(call.service)
            answer = getattr(client, botocore.xform_name(call.operation))(**call.parameters)
        except botocore.exceptions.ClientError as refusal:
            raise _declined(call, refusal.response) from None
        except (botocore.exceptions.BotoCoreError, OSError) as failure:
            raise Unreached(f"{call.operation}: {type(failure).__name__}") from None
        return dict(answer)

    def every(self, call: Call, key: str) -> Iterator[Document]:
        """What stands under `key` in all pages of an answer."""
        import botocore
        import botocore.exceptions

        try:
            client = self._client(call.service)
            pages = client.get_paginator(botocore.xform_name(call.operation)).paginate(**call.parameters)
            found = [item for page in pages for item in page.get(key) or ()]
        except botocore.exceptions.ClientError as refusal:
            raise _declined(call, refusal.response) from None
        except (botocore.exceptions.BotoCoreError, OSError) as failure:
            raise Unreached(f"{call.operation}: {type(failure).__name__}") from None
        yield from found

    def body(self, call: Call) -> tuple[Document, Iterator[bytes]]:
        """The answer, and what stands in its body, as it comes; raises Declined or Unreached, also while it is read."""
        answer = self.ask(call)
        return answer, _pieces(call, answer["Body"])

    def _client(self, service: str) -> Any:
        if service not in self._clients:
            self._clients[service] = self._made(service)
        return self._clients[service]

    def _made(self, service: str) -> Any:
        import botocore.config
        import botocore.session

        if self._session is None:
            self._session = botocore.session.Session(profile=self._access.profile)
        proxy = self._access.proxy
        return self._session.create_client(
            service,
            region_name=self._region,
            endpoint_url=self._access.address,
            aws_access_key_id=self._keys.access_key if self._keys is not None else None,
            aws_secret_access_key=self._keys.secret_key if self._keys is not None else None,
            verify=self._ca or True,
            config=botocore.config.Config(
                connect_timeout=_CONNECT_S,
                read_timeout=_READ_S,
                retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
                # An empty mapping, and not None: None would mean the environment's proxies.
                proxies={"http": proxy, "https": proxy} if proxy is not None else {},
                ignore_configured_endpoint_urls=True,
                # One name for a bucket's host would not be covered by the certificate of a private endpoint.
                s3={"addressing_style": "path"} if self._access.address is not None else {},
                # The digests are ours; botocore would add one of another kind.
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
            ),
        )


def _pieces(call: Call, body: Any) -> Iterator[bytes]:
    import botocore.exceptions

    try:
        while data := body.read(_PIECE):
            yield data
    except (botocore.exceptions.BotoCoreError, OSError) as failure:
        raise Unreached(f"{call.operation}: {type(failure).__name__}") from None
    finally:
        body.close()


def _declined(call: Call, response: Mapping[str, Any]) -> Declined:
    error = response.get("Error") or {}
    status = (response.get("ResponseMetadata") or {}).get("HTTPStatusCode", 0)
    return Declined(call.operation, str(error.get("Code", "")), str(error.get("Message", "")), int(status))
