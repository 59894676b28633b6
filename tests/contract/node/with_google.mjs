// Programs with the official Google GenAI SDK. Results of tools are sent by the function's name, without ids.

import { GoogleGenAI } from "@google/genai";

import { bridge, found } from "./shared.mjs";

export const PACKAGES = ["@google/genai"];

const partsOf = (chunk) => chunk.candidates?.[0]?.content?.parts ?? [];
const wordsOf = (parts) => parts.filter((p) => p.text && !p.thought).map((p) => p.text).join("");

class Models {
  constructor(job) {
    const httpOptions = { baseUrl: job.url, timeout: job.timeout_s * 1000 };
    if (job.retries) httpOptions.retryOptions = { attempts: job.retries + 1 };
    this.client = new GoogleGenAI({ apiKey: job.token, httpOptions });
  }

  start() {
    return [];
  }

  user(history, words, job) {
    const parts = [{ text: words }];
    if (job.image) parts.push({ inlineData: { mimeType: "image/png", data: job.image } });
    if (job.document) parts.push({ inlineData: { mimeType: "application/pdf", data: job.document } });
    history.push({ role: "user", parts });
  }

  async ask(history, job) {
    const config = { maxOutputTokens: job.max_tokens };
    if (job.malformed) config.httpOptions = { extraBody: { generationConfig: { maxOutputTokens: "many" } } };
    if (job.system) config.systemInstruction = job.system;
    if (job.tools.length) {
      const functionDeclarations = job.tools.map(({ name, description, schema }) => ({
        name,
        description,
        parametersJsonSchema: schema,
      }));
      config.tools = [{ functionDeclarations }];
    }
    if (job.choice) {
      const mode = job.choice === "none" ? "NONE" : "ANY";
      const names = ["required", "none"].includes(job.choice) ? {} : { allowedFunctionNames: [job.choice] };
      config.toolConfig = { functionCallingConfig: { mode, ...names } };
    }
    if (job.stop.length) config.stopSequences = job.stop;
    if (job.temperature != null) config.temperature = job.temperature;
    if (job.structured) Object.assign(config, { responseMimeType: "application/json", responseJsonSchema: bridge });
    if (job.think) {
      Object.assign(config, {
        maxOutputTokens: 2048,
        thinkingConfig: { includeThoughts: true, thinkingBudget: 1024 },
      });
    }
    const asked = { model: job.model, contents: history, config };
    const chunks = [];
    if (job.stream) {
      for await (const chunk of await this.client.models.generateContentStream(asked)) {
        chunks.push(chunk);
        job.hear(wordsOf(partsOf(chunk)));
      }
    } else {
      chunks.push(await this.client.models.generateContent(asked));
      job.hear(wordsOf(partsOf(chunks[0])));
    }
    const parts = chunks.flatMap(partsOf);
    history.push({ role: "model", parts });
    const usage = chunks.at(-1).usageMetadata;
    const calls = parts.filter((p) => p.functionCall).map((p) => p.functionCall);
    const text = wordsOf(parts);
    return {
      text,
      thought: parts.filter((p) => p.text && p.thought).map((p) => p.text).join(""),
      finish: chunks.map((chunk) => chunk.candidates?.[0]?.finishReason).filter(Boolean).join(" "),
      usage: {
        input: usage.promptTokenCount,
        cached: usage.cachedContentTokenCount,
        output: usage.candidatesTokenCount,
        reasoning: usage.thoughtsTokenCount,
      },
      model: [...new Set(chunks.map((chunk) => chunk.modelVersion))].join(" "),
      calls: calls.map(({ name, args }) => [name, args ?? {}]),
      parsed: job.structured ? JSON.parse(text) : null,
      whole: calls,
    };
  }

  results(history, { whole }, job) {
    const parts = whole.map(({ name, args }) => {
      const response = { [job.failing ? "error" : "result"]: found(job, args) };
      const media = job.image_result && {
        parts: [{ inlineData: { mimeType: "image/png", data: job.image_result } }],
      };
      return { functionResponse: { name, response, ...media } };
    });
    history.push({ role: "user", parts });
  }

  async models(job) {
    const listed = [];
    for await (const { name } of await this.client.models.list()) listed.push(name.replace("models/", ""));
    return { listed, found: (await this.client.models.get({ model: job.model })).name.replace("models/", "") };
  }

  async count(job) {
    return (await this.client.models.countTokens({ model: job.model, contents: job.texts })).totalTokens;
  }

  async embed(job) {
    const { embeddings } = await this.client.models.embedContent({ model: job.model, contents: job.texts });
    return { vectors: embeddings.map(({ values }) => values) };
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

export const PROGRAMS = { "node google models": Models };
