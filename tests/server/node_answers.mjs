// The programs of answer_programs.py, for the Node SDK: node node_answers.mjs BASE_URL chat|responses
import { createRequire } from 'node:module';

const require = createRequire(`${process.env.NODE_PATH}/`);
const { OpenAI } = require('openai');

const [baseURL, program, given] = process.argv.slice(2);
const { WEATHER, FLAT, FORMAT } = JSON.parse(given);
const client = new OpenAI({ baseURL, apiKey: 'any' });
const HELLO = [{ role: 'user', content: 'Hello?' }];
const ASK = 'What is the current temperature in Oslo, in Celsius?';
const READ = 'In Oslo it is 17 degrees.';
const model = 'm';

async function collect(iterable, map) {
  const found = [];
  for await (const item of iterable) found.push(...map(item));
  return found;
}

async function chat() {
  const { completions } = client.chat;
  const whole = await completions.create({ model, messages: HELLO });
  const found = [whole.choices[0].message.content];
  const chunks = await completions.create({
    model, messages: HELLO, stream: true, stream_options: { include_usage: true },
  });
  found.push(await collect(chunks, (chunk) => [
    ...chunk.choices.map((c) => [c.index, c.delta.content ?? null, c.finish_reason]),
    ...(chunk.usage ? [chunk.usage.total_tokens] : []),
  ]));
  const stream = completions.stream({ model, messages: HELLO });
  found.push(await stream.finalContent());
  const parsed = await completions.parse({
    model, messages: [{ role: 'user', content: READ }], response_format: FORMAT,
  });
  found.push(JSON.parse(parsed.choices[0].message.content));
  const calls = [];
  const runner = completions.runTools({
    model,
    stream: true,
    messages: [{ role: 'user', content: ASK }],
    tools: [{ type: 'function', function: { ...WEATHER.function, function: () => '17 degrees' } }],
  });
  runner.on('functionToolCall', (call) => calls.push([call.name, call.arguments]));
  found.push(await runner.finalContent(), calls);
  return found;
}

async function responses() {
  const { responses } = client;
  const first = await responses.create({ model, input: 'Hello?' });
  const found = [first.status, first.output_text, first.usage.total_tokens];
  found.push(await collect(
    await responses.create({ model, input: 'Hello?', stream: true }), (event) => [event.type],
  ));
  let text = '';
  const stream = responses.stream({ model, input: 'Hello?' });
  stream.on('response.output_text.delta', (event) => { text += event.delta; });
  const final = await stream.finalResponse();
  found.push(text, final.output_text);
  const parsed = await responses.parse({
    model, input: READ, text: { format: { type: 'json_schema', ...FORMAT.json_schema } },
  });
  found.push(JSON.parse(parsed.output_text));
  const asked = await responses.create({ model, input: ASK, tools: [FLAT] });
  const [call] = asked.output;
  found.push([call.type, call.name, call.arguments]);
  const output = { type: 'function_call_output', call_id: call.call_id, output: '17 degrees' };
  const answer = await responses.create({
    model, input: [output], previous_response_id: asked.id, tools: [FLAT],
  });
  found.push(answer.output_text);
  const again = await responses.create({
    model, input: 'And now?', previous_response_id: first.id,
  });
  found.push(again.output_text, (await responses.retrieve(again.id)).output_text);
  const later = await responses.retrieve(first.id, { stream: true, starting_after: 3 });
  found.push(await collect(later, (event) => [[event.sequence_number, event.type]]));
  found.push(await collect(
    responses.inputItems.list(again.id), (item) => [item.content[0].text],
  ));
  await responses.delete(again.id);
  return found;
}

const found = await { chat, responses }[program]();
console.log(JSON.stringify(found));
