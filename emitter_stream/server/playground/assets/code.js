// The run as a program: what the page did, in Python with listeners and in Node. Strings only.

/**
 * `setup`: { baseURL, hasKey, assistantId, assistant (what to create one with), threadId,
 * message (what the user says), overrides (of the run), outputs (name -> text given by hand) }
 */
export function python(setup) {
  const functions = functionNames(setup);
  const client = setup.hasKey
    ? `client = OpenAI(base_url=${py(setup.baseURL)})  # its key: OPENAI_API_KEY in the environment`
    : `client = OpenAI(base_url=${py(setup.baseURL)}, api_key="any")`;
  const assistant = setup.assistantId
    ? `assistant_id = ${py(setup.assistantId)}`
    : `assistant = ${pyCall('client.beta.assistants.create', [], setup.assistant)}\nassistant_id = assistant.id`;
  const thread = setup.threadId
    ? `thread_id = ${py(setup.threadId)}\n${pyCall('client.beta.threads.messages.create', ['thread_id'], { role: 'user', content: setup.message })}`
    : `thread = ${pyCall('client.beta.threads.create', [], { messages: [{ role: 'user', content: setup.message }] })}\nthread_id = thread.id`;
  const imports = functions.length ? 'import json\n\nfrom emitter_stream import OpenAI' : 'from emitter_stream import OpenAI';
  const listen = `

def on_tool_call_delta(delta, snapshot):
    if delta.type == "code_interpreter" and delta.code_interpreter:
        if delta.code_interpreter.input:
            print(delta.code_interpreter.input, end="", flush=True)
        for output in delta.code_interpreter.outputs or ():
            if output.type == "logs":
                print(f"\\noutput > {output.logs}", end="", flush=True)


def listen(stream):
    return (
        stream.on("textCreated", lambda text: print("\\nassistant > ", end="", flush=True))
        .on("textDelta", lambda delta, snapshot: print(delta.value, end="", flush=True))
        .on("toolCallCreated", lambda call: print(f"\\nassistant > {call.type}", flush=True))
        .on("toolCallDelta", on_tool_call_delta)
    )
`;
  const call = functions.length
    ? `

def call_function(name, arguments):
    """Put your functions here."""
    return ${py(pick(setup.outputs, functions))}.get(name, "")
`
    : '';
  const loop = functions.length
    ? `
while run.required_action:
    outputs = []
    for call in run.required_action.submit_tool_outputs.tool_calls:
        output = call_function(call.function.name, json.loads(call.function.arguments))
        print(f"\\n{call.function.name}({call.function.arguments}) -> {output}")
        outputs.append({"tool_call_id": call.id, "output": output})
    stream = client.beta.threads.runs.submit_tool_outputs_stream(
        run.id, thread_id=thread_id, tool_outputs=outputs
    )
    run = listen(stream).final_run()`
    : '';
  return `${imports}
${call}${listen}

${client}
${assistant}
${thread}

stream = ${pyCall('client.beta.threads.runs.stream', ['thread_id', 'assistant_id=assistant_id'], setup.overrides)}
run = listen(stream).final_run()${loop}
print(f"\\n\\n{run.status}")
`;
}

