// The dialogs: a function's definition, the key.

import { byId } from './dom.js';

export const WEATHER = {
  name: 'get_weather',
  description: 'Get the current weather in a city',
  parameters: {
    type: 'object',
    properties: {
      city: { type: 'string', description: 'The city, as Oslo' },
      unit: { type: 'string', enum: ['celsius', 'fahrenheit'] },
    },
    required: ['city'],
  },
};

const NAME = /^[a-zA-Z0-9_-]{1,64}$/;

/** Read a definition, also as a whole tool; throws an Error that says what is wrong with it. */
export function readFunction(text, others = []) {
  let made;
  try {
    made = JSON.parse(text);
  } catch (error) {
    throw new Error(`This is no JSON: ${error.message}`);
  }
  if (made?.type === 'function' && made.function) made = made.function;
  if (!made || typeof made !== 'object' || Array.isArray(made)) throw new Error('A function is an object with a name.');
  if (typeof made.name !== 'string' || !NAME.test(made.name)) {
    throw new Error('The name has 1 to 64 letters, digits, "_" or "-".');
  }
  if (others.includes(made.name)) throw new Error(`There is a function ${made.name} already.`);
  if (made.parameters !== undefined && (made.parameters === null || typeof made.parameters !== 'object' || Array.isArray(made.parameters))) {
    throw new Error('"parameters" is a JSON schema: an object.');
  }
  return made;
}

/** Open a dialog; resolves to what `read()` gives when it is sent off, or to null. */
export function ask(dialog, read, notice) {
  return new Promise((resolve) => {
    const form = dialog.querySelector('form');
    let answer = null;
    const submit = (event) => {
      event.preventDefault();
      try {
        answer = read();
      } catch (error) {
        notice.textContent = error.message;
        notice.hidden = false;
        return;
      }
      dialog.close();
    };
    const cancel = (event) => event.target.closest('[data-close]') && dialog.close();
    form.addEventListener('submit', submit);
    form.addEventListener('click', cancel);
    dialog.addEventListener('close', () => {
      form.removeEventListener('submit', submit);
      form.removeEventListener('click', cancel);
      resolve(answer);
    }, { once: true });
    dialog.showModal();
  });
}

/** Let a function be edited; resolves to it, or to null. */
export function editFunction(made, others) {
  const text = byId('function-text');
  const notice = byId('function-notice');
  byId('function-title').textContent = made ? `Function ${made.name}` : 'A new function';
  text.value = made ? JSON.stringify(made, null, 2) : '';
  notice.hidden = true;
  byId('function-sample').onclick = () => {
    text.value = JSON.stringify(WEATHER, null, 2);
    text.setSelectionRange(0, 0);
    text.scrollTop = 0;
    text.focus();
  };
  return ask(byId('function-dialog'), () => readFunction(text.value, others), notice);
}

/** Ask for a key; `why` is what the server said of the last one. */
export async function askForKey(why) {
  const value = byId('key-value');
  const notice = byId('key-notice');
  value.value = '';
  notice.textContent = why;
  notice.hidden = !why;
  const key = await ask(byId('key-dialog'), () => {
    const given = value.value.trim();
    if (!/^[\x21-\x7e]+$/.test(given)) throw new Error('A key has no spaces and no other letters than ASCII.');
    return given;
  }, notice);
  value.value = '';
  return key;
}
