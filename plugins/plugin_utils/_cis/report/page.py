# Copyright: (c) 2026, baremetal.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to this collection: it may change in any release.
# Do not import it from other collections, playbook-local plugins or scripts.

"""Style and script of the HTML report. Both are inline; the content security policy allows them by their hash."""

from __future__ import annotations

STYLE = """
:root {
  color-scheme: light dark;
  --bg: #f6f7f9; --card: #fff; --text: #1b1f24; --dim: #57606a; --line: #d5dae0; --soft: #eef1f4; --link: #0b5cad;
  --fail: #b42318; --fail-bg: #fdeceb; --error: #8a2a8f; --error-bg: #f8e9f9; --manual: #8a5a00; --manual-bg: #fdf3dc;
  --exempt: #3d5a80; --exempt-bg: #e6eef8; --pass: #16682c; --pass-bg: #e3f5e7; --na: #5b6570; --na-bg: #e9ecef;
}
@media (prefers-color-scheme: dark) { :root:not([data-theme=light]) {
  --bg: #0f1317; --card: #171c22; --text: #e4e8ec; --dim: #9aa5b1; --line: #2f3842; --soft: #1f262e; --link: #7ab7ff;
  --fail: #ff8f85; --fail-bg: #46201d; --error: #e79aec; --error-bg: #40233f; --manual: #f0c063; --manual-bg: #3d3014;
  --exempt: #9fc3f0; --exempt-bg: #21324a; --pass: #6fd58a; --pass-bg: #17361f; --na: #a9b3bd; --na-bg: #2a323b;
} }
:root[data-theme=dark] {
  color-scheme: dark;
  --bg: #0f1317; --card: #171c22; --text: #e4e8ec; --dim: #9aa5b1; --line: #2f3842; --soft: #1f262e; --link: #7ab7ff;
  --fail: #ff8f85; --fail-bg: #46201d; --error: #e79aec; --error-bg: #40233f; --manual: #f0c063; --manual-bg: #3d3014;
  --exempt: #9fc3f0; --exempt-bg: #21324a; --pass: #6fd58a; --pass-bg: #17361f; --na: #a9b3bd; --na-bg: #2a323b;
}
:root[data-theme=light] { color-scheme: light; }
* { box-sizing: border-box; }
html { scroll-padding-top: 6rem; }
body { margin: 0; background: var(--bg); color: var(--text);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "DejaVu Sans", sans-serif; }
.wrap { max-width: 78rem; margin: 0 auto; padding: 0 1.25rem 4rem; }
header.top { display: flex; gap: 1rem; align-items: baseline; justify-content: space-between; padding-top: 1.5rem; }
h1 { font-size: 1.6rem; line-height: 1.2; margin: 0; overflow-wrap: anywhere; }
h2 { font-size: 1.05rem; margin: 2rem 0 .6rem; }
h2 .dim { font-weight: 400; }
h3 { font-size: .95rem; margin: 0 0 .5rem; }
p { margin: .35rem 0; overflow-wrap: anywhere; }
a { color: var(--link); }
.dim { color: var(--dim); }
.facts { display: flex; flex-wrap: wrap; gap: .1rem 1.1rem; margin: .4rem 0 1rem; color: var(--dim); }
.facts b { color: var(--text); font-weight: 600; }
.box { background: var(--card); border: 1px solid var(--line); border-radius: .6rem; padding: .8rem 1rem;
  margin: .6rem 0; }
.box > summary { cursor: pointer; font-weight: 600; }
.plain { font-weight: 400; }
.notice { border-left: .3rem solid var(--manual); }
.notice ul, .box ul { margin: .2rem 0; padding-left: 1.2rem; }
.sum { display: grid; grid-template-columns: auto 1fr; gap: 1rem 2rem; align-items: center; }
.score { font-size: 2.6rem; font-weight: 700; line-height: 1; font-variant-numeric: tabular-nums; }
.tiles { display: flex; flex-wrap: wrap; gap: .5rem; }
.tile { border: 1px solid var(--line); border-radius: .5rem; padding: .35rem .8rem; background: var(--soft);
  min-width: 6.2rem; font: inherit; color: inherit; text-align: left; }
button.tile { cursor: pointer; }
.tile b { display: block; font-size: 1.25rem; line-height: 1.3; font-variant-numeric: tabular-nums; }
.tile[aria-pressed=true] { outline: 2px solid currentColor; outline-offset: -1px; background: var(--card); }
.bar { display: block; width: 100%; height: .6rem; border-radius: .3rem; }
svg .fail { fill: var(--fail); } svg .error { fill: var(--error); } svg .manual { fill: var(--manual); }
svg .exempt { fill: var(--exempt); } svg .pass { fill: var(--pass); }
svg .not_applicable { fill: var(--na); opacity: .35; }
.t-fail b { color: var(--fail); } .t-error b { color: var(--error); } .t-manual b { color: var(--manual); }
.t-exempt b { color: var(--exempt); } .t-pass b { color: var(--pass); } .t-not_applicable b { color: var(--na); }
.badge { display: inline-block; border-radius: .35rem; padding: 0 .5rem; font-size: .82rem; font-weight: 600;
  line-height: 1.6; white-space: nowrap; }
.b-fail { color: var(--fail); background: var(--fail-bg); }
.b-error { color: var(--error); background: var(--error-bg); }
.b-manual { color: var(--manual); background: var(--manual-bg); }
.b-pass { color: var(--pass); background: var(--pass-bg); }
.b-exempt { color: var(--exempt); background: var(--exempt-bg); }
.b-not_applicable { color: var(--na); background: var(--na-bg); }
.tag { display: inline-block; border: 1px solid var(--line); border-radius: .35rem; padding: 0 .4rem; font-size: .78rem;
  line-height: 1.5; color: var(--dim); white-space: nowrap; }
.tools { position: sticky; top: 0; z-index: 2; background: var(--bg); padding: .7rem 0; display: flex; flex-wrap: wrap;
  gap: .5rem; align-items: center; border-bottom: 1px solid var(--line); }
.tools input, .tools select, .tools button, .icon { font: inherit; color: inherit; background: var(--card);
  border: 1px solid var(--line); border-radius: .45rem; padding: .35rem .6rem; max-width: 100%; }
.tools input[type=search] { flex: 1 1 11rem; min-width: 10rem; }
.tools select { max-width: 11rem; }
.tools label.tick { display: inline-flex; gap: .35rem; align-items: center; }
button { cursor: pointer; }
.count { margin-left: auto; color: var(--dim); }
:focus-visible { outline: 2px solid var(--link); outline-offset: 1px; }
.checks { background: var(--card); border: 1px solid var(--line); border-radius: .6rem; overflow: hidden; }
.check + .check { border-top: 1px solid var(--line); }
.check > summary { display: grid; grid-template-columns: 8.2rem 4rem 1fr auto; gap: .3rem .8rem; align-items: baseline;
  padding: .45rem .9rem; cursor: pointer; list-style: none; }
.check > summary::-webkit-details-marker { display: none; }
.check > summary:hover, .check[open] > summary { background: var(--soft); }
.check .num { font-variant-numeric: tabular-nums; color: var(--dim); }
.check .title { overflow-wrap: anywhere; }
.check .side { display: flex; gap: .4rem; flex-wrap: wrap; justify-content: flex-end; align-items: baseline; }
.body { padding: .6rem .9rem 1rem; border-top: 1px solid var(--line); }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .25rem .9rem; margin: 0 0 .8rem; }
dt { color: var(--dim); } dd { margin: 0; overflow-wrap: anywhere; }
.group { border: 1px solid var(--line); border-radius: .45rem; margin: .5rem 0; padding: .5rem .7rem; }
.group > p { margin: .1rem 0 .3rem; }
.hosts { display: inline; color: var(--dim); overflow-wrap: anywhere; }
.group details { margin: .25rem 0; }
.group details > summary { cursor: pointer; overflow-wrap: anywhere; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .88rem; }
th, td { text-align: left; vertical-align: top; padding: .3rem .6rem; border-bottom: 1px solid var(--line); }
th { color: var(--dim); font-weight: 600; white-space: nowrap; }
td { overflow-wrap: anywhere; }
td.name { white-space: nowrap; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; }
tr:last-child td { border-bottom: 0; }
code { font-family: ui-monospace, "SFMono-Regular", Menlo, Consolas, "DejaVu Sans Mono", monospace; font-size: .92em;
  overflow-wrap: anywhere; white-space: pre-wrap; }
.more { font: inherit; color: var(--link); background: none; border: 0; padding: .2rem 0; text-decoration: underline; }
.as-link { font: inherit; color: var(--link); background: none; border: 0; padding: 0; text-align: left;
  overflow-wrap: anywhere; }
.none { padding: 2rem; text-align: center; color: var(--dim); }
[hidden] { display: none !important; }
footer { margin-top: 2.5rem; color: var(--dim); font-size: .85rem; }
@media (max-width: 44rem) {
  .wrap { padding: 0 .7rem 3rem; }
  .sum { grid-template-columns: 1fr; }
  html { scroll-padding-top: 0; }
  .scroll table { min-width: 36rem; }
  .tools { position: static; }
  .tile { min-width: 0; flex: 1 1 5.5rem; }
  .check > summary { grid-template-columns: auto 1fr; }
  .check .title { grid-column: 1 / -1; }
  .check .side { grid-column: 1 / -1; justify-content: flex-start; }
  dl { grid-template-columns: 1fr; gap: 0; } dd { margin-bottom: .5rem; }
  .count { margin-left: 0; width: 100%; }
}
@media print {
  :root, :root[data-theme] { --bg: #fff; --card: #fff; --text: #000; --dim: #444; --line: #bbb; --soft: #fff; }
  .tools, .icon, .more { display: none !important; }
  body { font-size: 10pt; }
  .wrap { max-width: none; padding: 0; }
  .check, .group, .box { break-inside: avoid; }
  .badge { border: 1px solid currentColor; }
}
"""