export function node(setup) {
  const functions = functionNames(setup);
  const client = setup.hasKey
    ? `const openai = new OpenAI({ baseURL: ${js(setup.baseURL)} }); // its key: OPENAI_API_KEY in the environment`
    : `const openai = new OpenAI({ baseURL: ${js(setup.baseURL)}, apiKey: 'any' });`;
  const assistant = setup.assistantId
    ? `const assistantId = ${js(setup.assistantId)};`
    : `const assistant = await openai.beta.assistants.create(${js(setup.assistant)});\nconst assistantId = assistant.id;`;
  const thread = setup.threadId
    ? `const threadId = ${js(setup.threadId)};\nawait openai.beta.threads.messages.create(threadId, ${js({ role: 'user', content: setup.message })});`
    : `const thread = await openai.beta.threads.create(${js({ messages: [{ role: 'user', content: setup.message }] })});\nconst threadId = thread.id;`;
  const call = functions.length
    ? `
// Put your functions here.
const callFunction = async (name, args) => (${js(pick(setup.outputs, functions))})[name] ?? '';
`
    : '';
  const loop = functions.length
    ? `
while (run.required_action) {
  const outputs = [];
  for (const call of run.required_action.submit_tool_outputs.tool_calls) {
    const output = await callFunction(call.function.name, JSON.parse(call.function.arguments));
    console.log(\`\\n\${call.function.name}(\${call.function.arguments}) -> \${output}\`);
    outputs.push({ tool_call_id: call.id, output });
  }
  const stream = openai.beta.threads.runs.submitToolOutputsStream(run.id, {
    thread_id: threadId,
    tool_outputs: outputs,
  });
  run = await listen(stream).finalRun();
}`
    : '';
  return `import OpenAI from 'openai';
${call}
const listen = (stream) =>
  stream
    .on('textCreated', () => process.stdout.write('\\nassistant > '))
    .on('textDelta', (delta, snapshot) => process.stdout.write(delta.value ?? ''))
    .on('toolCallCreated', (call) => console.log(\`\\nassistant > \${call.type}\`))
    .on('toolCallDelta', (delta, snapshot) => {
      if (delta.type !== 'code_interpreter') return;
      process.stdout.write(delta.code_interpreter?.input ?? '');
      for (const output of delta.code_interpreter?.outputs ?? []) {
        if (output.type === 'logs') process.stdout.write(\`\\noutput > \${output.logs}\`);
      }
    });

${client}
${assistant}
${thread}

${functions.length ? 'let' : 'const'} run = await listen(
  openai.beta.threads.runs.stream(threadId, ${js({ assistant_id: new Name('assistantId'), ...setup.overrides }, 1)}),
).finalRun();${loop}
console.log(\`\\n\\n\${run.status}\`);
`;
}

function functionNames({ assistant, overrides }) {
  const tools = overrides.tools ?? assistant.tools ?? [];
  return tools.filter((tool) => tool.type === 'function').map((tool) => tool.function.name);
}

/** The outputs that were given by hand, for the functions that there are. */
function pick(outputs, names) {
  return Object.fromEntries(names.map((name) => [name, outputs[name] ?? '']));
}

/** A name in the program, where else a value stands. */
class Name {
  constructor(name) {
    this.name = name;
  }
}

/** A call in one line, or with each argument on its own. */
function pyCall(what, positional, named) {
  const all = [...positional, ...Object.entries(named).map(([name, value]) => `${name}=${py(value, 1)}`)];
  const short = `${what}(${all.join(', ')})`;
  return short.length <= 80 && !short.includes('\n') ? short : `${what}(\n${all.map((one) => `    ${one},\n`).join('')})`;
}

/** JSON as Python has it: its strings are Python's too. */
function py(value, depth = 0) {
  if (value === null || value === undefined) return 'None';
  if (value === true) return 'True';
  if (value === false) return 'False';
  // As people would quote it.
  if (typeof value === 'string' && value.includes('"') && !value.includes("'")) return quoted(value);
  return nested(value, depth, py, (name) => JSON.stringify(name), '    ', '');
}

function js(value, depth = 0) {
  if (value === undefined) return 'undefined';
  if (value instanceof Name) return value.name;
  if (typeof value === 'string') return quoted(value);
  return nested(value, depth, js, (name) => (/^[A-Za-z_$][\w$]*$/.test(name) && name !== '__proto__' ? name : quoted(name)), '  ', ' ');
}

function nested(value, depth, write, key, tab, space) {
  const isList = Array.isArray(value);
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  const entries = Object.entries(value).map(([name, inner]) => (isList ? '' : `${key(name)}: `) + write(inner, depth + 1));
  const [open, close] = isList ? '[]' : '{}';
  const around = isList || !entries.length ? '' : space;
  const short = `${open}${around}${entries.join(', ')}${around}${close}`;
  if (short.length <= 72 && !short.includes('\n')) return short;
  const indent = tab.repeat(depth + 1);
  return `${open}\n${entries.map((entry) => `${indent}${entry},\n`).join('')}${tab.repeat(depth)}${close}`;
}

/** A string in single quotes. */
function quoted(text) {
  return `'${JSON.stringify(text).slice(1, -1).replaceAll('\\"', '"').replaceAll("'", "\\'")}'`;
}
