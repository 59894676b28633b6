// The official Node SDKs, unmodified, driven by tests/contract/contract_node.py: one job as JSON on each line
// of standard input, its outcome as JSON on a line of standard output.

import { createInterface } from "node:readline";

import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";

/** What an SDK needs to reach the gateway. The `fetch` only remembers the headers of the last answer. */
function connection(job) {
  const seen = {};
  const options = {
    maxRetries: 0,
    apiKey: job.token,
    fetch: async (...args) => {
      const response = await fetch(...args);
      seen.headers = Object.fromEntries(response.headers);
      return response;
    },
  };
  return { seen, options };
}

const openai = (job, options) => new OpenAI({ ...options, baseURL: `${job.url}/v1` });
const anthropic = (job, options) => new Anthropic({ ...options, baseURL: job.url });

class Unfinished extends Error {}

// Each speaker has a first turn, what to send after it, what it was told in the words all SDKs share,
// and the shortest question.

const chat = {
  client: openai,
  start: (job) => [
    { role: "system", content: job.system },
    { role: "user", content: job.question },
  ],
  async ask(client, job, messages) {
    const asked = { model: job.model, messages, max_completion_tokens: job.maxTokens };
    if (job.tools) {
      const { name, description, schema } = job.tool;
      asked.tools = [{ type: "function", function: { name, description, parameters: schema } }];
    }
    if (!job.stream) {
      const whole = await client.chat.completions.create(asked);
      return { whole, models: [whole.model] };
    }
    const stream = client.chat.completions.stream({ ...asked, stream_options: { include_usage: true } });
    const models = [];
    const thoughts = []; // the helper keeps only the last piece of a field it does not know
    for await (const { model, choices } of stream) {
      models.push(model);
      thoughts.push(choices[0]?.delta.reasoning_content ?? "");
    }
    return { whole: await stream.finalChatCompletion(), models, thought: thoughts.join("") };
  },
  results: (whole, job) => [
    whole.choices[0].message,
    ...whole.choices[0].message.tool_calls.map((call) => ({
      role: "tool",
      tool_call_id: call.id,
      content: job.weather[JSON.parse(call.function.arguments).city],
    })),
  ],
  async hear(client, job, hear) {
    const asked = { model: job.model, messages: [{ role: "user", content: job.question }] };
    if (job.malformed) asked.max_completion_tokens = "many";
    if (!job.stream) return hear((await client.chat.completions.create(asked)).choices[0].message.content);
    for await (const { choices } of await client.chat.completions.create({ ...asked, stream: true })) {
      hear(choices[0]?.delta.content ?? "");
    }
  },
  said: ({ choices: [{ message, finish_reason }], usage }) => ({
    text: message.content ?? "",
    thought: message.reasoning_content ?? "",
    finish: finish_reason,
    usage: {
      prompt_tokens: usage.prompt_tokens,
      completion_tokens: usage.completion_tokens,
      total_tokens: usage.total_tokens,
      cached_tokens: usage.prompt_tokens_details.cached_tokens,
      reasoning_tokens: usage.completion_tokens_details.reasoning_tokens,
    },
    calls: (message.tool_calls ?? []).map((call) => [
      call.function.name,
      JSON.parse(call.function.arguments),
    ]),
  }),
};

const responses = {
  client: openai,
  start: (job) => [{ role: "user", content: job.question }],
  async ask(client, job, input) {
    const asked = { model: job.model, instructions: job.system, input, max_output_tokens: job.maxTokens };
    asked.include = ["reasoning.encrypted_content"];
    if (job.tools) {
      const { name, description, schema } = job.tool;
      asked.tools = [{ type: "function", name, description, parameters: schema, strict: false }];
    }
    if (!job.stream) {
      const whole = await client.responses.create(asked);
      return { whole, models: [whole.model] };
    }
    const stream = client.responses.stream(asked);
    const models = [];
    for await (const event of stream) if (event.response) models.push(event.response.model);
    return { whole: await stream.finalResponse(), models };
  },
  results: (whole, job) => [
    ...whole.output,
    ...whole.output
      .filter((item) => item.type === "function_call")
      .map((item) => ({
        type: "function_call_output",
        call_id: item.call_id,
        output: job.weather[JSON.parse(item.arguments).city],
      })),
  ],
  async hear(client, job, hear) {
    const asked = { model: job.model, input: job.question };
    if (job.malformed) asked.max_output_tokens = "many";
    if (!job.stream) return hear((await client.responses.create(asked)).output_text);
    const stream = client.responses.stream(asked);
    for await (const event of stream) if (event.type === "response.output_text.delta") hear(event.delta);
    const { status, error } = await stream.finalResponse();
    // This helper resolves whatever the response's status is, so a program has to look at it.
    if (status !== "completed") throw new Unfinished(`${status}: ${error?.message}`);
  },
  said: ({ output, output_text, status, usage }) => ({
    text: output_text ?? "",
    thought: output
      .filter((item) => item.type === "reasoning")
      .map((item) => item.summary.map((part) => part.text).join(""))
      .join(""),
    finish: status,
    usage: {
      input_tokens: usage.input_tokens,
      output_tokens: usage.output_tokens,
      total_tokens: usage.total_tokens,
      cached_tokens: usage.input_tokens_details.cached_tokens,
      reasoning_tokens: usage.output_tokens_details.reasoning_tokens,
    },
    calls: output
      .filter((item) => item.type === "function_call")
      .map((item) => [item.name, JSON.parse(item.arguments)]),
  }),
};