SCRIPT = r"""
'use strict';
(() => {
const data = JSON.parse(document.getElementById('data').textContent);
const { strings, evidence, rows, hosts, statuses, titles, reasons } = data;
const CLUSTER = data.cluster;
const $ = (id) => document.getElementById(id);
const make = (name, className, text) => {
  const element = document.createElement(name);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
};
const hostName = (index) => index < 0 ? CLUSTER : hosts[index];
const badge = (status) => make('span', 'badge b-' + statuses[status], data.marks[status] + ' ' + titles[status]);
const PAGE = 50;

// Search index: every distinct text once.
const lower = strings.map((text) => text.toLowerCase());
const lowerHosts = hosts.map((name) => name.toLowerCase());
const lowerCluster = CLUSTER.toLowerCase();

const checks = [...document.querySelectorAll('.check')].map((element) => ({
  element,
  id: element.dataset.id,
  level: element.dataset.level,
  section: element.dataset.section,
  own: element.dataset.text.toLowerCase(),
  badge: element.querySelector('.badge'),
  side: element.querySelector('.numbers'),
  found: element.querySelector('.found'),
  rows: rows[element.dataset.id] || [],
  shown: [],
}));
const sections = [...document.querySelectorAll('section.part')];
const state = { words: [], status: new Set(), level: '', section: '', host: '', changed: false, differs: false };

// For each word: the texts and pieces of evidence that have it.
const hitsOf = (word) => {
  const inStrings = lower.map((text) => text.includes(word));
  return {
    word,
    inStrings,
    inEvidence: evidence.map((item) => [0, 1, 2, 3, 5, 6].some((place) => inStrings[item[place]])),
    inHosts: lowerHosts.map((text) => text.includes(word)),
    inCluster: lowerCluster.includes(word),
  };
};
const rowHas = (row, hit) => hit.inStrings[row[2]] || (row[0] < 0 ? hit.inCluster : hit.inHosts[row[0]])
  || row[3].some((index) => hit.inEvidence[index]);

function matching(check, hits) {
  if (state.level && check.level !== state.level) return [];
  if (state.section && check.section !== state.section) return [];
  const left = hits.filter((hit) => !check.own.includes(hit.word));
  const host = state.host === '' ? null : Number(state.host);
  return check.rows.filter((row) => (host === null || row[0] === host)
    && (!state.status.size || state.status.has(row[1]))
    && (!state.changed || row[5] > 0)
    && (!state.differs || row[4] >= 0)
    && left.every((hit) => rowHas(row, hit)));
}

function numbers(found) {
  const counts = statuses.map(() => 0);
  for (const row of found) counts[row[1]] += 1;
  return counts;
}

function apply() {
  const hits = state.words.map(hitsOf);
  let shown = 0;
  for (const check of checks) {
    check.shown = matching(check, hits);
    check.element.hidden = !check.shown.length;
    if (!check.shown.length) continue;
    shown += 1;
    const counts = numbers(check.shown);
    const worst = counts.findIndex((count) => count > 0);
    check.badge.className = 'badge b-' + statuses[worst];
    check.badge.textContent = data.marks[worst] + ' ' + titles[worst];
    const several = counts.filter((count) => count > 0).length > 1 || check.shown.length > 1;
    check.side.textContent = several
      ? counts.map((count, index) => count ? count + ' ' + titles[index] : '').filter(Boolean).join(', ') : '';
    if (check.element.open) fill(check); else check.found.replaceChildren();
  }
  for (const section of sections) section.hidden = !section.querySelector('.check:not([hidden])');
  $('count').textContent = shown + ' of ' + checks.length + ' checks';
  $('none').hidden = shown > 0;
}

// Evidence as a table; with host names if it is of several hosts.
function table(pairs, withHosts) {
  const scroll = make('div', 'scroll');
  const element = make('table');
  const head = make('tr');
  const names = ['Source', 'Key', 'Found', 'Expected'];
  for (const name of withHosts ? ['', 'Host', ...names] : ['', ...names]) head.append(make('th', '', name));
  const top = make('thead');
  top.append(head);
  const body = make('tbody');
  let last = null;
  for (const [host, index] of pairs) {
    const item = evidence[index];
    const row = make('tr');
    const first = make('td');
    if (item[4] >= 0) first.append(item[7] >= 0 ? make('span', 'badge b-exempt', 'exempt') : badge(item[4]));
    row.append(first);
    if (withHosts) row.append(make('td', 'name', host === last ? '' : hostName(host)));
    last = host;
    const where = make('td');
    const subject = strings[item[5]];
    if (subject) where.append(make('div', '', subject));
    where.append(make('code', subject ? 'dim' : '', strings[item[0]]));
    const found = make('td');
    found.append(make('code', '', strings[item[2]]));
    if (item[7] >= 0) found.append(make('div', 'dim', reasons[item[7]]));
    row.append(where, make('td', '', strings[item[1]]), found, make('td', '', strings[item[3]]));
    body.append(row);
  }
  element.append(top, body);
  scroll.append(element);
  return scroll;
}

// Long lists are paged.
function paged(target, items, build, size = PAGE) {
  let done = 0;
  const more = make('button', 'more');
  more.type = 'button';
  const next = () => {
    for (const item of items.slice(done, done + size)) target.insertBefore(build(item), more);
    done = Math.min(done + size, items.length);
    more.textContent = 'Show more';
    more.hidden = done >= items.length;
  };
  target.append(more);
  more.addEventListener('click', next);
  next();
}

function folded(title, pairs, withHosts, open) {
  const element = make('details');
  element.append(make('summary', '', title));
  const render = () => {
    if (!element.open || element.childElementCount > 1) return;
    const target = make('div');
    element.append(target);
    const parts = [];
    for (let start = 0; start < pairs.length; start += PAGE) parts.push(pairs.slice(start, start + PAGE));
    paged(target, parts, (part) => table(part, withHosts), 1);
  };
  element.addEventListener('toggle', render);
  element.open = open;
  return element;
}
const facts = (row) => {
  const found = [];
  if (row[4] >= 0) found.push('literally: ' + titles[row[4]]);
  if (row[5] > 0) found.push(data.changes[row[5]]);
  return found;
};

function fill(check) {
  const groups = new Map();
  for (const row of check.shown) {
    const key = [row[1], row[2], row[4], row[5]].join();
    if (!groups.has(key)) groups.set(key, []);
    groups.get(key).push(row);
  }
  const ordered = [...groups.values()].sort((one, other) => one[0][1] - other[0][1]);
  const target = make('div');
  paged(target, ordered, (same) => {
    const row = same[0];
    const box = make('div', 'group');
    const line = make('p');
    line.append(badge(row[1]), ' ', strings[row[2]] || '');
    for (const fact of facts(row)) line.append(' ', make('span', 'tag', fact));
    box.append(line);
    const names = same.map((item) => hostName(item[0]));
    const some = names.slice(0, 12).join(', ');
    const where = names.length > 12 ? names.length + ' hosts: ' + some + ', \u2026' : some;
    box.append(make('p', 'hosts', where));
    const bad = row[1] < 2;
    if (same.every((item) => item[3].join() === row[3].join())) {
      const pairs = row[3].map((index) => [row[0], index]);
      const open = bad || ordered.length === 1;
      if (pairs.length) box.append(folded('Evidence (' + pairs.length + ')', pairs, false, open));
    } else {
      const pairs = same.flatMap((item) => item[3].map((index) => [item[0], index]));
      box.append(folded('Evidence of ' + same.length + ' hosts (' + pairs.length + ')', pairs, true, bad));
    }
    return box;
  });
  check.found.replaceChildren(target);
}

for (const check of checks) {
  check.element.querySelector('.static').hidden = true;
  check.element.addEventListener('toggle', () => {
    if (check.element.open) fill(check); else check.found.replaceChildren();
  });
}

let timer = 0;
$('search').addEventListener('input', (event) => {
  clearTimeout(timer);
  timer = setTimeout(() => {
    state.words = event.target.value.toLowerCase().split(/\s+/).filter(Boolean);
    apply();
  }, 90);
});
for (const name of ['level', 'section', 'host']) {
  $(name).addEventListener('change', (event) => { state[name] = event.target.value; apply(); });
}
for (const name of ['changed', 'differs']) {
  $(name).addEventListener('change', (event) => { state[name] = event.target.checked; apply(); });
}
const tiles = [...document.querySelectorAll('.tiles [data-status]')].map((tile) => {
  const button = make('button', tile.className);
  button.type = 'button';
  button.dataset.status = tile.dataset.status;
  button.setAttribute('aria-pressed', 'false');
  button.append(...tile.childNodes);
  tile.replaceWith(button);
  button.addEventListener('click', () => {
    const index = statuses.indexOf(button.dataset.status);
    if (!state.status.delete(index)) state.status.add(index);
    button.setAttribute('aria-pressed', String(state.status.has(index)));
    apply();
  });
  return button;
});
function chooseHost(value) {
  $('host').value = value;
  state.host = value;
  apply();
  $('tools').scrollIntoView();
}
for (const cell of document.querySelectorAll('[data-host]')) {
  const button = make('button', 'as-link', cell.textContent);
  button.type = 'button';
  cell.replaceChildren(button);
  button.addEventListener('click', () => chooseHost(cell.dataset.host));
}
$('clear').addEventListener('click', () => {
  Object.assign(state, { words: [], level: '', section: '', host: '', changed: false, differs: false });
  state.status.clear();
  for (const name of ['search', 'level', 'section', 'host']) $(name).value = '';
  for (const name of ['changed', 'differs']) $(name).checked = false;
  for (const tile of tiles) tile.setAttribute('aria-pressed', 'false');
  apply();
});
$('fold').addEventListener('click', () => {
  const shown = checks.filter((check) => !check.element.hidden);
  const open = shown.some((check) => !check.element.open);
  for (const check of shown) check.element.open = open;
});
$('theme').addEventListener('click', () => {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
  root.dataset.theme = dark ? 'light' : 'dark';
});
document.addEventListener('keydown', (event) => {
  const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(document.activeElement.tagName);
  if (event.key === '/' && !typing) { event.preventDefault(); $('search').focus(); }
});
function follow() {
  const element = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (element && element.classList.contains('check')) { element.open = true; element.scrollIntoView(); }
}
window.addEventListener('hashchange', follow);
for (const element of document.querySelectorAll('.needs-script')) element.hidden = false;
$('changed').parentElement.hidden = !data.drift;
apply();
follow();
document.documentElement.dataset.ready = 'true';
})();
"""
