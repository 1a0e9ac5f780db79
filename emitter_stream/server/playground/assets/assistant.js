// The assistant: which one, what it is, and what of the form the next run is to have.

import { byId, el } from './dom.js';
import { editFunction } from './functions.js';
import { recall, remember } from './memory.js';
import { Store } from './store.js';

const field = (id) => byId(id);
const number = (id) => (field(id).value.trim() === '' ? null : Number(field(id).value));

export class AssistantForm {
  /** `onchange()` is told of each change. */
  constructor(api, files, onchange) {
    this.api = api;
    this.store = new Store(api, files, (id) => this.#keepStore(id));
    this.onchange = onchange;
    this.all = [];
    this.saved = null;
    this.functions = [];
    this.searchTool = { type: 'file_search' };
    const form = field('assistant');
    form.addEventListener('input', () => this.#changed());
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.#guard(() => this.save());
    });
    field('which').addEventListener('change', () => this.pick(field('which').value));
    field('another').addEventListener('click', () => {
      this.pick('');
      field('name').focus();
    });
    field('delete-assistant').addEventListener('click', () => this.#guard(() => this.#delete()));
    field('add-function').addEventListener('click', () => this.#edit(null));
  }

  async load() {
    const [assistants, models] = await Promise.all([this.api.list('/assistants', 500), this.api.get('/models')]);
    this.all = assistants.reverse();
    this.firstModel = models.data[0]?.id ?? 'gpt-4o';
    field('models').replaceChildren(...models.data.slice(0, 500).map((model) => el('option', { value: model.id })));
    this.pick(recall('assistant', this.all[0]?.id ?? ''));
  }

  /** Show an assistant; one that is not known counts as a new one. */
  pick(id) {
    this.saved = this.all.find((one) => one.id === id) ?? null;
    const { saved } = this;
    remember('assistant', saved?.id ?? '');
    field('name').value = saved?.name ?? '';
    field('model').value = saved?.model ?? this.firstModel;
    field('instructions').value = saved?.instructions ?? '';
    field('temperature').value = saved && saved.temperature !== 1 ? saved.temperature : '';
    field('top-p').value = saved && saved.top_p !== 1 ? saved.top_p : '';
    field('response-format').value = '';
    this.setTools(saved?.tools ?? []);
    this.store.show(saved);
    this.#options();
    this.#changed();
  }

  setTools(tools) {
    this.functions = tools.filter((tool) => tool.type === 'function').map((tool) => tool.function);
    this.searchTool = tools.find((tool) => tool.type === 'file_search') ?? { type: 'file_search' };
    field('code-interpreter').checked = tools.some((tool) => tool.type === 'code_interpreter');
    field('file-search').checked = tools.some((tool) => tool.type === 'file_search');
    this.#drawFunctions();
    this.#changed();
  }

  get tools() {
    return [
      ...(field('code-interpreter').checked ? [{ type: 'code_interpreter' }] : []),
      ...(field('file-search').checked ? [this.searchTool] : []),
      ...this.functions.map((made) => ({ type: 'function', function: made })),
    ];
  }

  get label() {
    return field('name').value || this.saved?.id || 'a new assistant';
  }

  /** What the form says, as the API has it. */
  get fields() {
    const fields = {
      name: field('name').value || null,
      model: field('model').value.trim(),
      instructions: field('instructions').value || null,
      tools: this.tools,
      temperature: number('temperature') ?? 1,
      top_p: number('top-p') ?? 1,
    };
    const format = field('response-format').value;
    if (format) fields.response_format = format === 'auto' ? 'auto' : { type: format };
    return fields;
  }

  /** The fields with which to make it: without those that say nothing. */
  get creation() {
    const plain = { name: null, instructions: null, temperature: 1, top_p: 1 };
    const fields = Object.fromEntries(Object.entries(this.fields).filter(([name, value]) =>
      value !== plain[name] && !(name === 'tools' && !value.length)));
    if (this.store.id) fields.tool_resources = { file_search: { vector_store_ids: [this.store.id] } };
    return fields;
  }

  /** Which fields are not as they are stored. */
  get changes() {
    const { saved, fields } = this;
    if (!saved) return fields;
    return Object.fromEntries(Object.entries(fields).filter(([name, value]) => same(value) !== same(saved[name])));
  }

  /** What the next run is to have besides its assistant. */
  get overrides() {
    const { name: _, ...changes } = this.saved ? this.changes : {};
    if (changes.instructions === null) changes.instructions = '';
    const choice = field('tool-choice').value;
    if (choice !== 'auto') changes.tool_choice = choice.startsWith('{') ? JSON.parse(choice) : choice;
    const most = number('most-tokens');
    if (most !== null) changes.max_completion_tokens = most;
    if (!field('parallel').checked) changes.parallel_tool_calls = false;
    return changes;
  }

  /** Let an attached file be read by a tool, if it would be by none. */
  readFiles() {
    if (field('code-interpreter').checked || field('file-search').checked) return;
    field('file-search').checked = true;
    this.#changed();
  }

  /** Have a store: at once if there is an assistant, since a run cannot bring one along. */
  async #keepStore(id) {
    if (!this.saved) return;
    const resources = { ...this.saved.tool_resources, file_search: { vector_store_ids: [id] } };
    const body = await this.api.post(`/assistants/${this.saved.id}`, { tool_resources: resources });
    this.all = this.all.map((one) => (one === this.saved ? body : one));
    this.saved = body;
    this.#changed();
  }

  /** Store it; resolves to its id. */
  async save() {
    const path = this.saved ? `/assistants/${this.saved.id}` : '/assistants';
    const body = await this.api.post(path, this.saved ? this.fields : this.creation);
    this.all = [body, ...this.all.filter((one) => one.id !== body.id)];
    this.pick(body.id);
    return body.id;
  }

  /** Return the id of the assistant that a run is to have; one is made if there is none. */
  async ensure() {
    return this.saved?.id ?? this.save();
  }

  async #delete() {
    if (!this.saved || !window.confirm(`Delete ${this.label}? Its threads stay.`)) return;
    await this.api.delete(`/assistants/${this.saved.id}`);
    this.all = this.all.filter((one) => one !== this.saved);
    this.pick(this.all[0]?.id ?? '');
  }

