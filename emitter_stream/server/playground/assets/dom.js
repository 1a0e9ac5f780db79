// Elements by code. Text goes in as text nodes only: there is no way from a string to markup.

export const byId = (id) => document.getElementById(id);

/** Make an element. `props`: class, text, on (listeners), data (dataset); all else is an attribute. */
export function el(tag, props = {}, ...children) {
  return fill(document.createElement(tag), props, children);
}

/** The same for a drawing. */
export function svg(tag, props = {}, ...children) {
  return fill(document.createElementNS('http://www.w3.org/2000/svg', tag), props, children);
}

function fill(node, props, children) {
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue;
    if (name === 'text') node.textContent = visible(value);
    else if (name === 'on') for (const [event, fn] of Object.entries(value)) node.addEventListener(event, fn);
    else if (name === 'data') Object.assign(node.dataset, value);
    else if (name === 'value') node.value = value;
    else node.setAttribute(name, value === true ? '' : String(value));
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return node;
}

// Control characters, those that turn the direction of writing, halves of characters.
const UNSAFE = new RegExp(
  '[\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u009f\\u061c\\u200e\\u200f\\u2028\\u2029' +
    '\\u202a-\\u202e\\u2066-\\u2069\\ufeff\\ufffe\\uffff]' +
    '|[\\ud800-\\udbff](?![\\udc00-\\udfff])|(?<![\\ud800-\\udbff])[\\udc00-\\udfff]', 'g');

/** Return a text with what could do more than be read replaced; lines and tabs stay. */
export function visible(text) {
  return String(text).replaceAll('\r\n', '\n').replace(UNSAFE, (sign) => {
    const code = sign.charCodeAt(0);
    return code < 0x20 ? String.fromCharCode(0x2400 + code) : code === 0x7f ? '\u2421' : '\ufffd';
  });
}

/** Return a text cut to `limit` characters, saying how many more there are. */
export function brief(text, limit) {
  const left = text.length - limit;
  return left <= 0 ? text : `${text.slice(0, limit)}\u2026 (${left.toLocaleString('en')} more characters)`;
}

/** Return milliseconds as people write them. */
export function duration(ms) {
  if (ms === null || ms === undefined || Number.isNaN(ms)) return '\u2013';
  if (ms < 1000) return `${ms.toFixed(0)} ms`;
  if (ms < 100_000) return `${(ms / 1000).toFixed(2)} s`;
  const whole = Math.round(ms / 1000);
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600).toLocaleString('en')} h ${Math.floor((whole % 3600) / 60)} min`;
}

/** Return JSON in lines if it is long, or the text itself if it is none. */
export function pretty(text) {
  try {
    const value = JSON.parse(text);
    return text.length <= 60 && !text.includes('\n') ? text : JSON.stringify(value, null, 2);
  } catch {
    return text;
  }
}

let frame = 0;
const waiting = new Map();

/** Call `fn` at the next frame, once for a key however often it is asked for. */
export function later(key, fn) {
  waiting.set(key, fn);
  // A hidden page has no frames; what it shows must be true all the same.
  frame ||= document.hidden ? setTimeout(paint, 100) : requestAnimationFrame(paint);
}

function paint() {
  frame = 0;
  const due = [...waiting.values()];
  waiting.clear();
  for (const fn of due) fn();
}
document.addEventListener('visibilitychange', () => waiting.size && paint());

/** Say something to who reads with the ears, and briefly to the others if `shown`. */
export function announce(text, shown = false) {
  byId('live').textContent = text;
  if (!shown) return;
  const toast = byId('toast');
  toast.textContent = text;
  toast.hidden = false;
  clearTimeout(announce.timer);
  announce.timer = setTimeout(() => (toast.hidden = true), 6000);
}

/** Put a text on the clipboard and say so on the button. */
export async function copy(text, button) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Without TLS, beyond loopback, a page has no clipboard but this old one.
    const area = el('textarea', { class: 'aside', value: text });
    (button.closest('dialog') ?? document.body).append(area);
    area.select();
    document.execCommand('copy');
    area.remove();
    button.focus();
  }
  const before = (button.dataset.label ??= button.textContent);
  button.textContent = 'Copied';
  announce('Copied');
  clearTimeout(button.timer);
  button.timer = setTimeout(() => (button.textContent = before), 1500);
}

/** Offer bytes as a file. They are never opened: the type is that of no document. */
export function download(parts, name) {
  const url = URL.createObjectURL(new Blob([parts].flat(), { type: 'application/octet-stream' }));
  const link = el('a', { href: url, download: name.replace(/[^\w.\- ]/g, '_') || 'file' });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

/** Make a list of tabs work: arrow keys, and one panel at a time. Returns a function that picks one. */
export function tabs(list, onPick = () => {}) {
  const all = [...list.querySelectorAll('[role=tab]')];
  const pick = (tab) => {
    for (const other of all) {
      other.setAttribute('aria-selected', String(other === tab));
      other.tabIndex = other === tab ? 0 : -1;
      byId(other.getAttribute('aria-controls')).hidden = other !== tab;
    }
    onPick(tab.id);
  };
  all.forEach((tab, at) => {
    tab.addEventListener('click', () => pick(tab));
    tab.addEventListener('keydown', (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      const next = { Home: all[0], End: all.at(-1) }[event.key] ?? (step && all.at((at + step) % all.length));
      if (!next) return;
      event.preventDefault();
      next.focus();
      pick(next);
    });
  });
  return (id) => pick(byId(id));
}
