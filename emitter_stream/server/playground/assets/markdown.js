// The little of Markdown that models write, as elements made one by one. What is no known sign of it
// stays the text that it is: HTML too, links too (their addresses are shown, not followed).

import { el, visible } from './dom.js';

// No pattern goes through a text more than a bounded number of times: it may be made to make one do so.

// Signs of our own in a text: \ue000 and a number and \ue001 stand for a citation.
const OURS = /[\ue000\ue001]/g;
const INLINE = /(`{1,9})([^`]|[^`][\s\S]{0,2000}?[^`])\1(?!`)|\*\*(?=\S)([\s\S]{0,2000}?\S)\*\*|(?<![\w*])\*(?=[^\s*])([^*\n]*[^\s*])\*(?![\w*])|\[([^\]\n]{0,200})\]\(\ue000(\d+)\ue001\)|\ue000(\d+)\ue001/g;
const FENCE = /^ {0,3}(`{3,}|~{3,})\s*([\w+#.-]*)[^`]*$/;
const ITEM = /^(\s*)([-*+]|\d{1,9}[.)])\s+(.*)$/;
const HEADING = /^ {0,3}(#{1,6}) +(\S.*)$/;
const RULE = /^ {0,3}([-*_])(\s*\1){2,}\s*$/;
const TABLE = /^\s*\|?\s*:?-{2,}:?\s*(\|\s*:?-{2,}:?\s*)*\|?\s*$/;

const DEEPEST = 8; // lists and quotations within one another
const is = (pattern, line) => (line.length < 1000 ? pattern.exec(line) : null);

/** Put marks where the citations are; `notes` have start and end, counted in characters. */
export function marked(text, notes) {
  const clean = text.replace(OURS, '\ufffd');
  if (!notes.length) return clean;
  const signs = [...clean];
  const order = notes.map((note, at) => ({ ...note, at })).sort((a, b) => b.start - a.start);
  let last = signs.length;
  for (const { start, end, at } of order) {
    if (!(start >= 0 && start <= end && end <= last)) continue;
    signs.splice(start, end - start, `\ue000${at}\ue001`);
    last = start;
  }
  return signs.join('');
}

/** A text that grows: what stands before its last empty line is drawn once. */
export class Markdown {
  /** `cite(number)` gives the element for a citation. */
  constructor(root, cite = () => null) {
    this.root = root;
    this.cite = cite;
    this.drawn = '';
    this.tail = [];
  }

  /** Draw the text, which is the one before with more at its end, or another one. */
  write(text) {
    if (!text.startsWith(this.drawn)) {
      this.root.replaceChildren();
      this.drawn = '';
      this.tail = [];
    }
    for (const node of this.tail) node.remove();
    const whole = this.drawn + settled(text.slice(this.drawn.length));
    this.root.append(...this.#nodes(whole.slice(this.drawn.length)));
    this.drawn = whole;
    this.tail = this.#nodes(text.slice(whole.length));
    this.root.append(...this.tail);
  }

  #nodes(text) {
    return blocks(text.split('\n'), this.cite, 0);
  }
}

/** Return the part of a text that no further text can change. */
function settled(text) {
  let fence = null;
  let end = 0;
  let at = 0;
  for (const line of text.split('\n')) {
    at += line.length + 1;
    const found = is(FENCE, line);
    if (fence) {
      if (found && found[1].startsWith(fence) && !found[2]) fence = null;
    } else if (found) fence = found[1];
    else if (!line.trim() && at <= text.length) end = at;
  }
  return text.slice(0, end);
}

function blocks(lines, cite, depth) {
  const made = [];
  for (let at = 0; at < lines.length; ) {
    const line = lines[at];
    const fence = is(FENCE, line);
    const heading = HEADING.exec(line);
    if (!line.trim()) at += 1;
    else if (fence) {
      const code = [];
      for (at += 1; at < lines.length; at += 1) {
        const end = is(FENCE, lines[at]);
        if (end && end[1].startsWith(fence[1]) && !end[2]) break;
        code.push(lines[at]);
      }
      at += 1;
      made.push(el('pre', {}, el('code', { text: code.join('\n'), data: { language: fence[2] } })));
    } else if (heading) {
      made.push(el(`h${Math.min(heading[1].length + 3, 6)}`, {}, ...inline(heading[2], cite)));
      at += 1;
    } else if (is(RULE, line)) {
      made.push(el('hr'));
      at += 1;
    } else if (depth < DEEPEST && /^ {0,3}>/.test(line)) {
      const quoted = [];
      for (; at < lines.length && /^ {0,3}>/.test(lines[at]); at += 1) quoted.push(lines[at].replace(/^ {0,3}> ?/, ''));
      made.push(el('blockquote', {}, ...blocks(quoted, cite, depth + 1)));
    } else if (depth < DEEPEST && ITEM.test(line)) {
      const items = [];
      for (; at < lines.length && lines[at].trim() && (ITEM.test(lines[at]) || /^\s{2,}/.test(lines[at])); at += 1) items.push(lines[at]);
      made.push(list(items, cite, depth));
    } else if (line.includes('|') && is(TABLE, lines[at + 1] ?? '')) {
      const rows = [line];
      for (at += 2; at < lines.length && lines[at].includes('|'); at += 1) rows.push(lines[at]);
      made.push(table(rows, cite));
    } else {
      const said = [];
      while (at < lines.length && lines[at].trim() && !(said.length && begins(lines, at))) said.push(lines[at++]);
      made.push(el('p', {}, ...inline(said.join('\n'), cite)));
    }
  }
  return made;
}

function begins(lines, at) {
  const line = lines[at];
  return is(FENCE, line) || HEADING.test(line) || ITEM.test(line) || /^ {0,3}>/.test(line) || (line.includes('|') && is(TABLE, lines[at + 1] ?? ''));
}

function list(lines, cite, depth) {
  const [, indent, sign] = ITEM.exec(lines[0]);
  const isNumbered = /\d/.test(sign);
  const items = [];
  for (const line of lines) {
    const found = ITEM.exec(line);
    if (found && (found[1].length <= indent.length + 1 || !items.length)) items.push([found[3]]);
    else items.at(-1).push(line.slice(Math.min(indent.length + sign.length + 1, line.search(/\S/))));
  }
  const children = items.map(([first, ...rest]) => el('li', {}, ...inline(first, cite), ...blocks(rest, cite, depth + 1)));
  return el(isNumbered ? 'ol' : 'ul', isNumbered ? { start: parseInt(sign, 10) } : {}, ...children);
}

function table(rows, cite) {
  const cells = (row) => row.trim().replace(/^\||\|$/g, '').split('|').map((cell) => cell.trim());
  const made = rows.map((row, at) =>
    el('tr', {}, ...cells(row).map((cell) => el(at ? 'td' : 'th', at ? {} : { scope: 'col' }, ...inline(cell, cite)))));
  return el('div', { class: 'scroll' }, el('table', {}, el('thead', {}, made[0]), el('tbody', {}, ...made.slice(1))));
}

function inline(text, cite) {
  const made = [];
  let from = 0;
  const plain = (piece) => piece && made.push(document.createTextNode(visible(piece)));
  for (const found of text.matchAll(INLINE)) {
    plain(text.slice(from, found.index));
    from = found.index + found[0].length;
    const [, , code, bold, italic, label, linked, alone] = found;
    if (code !== undefined) made.push(el('code', { text: code.replace(OURS, '') }));
    else if (bold !== undefined) made.push(el('strong', {}, ...inline(bold, cite)));
    else if (italic !== undefined) made.push(el('em', {}, ...inline(italic, cite)));
    else {
      plain(label); // of a link to a file that the run wrote
      made.push(cite(Number(linked ?? alone)) ?? document.createTextNode(''));
    }
  }
  plain(text.slice(from));
  return made;
}
