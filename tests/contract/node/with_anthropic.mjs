// Programs with the official Anthropic SDK.

import Anthropic from "@anthropic-ai/sdk";

import { bridge, found } from "./shared.mjs";

export const PACKAGES = ["@anthropic-ai/sdk"];

class Messages {
  constructor(job) {
    this.client = new Anthropic({
      baseURL: job.url,
      apiKey: job.token,
      maxRetries: job.retries,
      timeout: job.timeout_s * 1000,
    });
  }

  start() {
    return [];
  }

  user(history, words, job) {
    let content = words;
    if (job.image || job.document) content = [{ type: "text", text: words }];
    if (job.image) {
      content.unshift({ type: "image", source: { type: "base64", media_type: "image/png", data: job.image } });
    }
    if (job.document) {
      const source = { type: "base64", media_type: "application/pdf", data: job.document };
      content.unshift({ type: "document", source, title: "bridge.pdf" });
    }
    history.push({ role: "user", content });
  }

  async ask(history, job) {
    const asked = { model: job.model, messages: history, max_tokens: job.malformed ? "many" : job.max_tokens };
    if (job.system) asked.system = job.system;
    if (job.tools.length) {
      asked.tools = job.tools.map(({ name, description, schema }) => ({ name, description, input_schema: schema }));
    }
    if (job.choice) {
      asked.tool_choice = { required: { type: "any" }, none: { type: "none" } }[job.choice] ?? {
        type: "tool",
        name: job.choice,
      };
    }
    if (job.stop.length) asked.stop_sequences = job.stop;
    if (job.temperature != null) asked.temperature = job.temperature;
    if (job.structured) asked.output_config = { format: { type: "json_schema", schema: bridge } };
    if (job.think) Object.assign(asked, { thinking: { type: "enabled", budget_tokens: 1024 }, max_tokens: 2048 });
    let whole;
    if (job.stream) {
      const stream = this.client.messages.stream(asked);
      stream.on("text", job.hear);
      whole = await stream.finalMessage();
    } else {
      whole = await this.client.messages.create(asked);
    }
    const { content, usage } = whole;
    const text = content.filter((block) => block.type === "text").map((block) => block.text).join("");
    if (!job.stream) job.hear(text);
    history.push({ role: "assistant", content });
    const calls = content.filter((block) => block.type === "tool_use");
    return {
      text,
      thought: content.filter((b) => b.type === "thinking").map((b) => b.thinking).join(""),
      finish: whole.stop_reason,
      usage: {
        input: usage.input_tokens,
        cached: usage.cache_read_input_tokens,
        output: usage.output_tokens,
        reasoning: usage.output_tokens_details?.thinking_tokens,
      },
      model: whole.model,
      calls: calls.map(({ name, input }) => [name, input]),
      parsed: job.structured ? JSON.parse(text) : null,
      whole: calls,
    };
  }

  results(history, { whole }, job) {
    const content = whole.map(({ id, input }) => {
      let content = found(job, input);
      if (job.image_result) {
        const source = { type: "base64", media_type: "image/png", data: job.image_result };
        content = [{ type: "text", text: content }, { type: "image", source }];
      }
      const result = { type: "tool_result", tool_use_id: id, content };
      return job.failing ? { ...result, is_error: true } : result;
    });
    history.push({ role: "user", content });
  }

  async models(job) {
    const listed = [];
    for await (const { id } of this.client.models.list({ limit: 1000 })) listed.push(id);
    return { listed, found: (await this.client.models.retrieve(job.model)).id };
  }

  async count(job) {
    const messages = [{ role: "user", content: job.texts[0] }];
    return (await this.client.messages.countTokens({ model: job.model, messages })).input_tokens;
  }

  at_once(job) {
    const one = async () => {
      const history = [];
      this.user(history, job.turns[0], job);
      return (await this.ask(history, { ...job, stream: true })).text;
    };
    return Promise.all(Array.from({ length: job.at_once }, one));
  }
}

export const PROGRAMS = { "node anthropic messages": Messages };
