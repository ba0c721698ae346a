"""Whether a credential reaches what its bearer asks for; a refusal tells no more than that it does not."""

from gateway.core.access import Scope, allows, reaches_api
from gateway.errors import Forbidden, NotFound, TidegateError

NO_SUCH_MODEL = "The model does not exist or you do not have access to it."


def check_reach(scopes: tuple[Scope, ...], api: str, model: str) -> None:
    """Raise Forbidden for an interface that none of `scopes` reaches, NotFound for a model; without scopes nothing."""
    if allows(scopes, api, model):
        return
    if not reaches_api(scopes, api):
        raise Forbidden("This credential may not use this interface.", code="insufficient_permissions")
    raise no_such_model()


def no_such_model() -> TidegateError:
    """What is said of a model that is not there, and of one that the credential does not reach."""
    return NotFound(NO_SUCH_MODEL, code="model_not_found", param="model")
