const content = JSON.parse(document.getElementById('content').textContent);
const {speeds: SPEEDS, directions: DIRECTIONS, frames} = content;
const byId = (id) => document.getElementById(id);
const SVG = 'http://www.w3.org/2000/svg';
const STEP = 0.5; // seconds between the positions of a path
const SAME_PLACE = 0.3; // metres between frames that a click cannot tell apart
const SPEED_KEYS = ['M', 'F', 'S'];

/* Queued frames first, both parts in time order. */
const order = [
  ...frames.filter((frame) => frame.queue),
  ...frames.filter((frame) => !frame.queue),
];
const byToken = new Map(frames.map((frame) => [frame.token, frame]));
const isLegal = (speed, direction) =>
  content.pairs.some(([s, d]) => s === speed && d === direction);
const samePair = (a, b) => a.speed === b.speed && a.direction === b.direction;

/* ---- What is decided: token -> line of the exported file ------------- */

const decisions = new Map();
const past = []; // [token, line before or undefined], for undo

/* Whether a line is about the label that this page shows. */
function fits(line) {
  const label = byToken.get(line.token)?.label;
  if (!label || !isLegal(line.speed, line.direction) || !line.before) {
    return false;
  }
  const applied = label.source === content.reviewed && samePair(line, label);
  return samePair(line.before, label) || applied;
}

function save() {
  store.write(content.store, JSON.stringify([...decisions.values()]));
}

function put(token, line) {
  if (line) {
    decisions.set(token, line);
  } else {
    decisions.delete(token);
  }
}

function change(token, line) {
  past.push([token, decisions.get(token)]);
  put(token, line);
  save();
  render();
}

function decide(frame, speed, direction) {
  const after = {speed, direction};
  const {speed: oldSpeed, direction: oldDirection} = frame.label;
  const before = {speed: oldSpeed, direction: oldDirection};
  change(frame.token, {
    token: frame.token,
    scene_name: content.scene,
    frame_idx: frame.index,
    ...after,
    status: samePair(after, before) ? 'accepted' : 'edited',
    before,
    reviewer: byId('reviewer').value.trim(),
  });
}

function undo() {
  if (!past.length) {
    return;
  }
  const [token, line] = past.pop();
  put(token, line);
  save();
  current = byToken.get(token);
  render();
}

const shown = (frame) => decisions.get(frame.token) || frame.label;
const isOpen = (frame) =>
  frame.label &&
  !decisions.has(frame.token) &&
  frame.label.source !== content.reviewed;

/* ---- Choosing -------------------------------------------------------- */

let current = order.find(isOpen) || order[0];

function choose(frame) {
  current = frame;
  render();
}

function step(offset) {
  const place = order.indexOf(current) + offset;
  if (order[place]) {
    choose(order[place]);
  }
}

/* The next open frame after the chosen one, or else the first. */
function nextOpen() {
  const place = order.indexOf(current);
  const around = [...order.slice(place + 1), ...order.slice(0, place)];
  const next = around.find(isOpen);
  if (next) {
    choose(next);
  }
}

function accept() {
  if (!current.label) {
    step(1);
    return;
  }
  if (!decisions.has(current.token)) {
    const {speed, direction} = current.label;
    decide(current, speed, direction);
  }
  nextOpen();
}

function setSpeed(speed) {
  if (current.label && isLegal(speed, shown(current).direction)) {
    decide(current, speed, shown(current).direction);
  }
}

/* Who stops does not accelerate, so the speed may have to follow. */
function setDirection(direction) {
  if (!current.label) {
    return;
  }
  const {speed} = shown(current);
  decide(current, isLegal(speed, direction) ? speed : SPEEDS[0], direction);
}

/* ---- Building -------------------------------------------------------- */

function element(tag, className, text = '') {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  return made;
}

function svgElement(tag, attributes, text = '') {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) {
    made.setAttribute(name, value);
  }
  made.textContent = text;
  return made;
}

function icon(direction) {
  const made = svgElement('svg', {class: 'icon', viewBox: '0 0 16 16'});
  const href = `#icon-${DIRECTIONS.indexOf(direction)}`;
  made.append(svgElement('use', {href}));
  return made;
}

function option(group, word, key, act) {
  const made = element('button', '', word);
  made.type = 'button';
  made.dataset.word = word;
  made.append(element('kbd', '', key));
  made.addEventListener('click', () => act(word));
  byId(group).append(made);
  return made;
}

