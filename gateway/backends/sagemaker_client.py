"""botocore's clients for what the gateway asks of AWS beside its requests: never content, and never on their path.

Each goes through the pool's own proxy, trusts the pool's own certificates and uses the pool's own keys; of the
environment nothing counts but where AWS's own programs look for keys. Making one reads files: only in a thread.
"""

from typing import Any

from gateway.backends.sagemaker_credentials import Keys
from gateway.core.topology import Endpoint, Pool, SageMakerTarget


def aws_client(service: str, address: str | None, pool: Pool, target: SageMakerTarget, keys: Keys | None) -> Any:
    """The client for `service` in the target's region, at `address` where that is not AWS's own."""
    import botocore.config
    import botocore.session

    proxy = target.proxy
    through = f"http://{proxy.host}:{proxy.port}" if proxy is not None else None
    return botocore.session.Session().create_client(
        service,
        region_name=target.region,
        endpoint_url=address,
        verify=pool.ca_file or True,
        config=botocore.config.Config(
            connect_timeout=5,
            read_timeout=10,
            retries={"total_max_attempts": 1},
            # An empty mapping, and not None: None would mean the environment's proxies.
            proxies={"http": through, "https": through} if through is not None else {},
            ignore_configured_endpoint_urls=True,
        ),
        aws_access_key_id=keys.access_key if keys is not None else None,
        aws_secret_access_key=keys.secret_key if keys is not None else None,
        aws_session_token=keys.session_token if keys is not None else None,
    )


def endpoint_name(endpoint: Endpoint) -> str:
    """What SageMaker calls the endpoint at an address."""
    return endpoint.base_path.rpartition("/")[2]
