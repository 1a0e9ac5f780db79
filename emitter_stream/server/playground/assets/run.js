// What is known of one run: its object, its steps, messages and tool calls, and each event with its
// time. Knows no element and no network.

const RESTS = ['completed', 'failed', 'cancelled', 'expired', 'incomplete', 'requires_action'];
export const BAD = ['failed', 'cancelled', 'expired', 'incomplete', 'error'];

export class Run {
  /** `now()` gives milliseconds; `onchange(item)` is told what changed, null for the run itself. */
  constructor({ now = () => performance.now(), onchange = () => {} } = {}) {
    this.now = now;
    this.onchange = onchange;
    this.body = null;
    this.items = []; // in the order in which their steps were made
    this.events = [];
    this.stored = false; // read from the server afterwards: without times of its own
    this.error = null;
    this.begun = now();
    this.date = new Date();
  }

  get id() {
    return this.body?.id ?? null;
  }

  get status() {
    return this.error && !this.isAtRest ? 'error' : (this.body?.status ?? 'queued');
  }

  get isAtRest() {
    return RESTS.includes(this.body?.status);
  }

  get isOver() {
    return this.isAtRest && this.body.status !== 'requires_action';
  }

  /** The calls that wait for outputs of ours. */
  get awaited() {
    return this.body?.required_action?.submit_tool_outputs?.tool_calls ?? [];
  }

  /** How many of its events are here: after which one to go on. */
  get told() {
    return this.events.filter(({ event }) => event !== 'done').length;
  }

  /** Take one event of a stream. What was told before we listened has no time. */
  take(event, data) {
    const entry = { t: this.stored ? null : this.now() - this.begun, event, data };
    this.events.push(entry);
    if (event === 'error') this.fail(data?.error?.message ?? data?.message ?? 'The stream ended in an error.');
    else if (event.startsWith('thread.run.step.')) this.#step(event.slice(16), data, entry.t);
    else if (event.startsWith('thread.run.')) this.#set(data);
    else if (event.startsWith('thread.message.')) this.#message(event.slice(15), data, entry.t);
  }

  fail(message) {
    this.error = message;
    this.onchange(null);
  }

  #set(body) {
    this.body = body;
    this.onchange(null);
  }

  #step(what, data, t) {
    let item = this.items.find((one) => one.step?.id === data.id);
    if (what === 'delta') {
      if (item) {
        for (const call of data.delta?.step_details?.tool_calls ?? []) grow(item, call, t);
        this.onchange(item);
      }
      return;
    }
    const kind = data.type === 'message_creation' ? 'message' : 'tools';
    const messageId = data.step_details?.message_creation?.message_id;
    item ??= kind === 'message' ? this.items.find((one) => one.id === messageId) : undefined;
    if (!item) {
      item = { kind, id: kind === 'message' ? messageId : data.id, message: null, calls: [], begun: t };
      this.items.push(item);
    }
    item.step = data;
    for (const [at, call] of (data.step_details?.tool_calls ?? []).entries()) put(item, at, call, t);
    if (data.status !== 'in_progress') item.ended = t;
    this.onchange(item);
  }

  #message(what, data, t) {
    let item = this.items.find((one) => one.kind === 'message' && one.id === data.id);
    if (!item) {
      item = { kind: 'message', id: data.id, message: null, calls: [], begun: t };
      this.items.push(item);
    }
    if (what === 'delta') {
      item.message ??= { id: data.id, role: 'assistant', status: 'in_progress', content: [] };
      for (const part of data.delta?.content ?? []) growPart(item.message.content, part);
    } else {
      // A copy: what the event brought is shown as it came.
      item.message = structuredClone(data);
    }
    this.onchange(item);
  }

  /** Forget what was stored: all its events come again. */
  again() {
    this.items = [];
    this.events = [];
  }

  /** What its searches found. */
  get results() {
    return this.items.flatMap((item) => item.calls.filter(Boolean).flatMap((call) => call.results ?? []));
  }

  /** Take what the server has stored of a run. */
  load(body, steps, messages) {
    this.stored ||= this.events.length === 0;
    this.date = new Date(body.created_at * 1000);
    const known = new Map(messages.map((message) => [message.id, message]));
    const items = steps.map((step) => {
      const id = step.step_details?.message_creation?.message_id ?? step.id;
      const kind = step.type === 'message_creation' ? 'message' : 'tools';
      const item = this.items.find((one) => one.id === id) ?? { kind, id, calls: [] };
      item.step = step;
      if (kind === 'message') item.message = known.get(id) ?? item.message ?? null;
      for (const [at, call] of (step.step_details?.tool_calls ?? []).entries()) put(item, at, call, undefined);
      return item;
    });
    this.items = items;
    for (const item of items) this.onchange(item);
    this.#set(body);
  }
}

function callAt(item, index, t) {
  return (item.calls[index] ??= { index, begun: t, id: '', type: '', name: '', input: '', output: null, outputs: [], results: null });
}

/** Take a piece of a call. */
function grow(item, delta, t) {
  const call = callAt(item, delta.index ?? 0, t);
  if (delta.id) call.id = delta.id;
  if (delta.type) call.type = delta.type;
  const made = delta.function;
  if (made?.name) call.name += made.name;
  if (made?.arguments) call.input += made.arguments;
  if (made?.output !== undefined && made.output !== null) call.output = made.output;
  const code = delta.code_interpreter;
  if (code?.input) call.input += code.input;
  for (const output of code?.outputs ?? []) {
    const at = output.index ?? call.outputs.length;
    const known = call.outputs[at];
    if (known?.type === 'logs' && output.logs) known.logs += output.logs;
    else call.outputs[at] = structuredClone(output);
  }
  if (delta.file_search?.results) call.results = delta.file_search.results;
}

/** Take a call as a whole. */
function put(item, index, whole, t) {
  const call = callAt(item, index, t);
  call.id = whole.id ?? call.id;
  call.type = whole.type ?? call.type;
  call.name = whole.function?.name ?? call.name;
  call.input = whole.function?.arguments ?? whole.code_interpreter?.input ?? call.input;
  call.output = whole.function?.output ?? call.output;
  if (whole.code_interpreter?.outputs) call.outputs = structuredClone(whole.code_interpreter.outputs);
  if (whole.file_search) {
    call.results = whole.file_search.results ?? call.results;
    call.ranking = whole.file_search.ranking_options;
  }
}

function growPart(content, part) {
  const known = content[part.index];
  if (!known || part.type !== 'text' || known.type !== 'text') {
    const made = structuredClone(part);
    if (made.type === 'text') made.text = { value: made.text?.value ?? '', annotations: made.text?.annotations ?? [] };
    content[part.index] = made;
    return;
  }
  known.text.value += part.text?.value ?? '';
  for (const note of part.text?.annotations ?? []) known.text.annotations[note.index ?? known.text.annotations.length] = note;
}