SPEEDS.forEach((word, k) => option('speeds', word, SPEED_KEYS[k], setSpeed));
DIRECTIONS.forEach((word, k) => {
  const made = option('directions', word, k + 1, setDirection);
  made.classList.add(`d${k}`);
  made.prepend(icon(word));
});

for (const frame of order) {
  const row = element('button', 'row');
  row.type = 'button';
  row.dataset.frame = frame.index;
  row.addEventListener('click', () => choose(frame));
  const item = element('li', '');
  item.append(row);
  byId('frames').append(item);
}

/* ---- Drawing --------------------------------------------------------- */

const colour = (frame) =>
  frame.label
    ? `d${DIRECTIONS.indexOf(shown(frame).direction)}`
    : 'unlabelled';

function state(frame) {
  if (!frame.label) {
    return 'no label';
  }
  const line = decisions.get(frame.token);
  if (line) {
    return line.status;
  }
  if (frame.label.source === content.reviewed) {
    return 'reviewed';
  }
  return frame.queue ? 'in queue' : '';
}

function renderRow(row) {
  const frame = frames.find((f) => f.index === Number(row.dataset.frame));
  row.className = `row ${colour(frame)}`;
  row.classList.toggle('current', frame === current);
  row.toggleAttribute('aria-current', frame === current);
  row.replaceChildren(element('span', 'number', frame.index));
  if (frame.label) {
    const {speed, direction} = shown(frame);
    row.append(icon(direction));
    const words = element('span', 'words');
    words.append(element('span', '', direction));
    words.append(element('small', '', speed), confidence(frame));
    row.append(words);
  } else {
    row.append(element('span', 'words', 'The recording ends too early'));
  }
  const badge = element('span', 'badge', state(frame));
  badge.dataset.state = state(frame);
  row.append(badge);
}

function confidence(frame) {
  const {confidence: value, source} = frame.label;
  const share = Number.isFinite(value) ? value : 0;
  const made = element('small', 'confidence');
  made.title = `Confidence ${share.toFixed(2)}, source ${source}`;
  const meter = element('i', '');
  meter.style.setProperty('--share', share);
  made.append(meter, `${share.toFixed(2)} ${source}`);
  return made;
}

function renderMap() {
  for (const part of document.querySelectorAll('#world [data-frame]')) {
    const frame = frames.find((f) => f.index === Number(part.dataset.frame));
    const kind = part.classList[0];
    part.setAttribute('class', `${kind} ${colour(frame)}`);
    part.classList.toggle('queued', Boolean(frame.queue));
  }
  const parts = document.querySelectorAll(
    `#world [data-frame="${current.index}"]`
  );
  const copies = [...parts].map((part) => part.cloneNode(true));
  copies.forEach((copy) => copy.removeAttribute('data-frame'));
  byId('chosen').replaceChildren(...copies);
  const degrees = (current.yaw * 180) / Math.PI - 90;
  byId('turned').setAttribute(
    'transform',
    `rotate(${degrees}) translate(${-current.x} ${-current.y})`
  );
}

/* Speeds over time, with the words that a reader needs to name them. */
function renderChart() {
  const chart = byId('chart');
  chart.replaceChildren();
  const {speeds, acceleration} = current;
  if (!speeds.length) {
    return;
  }
  const top = Math.max(...speeds, 4) * 1.15;
  const x = (k) => 8 + 104 * ((k + 0.5) / 6);
  const y = (v) => 78 - 58 * (v / top);
  chart.append(svgElement('path', {class: 'axis', d: 'M8 78H112'}));
  const points = speeds.map((v, k) => `${x(k)},${y(v)}`).join(' ');
  chart.append(svgElement('polyline', {class: 'speed', points}));
  speeds.forEach((v, k) => {
    chart.append(svgElement('circle', {cx: x(k), cy: y(v), r: 1.6}));
  });
  const last = speeds.length - 1;
  const tell = (k, anchor) =>
    chart.append(
      svgElement(
        'text',
        {x: x(k), y: y(speeds[k]) - 4, 'text-anchor': anchor},
        speeds[k].toFixed(1)
      )
    );
  tell(0, 'start');
  tell(last, 'end');
  const sign = acceleration >= 0 ? '+' : '\u2212';
  const slope =
    acceleration === null
      ? ''
      : `, ${sign}${Math.abs(acceleration).toFixed(2)} m/s\u00b2`;
  chart.append(svgElement('text', {x: 8, y: 11}, `Speed, m/s${slope}`));
  chart.append(svgElement('text', {x: 8, y: 87}, 'now'));
  const end = `${(STEP * speeds.length).toFixed(1)} s`;
  chart.append(svgElement('text', {x: 112, y: 87, 'text-anchor': 'end'}, end));
}

