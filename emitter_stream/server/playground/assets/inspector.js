// Beside the conversation: one run's events, its timeline, and what was done as code.

import { node, python } from './code.js';
import { byId, copy, download, later, tabs } from './dom.js';
import { drawing } from './drawing.js';
import { EventList } from './events.js';
import { timelineOf } from './timeline.js';

export class Inspector {
  /** `setup()` gives what a program needs to know. */
  constructor(setup) {
    this.setup = setup;
    this.run = null;
    this.events = new EventList(byId('events'));
    this.tab = 'tab-events';
    this.pick = tabs(byId('inspector-tabs'), (id) => {
      this.tab = id;
      this.draw();
    });
    byId('copy-code').addEventListener('click', () => copy(byId('code').textContent, byId('copy-code')));
    byId('save-recording').addEventListener('click', () => this.#save());
    for (const choice of document.getElementsByName('language')) choice.addEventListener('change', () => this.draw());
  }

  show(run) {
    this.run = run;
    this.events.show(run);
    this.changed();
  }

  changed() {
    later(this, () => this.draw());
  }

  draw() {
    const { run } = this;
    const count = run?.events.length ?? 0;
    byId('save-recording').hidden = !count || run.stored || !run.isAtRest;
    byId('events-about').textContent = about(run, count);
    if (this.tab === 'tab-events') this.events.draw();
    else if (this.tab === 'tab-timeline') this.#timeline();
    else this.#code();
  }

  #timeline() {
    const { run } = this;
    byId('timeline-about').textContent = run ? `${run.id ?? ''}` : 'No run yet.';
    byId('timeline').replaceChildren(...(run ? drawing(timelineOf(run)) : []));
    // It is drawn against the clock while the run is at work.
    clearTimeout(this.timer);
    if (run && !run.isAtRest && !run.error) this.timer = setTimeout(() => this.changed(), 250);
  }

  #code() {
    const isPython = byId('panel-code').querySelector('input:checked').value === 'python';
    const text = (isPython ? python : node)(this.setup());
    if (byId('code').textContent !== text) byId('code').textContent = text;
  }

  #save() {
    const { run } = this;
    download(`${recording(run).join('\n')}\n`, `${run.id ?? 'run'}.jsonl`);
  }
}

function about(run, count) {
  if (!run) return 'No run yet.';
  if (!count) return run.stored ? 'Its events are not kept any more.' : 'No events yet.';
  return `${count.toLocaleString('en')} events${run.stored ? '' : ', times in seconds'}`;
}

/** Return a run as the lines of a recording, which `emitter-stream show` and `replay` take. */
export function recording(run) {
  const line = (t, rest) => JSON.stringify({ t: Math.round(t * 1000) / 1e6, ...rest });
  const rounds = run.events.filter(({ event }) => event === 'done').length > 1;
  const lines = [JSON.stringify({
    format: 'emitter-stream-recording',
    version: 2,
    created: run.date.toISOString().replace(/\.\d+Z$/, 'Z'),
    api: 'assistants',
    stream: rounds ? 'run_tools' : 'run',
  })];
  let wasDone = false;
  for (const { t, event, data } of run.events) {
    if (lines.length === 1) lines.push(line(t, { connect: true }));
    if (wasDone) lines.push(line(t, { event: 'nextRound', data: null, made: true }));
    wasDone = event === 'done'; // the end of an answer, which no recording has
    if (!wasDone) lines.push(line(t, { event, data }));
  }
  lines.push(line(run.events.at(-1)?.t ?? 0, { end: true, error: null }));
  return lines;
}
