// One tool call: what it was given, what came out, and a place for its output while the run waits.

import { brief, el, pretty, visible } from './dom.js';
import { picture } from './pictures.js';

const MOST = 20_000;
const SIGNS = { function: 'ƒ', code_interpreter: '>_', file_search: '⌕' };
const NAMES = { code_interpreter: 'Code interpreter', file_search: 'File search' };

export class CallView {
  constructor(call, acts) {
    this.call = call;
    this.acts = acts;
    this.input = null;
    this.shownOutputs = '';
    this.name = el('strong');
    this.state = el('span', { class: 'state' });
    this.given = el('pre', { hidden: true });
    this.came = el('div', { class: 'came' });
    this.element = el('article', { class: 'call', data: { kind: call.type } },
      el('header', {}, el('span', { class: 'sign', 'aria-hidden': 'true', text: SIGNS[call.type] ?? '·' }), this.name, this.state),
      this.given, this.came);
  }

  draw(step) {
    const { call } = this;
    const isDone = Boolean(step) && step.status !== 'in_progress';
    this.step = step;
    this.name.textContent = visible(call.name || NAMES[call.type] || call.type);
    const given = call.type === 'function' && (isDone || isJson(call.input)) ? pretty(call.input) : call.input;
    this.given.textContent = visible(brief(given, MOST));
    this.given.hidden = !given;
    this.#outputs();
    this.#state();
  }

  #state() {
    const { step } = this;
    const status = this.input ? 'waits for its output' : (step?.status ?? 'in progress').replaceAll('_', ' ');
    this.state.textContent = status;
    this.state.classList.toggle('wait', Boolean(this.input));
    this.state.classList.toggle('bad', ['failed', 'cancelled', 'expired'].includes(step?.status));
  }

  #outputs() {
    const { call } = this;
    const outputs = call.type === 'function'
      ? (call.output === null ? [] : [{ type: 'logs', logs: pretty(call.output) }])
      : call.outputs.filter(Boolean);
    const results = call.results ?? [];
    const key = JSON.stringify([outputs, results]);
    if (key === this.shownOutputs || this.input) return;
    this.shownOutputs = key;
    this.came.replaceChildren(...outputs.map((output) => this.#output(output)), ...results.map(result));
  }

  #output(output) {
    if (output.type === 'image') return picture(this.acts.files, output.image.file_id);
    return el('pre', { class: 'output', text: brief(output.logs ?? '', MOST) });
  }

  /** Show a place for the output, or take it away. */
  await(waits) {
    if (waits === Boolean(this.input)) return;
    if (waits) {
      const value = this.acts.outputs[this.call.name] ?? '';
      this.input = el('textarea', { class: 'code', rows: 2, spellcheck: 'false', 'aria-label': `Output of ${this.call.name}`, placeholder: 'What the function returns: JSON or text', value });
      this.came.replaceChildren(this.input);
    } else {
      this.input = null;
      this.shownOutputs = '';
      this.#outputs();
    }
    this.#state();
  }
}

function result({ file_name: name, score, content }) {
  const text = (content ?? []).map((part) => part.text).join('\n');
  return el('details', { class: 'result' },
    el('summary', {}, el('span', { class: 'grow', text: name ?? '' }), el('span', { class: 'hint', text: `score ${Number(score).toFixed(2)}` })),
    text ? el('pre', { text: brief(text, MOST) }) : el('p', { class: 'hint', text: 'Its text was not asked for.' }));
}

function isJson(text) {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
