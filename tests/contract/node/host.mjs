// Runs the programs of one `with_*.mjs` file: a job as JSON on each line of standard input, its outcome on a
// line of standard output. The same as `programs/host.py`, which says what jobs and answers hold.

import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";

const STEPS = 5;

async function converse(program, job) {
  if (program.converse) return await program.converse(job);
  const history = program.start(job);
  const answers = [];
  for (const [number, words] of job.turns.entries()) {
    program.user(history, words, number ? { ...job, image: "", document: "" } : job);
    for (let step = 0; step < STEPS; step++) {
      const answer = await program.ask(history, job);
      answers.push(answer);
      if (!answer.calls.length) break;
      program.results(history, answer, job);
    }
  }
  return answers.map(({ whole, ...told }) => told);
}

/** What an error is to a program that catches it. */
function problem(error) {
  const headers = error.responseHeaders ?? error.headers;
  const status = error.status ?? error.statusCode;
  const kinds = [];
  for (let kind = error.constructor; kind?.name; kind = Object.getPrototypeOf(kind)) kinds.push(kind.name);
  return {
    kind: error.constructor.name === "Error" ? error.name : error.constructor.name,
    kinds,
    status: typeof status === "number" ? status : null,
    message: String(error.message),
    retry_after: (headers?.get ? headers.get("retry-after") : headers?.["retry-after"]) ?? null,
  };
}

function version(name) {
  const from = new URL(`node_modules/${name}/package.json`, import.meta.url);
  return JSON.parse(readFileSync(from, "utf8")).version;
}

const blank = {
  system: "", turns: [], tools: [], results: {}, choice: "", image: "", image_result: "", document: "",
  stop: [], max_tokens: 256, retries: 0, timeout_s: 20, texts: [],
};

const { PACKAGES, PROGRAMS } = await import(`./${process.argv[2]}.mjs`);
const say = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);
say({ versions: Object.fromEntries(PACKAGES.map((name) => [name, version(name)])) });
for await (const line of createInterface({ input: process.stdin })) {
  const heard = [];
  const job = { ...blank, ...JSON.parse(line), hear: (words) => words && heard.push(words) };
  let outcome;
  try {
    const program = new PROGRAMS[job.program](job);
    const told = job.action === "converse" ? await converse(program, job) : await program[job.action](job);
    outcome = { told };
  } catch (error) {
    outcome = { error: problem(error) };
  }
  say({ ...outcome, heard });
}
