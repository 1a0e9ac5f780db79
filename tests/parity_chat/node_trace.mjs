// What the Node SDK's chat streams call for each body: one JSON document a line in, one a line out.
//   in:  {"params": {...}, "body": "data: ..."}, or a run of tools:
//        {"helper": "runTools", "params": {..., "stream": true or not, "tools": [{..., "$fn", "$parse"}]},
//         "options": {"maxChatCompletions", "afterCompletion"}, "answers": ["data: ...", ...]}
//   out: {"trace": [[event, argument, ...], ...], "final": {...}, "state": {...}, "requests": [...]}
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

const PARSERS = {
  bad_args: (text) => {
    try {
      return JSON.parse(text);
    } catch {
      throw new Error(`bad arguments: ${text}`);
    }
  },
  throw: () => { throw new Error('parser failed'); },
};

// A tool of a run, with its function as README.md says.
function runnable({ $fn: spec, $parse: parse, ...tool }, trace) {
  if (!spec) return tool;
  const call = async (given, runner, context) => {
    const more = context === undefined ? [] : [copy(context)];
    trace.push(['$fn', tool.function.name, copy(given), ...more]);
    if (spec.push) runner.messages.push(spec.push);
    if (spec.throws) throw new Error(spec.throws);
    return spec.echo ? given : spec.returns;
  };
  const parsed = parse ? { parse: PARSERS[parse] } : {};
  return { ...tool, function: { ...tool.function, function: call, ...parsed } };
}

function afterCompletion(actions, trace) {
  return (completion, runner) => {
    const [choice] = completion.choices;
    trace.push(['$afterCompletion', choice ? choice.finish_reason : null, runner.messages.length]);
    const action = actions.shift() ?? {};
    if (action.push) runner.messages.push(action.push);
    if (action.throws) throw new Error(action.throws);
  };
}

async function run({ helper, params, options = {}, body, answers = [body] }) {
  const requests = [];
  const left = [...answers];
  const fetch = async (url, { body: sent }) => {
    requests.push(JSON.parse(sent));
    const answer = left.shift();
    const type = answer?.startsWith('{') ? 'application/json' : 'text/event-stream';
    if (answer === undefined) return new Response('{}', { status: 500 });
    return new Response(answer, { status: 200, headers: { 'content-type': type } });
  };
  const client = new OpenAI({ apiKey: 'x', maxRetries: 0, fetch, logLevel: 'off' });
  const trace = [];
  const { completions } = client.chat;
  let stream;
  if (helper === 'runTools') {
    const tools = params.tools.map((tool) => runnable(tool, trace));
    const after = options.afterCompletion
      ? { afterCompletion: afterCompletion(options.afterCompletion, trace) }
      : {};
    stream = completions.runTools({ ...params, tools }, { ...options, ...after });
  } else {
    stream = completions.stream(params);
  }
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
  return { trace, final, state: { ended, errored, aborted }, requests };
}

console.error = () => {};
for await (const line of readline.createInterface({ input: process.stdin })) {
  process.stdout.write(JSON.stringify(await run(JSON.parse(line))) + '\n');
}
