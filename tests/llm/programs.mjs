// The programs of programs.py, for the Node SDK: node programs.mjs BASE_URL NAME GIVEN
import { createRequire } from 'node:module';

const require = createRequire(`${process.env.NODE_PATH}/`);
const { OpenAI } = require('openai');

const [baseURL, program, given] = process.argv.slice(2);
const { HELLO, EXACT, TOOL, FORMAT, SHOTS, ITEMS, LONG } = JSON.parse(given);
const client = new OpenAI({ baseURL, apiKey: 'any', timeout: 600_000 });
const { completions } = client.chat;
const model = 'm';
const COUNT = [{ role: 'user', content: 'Count to 300.' }];

async function failure(call) {
  try {
    await call();
  } catch (error) {
    return [error.constructor.name, error.status ?? null];
  }
  return ['no error'];
}

async function all(iterable) {
  const found = [];
  for await (const item of iterable) found.push(item);
  return found;
}

const programs = {
  async chat_text() {
    const ask = { model, messages: HELLO, max_tokens: 12, ...EXACT };
    const whole = (await completions.create(ask)).choices[0];
    const pieces = [];
    let tokens = null;
    const usage = { stream: true, stream_options: { include_usage: true } };
    for await (const chunk of await completions.create({ ...ask, ...usage })) {
      for (const choice of chunk.choices) {
        if (choice.delta.content) pieces.push(choice.delta.content);
      }
      tokens = chunk.usage?.completion_tokens ?? tokens;
    }
    const deltas = [];
    const stream = completions.stream(ask).on('content', (delta) => deltas.push(delta));
    await stream.done();
    return [whole.message.content, whole.finish_reason, pieces, tokens, deltas];
  },

  async chat_json() {
    const response_format = { type: 'json_schema', json_schema: FORMAT };
    const ask = { model, messages: HELLO, response_format, ...EXACT };
    const text = await completions.stream({ ...ask, max_tokens: 40 }).finalContent();
    const cut = (await completions.create({ ...ask, max_tokens: 3 })).choices[0];
    return [JSON.parse(text), cut.finish_reason];
  },

  async chat_tools() {
    const called = [];
    const get_weather = ({ city }) => `4 degrees in ${city}`;
    const tool = { ...TOOL.function, parse: JSON.parse, function: get_weather };
    const runner = completions.runTools(
      {
        model, stream: true, messages: SHOTS, max_tokens: 40, ...EXACT,
        tools: [{ type: 'function', function: tool }],
      },
      { maxChatCompletions: 2 },
    );
    runner.on('functionToolCall', (call) => called.push([call.name, call.arguments]));
    const last = await runner.finalContent();
    return [called[0], await runner.finalFunctionToolCallResult(), last];
  },

  async chat_abort() {
    const heard = [];
    const stream = completions.stream({ model, messages: COUNT, max_tokens: 300, ...EXACT });
    stream.on('content', (delta) => {
      heard.push(delta);
      if (heard.length === 3) stream.abort();
    });
    await stream.done().catch(() => {});
    const ask = { model, messages: HELLO, max_tokens: 3, ...EXACT };
    const after = (await completions.create(ask)).choices[0];
    return [heard.length, after.finish_reason];
  },

  async chat_overflow() {
    const ask = { model, messages: [{ role: 'user', content: LONG }] };
    return [
      await failure(() => completions.create(ask)),
      await failure(async () => all(await completions.create({ ...ask, stream: true }))),
    ];
  },

  async responses_text() {
    const ask = { model, input: 'Say hello to Ada.', max_output_tokens: 12, ...EXACT };
    const whole = await client.responses.create(ask);
    const events = await all(await client.responses.create({ ...ask, stream: true }));
    const deltas = events.filter((e) => e.type === 'response.output_text.delta');
    const kinds = [...new Set(events.map((event) => event.type))].sort();
    const { usage } = events.at(-1).response;
    return [whole.output_text, deltas.map((event) => event.delta), kinds, usage.output_tokens];
  },

  async responses_tools() {
    const ask = { model, input: ITEMS, max_output_tokens: 40, ...EXACT };
    const tools = [{ type: 'function', ...TOOL.function, strict: false }];
    const { output } = await client.responses.create({ ...ask, tools });
    const calls = output.filter((item) => item.type === 'function_call');
    const events = await all(await client.responses.create({ ...ask, tools, stream: true }));
    const pieces = events.filter((e) => e.type === 'response.function_call_arguments.delta');
    return [
      calls.map((call) => [call.name, call.arguments]),
      pieces.map((event) => event.delta).join(''),
    ];
  },

  async responses_overflow() {
    return [await failure(() => client.responses.create({ model, input: LONG }))];
  },

  async assistants() {
    const { assistants, threads } = client.beta;
    const assistant = await assistants.create({ model, temperature: 0, instructions: 'Be short.' });
    const thread = await threads.create();
    await threads.messages.create(thread.id, { role: 'user', content: 'Say hello to Ada.' });
    let text = '';
    const stream = threads.runs
      .stream(thread.id, { assistant_id: assistant.id, max_completion_tokens: 256 })
      .on('textDelta', (delta) => { text += delta.value; });
    const run = await stream.finalRun();
    return [run.status, text, run.usage.completion_tokens];
  },
};

console.log(JSON.stringify(await programs[program]()));
