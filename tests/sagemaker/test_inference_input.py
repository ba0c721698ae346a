"""What `input_fn` lets through, and what it says about the rest: values, never exceptions, and never a quotation."""

import ast
import json
import os
import shutil
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.sagemaker.container import CHAT, FOLDER, ask, inference

CANARY = "canary-7f3a"
DEEP = json.loads("[" * 40 + "]" * 40)
TOOL = {"type": "function", "function": {"name": "f", "parameters": {}}}


def chat(**more):
    return {**CHAT, **more}


def said(content, **more):
    return {"messages": [{"role": "user", "content": content, **more}]}


def hugging_face(**parameters):
    return {"inputs": "x", "parameters": parameters}


BAD = {
    "not an object": [1],
    "empty": {},
    "messages of another kind": {"messages": CANARY},
    "no messages": {"messages": []},
    "too many messages": {"messages": CHAT["messages"] * 1025},
    "a message of another kind": {"messages": [CANARY]},
    "an unknown role": {"messages": [{"role": CANARY, "content": "x"}]},
    "a role that is no text": {"messages": [{"role": ["user"], "content": "x"}]},
    "no content": {"messages": [{"role": "user"}]},
    "content of another kind": said(7),
    "a picture": said([{"type": "image_url", "image_url": {"url": f"http://169.254.169.254/{CANARY}"}}]),
    "a part of another kind": said([CANARY]),
    "a text part without text": said([{"type": "text"}]),
    "a name of another kind": said("x", name=[CANARY]),
    "tool calls of another kind": said("x", tool_calls=CANARY),
    "a tool call without a function": said("x", tool_calls=[{"id": CANARY}]),
    "a tool call with an object": said("x", tool_calls=[{"function": {"name": "f", "arguments": {CANARY: 1}}}]),
    "an unknown field": chat(**{CANARY: 1}),
    "an engine's own field": chat(grammar=f'root ::= "{CANARY}"'),
    "max_tokens of nothing": chat(max_tokens=0),
    "max_tokens without end": chat(max_tokens=10**9),
    "max_tokens as text": chat(max_tokens=CANARY),
    "max_tokens as a fraction": chat(max_completion_tokens=1.5),
    "a flag as a number": chat(max_tokens=True),
    "too hot": chat(temperature=2.1),
    "temperature beyond floats": chat(temperature=10**400),
    "top_p above one": chat(top_p=1.1),
    "too many choices": chat(n=5),
    "no stop": chat(stop=[""]),
    "a long stop": chat(stop="x" * 257),
    "many stops": chat(stop=["x"] * 17),
    "a stop of another kind": chat(stop={CANARY: 1}),
    "a bias of another kind": chat(logit_bias={CANARY: 1}),
    "a heavy bias": chat(logit_bias={"1": 101}),
    "no tools": chat(tools=[]),
    "a tool of another kind": chat(tools=[{"type": CANARY}]),
    "a nameless tool": chat(tools=[{"type": "function", "function": {}}]),
    "a tool choice of another kind": chat(tools=[TOOL], tool_choice=CANARY),
    "a format of another kind": chat(response_format={"type": CANARY}),
    "stream of another kind": chat(stream=CANARY),
    "stream options of another kind": chat(stream=True, stream_options=CANARY),
    "a usage flag of another kind": chat(stream=True, stream_options={"include_usage": CANARY}),
    "a prompt of tokens": {"prompt": [1, 2]},
    "tools for a plain prompt": {"prompt": "x", "tools": [TOOL]},
    "inputs of another kind": {"inputs": 7},
    "several inputs": {"inputs": [CANARY, CANARY]},
    "parameters of another kind": {"inputs": "x", "parameters": CANARY},
    "a field beside inputs": {"inputs": "x", CANARY: 1},
    "an unknown parameter": hugging_face(**{CANARY: 1}),
    "max_new_tokens without end": hugging_face(max_new_tokens=10**9),
    "do_sample of another kind": hugging_face(do_sample=CANARY),
    "nested too deep": chat(tools=[{"type": "function", "function": {"name": "f", "parameters": DEEP}}]),
}  # fmt: skip


