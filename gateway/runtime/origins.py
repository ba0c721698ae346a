"""What the audit log says of where a bundle comes from: who signed it, which build serves it, and what looks for what.

Made once for each activation; the record is what `tidegate audit exposure` answers from, however long afterwards.
"""

from importlib.metadata import version

from gateway.core.audit_record import Origin
from gateway.detect.editions import editions
from gateway.runtime.bundles import Bundle


def origin_of(bundle: Bundle) -> Origin:
    """The origin of `bundle`, as this process serves it."""
    return Origin(
        version=bundle.policy.version,
        build=version("tidegate"),
        signed_by=bundle.signed_by,
        scanner=bundle.scanner_digest,
        models=bundle.models_digest,
        detectors=dict(editions(bundle.policy.markers, bundle.recognizers, bundle.models_digest)),
        recognizers=bundle.recognizers_version,
    )
