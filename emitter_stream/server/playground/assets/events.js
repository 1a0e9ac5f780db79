// The raw events, as they came. Neighbours of one name are one line that can be opened.

import { brief, el, visible } from './dom.js';

const MOST_ROWS = 1000;
const MOST_TEXT = 50_000;

export class EventList {
  constructor(list) {
    this.list = list;
    this.show(null);
  }

  /** Show the events of a run; null: none. */
  show(run) {
    this.run = run;
    this.taken = 0;
    this.group = null;
    this.rows = 0;
    this.list.replaceChildren();
    this.draw();
  }

  draw() {
    if (!this.run) return;
    const isAtEnd = atEnd(this.list);
    for (; this.taken < this.run.events.length; this.taken += 1) this.#add(this.run.events[this.taken]);
    this.group?.draw();
    if (isAtEnd) this.list.scrollTop = this.list.scrollHeight;
  }

  #add(entry) {
    if (this.group?.name === entry.event) {
      this.group.add(entry);
      return;
    }
    this.group?.draw();
    this.group = new Group(entry);
    this.list.append(this.group.element);
    if ((this.rows += 1) > MOST_ROWS) this.list.firstElementChild.remove();
  }
}

export function atEnd(box) {
  return box.scrollHeight - box.scrollTop - box.clientHeight < 40;
}

class Group {
  constructor(first) {
    this.name = first.event;
    this.entries = [first];
    this.time = el('span', { class: 't', text: seconds(first.t) });
    this.count = el('span', { class: 'count' });
    this.gist = el('span', { class: 'gist' });
    this.inner = el('div', { class: 'inner' });
    this.element = el('li', { data: { family: family(this.name) } },
      el('details', { on: { toggle: (event) => event.target === this.details && this.draw() } },
        el('summary', {}, this.time, el('span', { class: 'event', text: this.name }), this.count, this.gist), this.inner));
    this.details = this.element.firstElementChild;
    this.shown = 0;
  }

  add(entry) {
    this.entries.push(entry);
  }

  draw() {
    const count = this.entries.length;
    this.count.textContent = count > 1 ? `×${count}` : '';
    this.gist.textContent = visible(gist(this.entries));
    if (!this.details.open) return;
    // One alone is shown whole; of many, each has a line of its own.
    for (; this.shown < Math.min(count, MOST_ROWS); this.shown += 1) {
      const entry = this.entries[this.shown];
      this.inner.append(count === 1 ? body(entry) : single(entry));
    }
  }
}

function single(entry) {
  const inner = el('details', {}, el('summary', {}, el('span', { class: 't', text: seconds(entry.t) }), el('span', { class: 'gist', text: gist([entry]) })));
  inner.addEventListener('toggle', () => inner.open && inner.children.length === 1 && inner.append(body(entry)));
  return inner;
}

function body(entry) {
  const text = typeof entry.data === 'string' ? entry.data : JSON.stringify(entry.data, null, 2);
  return el('pre', { text: brief(text, MOST_TEXT) });
}

const seconds = (t) => (t === null ? '' : (t / 1000).toFixed(3));

function family(name) {
  if (name === 'error') return 'error';
  if (name.startsWith('thread.run.step')) return 'step';
  if (name.startsWith('thread.run')) return 'run';
  return name.startsWith('thread.message') ? 'message' : 'other';
}

/** Say in a few words what events have in them. */
function gist(entries) {
  const pieces = entries.slice(0, 40).map(({ data }) => {
    const delta = data?.delta;
    if (delta?.content) return delta.content.map((part) => part.text?.value ?? '').join('');
    if (delta?.step_details) return (delta.step_details.tool_calls ?? []).map(callGist).join('');
    return '';
  }).join('');
  if (pieces) return pieces.replace(/\s+/g, ' ').slice(0, 120);
  const data = entries[0].data;
  if (typeof data === 'string') return data;
  return data?.status && data.id ? `${data.id}` : (data?.message ?? data?.error?.message ?? data?.id ?? '');
}

function callGist({ function: made, code_interpreter: code, file_search: search }) {
  if (made) return `${made.name ?? ''}${made.arguments ?? ''}${made.output ?? ''}`;
  if (code) return `${code.input ?? ''}${(code.outputs ?? []).map((output) => output.logs ?? '').join('')}`;
  return search ? 'file search' : '';
}

