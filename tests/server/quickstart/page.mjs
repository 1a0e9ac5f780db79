// What the quickstart's page does, with Node's own reader: node page.mjs ADDRESS QUESTION ...
import { createRequire } from 'node:module';

const require = createRequire(`${process.env.NODE_PATH}/`);
const { AssistantStream } = require('openai/lib/AssistantStream');

const [address, ...questions] = process.argv.slice(2);
const post = (path, body) => fetch(`${address}${path}`, {
  method: 'POST', body: body && JSON.stringify(body),
});

async function follow(response, heard) {
  const stream = AssistantStream.fromReadableStream(response.body)
    .on('toolCallCreated', (call) => heard.push(call.type))
    .on('textDone', (text) => heard.push(text.value))
    .on('imageFileDone', () => heard.push('an image'));
  const run = await stream.finalRun();
  if (run.status !== 'requires_action') return heard;
  const outputs = run.required_action.submit_tool_outputs.tool_calls.map((call) => ({
    tool_call_id: call.id, output: `${JSON.parse(call.function.arguments).location}: sunny`,
  }));
  return follow(await post(
    `/api/assistants/threads/${run.thread_id}/actions`,
    { toolCallOutputs: outputs, runId: run.id },
  ), heard);
}

await post('/api/assistants');
const { threadId } = await (await post('/api/assistants/threads')).json();
const found = [];
for (const content of questions) {
  found.push(await follow(
    await post(`/api/assistants/threads/${threadId}/messages`, { content }), [],
  ));
}
console.log(JSON.stringify(found));
