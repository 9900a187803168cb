// Renews the codes every half minute and counts how old they are. One that is too old is taken away, never shown as if it were good.
(function () {
  'use strict';
  var passes = document.getElementById('passes');
  var expired = document.getElementById('expired');
  if (!passes || !window.fetch || !expired.content) { return; }
  var RENEW = passes.dataset.renew * 1000, GOOD = passes.dataset.good * 1000, AGAIN = 4000, PATIENCE = 8000;
  // The city's clock, whatever the phone's says; and when the codes that are shown were asked for. Two clocks: one may be set,
  // the other stands still while the phone sleeps.
  var base = passes.dataset.at * 1000, asked = { wall: Date.now() - performance.now(), tick: 0 };
  var loaded = { wall: Date.now(), tick: performance.now() };
  var due = RENEW, busy = false, gone = false;

  function since(from) { return Math.max(performance.now() - from.tick, Date.now() - from.wall); }
  function all(what, within, act) { Array.prototype.forEach.call((within || passes).querySelectorAll(what), act); }
  function two(number) { return (number < 10 ? '0' : '') + number; }

  function tick() {
    var now = new Date(base + since(loaded) + 8 * 3600000);
    var time = two(now.getUTCHours()) + ':' + two(now.getUTCMinutes()) + ':' + two(now.getUTCSeconds());
    all('[data-clock]', null, function (clock) { clock.textContent = time; });
    var age = since(asked);
    if (age >= GOOD && !gone) { takeAway(); }
    all('[data-age]', null, function (shown) { shown.textContent = Math.floor(age / 1000); });
    if (age >= due && !busy) { renew(); }
  }

  function show() {
    all('[data-still]', null, function (still) { still.hidden = true; });
    all('[data-ticking]', null, function (ticking) { ticking.hidden = false; });
  }

  function takeAway() {
    gone = true;
    all('[data-live]', null, function (live) {
      live.textContent = '';
      live.appendChild(document.importNode(expired.content, true));
    });
  }

  function renew() {
    busy = true;
    var start = { wall: Date.now(), tick: performance.now() };
    var stop = window.AbortController ? new AbortController() : null;
    var timer = setTimeout(function () { if (stop) { stop.abort(); } }, PATIENCE);
    fetch('/code/qr', { credentials: 'same-origin', cache: 'no-store', signal: stop ? stop.signal : undefined })
      .then(function (answer) {
        if (answer.status === 401 || answer.status === 404) { location.reload(); }
        if (!answer.ok) { throw new Error('not now'); }
        return answer.text();
      })
      .then(function (text) {
        var fresh = document.createElement('template');
        fresh.innerHTML = text;
        var parts = fresh.content.querySelectorAll('[data-live]'), old = passes.querySelectorAll('[data-live]');
        if (parts.length !== old.length) { location.reload(); return; }
        Array.prototype.forEach.call(old, function (live, index) { live.parentNode.replaceChild(parts[index], live); });
        asked = start;
        due = RENEW;
        gone = false;
        show();
      })
      // Not all phones of a street that lost its network come back in the same second.
      .catch(function () { due = since(asked) + AGAIN + Math.random() * 2000; })
      .then(function () { clearTimeout(timer); busy = false; tick(); });
  }

  function soon() { if (since(asked) > RENEW / 2) { due = 0; tick(); } }
  window.addEventListener('online', soon);
  window.addEventListener('pageshow', tick);
  document.addEventListener('visibilitychange', function () { if (!document.hidden) { soon(); } });
  show();
  tick();
  setInterval(tick, 1000);
})();
