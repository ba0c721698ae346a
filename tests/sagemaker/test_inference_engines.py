"""What becomes of an engine's behaviour, good and bad: a scripted engine says it, the four functions pass it on."""

import importlib.util
import json
import threading

import pytest

from tests.sagemaker.container import CHAT, answer, ask, chunk, events, inference, scripted

STREAM = {**CHAT, "stream": True}
CANARY = "canary-7f3a"


def test_a_reply_has_openais_fields_and_none_of_the_engines():
    reply = {
        "id": "c",
        "object": "chat.completion",
        "created": 1,
        "model": f"/models/{CANARY}.gguf",
        "timings": {"x": 1},
        "prompt_logprobs": CANARY,
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Hi.", "tool_calls": [{"id": "t"}], "debug": CANARY},
                "token_ids": [1],
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3, "prompt_tokens_details": {}},
    }
    with scripted() as (engine, model):
        engine.script = lambda exchange: exchange.whole(200, json.dumps(reply).encode())
        said, _ = answer(CHAT, model)
    assert said == {
        "id": "c",
        "object": "chat.completion",
        "created": 1,
        "model": "tidegate",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Hi.", "tool_calls": [{"id": "t"}]},
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3},
    }


@pytest.mark.parametrize("document", [CHAT, STREAM], ids=["whole", "streamed"])
@pytest.mark.parametrize(
    ("status", "body", "expected", "code"),
    [
        (400, {"error": {"message": CANARY, "type": "exceed_context_size_error"}}, 400, "context_length_exceeded"),
        (400, {"error": {"message": f"{CANARY}: maximum context length is 5"}}, 400, "context_length_exceeded"),
        (400, {"error": {"message": CANARY, "type": "invalid_request_error"}}, 400, "invalid_request"),
        (422, {"detail": CANARY}, 400, "invalid_request"),
        (429, {"error": CANARY}, 503, "overloaded"),
        (503, {"error": CANARY}, 503, "overloaded"),
        (401, {"error": CANARY}, 502, "engine_failed"),
        (500, {"error": f"Traceback (most recent call last): {CANARY}"}, 502, "engine_failed"),
    ],
)
def test_an_engines_error_is_told_in_our_words(document, status, body, expected, code):
    with scripted() as (engine, model):
        engine.script = lambda exchange: exchange.whole(status, json.dumps(body).encode())
        refusal = inference.predict_fn(ask(document), model)
    assert (refusal.status, refusal.code) == (expected, code)
    assert CANARY not in json.dumps(refusal.document())


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"{}", b'{"choices": 7}', b"<html>"])
def test_a_reply_that_is_no_answer_is_an_engines_failure(body):
    with scripted() as (engine, model):
        engine.script = lambda exchange: exchange.whole(200, body)
        assert inference.predict_fn(ask(CHAT), model).code == "engine_failed"


BROKEN = {
    "the end without a finish": [chunk("Hi"), "[DONE]"],
    "no done": [chunk("Hi"), chunk(finish="stop")],
    "an error, and done all the same": [chunk("Hi"), '{"error": {"message": "canary-7f3a"}}', "[DONE]"],
    "no JSON": [chunk("Hi"), "canary-7f3a", "[DONE]"],
    "no object": [chunk("Hi"), "[]", "[DONE]"],
    "no choices": [chunk("Hi"), "{}", "[DONE]"],
    "nothing": [],
}


@pytest.mark.parametrize("lines", BROKEN.values(), ids=BROKEN.keys())
@pytest.mark.parametrize("is_openai", [True, False], ids=["openai", "hugging face"])
def test_a_broken_stream_is_never_a_complete_one(lines, is_openai):
    document = STREAM if is_openai else {"inputs": "x", "stream": True}
    with scripted() as (engine, model):
        engine.script = lambda exchange: exchange.stream(*lines)
        text, _ = answer(document, model)
    *_, last = events(text)
    assert last["error"]["code"] == "engine_failed"
    assert "[DONE]" not in text
    assert '"generated_text":"' not in text
    assert CANARY not in text


def test_every_choice_must_finish():
    with scripted() as (engine, model):
        lines = [chunk("a", index=0), chunk("b", index=1), chunk(finish="stop", index=1), "[DONE]"]
        engine.script = lambda exchange: exchange.stream(*lines)
        assert "[DONE]" not in answer({**STREAM, "n": 2}, model)[0]
        lines.insert(3, chunk(finish="stop", index=0))
        assert answer({**STREAM, "n": 2}, model)[0].endswith("data: [DONE]\n\n")


def test_comments_and_other_fields_of_an_event_stream_are_passed_over():
    with scripted() as (engine, model):

        def script(exchange):
            exchange.stream()
            exchange._handler.wfile.write(b": ping\n\nevent: message\nid: 7\n")
            exchange.send(chunk("Hi"), chunk(finish="stop"), "[DONE]")

        engine.script = script
        *chunks, done = events(answer(STREAM, model)[0])
    assert done == "[DONE]"
    assert len(chunks) == 2