function renderQueue() {
  const box = byId('queue');
  box.replaceChildren();
  box.hidden = !current.queue;
  if (!current.queue) {
    return;
  }
  box.append(element('p', '', current.queue.reason));
  for (const {name, pair} of current.queue.opinions) {
    const [speed, direction] = pair;
    const made = element('button', '');
    made.append(element('b', '', name), `: ${direction}, ${speed}`);
    made.type = 'button';
    made.disabled = !isLegal(speed, direction);
    made.addEventListener('click', () => decide(current, speed, direction));
    box.append(made);
  }
}

function renderFrame() {
  const label = current.label && shown(current);
  byId('name').textContent = `Frame ${current.index}`;
  byId('state').textContent = state(current);
  byId('state').dataset.state = state(current);
  byId('image').hidden = !current.image;
  byId('no-image').hidden = Boolean(current.image);
  byId('image').src = current.image || '';
  for (const made of document.querySelectorAll('#speeds button')) {
    const word = made.dataset.word;
    made.setAttribute('aria-pressed', label?.speed === word);
    made.disabled = !label || !isLegal(word, label.direction);
    made.classList.toggle('was', current.label?.speed === word);
  }
  for (const made of document.querySelectorAll('#directions button')) {
    const word = made.dataset.word;
    made.setAttribute('aria-pressed', label?.direction === word);
    made.disabled = !label;
    made.classList.toggle('was', current.label?.direction === word);
  }
  const decided = decisions.has(current.token) || !current.label;
  const text = decided ? 'Next open ' : 'Accept and go on ';
  byId('accept').replaceChildren(text, element('kbd', '', 'A'));
  byId('undo').disabled = !past.length;
  byId('clear').disabled = !decisions.has(current.token);
}

function render() {
  document.querySelectorAll('#frames .row').forEach(renderRow);
  renderMap();
  renderChart();
  renderQueue();
  renderFrame();
  const total = frames.filter((frame) => frame.label).length;
  const left = frames.filter(isOpen).length;
  byId('left').textContent = left ? `${left} of ${total} left` : 'All done';
  byId('bar').max = total;
  byId('bar').value = total - left;
  const row = document.querySelector('.row.current');
  const list = byId('frames');
  if (list.scrollHeight > list.clientHeight) {
    list.scrollTop = row.offsetTop - list.clientHeight / 2;
  }
}

/* ---- Zoom and pan ---------------------------------------------------- */

const whole = [0, 0, ...content.size];
let view = whole;

function look(next) {
  view = next;
  byId('map').setAttribute('viewBox', view.join(' '));
  const pixel = byId('map').getScreenCTM()?.a || 1;
  const metres = [200, 100, 50, 20, 10, 5, 2].find((m) => m * pixel < 130) || 1;
  byId('scale').style.setProperty('--length', `${metres * pixel}px`);
  byId('scale').textContent = `${metres} m`;
}

function zoom(factor, x = view[0] + view[2] / 2, y = view[1] + view[3] / 2) {
  const width = Math.min(Math.max(view[2] * factor, 15), whole[2] * 2);
  const ratio = width / view[2];
  look([
    x - (x - view[0]) * ratio,
    y - (y - view[1]) * ratio,
    width,
    view[3] * ratio,
  ]);
}

/* Metres of the map below the pointer. */
function mapPoint(event) {
  const place = new DOMPoint(event.clientX, event.clientY);
  return place.matrixTransform(byId('map').getScreenCTM().inverse());
}

/* The frame nearest to a place. Where a car stands there are several: one
after the other. */
function frameAt(x, y) {
  const far = (frame) => Math.hypot(frame.x - x, frame.y - y);
  const least = Math.min(...frames.map(far));
  const there = frames.filter((frame) => far(frame) < least + SAME_PLACE);
  return there[(there.indexOf(current) + 1) % there.length];
}

