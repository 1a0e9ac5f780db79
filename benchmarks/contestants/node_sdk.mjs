// The official Node SDK: .on('textDelta'). Arguments: the node_modules folder, the job as JSON.

import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

const job = { kind: 'text', streams: 1, listeners: 1, reads: 'nothing', paced: false, timed: false, ...JSON.parse(process.argv[3]) };
const { default: OpenAI } = await import(pathToFileURL(`${process.argv[2]}/openai/index.mjs`));

const late = [];
let count = 0;
let began;

const cpu = () => {
  const { user, system } = process.cpuUsage();
  return user + system;
};
const statusKb = (name) => Number(readFileSync('/proc/self/status', 'utf8').match(new RegExp(`${name}:\\s+(\\d+)`))[1]);

const textListeners = {
  nothing: () => { count += 1; },
  delta: (delta) => { count += 1; delta.value.length; },
  snapshot: (_, snapshot) => { count += 1; snapshot.value.length; },
};
const sleeper = new Int32Array(new SharedArrayBuffer(4));
const pacedListener = (delta) => {
  if (count === 0) began = cpu();
  count += 1;
  if (job.timed) late.push(Number(process.hrtime.bigint()) - Number(delta.value));
  if (job.listener === 'slow' && count % 20 === 0) Atomics.wait(sleeper, 0, 0, 20); // of a listener no promise is waited for
  if (job.listener === 'computing') for (let n = 0, sum = 0; n < 60_000; n += 1) sum += n;
};

const client = new OpenAI({ apiKey: 'sk-none', baseURL: job.url });
const open = () => {
  const stream = client.beta.threads.runs.stream('thread_1', { assistant_id: 'asst_1' });
  if (job.kind === 'tools') stream.on('toolCallDelta', () => { count += 1; });
  else stream.on('textDelta', job.paced ? pacedListener : textListeners[job.reads]);
  if (job.listeners === 5) {
    let others = 0;
    for (const name of ['event', 'messageDelta', 'runStepDelta', 'toolCallDelta']) stream.on(name, () => { others += 1; });
  }
  return stream.done();
};

const started = (began = cpu());
await Promise.all(Array.from({ length: job.streams }, open));
const ended = cpu();

late.sort((a, b) => a - b);
const at = (share) => late[Math.floor(late.length * share)] / 1e6;
console.log(JSON.stringify({
  count,
  us: (ended - began) / Math.max(count, 1),
  setup_ms: (began - started) / 1000,
  peak_kb: statusKb('VmHWM'),
  ...(late.length ? { p50_ms: at(0.5), p99_ms: at(0.99) } : {}),
}));
