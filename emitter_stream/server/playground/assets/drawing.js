// A timeline as a drawing: a lane a step, message and call, as `emitter-stream show --html` draws it.

import { brief, duration, el, svg } from './dom.js';
import { firstToken, isBad, rate, Scale } from './timeline.js';

const BINS = 160;
const MOST_LANES = 300;
const KEY = [
  ['step', 'step'],
  ['message', 'message'],
  ['toolspan', 'tool call'],
  ['pieces', 'deltas: the taller, the more'],
  ['bad', 'failed, cancelled, expired'],
];

const percent = (share) => `${(share * 100).toFixed(3)}%`;

/** Return the elements: figures, lanes and their key. */
export function drawing(made, marks = 5) {
  const scale = new Scale(made.duration);
  const first = firstToken(made);
  const named = made.lanes.flatMap((lane) => [
    [`${lane.kind} ${lane.number} \u00b7 ${brief(lane.label, 60)}`, lane, lane.kind],
    ...made.calls.filter((call) => call.lane === lane).map((call) => [brief(call.name, 60) || 'tool', call, 'tool']),
  ]);
  const rows = named.slice(0, MOST_LANES);
  const most = Math.max(1, ...rows.map(([, { pieces }]) => Math.max(...counts(scale, pieces))));
  const labels = scale.labels(marks);
  const lanes = el('ol', { class: 'lanes' }, axis(scale, labels), runRow(made, scale, labels),
    ...rows.map((row) => laneRow(row, made, scale, labels, most, first)));
  const left = named.length - rows.length;
  return [
    figures(made, first),
    lanes,
    left > 0 ? el('p', { text: `and ${left.toLocaleString('en')} more` }) : null,
    key(first < Infinity),
    made.stored
      ? el('p', { class: 'hint', text: 'This run was read from the server, which keeps whole seconds.' })
      : null,
  ].filter(Boolean);
}

function figures(made, first) {
  const count = [...made.lanes, ...made.calls].reduce((sum, { pieces }) => sum + pieces.length, 0);
  const speed = rate(made);
  const all = [
    ['Time to first token', duration(first < Infinity ? first : null)],
    ['Tokens a second', speed === null ? '\u2013' : speed.toFixed(1)],
    ['Tokens (deltas)', made.stored ? '\u2013' : count.toLocaleString('en')],
    ['Tokens billed', made.usage ? made.usage.completion_tokens.toLocaleString('en') : '\u2013'],
    ['Tool calls', made.calls.length.toLocaleString('en')],
    ['Duration', duration(made.duration)],
  ];
  return el('dl', { class: 'figures' }, ...all.map(([name, value]) =>
    el('div', {}, el('dt', { text: name }), el('dd', { text: value }))));
}

function counts(scale, pieces) {
  const found = new Array(BINS).fill(0);
  for (const t of pieces) found[Math.min(Math.floor(scale.share(t) * BINS), BINS - 1)] += 1;
  return found;
}

const grid = (scale, labels) => labels.map(([t]) =>
  svg('line', { class: 'g', x1: percent(scale.share(t)), x2: percent(scale.share(t)), y1: 0, y2: '100%' }));

function axis(scale, labels) {
  return el('li', { 'aria-hidden': 'true' }, el('span', { class: 'name' }),
    svg('svg', { height: 20 }, ...labels.map(([t, label]) => {
      const share = scale.share(t);
      const anchor = share > 0.9 ? 'end' : t === 0 ? 'start' : 'middle';
      return svg('text', { x: percent(share), y: 13, 'text-anchor': anchor, text: label });
    })), el('span'));
}

function runRow(made, scale, labels) {
  const marks = made.statuses.map(([start, status], at) => {
    const kind = isBad(status) ? 'bad' : status === 'completed' ? 'good' : 'wait';
    const end = made.statuses[at + 1]?.[0] ?? made.duration;
    const title = svg('title', { text: `${status} at ${duration(start)}` });
    if (at === made.statuses.length - 1 && (made.ended || isBad(status))) {
      return svg('circle', { class: kind, cx: percent(scale.share(start)), cy: 13, r: 6 }, title);
    }
    const width = percent(scale.share(end) - scale.share(start));
    return svg('rect', { class: kind, x: percent(scale.share(start)), y: 10, height: 6, rx: 3, width }, title);
  });
  const said = made.statuses.map(([t, status]) => `${status} at ${duration(t)}`).join(', ') || 'no run';
  return el('li', {}, el('span', { class: 'name', text: 'run' }),
    svg('svg', { height: 26, role: 'img', 'aria-label': said }, ...grid(scale, labels), ...marks),
    el('span', { class: 'took', text: duration(made.duration) }));
}

function laneRow([name, lane, kind], made, scale, labels, most, first) {
  const end = lane.end ?? made.duration;
  const took = duration(end - lane.start);
  const about = [
    `${name}: from ${duration(lane.start)} on, ${took}`,
    lane.pieces.length ? `${lane.pieces.length.toLocaleString('en')} deltas` : '',
    lane.status ?? '',
    lane.end === null ? 'not ended' : '',
  ].filter(Boolean).join(', ');
  const isStep = kind === 'step';
  const shape = kind === 'tool' ? 'toolspan' : isBad(lane.status) ? 'bad' : kind;
  const width = percent(Math.max(scale.share(end) - scale.share(lane.start), 0.002));
  const bars = counts(scale, lane.pieces).map((count, bin) => {
    if (!count) return null;
    const tall = 4 + (18 * count) / most;
    return svg('rect', { class: 'pieces', x: percent(bin / BINS), y: (26 - tall).toFixed(1), width: percent(0.8 / BINS), height: tall.toFixed(1) });
  });
  const isFirst = kind === 'message' && lane.pieces[0] === first;
  return el('li', kind === 'tool' ? { class: 'tool' } : {}, el('span', { class: 'name', title: name, text: name }),
    svg('svg', { height: 30, role: 'img', 'aria-label': about }, ...grid(scale, labels),
      svg('rect', { class: shape, x: percent(scale.share(lane.start)), y: isStep ? 11 : 3, height: isStep ? 8 : 24, rx: 4, width },
        svg('title', { text: about })),
      ...bars,
      isFirst ? svg('line', { class: 'first', x1: percent(scale.share(first)), x2: percent(scale.share(first)), y1: 0, y2: 30 }) : null),
    el('span', { class: 'took', text: took }));
}

function key(hasFirst) {
  return el('ul', { class: 'key' },
    ...KEY.map(([kind, meaning]) => el('li', {}, svg('svg', { 'aria-hidden': 'true' },
      svg('rect', { class: kind, width: 14, height: 12, rx: 3 })), meaning)),
    hasFirst ? el('li', {}, svg('svg', { 'aria-hidden': 'true' },
      svg('line', { class: 'first', x1: 7, x2: 7, y1: 0, y2: 12 })), 'first token') : null);
}
