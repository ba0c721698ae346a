"""The lane to SageMaker, as far as it is tooling: what packages and deploys the container, and the local stand-ins.

Nothing here is on the request path of a gateway; the backend that talks to SageMaker is `gateway/backends/`.
"""