const messages = {
  client: anthropic,
  start: (job) => [{ role: "user", content: job.question }],
  async ask(client, job, turns) {
    const asked = { model: job.model, system: job.system, messages: turns, max_tokens: job.maxTokens };
    if (job.tools) {
      const { name, description, schema } = job.tool;
      asked.tools = [{ name, description, input_schema: schema }];
    }
    if (!job.stream) {
      const whole = await client.messages.create(asked);
      return { whole, models: [whole.model] };
    }
    const stream = client.messages.stream(asked);
    const models = [];
    for await (const event of stream) if (event.message) models.push(event.message.model);
    return { whole: await stream.finalMessage(), models };
  },
  results: (whole, job) => [
    { role: "assistant", content: whole.content },
    {
      role: "user",
      content: whole.content
        .filter((block) => block.type === "tool_use")
        .map(({ id, input }) => ({ type: "tool_result", tool_use_id: id, content: job.weather[input.city] })),
    },
  ],
  async hear(client, job, hear) {
    const messages = [{ role: "user", content: job.question }];
    const asked = { model: job.model, messages, max_tokens: job.malformed ? "many" : 64 };
    if (!job.stream) return hear((await client.messages.create(asked)).content.map((b) => b.text).join(""));
    const stream = client.messages.stream(asked);
    for await (const event of stream) if (event.delta?.type === "text_delta") hear(event.delta.text);
    await stream.finalMessage();
  },
  said: ({ content, stop_reason, usage }) => ({
    text: content.filter((block) => block.type === "text").map((block) => block.text).join(""),
    thought: content.filter((b) => b.type === "thinking").map((b) => b.thinking).join(""),
    finish: stop_reason,
    usage: {
      input_tokens: usage.input_tokens,
      cache_read_input_tokens: usage.cache_read_input_tokens,
      cache_creation_input_tokens: usage.cache_creation_input_tokens,
      output_tokens: usage.output_tokens,
      thinking_tokens: usage.output_tokens_details?.thinking_tokens ?? 0,
    },
    calls: content.filter((block) => block.type === "tool_use").map(({ name, input }) => [name, input]),
  }),
};

const speakers = { openai_chat: chat, openai_responses: responses, anthropic: messages };

async function converse(job) {
  const speaker = speakers[job.dialect];
  const { seen, options } = connection(job);
  const client = speaker.client(job, options);
  const conversation = speaker.start(job);
  const told = [];
  for (let turn = 0; turn < (job.tools ? 2 : 1); turn++) {
    const { whole, models, ...more } = await speaker.ask(client, job, conversation);
    const raw = JSON.stringify([seen.headers, whole]);
    told.push({ ...speaker.said(whole), ...more, models: [...new Set(models)], headers: seen.headers, raw });
    if (job.tools && turn === 0) conversation.push(...speaker.results(whole, job));
  }
  return told;
}

/** The words of an answer, and how its asker was stopped, if it was. */
async function ask(job) {
  const speaker = speakers[job.dialect];
  const heard = [];
  try {
    await speaker.hear(speaker.client(job, connection(job).options), job, (words) => heard.push(words));
  } catch (error) {
    return { heard: heard.join(""), error: problem(error) };
  }
  return { heard: heard.join("") };
}

/** What an SDK's error is to a program that catches it. */
function problem(error) {
  return {
    kind: error.constructor.name,
    status: error.status ?? null,
    message: String(error.message),
    retry_after: error.headers?.get("retry-after") ?? null,
  };
}

const actions = { converse, ask };

for await (const line of createInterface({ input: process.stdin })) {
  const job = JSON.parse(line);
  let outcome;
  try {
    outcome = { told: await actions[job.action](job) };
  } catch (error) {
    outcome = { error: problem(error) };
  }
  process.stdout.write(`${JSON.stringify(outcome)}\n`);
}
