// The page: its parts, and who tells whom.

import { Api } from './api.js';
import { AssistantForm } from './assistant.js';
import { Attachments } from './attachments.js';
import { Chat } from './chat.js';
import { announce, byId, copy, el } from './dom.js';
import { Files } from './files.js';
import { ask, askForKey, WEATHER } from './functions.js';
import { Inspector } from './inspector.js';
import { forgetThread, recentThreads } from './memory.js';

const EXAMPLES = [
  ['Solve an equation', 'I need to solve the equation `3x + 11 = 14`. Can you help me?', [{ type: 'code_interpreter' }]],
  ['Call a function', "What's the weather in Oslo and Lima?", [{ type: 'function', function: WEATHER }]],
  ['Just talk', 'Hello! What can you do?', []],
];

// Read before an empty chat takes it away.
const wanted = location.hash.slice(1);

const api = new Api(async (why) => {
  const key = await askForKey(why);
  byId('key').hidden = !key && !api.hasKey;
  return key;
});
const files = new Files(api);
const inspector = new Inspector(setup);
const form = new AssistantForm(api, files, () => inspector.changed());
const attachments = new Attachments(files, form);
const chat = new Chat(api, form, files, {
  selected: (run, open) => {
    inspector.show(run);
    if (open) show('inspector');
  },
  changed: () => inspector.changed(),
  moved: (thread) => {
    const hash = thread ? `#${thread}` : ' ';
    if (location.hash !== hash.trim()) history.replaceState(null, '', hash.trim() || location.pathname + location.search);
    document.title = thread ? `${thread.slice(0, 14)} · Playground` : 'Playground · emitter_stream';
  },
  openFile: (note, id, results) => files.open(note, id, results),
});

/** What a program needs to do the same. */
function setup() {
  return {
    baseURL: api.base,
    hasKey: api.hasKey,
    assistantId: form.saved?.id ?? null,
    assistant: form.creation,
    threadId: null,
    message: byId('say').value.trim() || chat.lastSaid || 'Hello!',
    overrides: form.overrides,
    outputs: chat.outputs,
  };
}

function show(pane) {
  document.body.dataset.pane = pane;
  for (const button of document.querySelectorAll('.panes button')) {
    button.setAttribute('aria-pressed', String(button.dataset.pane === pane));
  }
  if (pane === 'inspector') inspector.changed();
}

// The message box

const say = byId('say');

function grow() {
  say.style.height = 'auto';
  say.style.height = `${Math.min(say.scrollHeight + 2, 240)}px`;
}

async function send() {
  const text = say.value;
  if (!text.trim() || chat.active || chat.sending) return;
  say.value = '';
  grow();
  if (!(await chat.send(text, attachments)) && !say.value) {
    say.value = text;
    grow();
  }
}

byId('composer').addEventListener('submit', (event) => {
  event.preventDefault();
  send();
});
say.addEventListener('keydown', (event) => {
  // While an input method composes, Enter ends a word.
  if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  send();
});
say.addEventListener('input', grow);
say.addEventListener('change', () => inspector.changed());
byId('stop').addEventListener('click', () => chat.stop());
byId('flow').addEventListener('scroll', () => chat.scrolled(), { passive: true });
document.addEventListener('keydown', (event) => {
  if (event.key === 'Escape' && chat.active && !document.querySelector('dialog[open]')) chat.stop();
});

// The head

for (const button of document.querySelectorAll('.panes button')) {
  button.addEventListener('click', () => show(button.dataset.pane));
}
byId('fresh').addEventListener('click', () => {
  chat.clear();
  attachments.clear();
  show('chat');
  say.focus();
});
byId('key').addEventListener('click', () => {
  api.forgetKey();
  byId('key').hidden = true;
  announce('The key is forgotten', true);
});
byId('threads').addEventListener('click', openThreads);

async function openThreads() {
  const list = byId('recent');
  const dialog = byId('threads-dialog');
  const ids = recentThreads();
  byId('threads-about').hidden = !ids.length;
  byId('thread-id').value = '';
  list.replaceChildren(...ids.map((id) => {
    const text = el('span', { class: 'gist', text: '…' });
    const open = el('button', { type: 'button', class: 'recent', on: { click: () => { dialog.close(); chat.open(id); show('chat'); } } },
      text, el('code', { text: id }));
    const row = el('li', {}, open);
    api.get(`/threads/${id}/messages?limit=1&order=asc`).then(
      ({ data }) => (text.textContent = data[0]?.content[0]?.text?.value?.slice(0, 80) ?? 'Nothing was said yet'),
      (error) => {
        if (error.status === 404) forgetThread(id);
        row.remove();
      },
    );
    return row;
  }));
  const id = await ask(dialog, () => byId('thread-id').value.trim(), byId('threads-about'));
  if (!id) return;
  await chat.open(id);
  show('chat');
}

byId('where').addEventListener('click', () => chat.thread && copy(chat.thread, byId('where')));

byId('examples').replaceChildren(...EXAMPLES.map(([title, text, tools]) => el('li', {},
  el('button', { type: 'button', on: { click: () => {
    form.setTools(tools);
    say.value = text;
    grow();
    say.focus();
    inspector.changed();
  } } }, el('strong', { text: title }), el('span', { text })))));

// A file that is dropped beside its place would be opened in this page's stead.
for (const name of ['dragover', 'drop']) {
  document.addEventListener(name, (event) => event.dataTransfer?.types.includes('Files') && event.preventDefault());
}

// The beginning

window.addEventListener('hashchange', () => {
  const id = location.hash.slice(1);
  if (id && id !== chat.thread) chat.open(id);
});
show('chat');
try {
  await form.load();
  if (wanted) await chat.open(wanted);
} catch (error) {
  chat.tell(error.message);
}
if (!document.querySelector('dialog[open]')) say.focus();
document.body.dataset.ready = '';
