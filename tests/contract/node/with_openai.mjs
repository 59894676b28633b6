// Programs with the official OpenAI SDK: Chat Completions and Responses.

import OpenAI from "openai";

import { bridge, found, pdf, png } from "./shared.mjs";

export const PACKAGES = ["openai"];

class Common {
  constructor(job) {
    this.client = new OpenAI({
      baseURL: `${job.url}/v1`,
      apiKey: job.token,
      maxRetries: job.retries,
      timeout: job.timeout_s * 1000,
    });
  }

  async models(job) {
    const listed = [];
    for await (const { id } of this.client.models.list()) listed.push(id);
    return { listed, found: (await this.client.models.retrieve(job.model)).id };
  }

  async embed(job) {
    const { data, usage } = await this.client.embeddings.create({ model: job.model, input: job.texts });
    return { vectors: data.map(({ embedding }) => embedding), input: usage.prompt_tokens };
  }

  at_once(job) {
    const one = async () => {
      const history = this.start({ ...job, system: "" });
      this.user(history, job.turns[0], job);
      return (await this.ask(history, { ...job, stream: true })).text;
    };
    return Promise.all(Array.from({ length: job.at_once }, one));
  }
}

class Chat extends Common {
  start(job) {
    return job.system ? [{ role: "system", content: job.system }] : [];
  }

  user(history, words, job) {
    let content = words;
    if (job.image || job.document) content = [{ type: "text", text: words }];
    if (job.image) content.push({ type: "image_url", image_url: { url: png(job.image) } });
    if (job.document) {
      content.push({ type: "file", file: { filename: "bridge.pdf", file_data: pdf(job.document) } });
    }
    history.push({ role: "user", content });
  }

  async ask(history, job) {
    const asked = { model: job.model, messages: history, max_completion_tokens: job.max_tokens };
    if (job.malformed) asked.max_completion_tokens = "many";
    if (job.tools.length) {
      asked.tools = job.tools.map(({ name, description, schema }) => ({
        type: "function",
        function: { name, description, parameters: schema },
      }));
    }
    if (job.choice) {
      const named = { type: "function", function: { name: job.choice } };
      asked.tool_choice = ["required", "none"].includes(job.choice) ? job.choice : named;
    }
    if (job.stop.length) asked.stop = job.stop;
    if (job.temperature != null) asked.temperature = job.temperature;
    if (job.think) Object.assign(asked, { reasoning_effort: "high", max_completion_tokens: 2048 });
    if (job.structured) {
      const json_schema = { name: "bridge", schema: bridge, strict: true };
      asked.response_format = { type: "json_schema", json_schema };
    }
    let whole;
    const thoughts = []; // the helper keeps only the last piece of a field it does not know
    if (job.stream) {
      const stream = this.client.chat.completions.stream({ ...asked, stream_options: { include_usage: true } });
      for await (const { choices } of stream) {
        job.hear(choices[0]?.delta.content ?? "");
        thoughts.push(choices[0]?.delta.reasoning_content ?? "");
      }
      whole = await stream.finalChatCompletion();
    } else {
      whole = await this.client.chat.completions[job.structured ? "parse" : "create"](asked);
      job.hear(whole.choices[0].message.content ?? "");
      thoughts.push(whole.choices[0].message.reasoning_content ?? "");
    }
    const [{ message, finish_reason }] = whole.choices;
    const { usage } = whole;
    history.push(message);
    return {
      text: message.content ?? "",
      thought: thoughts.join(""),
      finish: finish_reason,
      usage: {
        input: usage.prompt_tokens,
        cached: usage.prompt_tokens_details.cached_tokens,
        output: usage.completion_tokens,
        reasoning: usage.completion_tokens_details.reasoning_tokens,
      },
      model: whole.model,
      calls: (message.tool_calls ?? []).map((call) => [call.function.name, JSON.parse(call.function.arguments)]),
      parsed: job.structured ? JSON.parse(message.content) : null,
      whole: message.tool_calls,
    };
  }

  results(history, { whole, calls }, job) {
    whole.forEach(({ id }, n) =>
      history.push({ role: "tool", tool_call_id: id, content: found(job, calls[n][1]) }),
    );
  }
}

class Responses extends Common {
  start() {
    return [];
  }

  user(history, words, job) {
    let content = words;
    if (job.image || job.document) content = [{ type: "input_text", text: words }];
    if (job.image) content.push({ type: "input_image", image_url: png(job.image), detail: "auto" });
    if (job.document) {
      content.push({ type: "input_file", filename: "bridge.pdf", file_data: pdf(job.document) });
    }
    history.push({ role: "user", content });
  }

  async ask(history, job) {
    const asked = { model: job.model, input: history, max_output_tokens: job.max_tokens, store: false };
    if (job.malformed) asked.max_output_tokens = "many";
    if (job.system) asked.instructions = job.system;
    if (job.tools.length) {
      asked.tools = job.tools.map(({ name, description, schema }) => ({
        type: "function",
        name,
        description,
        parameters: schema,
        strict: false,
      }));
    }
    if (job.choice) {
      const named = { type: "function", name: job.choice };
      asked.tool_choice = ["required", "none"].includes(job.choice) ? job.choice : named;
    }
    if (job.temperature != null) asked.temperature = job.temperature;
    if (job.think) {
      asked.reasoning = { effort: "high", summary: "auto" };
      asked.max_output_tokens = 2048;
      asked.include = ["reasoning.encrypted_content"];
    }
    if (job.structured) {
      asked.text = { format: { type: "json_schema", name: "bridge", schema: bridge, strict: true } };
    }
    let whole;
    if (job.stream) {
      const stream = this.client.responses.stream(asked);
      for await (const event of stream) {
        if (event.type === "response.output_text.delta") job.hear(event.delta);
      }
      whole = await stream.finalResponse();
    } else {
      whole = await this.client.responses[job.structured ? "parse" : "create"](asked);
      job.hear(whole.output_text);
    }
    const { usage, output } = whole;
    history.push(...output);
    const parts = output.filter((item) => item.type === "message").flatMap((item) => item.content);
    const calls = output.filter((item) => item.type === "function_call");
    return {
      text: parts.map((part) => part.text ?? part.refusal).join(""),
      thought: output
        .filter((item) => item.type === "reasoning")
        .flatMap((item) => item.summary.map(({ text }) => text))
        .join(""),
      finish: whole.incomplete_details?.reason ?? whole.status,
      usage: {
        input: usage.input_tokens,
        cached: usage.input_tokens_details.cached_tokens,
        output: usage.output_tokens,
        reasoning: usage.output_tokens_details.reasoning_tokens,
      },
      model: whole.model,
      calls: calls.map((call) => [call.name, JSON.parse(call.arguments)]),
      parsed: job.structured ? JSON.parse(whole.output_text) : null,
      whole: calls,
    };
  }

  results(history, { whole, calls }, job) {
    whole.forEach(({ call_id }, n) => {
      let output = found(job, calls[n][1]);
      if (job.image_result) {
        const picture = { type: "input_image", image_url: png(job.image_result), detail: "auto" };
        output = [{ type: "input_text", text: output }, picture];
      }
      history.push({ type: "function_call_output", call_id, output });
    });
  }
}

export const PROGRAMS = { "node openai chat": Chat, "node openai responses": Responses };