let grip = null; // map point that the pointer holds
let moved = false;
byId('map').addEventListener('pointerdown', (event) => {
  grip = mapPoint(event);
  moved = false;
});
byId('map').addEventListener('pointermove', (event) => {
  if (!grip || !event.buttons) {
    return;
  }
  const now = mapPoint(event);
  const pixel = byId('map').getScreenCTM().a;
  moved ||= Math.hypot(now.x - grip.x, now.y - grip.y) * pixel > 4;
  if (moved) {
    look([view[0] + grip.x - now.x, view[1] + grip.y - now.y, view[2], view[3]]);
  }
});
window.addEventListener('pointerup', () => {
  grip = null;
});
byId('map').addEventListener('wheel', (event) => {
  event.preventDefault();
  const {x, y} = mapPoint(event);
  zoom(event.deltaY > 0 ? 1.2 : 1 / 1.2, x, y);
}, {passive: false});
byId('map').addEventListener('click', (event) => {
  const {x, y} = mapPoint(event);
  if (moved) {
    return;
  }
  choose(frameAt(x, y));
});
byId('zoom-in').addEventListener('click', () => zoom(1 / 1.5));
byId('zoom-out').addEventListener('click', () => zoom(1.5));
byId('zoom-fit').addEventListener('click', () => look(whole));
window.addEventListener('resize', () => look(view));

/* ---- Files ----------------------------------------------------------- */

function say(text) {
  byId('notice').textContent = text;
}

function exportLines() {
  const reviewer = byId('reviewer').value.trim();
  const lines = signed([...decisions.values()], reviewer);
  if (!lines.length) {
    say('Nothing is decided yet.');
  } else if (lines.some((line) => !line.reviewer)) {
    say('Enter your name first.');
    byId('reviewer').focus();
  } else {
    const name = content.scene.replace(/[^\w.-]+/g, '_');
    download(lines, `review_${name}.jsonl`);
    say(`${lines.length} decisions exported.`);
  }
}

/* Take the lines of a file over; those of other scenes stay outside. */
function importText(text) {
  let taken = 0;
  let foreign = 0;
  let stale = 0;
  for (const row of text.split('\n').filter((r) => r.trim())) {
    let line;
    try {
      line = JSON.parse(row);
    } catch {
      say('This is no JSON Lines file of a review.');
      return;
    }
    if (!byToken.has(line?.token)) {
      foreign += 1;
    } else if (!fits(line)) {
      stale += 1;
    } else {
      past.push([line.token, decisions.get(line.token)]);
      put(line.token, line);
      taken += 1;
    }
  }
  save();
  render();
  say(`${taken} decisions imported` +
      (foreign ? `, ${foreign} of other scenes left out` : '') +
      (stale ? `, ${stale} about other labels left out` : '') + '.');
}

byId('export').addEventListener('click', exportLines);
byId('import').addEventListener('change', async (event) => {
  const [file] = event.target.files;
  if (file) {
    importText(await file.text());
  }
  event.target.value = '';
});
byId('reviewer').addEventListener('input', () => {
  store.write(REVIEWER, byId('reviewer').value.trim());
});

/* ---- Keys ------------------------------------------------------------ */

const keys = {
  a: accept,
  enter: accept,
  j: () => step(1),
  arrowdown: () => step(1),
  k: () => step(-1),
  arrowup: () => step(-1),
  n: nextOpen,
  u: undo,
  x: () => byId('clear').click(),
  e: exportLines,
  '+': () => zoom(1 / 1.5),
  '-': () => zoom(1.5),
  0: () => look(whole),
};
SPEEDS.forEach((word, k) => {
  keys[SPEED_KEYS[k].toLowerCase()] = () => setSpeed(word);
});
DIRECTIONS.forEach((word, k) => {
  keys[k + 1] = () => setDirection(word);
});

document.addEventListener('keydown', (event) => {
  const name = event.key.toLowerCase();
  if ((event.ctrlKey || event.metaKey) && name === 'z') {
    event.preventDefault();
    undo();
    return;
  }
  const typing = event.target.matches('input, summary');
  const pressing = name === 'enter' && event.target.matches('button, a');
  const held = event.ctrlKey || event.metaKey || event.altKey;
  if (!typing && !pressing && !held && Object.hasOwn(keys, name)) {
    event.preventDefault();
    keys[name]();
  }
});
byId('accept').addEventListener('click', accept);
byId('undo').addEventListener('click', undo);
byId('clear').addEventListener('click', () => {
  if (decisions.has(current.token)) {
    change(current.token, undefined);
  }
});

/* ---- Start ----------------------------------------------------------- */

byId('reviewer').value = store.read(REVIEWER) || '';
const remembered = readLines(content.store);
remembered.filter(fits).forEach((line) => put(line.token, line));
const dropped = remembered.length - decisions.size;
if (!store.works) {
  say('This browser keeps nothing for local files: export before you leave.');
} else if (dropped) {
  say(`${dropped} earlier decisions were about other labels and are left out.`);
}
current = order.find(isOpen) || order[0];
render();
look(whole);
