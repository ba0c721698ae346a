// openai-node against a running gateway. Run by tests/clients/test_openai_node.py, which sets the two variables.
import assert from "node:assert/strict";
import { test } from "node:test";
import OpenAI from "openai";

const baseURL = process.env.TIDEGATE_URL;
const apiKey = process.env.TIDEGATE_KEY;
const client = new OpenAI({ baseURL, apiKey, maxRetries: 0, timeout: 60_000 });
const model = "chat-auto";
const messages = [{ role: "user", content: "What is the capital of France? Answer in one sentence." }];

async function collected(stream) {
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  return chunks;
}

test("a chat is answered in the name that was called", async () => {
  const chat = await client.chat.completions.create({ model, messages, max_tokens: 24, temperature: 0 });
  assert.equal(chat.object, "chat.completion");
  assert.equal(chat.model, model);
  assert.ok(chat.choices[0].message.content);
  assert.equal(chat.usage.total_tokens, chat.usage.prompt_tokens + chat.usage.completion_tokens);
});

test("a streamed chat says what the whole one says", async () => {
  const options = { model, messages, max_tokens: 24, temperature: 0 };
  const whole = await client.chat.completions.create(options);
  const chunks = await collected(await client.chat.completions.create({ ...options, stream: true }));
  assert.equal(chunks.map((chunk) => chunk.choices[0].delta.content ?? "").join(""), whole.choices[0].message.content);
  assert.deepEqual([...new Set(chunks.map((chunk) => chunk.model))], [model]);
  assert.ok(chunks.every((chunk) => !chunk.usage));
});

test("usage comes last in a stream to those who ask", async () => {
  const options = { model, messages, max_tokens: 8, stream: true, stream_options: { include_usage: true } };
  const chunks = await collected(await client.chat.completions.create(options));
  assert.deepEqual(chunks.at(-1).choices, []);
  const tokens = chunks.at(-1).usage.completion_tokens;
  assert.ok(tokens > 0 && tokens <= 8);
});

test("leaving a stream early is no trouble", async () => {
  const stream = await client.chat.completions.create({ model, messages, stream: true });
  for await (const chunk of stream) {
    assert.equal(chunk.object, "chat.completion.chunk");
    break;
  }
  assert.ok((await client.models.list()).data.length > 0);
});

test("a plain completion is answered, streamed and not", async () => {
  const options = { model, prompt: "Once upon a time", max_tokens: 8, temperature: 0 };
  assert.equal((await client.completions.create(options)).choices[0].finish_reason, "length");
  const chunks = await collected(await client.completions.create({ ...options, stream: true }));
  assert.equal(chunks.at(-1).choices[0].finish_reason, "length");
});

test("an embedding is a vector in either form", async () => {
  for (const encoding_format of ["float", "base64", undefined]) {
    const reply = await client.embeddings.create({ model, input: ["one", "two"], encoding_format });
    assert.equal(reply.data.length, 2);
    assert.ok(reply.data[0].embedding.length > 100);
  }
});

test("the models are the aliases", async () => {
  const names = [];
  for await (const entry of client.models.list()) names.push(entry.id);
  assert.ok(names.includes(model));
  assert.equal((await client.models.retrieve(model)).id, model);
});

test("headers carry what support asks for", async () => {
  const { data, response, request_id } = await client.chat.completions
    .create({ model, messages, max_tokens: 4 })
    .withResponse();
  assert.equal(data.model, model);
  assert.ok(request_id);
  assert.equal(request_id, response.headers.get("x-request-id"));
  assert.ok(response.headers.get("x-tidegate-decision"));
  assert.ok(Number(response.headers.get("openai-processing-ms")) > 0);
});

const refusals = [
  ["a wrong key", OpenAI.AuthenticationError, 401, "invalid_api_key", () =>
    new OpenAI({ baseURL, apiKey: "not-a-key-of-this-gateway", maxRetries: 0 }).chat.completions.create({ model, messages })],
  ["an unknown model", OpenAI.NotFoundError, 404, "model_not_found", () =>
    client.chat.completions.create({ model: "gpt-4o", messages })],
  ["an unknown model in a stream", OpenAI.NotFoundError, 404, "model_not_found", () =>
    client.chat.completions.create({ model: "gpt-4o", messages, stream: true })],
  ["an unknown model's entry", OpenAI.NotFoundError, 404, "model_not_found", () => client.models.retrieve("gpt-4o")],
  ["an unknown path", OpenAI.NotFoundError, 404, "unknown_url", () => client.files.list()],
  ["messages that are none", OpenAI.BadRequestError, 400, undefined, () =>
    client.chat.completions.create({ model, messages: "hello" })],
];

for (const [name, kind, status, code, call] of refusals) {
  test(`${name} is the client's own kind of error`, async () => {
    await assert.rejects(async () => await call(), (error) => {
      assert.ok(error instanceof kind, `${error.constructor.name} is not ${kind.name}`);
      assert.equal(error.status, status);
      assert.equal(error.type, "invalid_request_error");
      if (code !== undefined) assert.equal(error.code, code);
      assert.ok(error.requestID);
      return true;
    });
  });
}
