"""deploy/sagemaker: the example reads, its template is what the program makes of it, and holds what AWS knows."""

import hashlib
import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import botocore.session
import pytest

from gateway.config import lane_file
from gateway.core.deployment import Needs, Scaling
from gateway.core.reading import Reader
from gateway.core.written import parse
from gateway.lane.deploy.documents import Names, Package, Wanted
from gateway.lane.deploy.template import template

FOLDER = Path(__file__).resolve().parents[2] / "deploy" / "sagemaker"
EXAMPLE = FOLDER / "sagemaker.yaml"
TEMPLATE = FOLDER / "cloudformation.json"

# In whose words the properties of a resource are: CloudFormation's are the API's, but for these.
SPOKEN = {
    "AWS::SageMaker::Model": ("sagemaker", "CreateModel", set()),
    "AWS::SageMaker::EndpointConfig": ("sagemaker", "CreateEndpointConfig", set()),
    "AWS::SageMaker::Endpoint": (
        "sagemaker",
        "CreateEndpoint",
        {"RetainAllVariantProperties", "ExcludeRetainedVariantProperties", "DeploymentConfig"},
    ),
    "AWS::SageMaker::InferenceComponent": ("sagemaker", "CreateInferenceComponent", set()),
    "AWS::IAM::Role": ("iam", "CreateRole", {"Policies"}),
    "AWS::ApplicationAutoScaling::ScalableTarget": ("application-autoscaling", "RegisterScalableTarget", set()),
    "AWS::ApplicationAutoScaling::ScalingPolicy": ("application-autoscaling", "PutScalingPolicy", {"ScalingTargetId"}),
    "AWS::CloudWatch::Alarm": ("cloudwatch", "PutMetricAlarm", set()),
}


def wanted(**changes: object) -> Wanted:
    """The example with a package of the seven letters `example`."""
    document = parse(EXAMPLE.read_bytes(), EXAMPLE.name)
    reader = Reader(document.problems)
    lane = lane_file.read(document.root, reader)
    reader.finish()
    digest = hashlib.sha256(b"example")
    package = Package(digest.hexdigest(), 7, 16 << 20, (digest.digest(),))
    return Wanted(Names(replace(lane, **changes), lane.account), package)


def written() -> str:
    return json.dumps(template(wanted()), indent=2) + "\n"


def test_the_template_is_what_the_program_makes_of_the_example() -> None:
    assert TEMPLATE.read_text() == written(), "write tests.deploy.test_sagemaker.written() to it"


FORMS = [{}, {"scaling": Scaling(least=0), "needs": Needs(8192, 1)}, {"role": "arn:aws:iam::111122223333:role/x"}]


@pytest.mark.parametrize("changes", FORMS)
def test_every_property_is_one_that_aws_knows(changes) -> None:
    session = botocore.session.Session()
    resources = template(wanted(**changes))["Resources"]
    for name, resource in resources.items():
        service, operation, more = SPOKEN[resource["Type"]]
        shape = session.get_service_model(service).operation_model(operation).input_shape
        assert set(resource["Properties"]) <= set(shape.members) | more, name


@pytest.mark.parametrize("changes", FORMS)
def test_every_reference_leads_to_a_resource(changes) -> None:
    made = template(wanted(**changes))
    text = json.dumps(made)
    for resource in made["Resources"].values():
        assert resource.get("DependsOn", "Endpoint") in made["Resources"]
    for part in text.split('"Fn::GetAtt": ["')[1:]:
        assert part.split('"')[0] in made["Resources"]
    for part in text.split('"Ref": "')[1:]:
        assert part.split('"')[0] in made["Resources"]
    assert "{policy:" not in text


@pytest.mark.parametrize("changes", FORMS)
def test_cfn_lint_has_nothing_to_say(changes, tmp_path: Path) -> None:
    program = shutil.which("cfn-lint")
    if program is None:
        pytest.skip("cfn-lint is not on the path: pip install cfn-lint (180 MB), in an environment of its own")
    file = tmp_path / "template.json"
    file.write_text(json.dumps(template(wanted(**changes))))
    ran = subprocess.run([program, "--regions", "eu-central-1", "-t", str(file)], capture_output=True, text=True)
    assert (ran.returncode, ran.stdout) == (0, "")
