// What the OpenAI Node SDK does with an Assistants event stream, in the format of golden/*.json.
//
//   node node_trace.mjs FILE.sse ...        one line of JSON per file
//   node node_trace.mjs --url http://.../v1 one line for one request to that base URL
//   node node_trace.mjs --batch             stdin: {"id", "body": base64, "cut": n?} per line;
//                                           stdout: {"id", "trace", "final", "state"} per line
//
// EMITTER_STREAM_NODE_MODULES names the node_modules directory that holds `openai`.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';

const modules = resolve(process.env.EMITTER_STREAM_NODE_MODULES ?? 'node_modules');
const { OpenAI } = createRequire(join(modules, 'noop.js'))('openai');

export const NAMES = [
  'connect', 'event', 'run', 'messageCreated', 'messageDelta', 'messageDone',
  'runStepCreated', 'runStepDelta', 'runStepDone', 'toolCallCreated', 'toolCallDelta',
  'toolCallDone', 'textCreated', 'textDelta', 'textDone', 'imageFileDone',
  'error', 'abort', 'end',
];

const isError = (value) => value instanceof Error;
const describeError = (error) => ({ error: error.constructor.name, message: String(error.message) });

// JSON has no undefined at the top level and no Infinity; both are spelled out.
const replacer = (_key, value) =>
  typeof value === 'number' && !Number.isFinite(value) ? { __number__: String(value) } : value;

const copy = (value) => {
  if (value === undefined) return { __undefined__: true };
  if (isError(value)) return describeError(value);
  return structuredClone(value);
};

const settle = (promise) => promise.then(copy, describeError);

function bodyOf(bytes, cut) {
  if (!cut) return bytes;
  let at = 0;
  return new ReadableStream({
    pull(controller) {
      if (at >= bytes.length) return controller.close();
      controller.enqueue(bytes.subarray(at, (at += cut)));
    },
  });
}

async function trace(client) {
  const calls = [];
  const stream = client.beta.threads.runs.stream('thread_1', { assistant_id: 'asst_1' });
  for (const name of NAMES) {
    stream.on(name, (...args) => calls.push([name, ...args.map(copy)]));
  }
  const [run, messages, runSteps] = await Promise.all([
    settle(stream.finalRun()),
    settle(stream.finalMessages()),
    settle(stream.finalRunSteps()),
  ]);
  const { ended, errored, aborted } = stream;
  return {
    trace: calls,
    final: { run, messages, run_steps: runSteps },
    state: { ended, errored, aborted },
  };
}

const options = { apiKey: 'sk-test', maxRetries: 0, logLevel: 'off' };

function traceBytes(bytes, cut) {
  const fetch = async () =>
    new Response(bodyOf(bytes, cut), { headers: { 'content-type': 'text/event-stream' } });
  return trace(new OpenAI({ ...options, baseURL: 'http://127.0.0.1:9/v1', fetch }));
}

const print = (object) => process.stdout.write(`${JSON.stringify(object, replacer)}\n`);

const args = process.argv.slice(2);
if (args[0] === '--batch') {
  for await (const line of createInterface({ input: process.stdin })) {
    if (!line) continue;
    const { id, body, cut } = JSON.parse(line);
    print({ id, ...(await traceBytes(Buffer.from(body, 'base64'), cut)) });
  }
} else if (args[0] === '--url') {
  print(await trace(new OpenAI({ ...options, baseURL: args[1] })));
} else {
  for (const file of args) print(await traceBytes(readFileSync(file)));
}
