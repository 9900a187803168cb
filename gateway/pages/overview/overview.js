// Fills the overview: asks every two seconds for the samples that are new, draws them, and says so when nobody answers. What is drawn
// stands in the page: each panel names its columns. It stores nothing and asks nobody but the gateway.
(() => {
  'use strict';
  const EVERY_MS = 2000, PATIENCE_MS = 5000, STALE_MS = 7000, SPAN_S = 900, SPAN_MIN_S = 120, POINTS = 90;
  const store = { started: 0, next: 0, times: [], columns: new Map(), now: null, at: 0, heard: 0, misses: 0, asking: false, timer: 0 };
  const charts = [];
  let cursor = null, drawn = false;

  const $ = (what, within = document) => within.querySelector(what);
  const all = (what, within = document) => [...within.querySelectorAll(what)];
  const say = (element, text) => { if (element.textContent !== text) { element.textContent = text; } };
  const style = (element, name) => getComputedStyle(element).getPropertyValue(name).trim();

  // The city's time, whatever this machine's clock or zone says.
  const clock = (ms) => new Date(ms + 8 * 3600000).toISOString().slice(11, 19);
  const digits = (value, most) => value.toLocaleString('en', { maximumFractionDigits: most });
  const short = (value) => digits(value, value >= 100 ? 0 : value >= 10 ? 1 : 2);
  const UNITS = {
    rate: (value) => [short(value), '/s'],
    seconds: (value) => value < 0.001 ? [short(value * 1e6), 'µs'] : value < 1 ? [short(value * 1e3), 'ms'] : [short(value), 's'],
    share: (value) => [digits(value * 100, value > 0 && value < 0.1 ? 1 : 0), '%'],
    cores: (value) => [digits(value, 2), 'cores'],
    bytes: (value) => value >= 1e9 ? [short(value / 1e9), 'GB'] : [short(value / 1e6), 'MB'],
    count: (value) => [digits(value, 0), ''],
  };
  const written = (unit, value) => value == null ? '–' : UNITS[unit](value).join(unit === 'seconds' || unit === 'cores' || unit === 'bytes' ? ' ' : '');
  // A legend stands below the large number, which has the unit.
  const bare = (unit, value) => unit === 'rate' && value != null ? short(value) : written(unit, value);
  const ago = (ms) => ms < 90000 ? `${Math.max(0, Math.round(ms / 1000))} s ago` : `${Math.round(ms / 60000)} min ago`;

  // What came, in columns of the same length. A pause becomes a hole, so that no line is drawn over it.
  function keep(answer) {
    const names = answer.columns, every = answer.every_ms / 1000;
    const add = (time, values) => {
      store.times.push(time);
      names.forEach((name) => {
        if (!store.columns.has(name)) { store.columns.set(name, new Array(store.times.length - 1).fill(null)); }
      });
      for (const [name, column] of store.columns) { column.push(values.get(name) ?? null); }
    };
    for (const [, at, row] of answer.rows) {
      const time = at / 1000, last = store.times.at(-1);
      if (time === last) { continue; }
      // A clock was set back: what was drawn lies in the future now, and nothing would be drawn until it has come.
      if (last !== undefined && time < last) { store.times.length = 0; store.columns.clear(); }
      if (last !== undefined && time - last > 3 * every) { add(last + every, new Map()); }
      add(time, new Map(row.map((value, index) => [names[index], value])));
      store.at = at;
    }
    const old = store.times.findIndex((time) => time >= store.times.at(-1) - SPAN_S);
    if (old > 0) {
      store.times.splice(0, old);
      for (const column of store.columns.values()) { column.splice(0, old); }
    }
    store.next = answer.rows.length ? answer.rows.at(-1)[0] : store.next;
    store.now = answer.now;
  }

  async function ask() {
    if (store.asking) { return; }
    store.asking = true;
    clearTimeout(store.timer);
    const stop = new AbortController(), late = setTimeout(() => stop.abort(), PATIENCE_MS);
    let again = EVERY_MS;
    try {
      const reply = await fetch(`/overview.json?since=${store.next}`, { cache: 'no-store', credentials: 'omit', signal: stop.signal });
      if (!reply.ok) { throw new Error(`status ${reply.status}`); }
      const answer = await reply.json();
      if (answer.started_ms !== store.started) {
        // Another process: its numbers begin anew, what is drawn stays.
        if (store.started) { again = 0; answer.rows = []; }
        store.started = answer.started_ms;
        store.next = 0;
      }
      keep(answer);
      store.heard = performance.now();
      store.late = answer.now ? Math.abs(answer.now_ms - store.at) : 0;
      store.misses = 0;
    } catch {
      store.misses += 1;
    }
    clearTimeout(late);
    store.asking = false;
    show();
    store.timer = setTimeout(ask, again);
  }

  // --- Charts.

  const at = (column, index) => store.columns.get(column)?.[index] ?? null;
  const last = () => store.times.length - 1;
  const looked = () => (cursor === null || cursor > last() ? last() : cursor);

  function series(chart) {
    const columns = chart.lines.map(({ column }) => store.columns.get(column) ?? new Array(store.times.length).fill(null));
    if (!chart.stacked) { return [store.times, ...columns]; }
    const sums = new Array(store.times.length).fill(0);
    return [store.times, ...columns.map((column) => column.map((value, index) => value === null ? null : (sums[index] += value)))];
  }

  function build() {
    charts.splice(0).forEach(({ plot, watch }) => { plot.destroy(); watch.disconnect(); });
    const root = document.documentElement, soft = style(root, '--soft'), grid = style(root, '--grid');
    const em = parseFloat(getComputedStyle(document.body).fontSize), font = `${Math.round(em * 0.8)}px system-ui, sans-serif`;
    for (const figure of all('.chart')) {
      const { unit, large } = figure.dataset, place = $('.plot', figure), stacked = large === 'sum';
      const lines = all('.line', figure).map((item) => ({ item, column: item.dataset.column, stroke: style(item, '--stroke') }));
      const chart = { figure, place, unit, large, stacked, lines };
      const axis = { stroke: soft, font, grid: { stroke: grid, width: 1 }, ticks: { show: false } };
      // Times lie decades apart, and a scale of decades stands still.
      const decade = (value, way) => 10 ** way(Math.log10(value));
      const decades = (_, low, high) => low > 0 ? [decade(low, Math.floor), Math.max(decade(low, Math.floor) * 100, decade(high, Math.ceil))] : [1e-4, 1e-1];
      const round = (_, splits) => splits.map((value) => (value === null || Math.abs(Math.log10(value) % 1) > 1e-6 ? null : value));
      const only = unit === 'seconds' ? { filter: round } : {};
      const fixed = { share: () => 1, cores: () => store.now?.cores ?? 1, rate: (high) => Math.max(1, (high ?? 0) * 1.12) }[unit];
      const options = {
        width: Math.max(80, place.clientWidth), height: Math.max(60, place.clientHeight), legend: { show: false }, padding: [em * 0.5, em * 0.4, 0, 0],
        cursor: { sync: { key: 'overview', setSeries: false }, drag: { x: false, y: false }, y: false, points: { size: 6 } },
        scales: {
          x: { time: false, range: (_, low, high) => [Math.min(Math.max(low, high - SPAN_S), high - SPAN_MIN_S), high] },
          y: fixed ? { range: (_, low, high) => [0, fixed(high)] } : { distr: 3, range: decades },
        },
        axes: [
          { ...axis, size: em * 1.5, space: em * 4.5, incrs: [15, 30, 60, 120, 180, 300], values: (_, splits) => splits.map((time) => clock(time * 1000).slice(0, splits[1] - splits[0] < 60 ? 8 : 5)) },
          { ...axis, ...only, grid: { ...axis.grid, ...only }, size: em * 3.9, space: em * 2.2, gap: 4, values: (_, splits) => splits.map((value) => value === null ? '' : value === 0 ? '0' : written(unit, value).replace('/s', '').replace(' cores', '')) },
        ],
        series: [{}, ...lines.map(({ stroke }) => ({ stroke, width: stacked ? 1 : 1.6, fill: stacked ? `${stroke}99` : undefined, points: { show: false } }))],
        bands: stacked ? lines.slice(1).map((_, index) => ({ series: [index + 2, index + 1] })) : [],
        hooks: { setCursor: [(plot) => moved(plot.cursor.idx)] },
      };
      if (lines.length === 1) { options.series[1].fill = `${lines[0].stroke}26`; }
      place.textContent = '';
      chart.plot = new uPlot(options, series(chart), place);
      chart.watch = new ResizeObserver(() => chart.plot.setSize({ width: Math.max(80, place.clientWidth), height: Math.max(60, place.clientHeight) }));
      chart.watch.observe(place);
      charts.push(chart);
    }
  }

  function moved(index) {
    if (index === cursor || (index == null && cursor === null)) { return; }
    cursor = index ?? null;
    numbers();
  }

  function key(event, chart) {
    const step = { ArrowLeft: -1, ArrowRight: 1, PageUp: -15, PageDown: 15, Home: -Infinity, End: Infinity }[event.key];
    if (event.key === 'Escape') { chart.plot.setCursor({ left: -10, top: -10 }, true, true); }
    if (step === undefined || last() < 0) { return; }
    event.preventDefault();
    const index = Math.min(last(), Math.max(0, looked() + step));
    chart.plot.setCursor({ left: chart.plot.valToPos(store.times[index], 'x'), top: 1 }, true, true);
  }

  // The large number and the legend: of now, or of the moment that somebody looks at.
  function numbers() {
    const index = looked();
    const past = index !== last();
    $('#at-cursor').hidden = !past;
    if (past) { say($('#at-cursor'), `looking at ${clock(store.times[index] * 1000)}`); }
    for (const { figure, place, unit, large, lines } of charts) {
      const values = lines.map(({ column }) => at(column, index)), known = values.filter((value) => value !== null);
      lines.forEach(({ item }, line) => say($('b', item), bare(unit, values[line])));
      const value = !known.length ? null
        : large === 'sum' ? known.reduce((sum, one) => sum + one, 0)
        : large === 'most' ? Math.max(...known) : at(large, index);
      const [number, name] = value === null ? ['–', ''] : UNITS[unit](value);
      say($('.large', figure), number);
      say($('.unit', figure), unit === 'cores' && store.now ? `of ${store.now.cores} cores` : name);
      const each = lines.map(({ item }, line) => `${$('span:not(.key)', item).textContent} ${written(unit, values[line])}`);
      place.setAttribute('aria-label', `${$('h2', figure).textContent}: ${number} ${name}. ${each.join(', ')}. ${$('figcaption', figure).title}`);
    }
  }

  // --- Tables.

  // As many of the list's items as there are things; made once, so that nothing flickers.
  function items(section, count) {
    const list = $('ul', section), template = $('template', section);
    while (list.children.length > count) { list.lastElementChild.remove(); }
    while (list.children.length < count) { list.append(template.content.cloneNode(true)); }
    $('.empty', section).hidden = count > 0;
    return [...list.children];
  }

  // A column in so many points, the mean of each; one that is all hole has none.
  function thinned(column) {
    const from = store.times.at(-1) - SPAN_S, sums = new Array(POINTS).fill(0), counts = new Array(POINTS).fill(0);
    (column ?? []).forEach((value, index) => {
      const point = Math.min(POINTS - 1, Math.max(0, Math.floor((store.times[index] - from) / SPAN_S * POINTS)));
      if (value !== null) { sums[point] += value; counts[point] += 1; }
    });
    return sums.map((sum, point) => counts[point] ? sum / counts[point] : null);
  }

  function districts(now) {
    const section = $('#districts'), rows = items(section, now.districts.length);
    const points = now.districts.map(({ id }) => thinned(store.columns.get(`district.${id}`)));
    const most = Math.max(1, ...points.flat().filter((value) => value !== null));
    now.districts.forEach((district, index) => {
      const cell = rows[index];
      say($('.name b', cell), district.name);
      say($('.name span', cell), district.name_zh);
      say($('.rate', cell), short(district.punches));
      const notes = [district.parked && 'parked: records nothing', district.busy > 0 && `${short(district.busy)}/s told to wait`, district.full > 0.5 && `${written('share', district.full)} full`];
      say($('.note', cell), notes.filter(Boolean).join(' · '));
      cell.classList.toggle('ill', district.parked);
      let line = '', area = '', open = -1;
      points[index].forEach((value, point) => {
        const x = (point * 100 / (POINTS - 1)).toFixed(1);
        if (value === null) { if (open >= 0) { area += `V24Z`; open = -1; } return; }
        const y = (23 - value / most * 21).toFixed(1);
        line += `${open < 0 ? 'M' : 'L'}${x} ${y}`;
        area += open < 0 ? `M${x} 24L${x} ${y}` : `L${x} ${y}`;
        open = point;
      });
      $('.stroke', cell).setAttribute('d', line || 'M0 23');
      $('.area', cell).setAttribute('d', (open >= 0 ? `${area}V24Z` : area) || 'M0 23');
    });
  }

  function carriers(now) {
    const rows = items($('#carriers'), now.carriers.length);
    const parts = [['us', 'us'], ['network', 'network'], ['them', 'them'], ['silent', 'no answer']];
    const times = (carrier) => parts.map(([whose]) => carrier[whose]);
    const longest = Math.max(0.05, ...now.carriers.map((carrier) => times(carrier).reduce((sum, one) => sum + (one ?? 0), 0)));
    now.carriers.forEach((carrier, index) => {
      const row = rows[index], known = times(carrier).some((one) => one !== null);
      say($('.name b', row), carrier.name);
      say($('.state', row), carrier.parked ? 'parked (us)' : ['is asked', 'tried again', 'not asked: it fails'][carrier.breaker]);
      row.classList.toggle('ill', carrier.parked || carrier.breaker === 2);
      parts.forEach(([whose], part) => { $(`.bar .${whose}`, row).style.width = `${(times(carrier)[part] ?? 0) / longest * 100}%`; });
      const told = parts.filter((_, part) => part < 3 || times(carrier)[part] !== null).map(([, name], part) => `${name} ${written('seconds', times(carrier)[part])}`).join(' · ');
      say($('.times', row), known ? `${short(carrier.asked)}/s · ${told}` : 'not asked in the last minute');
      say($('.note', row), carrier.outcomes.map(([outcome, rate]) => `${outcome} ${short(rate)}/s`).join(' · '));
    });
  }

  function fact(id, text, more = '', ill = false) {
    const row = $(`#${id}`);
    say($('b', row), text);
    say($('dd .soft', row), more);
    row.classList.toggle('ill', ill);
  }

  function facts(now) {
    for (const item of all('[data-code]')) { say($('b', item), digits(now.codes[item.dataset.code] ?? 0, 0)); }
    const end = last(), queued = at('queued', end) ?? 0, first = now.certificates[0];
    $('#fleet').hidden = !now.fleet;
    if (now.fleet) {
      const { name, leads, leader, lag, broker, adrift, colours_s } = now.fleet;
      const how = leads ? 'this gateway leads' : leader ? `${broker ? 'follows' : 'followed'} ${leader}` : 'nobody leads';
      const far = lag > 0 ? ` · ${digits(lag, 0)} behind` : '';
      const old = colours_s === null ? '' : ` · colours from ${ago(colours_s * 1000)}`;
      fact('fleet', how, `· ${name}${far}${old} · broker ${broker ? 'answers' : 'is silent'}`, adrift || old !== '');
    }
    fact('devices', digits(at('devices', end) ?? 0, 0), 'connected');
    fact('lost', digits(now.log.lost, 0), now.log.lost ? 'look now' : '', now.log.lost > 0);
    fact('log', now.log.poisoned ? 'failed' : now.log.full ? 'disk full' : 'writes', `${digits(queued, 0)} wait`, now.log.poisoned || now.log.full);
    fact('parked', digits(now.actors.parked, 0), '', now.actors.parked > 0);
    fact('restarts', digits(now.actors.restarts, 0));
    fact('lag', written('seconds', now.actors.colour_lag_s || null).replace('–', 'no'));
    fact('memory', written('bytes', at('memory', end)));
    fact('disk', written('bytes', now.log.disk_free_bytes ?? null));
    fact('certificates', first ? `${digits(first.days, 0)} days` : '–', first ? first.name : '', now.troubles.some(({ id, severity }) => id === 'certificate-expiry' && severity === 'page'));
    fact('total', digits(now.punches, 0), `punches · ${digits(now.verifies, 0)} verifies`);
    const rates = (list) => list.map(([reason, rate]) => `${reason} ${short(rate)}/s`);
    const { busy, refused, rejected } = now.reasons;
    say($('#errors .detail'), [...rates(busy), ...rates(refused), ...rates(rejected)].join(' · ') || 'nothing in the last minute');
    say($('#processor .detail'), `memory ${written('bytes', at('memory', end))}`);
    $('#made-up').hidden = !now.made_up;
    say($('#stage'), now.stage);
  }

  // --- What is wrong.

  const GONE = { id: 'gone', severity: 'page', action: 'It is asked again every two seconds. See whether the process runs, and its log', runbook: 'gateway' };

  const told = ({ severity, what }) => `${severity === 'page' ? 'Act now' : 'Look today'}: ${what}`;
  const upper = (what) => what.charAt(0).toUpperCase() + what.slice(1);
  let shown = new Map();

  // What stands there already stays, with the keyboard's focus, and only its words change. What is new is read aloud, once: the
  // numbers that move stand outside of what is read.
  function troubles(broken) {
    const list = broken ? [{ ...GONE, what: broken }] : store.now?.troubles ?? [];
    const banner = $('#banner'), now = new Map(), news = [];
    if (!shown.size) { banner.replaceChildren(); }
    for (const one of list.length ? list : [calm()]) {
      let key = `${one.id} ${one.severity}`;
      while (now.has(key)) { key += ' too'; }
      const known = shown.get(key);
      if (known) { say($('.what', known), upper(one.what)); } else { news.push(one.id === CALM ? one.what + one.more : told(one)); }
      now.set(key, known ?? (one.id === CALM ? quiet(one) : trouble(one)));
    }
    for (const [key, node] of shown) { if (!now.has(key)) { node.remove(); } }
    [...now.values()].forEach((node, index) => { if (banner.children[index] !== node) { banner.insertBefore(node, banner.children[index] ?? null); } });
    if (news.length) { say($('#aloud'), news.join('. ')); } else if (now.size < shown.size) { say($('#aloud'), ''); }
    shown = now;
  }

  const CALM = 'calm';

  function calm() {
    return store.now
      ? { id: CALM, severity: 'well', what: 'Nothing that this page looks at is wrong. ', more: 'What builds up over hours or days, Prometheus tells.' }
      : { id: CALM, severity: 'starting', what: '', more: 'The gateway has just started. Its first numbers come in a moment.' };
  }

  function quiet({ what, more }) {
    const line = document.createElement('p'), well = document.createElement('b');
    line.className = CALM;
    well.className = 'what';
    well.textContent = what;
    line.append(well, more);
    return line;
  }

  function trouble({ id, severity, what, action, runbook }) {
    const line = document.createElement('div');
    line.className = `trouble ${severity}`;
    const part = (name, text) => { const span = document.createElement('span'); span.className = name; span.textContent = text; line.append(span); };
    part('when', severity === 'page' ? '▲ Act now' : '◆ Look today');
    part('what', upper(what));
    part('soft', action);
    if (id === GONE.id) {
      part('soft', `dashboards/runbooks/${runbook}.md#${id}`);
    } else {
      const link = document.createElement('a');
      link.href = `/overview/runbook/${id}`;
      link.textContent = `Runbook ${id}`;
      line.append(link);
    }
    return line;
  }

  // Why what is shown is not fresh; empty if it is. One miss may be chance.
  function broken() {
    const silent = performance.now() - store.heard, seen = store.at ? `last seen ${clock(store.at)}` : 'it has not been seen yet';
    if (store.misses > 1 || silent > STALE_MS) { return `The gateway does not answer, ${seen}`; }
    if (store.late > STALE_MS) { return `The gateway answers, but its numbers stand still since ${clock(store.at)}`; }
    return '';
  }

  function fresh() {
    const why = broken();
    document.body.dataset.state = why ? 'broken' : store.now ? 'live' : 'starting';
    if (store.at) {
      say($('#as-of'), clock(store.at));
      $('#as-of').dateTime = new Date(store.at).toISOString();
      const age = performance.now() - store.heard + (store.late ?? 0);
      say($('#age'), why ? `${ago(age)}, not fresh` : ago(age));
    }
    troubles(why);
  }

  function show() {
    if (store.times.length && store.misses === 0) {
      if (!drawn) { build(); drawn = true; }
      charts.forEach((chart) => chart.plot.setData(series(chart)));
      numbers();
    }
    if (store.now && store.misses === 0) {
      districts(store.now);
      carriers(store.now);
      facts(store.now);
    }
    fresh();
  }

  store.heard = performance.now();
  for (const figure of all('.chart')) {
    figure.addEventListener('keydown', (event) => {
      const chart = charts.find((one) => one.figure === figure);
      if (chart) { key(event, chart); }
    });
  }
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => { if (drawn) { build(); numbers(); } });
  document.addEventListener('visibilitychange', () => { if (!document.hidden) { ask(); } });
  setInterval(fresh, 1000);
  ask();
})();
