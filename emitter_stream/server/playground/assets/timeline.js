// What happened in a run, and when: lanes, calls and figures, from its events. The same rules as
// those of `emitter-stream show`, by which a recording is drawn. Times in milliseconds.

import { BAD } from './run.js';

/** Return the timeline of a `Run`. */
export function timelineOf(run) {
  return run.stored ? fromStore(run) : fromEvents(run);
}

function empty(run) {
  return {
    lanes: [], calls: [], statuses: [], duration: 0, events: run.events.length, stored: run.stored,
    status: run.status, usage: run.body?.usage ?? null, ended: run.isOver,
  };
}

function lane(kind, made, id, label, start) {
  const number = 1 + made.lanes.filter((one) => one.kind === kind).length;
  const one = { kind, number, id, label, start, end: null, status: '', pieces: [] };
  made.lanes.push(one);
  return one;
}

function fromEvents(run) {
  const made = empty(run);
  const lanes = new Map();
  const calls = new Map();
  for (const { t, event, data } of run.events) {
    made.duration = t;
    if (event === 'thread.run.step.created') {
      lanes.set(data.id, lane('step', made, data.id, (data.type ?? 'step').replaceAll('_', ' '), t));
    } else if (event === 'thread.message.created') {
      lanes.set(data.id, lane('message', made, data.id, data.role ?? 'message', t));
    } else if (event === 'thread.message.delta') {
      const hasText = (data.delta?.content ?? []).some((part) => part.text?.value);
      if (hasText) lanes.get(data.id)?.pieces.push(t);
    } else if (event === 'thread.run.step.delta') {
      for (const delta of data.delta?.step_details?.tool_calls ?? []) grow(made, calls, lanes.get(data.id), delta, t);
    } else if (/^thread\.(run\.step|message)\.(completed|failed|cancelled|expired|incomplete)$/.test(event)) {
      const one = lanes.get(data.id);
      if (one) Object.assign(one, { end: t, status: data.status ?? '' });
      for (const call of made.calls) if (call.lane === one) call.end ??= t;
    } else if (event.startsWith('thread.run.') && !event.startsWith('thread.run.step.') && event !== 'thread.run.created') {
      made.statuses.push([t, event.slice(11)]);
    }
  }
  if (!run.isAtRest && !run.error) made.duration = Math.max(made.duration, run.now() - run.begun);
  return made;
}

function grow(made, calls, inLane, delta, t) {
  const key = `${inLane?.id} ${delta.index ?? 0}`;
  let call = calls.get(key);
  if (!call) {
    call = { lane: inLane, id: delta.id, name: '', start: t, end: null, pieces: [] };
    // One call is written after the other: the one before has its input now.
    const before = made.calls.findLast((one) => one.lane === inLane);
    if (before) before.end ??= t;
    calls.set(key, call);
    made.calls.push(call);
  }
  call.name ||= delta.function?.name ?? (delta.type ?? 'tool').replaceAll('_', ' ');
  if (delta.function?.arguments || delta.code_interpreter?.input) call.pieces.push(t);
}

/** The server keeps whole seconds. */
function fromStore(run) {
  const made = empty(run);
  const body = run.body;
  if (!body) return made;
  const at = (seconds) => Math.max(0, (seconds - body.created_at) * 1000);
  const end = body.completed_at ?? body.failed_at ?? body.cancelled_at;
  made.statuses.push([0, 'queued']);
  if (body.started_at) made.statuses.push([at(body.started_at), 'in_progress']);
  for (const { kind, step, id, calls } of run.items) {
    if (!step) continue;
    const stop = step.completed_at ?? step.failed_at ?? step.cancelled_at ?? step.expired_at;
    const close = { end: stop ? at(stop) : null, status: step.status };
    const one = Object.assign(lane('step', made, step.id, step.type.replaceAll('_', ' '), at(step.created_at)), close);
    if (kind === 'message') Object.assign(lane('message', made, id, 'assistant', at(step.created_at)), close);
    for (const call of calls) {
      made.calls.push({ lane: one, id: call.id, name: call.name || call.type.replaceAll('_', ' '), start: one.start, end: one.end, pieces: [] });
    }
    made.duration = Math.max(made.duration, one.end ?? one.start);
  }
  if (end) made.duration = Math.max(made.duration, at(end));
  if (run.isAtRest) made.statuses.push([end ? at(end) : made.duration, body.status]);
  return made;
}

/** When the first piece of an answer's text came; what a tool is given does not count. */
export function firstToken(made) {
  return made.lanes.reduce((least, { kind, pieces }) => (kind === 'message' && pieces[0] < least ? pieces[0] : least), Infinity);
}

/** Pieces a second, over the time in which they came; null if that is no time. */
export function rate(made) {
  const spans = [...made.lanes, ...made.calls].map(({ pieces }) => pieces).filter((pieces) => pieces.length > 1);
  const time = spans.reduce((sum, pieces) => sum + pieces.at(-1) - pieces[0], 0);
  return time > 0 ? (1000 * spans.reduce((sum, pieces) => sum + pieces.length - 1, 0)) / time : null;
}

export const isBad = (status) => BAD.includes(status);

/** Seconds to places: where `t` lies, from 0 to 1, and round times for at most `most` marks. */
export class Scale {
  constructor(span) {
    this.span = span;
  }

  share(t) {
    return this.span > 0 ? Math.min(Math.max(t / this.span, 0), 1) : 0;
  }

  labels(most) {
    if (!(this.span > 0)) return [[0, '0']];
    const power = 10 ** Math.floor(Math.log10(this.span / most));
    const step = power * [1, 2, 5, 10, 20].find((factor) => power * factor * most >= this.span);
    const count = Math.floor(this.span / step + 1e-9) + 1;
    return Array.from({ length: count }, (_, at) => [at * step, this.#label(at * step)]);
  }

  #label(t) {
    if (!t) return '0';
    return this.span < 1000 ? `${Number(t.toPrecision(6))} ms` : `${Number((t / 1000).toPrecision(6))} s`;
  }
}