@pytest.mark.parametrize("document", BAD.values(), ids=BAD.keys())
def test_a_bad_request_is_a_refusal_that_quotes_nothing(document):
    refusal = ask(document)
    assert isinstance(refusal, inference.Refusal)
    assert refusal.status == 400
    assert CANARY not in json.dumps(refusal.document())


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (None, 400),
        (b"{", 400),
        (b"\xff\xfe", 400),
        (b'{"messages": NaN}', 400),
        (b'{"inputs": "x", "inputs": "y"}', 400),
        (b'{"inputs": "\\ud800"}', 400),
        (b'{"inputs": "x", "parameters": {"temperature": 1e999}}', 400),
        (b"[" * 100_000, 400),
        (b'{"inputs": ' + b"9" * 10_000 + b"}", 400),
        (b'{"inputs": "' + b"x" * (4 << 20) + b'"}', 413),
    ],
)
def test_a_body_is_strict_json_of_bounded_size(body, status):
    assert inference.input_fn(body).status == status


@pytest.mark.parametrize(
    ("content_type", "is_taken"),
    [
        ("application/json", True),
        ("Application/JSON; charset=UTF-8", True),
        (None, True),
        ("", True),
        ("application/json; charset=utf-16", False),
        ("text/csv", False),
        ("application/x-npy", False),
    ],
)
def test_only_json_is_read(content_type, is_taken):
    data = ask(CHAT, content_type)
    assert isinstance(data, inference.Ask) if is_taken else data.status == 415


def test_text_and_bytes_are_read_alike():
    # sagemaker-inference decodes JSON before it calls input_fn.
    text = json.dumps(CHAT)
    assert inference.input_fn(text) == inference.input_fn(text.encode()) == inference.input_fn(bytearray(text.encode()))


@given(st.binary(max_size=200))
def test_no_bytes_raise(body):
    assert isinstance(inference.input_fn(body), (inference.Ask, inference.Refusal))


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(max_size=9),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ("messages", "role", "content", "inputs", "parameters", "stop", "tools", "stream", "n")
                ),
                inner,
                max_size=5,
            )
        ),
        max_leaves=12,
    )
)
def test_no_document_raises(document):
    assert isinstance(ask(document), (inference.Ask, inference.Refusal))


def test_only_what_was_checked_goes_to_the_engine():
    data = ask(
        chat(model="whatever", user="u", metadata={"a": "b"}, store=True, seed=7, top_p=None, max_completion_tokens=9)
    )
    assert data.document == {"messages": CHAT["messages"], "seed": 7, "max_tokens": 9}


def test_text_parts_become_one_text():
    data = ask(said([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]))
    assert data.document["messages"] == [{"role": "user", "content": "a\nb"}]


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({}, {"temperature": 0}),
        ({"do_sample": True}, {}),
        ({"temperature": 0.5}, {"temperature": 0.5}),
        ({"do_sample": False, "temperature": 0.5}, {"temperature": 0}),
        ({"top_k": 5}, {"top_k": 5}),
        ({"max_new_tokens": 3, "stop_sequences": ["a"]}, {"temperature": 0, "max_tokens": 3, "stop": ["a"]}),
        ({"stop": ["b"], "stop_sequences": ["a"], "do_sample": True}, {"stop": ["b"]}),
    ],
)
def test_hugging_face_parameters_mean_what_they_mean_there(parameters, expected):
    assert ask(hugging_face(**parameters)).document == {"prompt": "x", **expected}


@pytest.mark.parametrize(
    ("variable", "value"), [("TIDEGATE_MAX_TOKENS", "many"), ("TIDEGATE_IDLE_S", "-1"), ("TIDEGATE_CONTEXT", "1.5")]
)
def test_a_setting_of_the_wrong_kind_is_named(variable, value):
    with pytest.raises(inference.NotServable, match=variable):
        inference.settings({variable: value})


