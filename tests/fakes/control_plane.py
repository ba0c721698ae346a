"""AWS's SageMaker control plane as moto plays it: a server in a thread on loopback, with endpoints to describe."""

import logging
from typing import Self

import boto3
from moto.server import ThreadedMotoServer

_ROLE = "arn:aws:iam::123456789012:role/endpoints"


class ControlPlane:
    """Use as `with`; `url` says where it listens."""

    def __init__(self, region: str) -> None:
        self._region = region
        self._server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        self.url = ""

    def __enter__(self) -> Self:
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self._server.start()
        host, port = self._server.get_host_and_port()
        self.url = f"http://{host}:{port}"
        self._client = boto3.client(
            "sagemaker",
            region_name=self._region,
            endpoint_url=self.url,
            aws_access_key_id="AKIDEXAMPLE",
            aws_secret_access_key="secret",
        )
        self._client.create_model(ModelName="m", ExecutionRoleArn=_ROLE, PrimaryContainer={"Image": "i"})
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()
        self._server.stop()

    def deploy(self, name: str, *, captures: bool) -> None:
        """An endpoint of that name, anew: moto cannot update one."""
        config = f"{name}-{'copies' if captures else 'quiet'}"
        if name in {endpoint["EndpointName"] for endpoint in self._client.list_endpoints()["Endpoints"]}:
            self._client.delete_endpoint(EndpointName=name)
        known = self._client.list_endpoint_configs()["EndpointConfigs"]
        if config not in {entry["EndpointConfigName"] for entry in known}:
            variant = {
                "VariantName": "v",
                "ModelName": "m",
                "InitialInstanceCount": 1,
                "InstanceType": "ml.g4dn.xlarge",
            }
            capture = {
                "EnableCapture": True,
                "InitialSamplingPercentage": 100,
                "DestinationS3Uri": "s3://copies/",
                "CaptureOptions": [{"CaptureMode": "Input"}],
            }
            self._client.create_endpoint_config(
                EndpointConfigName=config,
                ProductionVariants=[variant],
                **({"DataCaptureConfig": capture} if captures else {}),
            )
        self._client.create_endpoint(EndpointName=name, EndpointConfigName=config)