  async #guard(work) {
    const notice = field('assistant-notice');
    notice.hidden = true;
    try {
      await work();
    } catch (error) {
      notice.textContent = error.message;
      notice.hidden = false;
    }
  }

  #changed() {
    const isChanged = !this.saved || Object.keys(this.changes).length > 0;
    field('dirty').hidden = !this.saved || !isChanged;
    field('save').disabled = !isChanged;
    field('save').textContent = this.saved ? 'Save' : 'Create';
    field('delete-assistant').hidden = !this.saved;
    field('store').hidden = !field('file-search').checked;
    this.#choices();
    this.onchange();
  }

  #options() {
    const options = this.all.map((one) => el('option', { value: one.id, text: one.name || `Unnamed · ${one.id.slice(-6)}` }));
    field('which').replaceChildren(el('option', { value: '', text: 'A new one' }), ...options);
    field('which').value = this.saved?.id ?? '';
  }

  #choices() {
    const select = field('tool-choice');
    const before = select.value;
    const named = this.functions.map((made) => [JSON.stringify({ type: 'function', function: { name: made.name } }), made.name]);
    const code = field('code-interpreter').checked ? [['{"type":"code_interpreter"}', 'code interpreter']] : [];
    const all = [['auto', 'auto'], ['none', 'none'], ['required', 'required'], ...code, ...named];
    const key = JSON.stringify(all);
    if (key === this.shownChoices) return;
    this.shownChoices = key;
    select.replaceChildren(...all.map(([value, text]) => el('option', { value, text })));
    select.value = all.some(([value]) => value === before) ? before : 'auto';
  }

  #drawFunctions() {
    field('functions').replaceChildren(...this.functions.map((made) => el('li', {},
      el('button', { type: 'button', class: 'chip', title: 'Edit', text: made.name, on: { click: () => this.#edit(made) } }),
      el('button', { type: 'button', class: 'quiet', 'aria-label': `Remove ${made.name}`, text: '×', on: { click: () => this.#put(made, null) } }))));
  }

  async #edit(made) {
    const others = this.functions.filter((one) => one !== made).map((one) => one.name);
    const edited = await editFunction(made, others);
    if (edited) this.#put(made, edited);
  }

  #put(before, after) {
    const at = this.functions.indexOf(before);
    if (at < 0) this.functions.push(after);
    else this.functions.splice(at, 1, ...(after ? [after] : []));
    this.#drawFunctions();
    this.#changed();
    if (!after) field('add-function').focus();
  }
}

/** JSON whose keys have one order, and whose nulls are left out. */
function same(value) {
  return JSON.stringify(value ?? null, (_, inner) => {
    if (!inner || typeof inner !== 'object' || Array.isArray(inner)) return inner;
    return Object.fromEntries(Object.entries(inner).filter(([, one]) => one !== null).sort(([a], [b]) => (a < b ? -1 : 1)));
  });
}