def test_settings_bound_the_input(monkeypatch):
    monkeypatch.setenv("TIDEGATE_MAX_TOKENS", "16")
    monkeypatch.setenv("TIDEGATE_MAX_MESSAGES", "1")
    monkeypatch.setenv("TIDEGATE_MAX_BODY_BYTES", "100")
    assert ask(chat(max_tokens=17)).status == 400
    assert ask({"messages": CHAT["messages"] * 2}).status == 400
    assert ask(said("x" * 100)).status == 413
    assert isinstance(ask(chat(max_tokens=16)), inference.Ask)


@pytest.mark.parametrize(
    ("environ", "files", "reason"),
    [
        ({"TIDEGATE_ENGINE": "abacus"}, [], "TIDEGATE_ENGINE must be one of"),
        ({"TIDEGATE_ENGINE": "llama.cpp"}, [], "no .gguf file"),
        ({}, [], "no model in"),
        ({}, ["config.json"], "neither vLLM nor transformers"),
    ],
)
def test_a_folder_that_cannot_be_served_is_explained(environ, files, reason, tmp_path, monkeypatch):
    if "vLLM" in reason and any(inference.importlib.util.find_spec(name) for name in ("vllm", "transformers")):
        pytest.skip("an engine for such a folder is installed here")
    for name in ("TIDEGATE_ENGINE", *environ):
        monkeypatch.setenv(name, environ.get(name, ""))
    for name in files:
        (tmp_path / name).write_text("{}")
    with pytest.raises(inference.NotServable, match=reason):
        inference.model_fn(str(tmp_path))


def test_a_file_that_is_no_model_is_explained(tmp_path):
    if inference.importlib.util.find_spec("xllamacpp") is None:
        pytest.skip("the wheel xllamacpp is not installed: run `make setup`")
    (tmp_path / "model.gguf").write_bytes(b"GGUF, or so it says")
    with pytest.raises(inference.NotServable, match=r"llama\.cpp did not start"):
        inference.model_fn(str(tmp_path))


# The files themselves


@pytest.mark.parametrize("name", ["inference.py", "server.py"])
def test_a_shipped_file_needs_nothing_but_the_standard_library_an_engine_and_what_opens_weights(name):
    tree = ast.parse((FOLDER / name).read_text(), feature_version=(3, 9))
    imported = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add((node.module or "").partition(".")[0])
    engines, opens_weights = {"xllamacpp", "torch", "transformers"}, {"botocore", "cryptography"}
    assert imported - sys.stdlib_module_names <= {"inference", *engines, *opens_weights}


def test_inference_imports_alone_and_does_nothing(tmp_path):
    shutil.copy(FOLDER / "inference.py", tmp_path)
    others = {"gateway", "xllamacpp", "torch", "botocore", "cryptography"}
    program = f"import inference, sys; print(sorted({others} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r}); {program}"],
                          cwd=tmp_path, capture_output=True, text=True, timeout=60)  # fmt: skip
    assert (done.stdout.strip(), done.stderr, done.returncode) == ("[]", "", 0)


def test_the_oldest_python_that_is_promised_reads_a_request(tmp_path):
    python = shutil.which("python3.9")
    probe = "import sys; assert sys.version_info[:2] == (3, 9)"
    if python is None or subprocess.run([python, "-c", probe], capture_output=True).returncode:
        pytest.skip("no Python 3.9 here")
    program = (
        f"import sys; sys.path.insert(0, {str(FOLDER)!r}); import inference, server; "
        'print(inference.input_fn(b\'{"inputs": "x"}\').document)'
    )
    environ = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run([python, "-c", program], capture_output=True, text=True, timeout=60, env=environ)
    assert (done.stdout.strip(), done.stderr) == ("{'temperature': 0, 'prompt': 'x'}", "")


def test_the_folder_is_no_package_and_no_file_has_a_name_of_the_sdks():
    names = {path.name for path in FOLDER.iterdir()} - {"__pycache__"}
    documents = {"README.md", "README.zh.md", "prices.yaml", "requirements.txt"}
    assert names == {"inference.py", "server.py", *documents}
