// What the Node SDK's chat streams call for each body: one JSON document a line in, one a line out.
//   in:  {"params": {...}, "body": "data: ..."}
//   out: {"trace": [[event, argument, ...], ...], "final": {...}, "state": {...}}
// Run with the folder that holds node_modules as the only argument.
import { createRequire } from 'node:module';
import readline from 'node:readline';

const require = createRequire(process.argv[2] + '/');
const OpenAI = require('openai').default ?? require('openai');

const EVENTS = `connect chunk content message chatCompletion content.delta content.done refusal.delta
  refusal.done tool_calls.function.arguments.delta tool_calls.function.arguments.done
  logprobs.content.delta logprobs.content.done logprobs.refusal.delta logprobs.refusal.done
  functionToolCall functionToolCallResult finalChatCompletion finalContent finalMessage
  finalFunctionToolCall finalFunctionToolCallResult totalUsage error abort end`.split(/\s+/);
const FINALS = `finalChatCompletion finalContent finalMessage finalFunctionToolCall
  finalFunctionToolCallResult totalUsage`.split(/\s+/);

const number = (key, value) =>
  typeof value === 'number' && !Number.isFinite(value) ? { __number__: String(value) } : value;
const copy = (value) => {
  if (value === undefined) return { __undefined__: true };
  if (value instanceof Error) return { error: value.constructor.name, message: value.message };
  return JSON.parse(JSON.stringify(value, number));
};

async function run({ params, body }) {
  const fetch = async () =>
    new Response(body, { status: 200, headers: { 'content-type': 'text/event-stream' } });
  const client = new OpenAI({ apiKey: 'x', maxRetries: 0, fetch, logLevel: 'off' });
  const trace = [];
  const stream = client.chat.completions.stream(params);
  for (const event of EVENTS) stream.on(event, (...args) => trace.push([event, ...args.map(copy)]));
  const final = {};
  for (const name of FINALS) {
    try {
      final[name] = copy(await stream[name]());
    } catch (error) {
      final[name] = copy(error);
    }
  }
  final.messages = copy(stream.messages);
  final.allChatCompletions = stream.allChatCompletions().length;
  const { ended, errored, aborted } = stream;
  return { trace, final, state: { ended, errored, aborted } };
}

console.error = () => {};
for await (const line of readline.createInterface({ input: process.stdin })) {
  process.stdout.write(JSON.stringify(await run(JSON.parse(line))) + '\n');
}
