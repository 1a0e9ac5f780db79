// Reads [names, streams] as JSON from stdin; writes what Node's ResponseStream makes of each stream.
const { ResponseStream } = await import(`file://${process.argv[2]}/openai/lib/responses/ResponseStream.mjs`);

const plain = (value) => (value instanceof Error ? { error: value.message } : JSON.parse(JSON.stringify(value)));
let input = '';
for await (const chunk of process.stdin) input += chunk;
const [names, streams] = JSON.parse(input);
const results = [];
for (const events of streams) {
  const lines = events.map((event) => `${JSON.stringify(event)}\n`);
  const body = new ReadableStream({
    start(controller) {
      for (const line of lines) controller.enqueue(new TextEncoder().encode(line));
      controller.close();
    },
  });
  const trace = [];
  const stream = ResponseStream.fromReadableStream(body);
  for (const name of names) stream.on(name, (...args) => trace.push([name, ...args.map(plain)]));
  const final = await stream.finalResponse().then(plain, plain);
  results.push({ trace, final });
}
process.stdout.write(JSON.stringify(results));
