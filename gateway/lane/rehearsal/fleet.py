"""What moto's SageMaker lacks: endpoints that take time, updates that alarms take back, inference components.

It stands in front of moto and changes moto's own state, so that both say the same. It also refuses what AWS refuses
and moto lets pass: a second thing of the same name, an update of what is on its way, the deletion of what is in use.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

Document = Mapping[str, Any]
ACCOUNT: Final = "123456789012"


class Refused(Exception):
    """What the service would say no to, in its words."""


@dataclass(slots=True)
class _Way:
    """Something on its way: to a configuration, until a moment, and back if one of the alarms has gone off."""

    ready_at: float
    config: str | None = None
    alarms: tuple[str, ...] = ()


@dataclass(slots=True)
class _Component:
    name: str
    endpoint: str
    variant: str
    specification: dict[str, Any]
    copies: int
    ready_at: float
    tags: list[dict[str, str]] = field(default_factory=list)
    status: str = "Creating"


class Fleet:
    """The endpoints and components of one region. `start_s` is how long anything takes."""

    def __init__(self, region: str, start_s: float, now: Callable[[], float] = time.monotonic) -> None:
        from moto.applicationautoscaling.models import applicationautoscaling_backends
        from moto.cloudwatch.models import cloudwatch_backends
        from moto.sagemaker.models import FakeEndpointConfig, SageMakerModelBackend, sagemaker_backends

        self._region = region
        self._start_s = start_s
        self._now = now
        self._moto = sagemaker_backends[ACCOUNT][region]
        self._alarms = cloudwatch_backends[ACCOUNT][region]
        self._scaling = applicationautoscaling_backends[ACCOUNT][region]
        self._ways: dict[str, _Way] = {}
        self._components: dict[str, _Component] = {}
        # moto knows the instances of some years ago, and no variant without a model.
        _let_components_scale()
        FakeEndpointConfig.validate_instance_type = lambda *_: None  # type: ignore[method-assign]
        SageMakerModelBackend.validate_production_variants = lambda *_: None  # type: ignore[method-assign]

    def answer(self, operation: str, asked: Document) -> Document | None:
        """The answer to what moto lacks; None if moto is to answer. Raises Refused."""
        own = getattr(self, f"_{operation}", None)
        if own is None:
            return None
        answer: Document | None = own(asked)
        return answer

    # What moto answers once it is looked at

    def _CreateModel(self, asked: Document) -> None:  # noqa: N802 -- AWS's name, as for all of these
        if asked["ModelName"] in self._moto._models:
            raise Refused(f"Cannot create already existing model {asked['ModelName']}")

    def _CreateEndpointConfig(self, asked: Document) -> None:  # noqa: N802
        if asked["EndpointConfigName"] in self._moto.endpoint_configs:
            raise Refused(f"Cannot create already existing endpoint configuration {asked['EndpointConfigName']}")
        for variant in asked["ProductionVariants"]:
            if "ModelName" in variant and variant["ModelName"] not in self._moto._models:
                raise Refused(f"Could not find model {variant['ModelName']}")

    def _CreateEndpoint(self, asked: Document) -> None:  # noqa: N802
        name = asked["EndpointName"]
        if name in self._moto.endpoints:
            raise Refused(f"Cannot create already existing endpoint {name}")
        if asked["EndpointConfigName"] not in self._moto.endpoint_configs:
            raise Refused(f"Could not find endpoint configuration {asked['EndpointConfigName']}")
        self._ways[name] = _Way(self._now() + self._start_s)

    def _DescribeEndpoint(self, asked: Document) -> None:  # noqa: N802
        self._settle(asked["EndpointName"])

    def _UpdateEndpointWeightsAndCapacities(self, asked: Document) -> None:  # noqa: N802
        self._settle(asked["EndpointName"])
        self._idle(asked["EndpointName"])
        self._ways[asked["EndpointName"]] = _Way(self._now() + self._start_s)

    def _DeleteEndpoint(self, asked: Document) -> None:  # noqa: N802
        name = asked["EndpointName"]
        self._settle(name)
        if name in self._ways:
            raise Refused(f"Cannot delete in-progress endpoint {name}")
        if any(component.endpoint == name for component in self._components.values()):
            raise Refused(f"Cannot delete endpoint {name} with inference components")

    def _DeleteEndpointConfig(self, asked: Document) -> None:  # noqa: N802
        name = asked["EndpointConfigName"]
        if any(endpoint.endpoint_config_name == name for endpoint in self._moto.endpoints.values()):
            raise Refused(f"Cannot delete endpoint configuration {name}: it is in use")

    # What moto cannot answer

    def _UpdateEndpoint(self, asked: Document) -> Document:  # noqa: N802
        name, config = asked["EndpointName"], asked["EndpointConfigName"]
        self._settle(name)
        endpoint = self._idle(name)
        if config not in self._moto.endpoint_configs:
            raise Refused(f"Could not find endpoint configuration {config}")
        if config == endpoint.endpoint_config_name:
            raise Refused("Cannot update endpoint to the configuration that it has")
        if self._instance(config) != self._instance(endpoint.endpoint_config_name) and self._scales(name):
            raise Refused("The variant is registered as a scalable target: its instance type cannot change")
        rollback = (asked.get("DeploymentConfig") or {}).get("AutoRollbackConfiguration") or {}
        alarms = tuple(alarm["AlarmName"] for alarm in rollback.get("Alarms") or ())
        missing = [alarm for alarm in alarms if alarm not in self._alarms.alarms]
        if missing:
            raise Refused(f"Alarm {missing[0]} does not exist")
        self._ways[name] = _Way(self._now() + self._start_s, config, alarms)
        endpoint.endpoint_status = "Updating"
        return {"EndpointArn": endpoint.arn}

    def _CreateInferenceComponent(self, asked: Document) -> Document:  # noqa: N802
        name = asked["InferenceComponentName"]
        if name in self._components:
            raise Refused(f"Cannot create already existing inference component {name}")
        self._settle(asked["EndpointName"])
        self._idle(asked["EndpointName"])
        self._components[name] = _Component(
            name,
            asked["EndpointName"],
            asked["VariantName"],
            dict(asked["Specification"]),
            asked["RuntimeConfig"]["CopyCount"],
            self._now() + self._start_s,
            list(asked.get("Tags") or ()),
        )
        return {"InferenceComponentArn": self._arn(name)}

    def _DescribeInferenceComponent(self, asked: Document) -> Document:  # noqa: N802
        component = self._component(asked)
        return {
            "InferenceComponentName": component.name,
            "InferenceComponentArn": self._arn(component.name),
            "EndpointName": component.endpoint,
            "EndpointArn": self._moto.endpoints[component.endpoint].arn,
            "VariantName": component.variant,
            "InferenceComponentStatus": component.status,
            "Specification": component.specification,
            "RuntimeConfig": {"DesiredCopyCount": component.copies, "CurrentCopyCount": component.copies},
            "CreationTime": 0,
            "LastModifiedTime": 0,
        }

    def _UpdateInferenceComponent(self, asked: Document) -> Document:  # noqa: N802
        component = self._component(asked)
        component.specification = dict(asked["Specification"])
        component.status, component.ready_at = "Updating", self._now() + self._start_s
        return {"InferenceComponentArn": self._arn(component.name)}

    def _UpdateInferenceComponentRuntimeConfig(self, asked: Document) -> Document:  # noqa: N802
        component = self._component(asked)
        component.copies = asked["DesiredRuntimeConfig"]["CopyCount"]
        component.status, component.ready_at = "Updating", self._now() + self._start_s
        return {"InferenceComponentArn": self._arn(component.name)}

    def _DeleteInferenceComponent(self, asked: Document) -> Document:  # noqa: N802
        del self._components[self._component(asked).name]
        return {}

    # What is on its way

    def _settle(self, name: str) -> None:
        way, endpoint = self._ways.get(name), self._moto.endpoints.get(name)
        if endpoint is None:
            return
        if way is None:
            endpoint.endpoint_status = "InService"
        elif self._now() >= way.ready_at:
            del self._ways[name]
            endpoint.endpoint_status = "InService"
            gone_off = any(self._alarms.alarms[alarm].state_value == "ALARM" for alarm in way.alarms)
            if way.config is not None and not gone_off:
                endpoint.endpoint_config_name = way.config
                endpoint.data_capture_config = self._moto.endpoint_configs[way.config].data_capture_config
        else:
            endpoint.endpoint_status = "Updating" if way.config is not None else endpoint.endpoint_status
            if endpoint.endpoint_status == "InService":
                endpoint.endpoint_status = "Creating"

    def _idle(self, name: str) -> Any:
        endpoint = self._moto.endpoints.get(name)
        if endpoint is None:
            raise Refused(f'Could not find endpoint "{name}".')
        if name in self._ways:
            raise Refused(f"Cannot update in-progress endpoint {name}")
        return endpoint

    def _component(self, asked: Document) -> _Component:
        component = self._components.get(asked["InferenceComponentName"])
        if component is None:
            raise Refused(f"Could not find inference component {asked['InferenceComponentName']}")
        if self._now() >= component.ready_at:
            component.status = "InService"
        return component

    def _instance(self, config: str) -> str:
        return str(self._moto.endpoint_configs[config].production_variants[0].get("InstanceType", ""))

    def _scales(self, name: str) -> bool:
        targets = self._scaling.targets.values()
        return any(f"endpoint/{name}/" in resource for dimension in targets for resource in dimension)

    def _arn(self, name: str) -> str:
        return f"arn:aws:sagemaker:{self._region}:{ACCOUNT}:inference-component/{name.lower()}"


def _let_components_scale() -> None:
    """moto's autoscaling knows no inference component."""
    from enum import Enum

    from moto.applicationautoscaling import models, responses

    def wider(known: Any, value: str) -> Any:
        make: Any = Enum
        return make(known.__name__, {**{one.name: one.value for one in known}, "INFERENCE_COMPONENT": value})

    dimensions = wider(models.ScalableDimensionValueSet, "sagemaker:inference-component:DesiredCopyCount")
    kinds = wider(models.ResourceTypeExceptionValueSet, "inference-component")
    for module, name, value in (
        (models, "ScalableDimensionValueSet", dimensions),
        (responses, "ScalableDimensionValueSet", dimensions),
        (models, "ResourceTypeExceptionValueSet", kinds),
    ):
        setattr(module, name, value)