@pytest.mark.parametrize("document", [CHAT, STREAM], ids=["whole", "streamed"])
def test_an_engine_that_never_answers_is_given_up(document):
    with scripted(deadline_s=0.1) as (engine, model):
        engine.script = lambda exchange: exchange.until_gone()
        refusal = inference.predict_fn(ask(document), model)
    assert (refusal.status, refusal.code) == (504, "engine_timeout")


def test_a_stream_that_falls_silent_is_given_up():
    with scripted(idle_s=0.1) as (engine, model):

        def script(exchange):
            exchange.stream(chunk("Hi"))
            exchange.until_gone()

        engine.script = script
        *_, last = events(answer(STREAM, model)[0])
    assert last["error"]["code"] == "engine_timeout"


def test_an_engine_that_is_not_there_is_unavailable():
    with scripted() as (engine, model):
        engine.close()
        refusal = inference.predict_fn(ask(CHAT), model)
    assert (refusal.status, refusal.code) == (503, "engine_unavailable")


@pytest.mark.parametrize("closing", ["close", "drop"])
def test_a_stream_that_is_let_go_ends_the_engines_work(closing):
    with scripted() as (engine, model):

        def script(exchange):
            exchange.stream(chunk("Hi"))
            exchange.until_gone()

        engine.script = script
        stream = inference.predict_fn(ask(STREAM), model)
        next(stream)
        if closing == "close":
            stream.close()
        else:
            del stream
        assert engine.exchanges[0].gone.wait(10)


def test_a_stop_before_the_start_never_reaches_the_engines_work():
    with scripted() as (engine, model):
        generation = inference.Generation(ask(CHAT), model)
        generation.stop()
        assert generation.start() == inference.STOPPED
        assert engine.exchanges == []


def test_an_answer_can_be_stopped_from_another_thread_while_nothing_comes():
    with scripted() as (engine, model):
        taken = threading.Event()

        def script(exchange):
            taken.set()
            exchange.until_gone()

        engine.script = script
        generation = inference.Generation(ask(CHAT), model)
        stopping = threading.Thread(target=lambda: (taken.wait(10), generation.stop()))
        stopping.start()
        assert generation.start() == inference.STOPPED
        stopping.join()
        assert engine.exchanges[0].gone.wait(10)


@pytest.mark.parametrize("where", ["call", "open"])
def test_a_mistake_of_ours_shows_no_traceback_and_logs_no_words(where, capsys):
    class Faulty:
        def call(self, path, document):
            if where == "call":
                raise RuntimeError(CANARY)
            return self

        def open(self):
            raise RuntimeError(CANARY)

        def close(self):
            pass

    prediction = inference.predict_fn(ask(CHAT), inference.Model(Faulty(), "tidegate"))
    assert prediction == inference.INTERNAL
    log = capsys.readouterr().err
    assert json.loads(log) == {"event": "internal_error", "type": "RuntimeError"}


def test_a_refusal_tells_the_multi_model_server_its_status():
    class Context:
        def set_response_status(self, code, phrase):
            self.status = (code, phrase)

    context = Context()
    body, content_type = inference.output_fn(ask({}), "*/*", context)
    assert content_type == "application/json"
    assert json.loads(body)["error"]["code"] == "missing_field"
    assert context.status == (400, "missing_field")


@pytest.mark.parametrize(
    ("text", "stops", "expected"),
    [
        ("Hello", [], ("Hello", "", False)),
        ("Hello", ["xyz"], ("Hello", "", False)),
        ("Hello wor", ["world"], ("Hello ", "wor", False)),
        ("Hello world, you", ["world"], ("Hello ", "", True)),
        ("abc", ["c", "b"], ("a", "", True)),
        ("aaa", ["aab"], ("a", "aa", False)),
    ],
)
def test_text_waits_while_a_stop_sequence_may_have_begun(text, stops, expected):
    assert inference._before_stop(text, stops) == expected


def test_transformers_answers_a_random_checkpoint(tmp_path, monkeypatch):
    for package in ("torch", "transformers", "tokenizers"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed; this engine is optional")
    from tests.sagemaker.checkpoint import write_checkpoint

    write_checkpoint(tmp_path)
    monkeypatch.setenv("TIDEGATE_ENGINE", "transformers")
    model = inference.model_fn(str(tmp_path))
    assert inference.healthy(model)
    greedy = {**CHAT, "temperature": 0, "max_tokens": 12}
    whole, _ = answer(greedy, model)
    content = whole["choices"][0]["message"]["content"]
    assert whole["usage"]["completion_tokens"] == 12
    *chunks, done = events(answer({**greedy, "stream": True}, model)[0])
    assert done == "[DONE]"
    assert "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks) == content
    stop = content[3:5]
    cut, _ = answer({**greedy, "stop": [stop]}, model)
    assert cut["choices"][0]["message"]["content"] == content[: content.index(stop)]
    assert cut["choices"][0]["finish_reason"] == "stop"
    generation = inference.Generation(ask({**CHAT, "stream": True}), model)
    stream = generation.start()
    next(stream)
    generation.stop()
    assert events(b"".join(stream))[-1]["error"]["code"] == "stopped"
    assert inference.predict_fn(ask({**CHAT, "logprobs": True}), model).status == 400
