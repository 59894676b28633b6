// Programs with Vercel's AI SDK on its providers for OpenAI (both dialects), any OpenAI-compatible address,
// Anthropic and Google. It answers the calls of tools itself.

import { createAnthropic } from "@ai-sdk/anthropic";
import { createGoogleGenerativeAI } from "@ai-sdk/google";
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { embedMany, generateText, isStepCount, jsonSchema, Output, streamText, tool } from "ai";

import { bridge, found } from "./shared.mjs";

export const PACKAGES = [
  "ai",
  "@ai-sdk/openai",
  "@ai-sdk/openai-compatible",
  "@ai-sdk/anthropic",
  "@ai-sdk/google",
];

globalThis.AI_SDK_LOG_WARNINGS = false;

class Common {
  constructor(job) {
    this.made = this.provider({ apiKey: job.token, baseURL: `${job.url}/v1` }, job);
  }

  model(job) {
    return this.made(job.model);
  }

  /** What asks for thinking. */
  thinking() {
    return {};
  }

  asked(job, messages) {
    const asked = { model: this.model(job), messages, maxRetries: job.retries, maxOutputTokens: job.max_tokens };
    asked.abortSignal = AbortSignal.timeout(job.timeout_s * 1000);
    if (job.system) asked.system = job.system;
    if (job.stop.length) asked.stopSequences = job.stop;
    if (job.temperature != null) asked.temperature = job.temperature;
    if (job.think) Object.assign(asked, { providerOptions: this.thinking(), maxOutputTokens: 2048 });
    if (job.structured) asked.output = Output.object({ schema: jsonSchema(bridge), name: "bridge" });
    if (job.tools.length) {
      const execute = async (args) => {
        if (job.failing) throw new Error(found(job, args));
        return found(job, args);
      };
      const toModelOutput = ({ output }) => ({
        type: "content",
        value: [
          { type: "text", text: output },
          { type: "file", data: { type: "data", data: job.image_result }, mediaType: "image/png" },
        ],
      });
      const more = job.image_result ? { toModelOutput } : {};
      asked.tools = Object.fromEntries(
        job.tools.map(({ name, description, schema }) => [
          name,
          tool({ description, inputSchema: jsonSchema(schema), execute, ...more }),
        ]),
      );
      asked.stopWhen = isStepCount(job.choice ? 1 : 5);
    }
    if (job.choice) {
      const named = { type: "tool", toolName: job.choice };
      asked.toolChoice = ["required", "none"].includes(job.choice) ? job.choice : named;
    }
    return asked;
  }

  async converse(job) {
    const messages = [];
    const answers = [];
    for (const [number, words] of job.turns.entries()) {
      const content = [{ type: "text", text: words }];
      if (job.image && !number) content.push({ type: "file", data: job.image, mediaType: "image/png" });
      if (job.document && !number) {
        const file = { data: job.document, mediaType: "application/pdf", filename: "bridge.pdf" };
        content.push({ type: "file", ...file });
      }
      messages.push({ role: "user", content });
      const asked = this.asked(job, messages);
      let result;
      if (job.stream) {
        result = streamText({ ...asked, onError: () => {} });
        for await (const part of result.fullStream) {
          if (part.type === "text-delta") job.hear(part.text);
          if (part.type === "error") throw part.error;
        }
      } else {
        result = await generateText(asked);
        job.hear(result.text);
      }
      const steps = await result.steps;
      for (const step of steps) messages.push(...step.response.messages.slice(-2));
      answers.push(...steps.map(told));
      if (job.structured) answers.at(-1).parsed = await result.output;
    }
    return answers;
  }

  async embed(job) {
    const model = this.made.textEmbeddingModel(job.model);
    const { embeddings } = await embedMany({ model, values: job.texts, maxRetries: 0 });
    return { vectors: embeddings };
  }

  at_once(job) {
    const one = async () => (await this.converse({ ...job, stream: true }))[0].text;
    return Promise.all(Array.from({ length: job.at_once }, one));
  }
}

function told(step) {
  const { usage } = step;
  return {
    text: step.text,
    thought: step.reasoningText ?? "",
    finish: step.finishReason,
    usage: {
      input: usage.inputTokens,
      cached: usage.inputTokenDetails.cacheReadTokens,
      output: usage.outputTokens,
      reasoning: usage.outputTokenDetails.reasoningTokens,
    },
    model: step.response.modelId,
    calls: step.toolCalls.map(({ toolName, input }) => [toolName, input]),
  };
}

class Responses extends Common {
  provider(options) {
    return createOpenAI(options);
  }

  /** Where nothing is stored, the conversation is sent whole; its default refers to what was. */
  asked(job, messages) {
    const asked = super.asked(job, messages);
    asked.providerOptions ??= { openai: { store: false } };
    return asked;
  }

  thinking() {
    return {
      openai: {
        reasoningEffort: "high",
        reasoningSummary: "auto",
        store: false,
        include: ["reasoning.encrypted_content"],
        forceReasoning: true,
      },
    };
  }
}

/** As it comes: everything is stored, and later requests name items by their ids. */
class Stored extends Common {
  provider(options) {
    return createOpenAI(options);
  }

  thinking() {
    return { openai: { reasoningEffort: "high", reasoningSummary: "auto", forceReasoning: true } };
  }
}

class Chat extends Responses {
  model(job) {
    return this.made.chat(job.model);
  }

  thinking() {
    return { openai: { reasoningEffort: "high", forceReasoning: true } };
  }
}

class Compatible extends Common {
  provider(options) {
    return createOpenAICompatible({
      ...options,
      name: "passerelle",
      includeUsage: true,
      supportsStructuredOutputs: true,
    });
  }

  thinking() {
    return { passerelle: { reasoningEffort: "high" } };
  }
}

class Claude extends Common {
  provider(options) {
    return createAnthropic(options);
  }

  thinking() {
    return { anthropic: { thinking: { type: "enabled", budgetTokens: 1024 } } };
  }
}

class Google extends Common {
  provider(options, job) {
    return createGoogleGenerativeAI({ ...options, baseURL: `${job.url}/v1beta` });
  }

  thinking() {
    return { google: { thinkingConfig: { includeThoughts: true, thinkingBudget: 1024 } } };
  }
}

export const PROGRAMS = {
  "ai openai": Responses,
  "ai openai stored": Stored,
  "ai openai chat": Chat,
  "ai openai-compatible": Compatible,
  "ai anthropic": Claude,
  "ai google": Google,
};
