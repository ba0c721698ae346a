"""Deploying the SageMaker lane: what `sagemaker.yaml` wants, what AWS has, and the calls that close the gap."""
