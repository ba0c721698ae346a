"""What the log says of a bundle's origin is what the bundle is."""

from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

from gateway.core.audit_record import SignedBy
from gateway.detect.editions import editions
from gateway.runtime.origins import origin_of
from gateway.settings import load_bundle
from tests.config.folder import ENVIRON, make

OWN = """\
version: 7
recognizers:
  - {name: badges, supported_entity: ACME_BADGE, deny_list: [Bluebird]}
"""


def test_the_origin_of_a_bundle_is_what_its_files_and_this_build_are(tmp_path: Path) -> None:
    folder = make(tmp_path)
    (folder / "recognizers.yaml").write_text(OWN)
    bundle = replace(load_bundle(folder, ENVIRON)[1].with_scanner("s" * 64), signed_by=(SignedBy("chen", "0" * 16),))
    origin = origin_of(bundle)
    assert (origin.version, origin.recognizers, origin.build) == (bundle.policy.version, 7, version("tidegate"))
    assert (origin.scanner, origin.models, origin.signed_by) == ("s" * 64, "", (SignedBy("chen", "0" * 16),))
    assert origin.detectors == editions(bundle.policy.markers, bundle.recognizers)
    assert {"ACME_BADGE", "CN_RESIDENT_ID", "MARKER"} <= set(origin.detectors)
    (folder / "recognizers.yaml").unlink()
    assert origin_of(load_bundle(folder, ENVIRON)[1]).recognizers == 0
