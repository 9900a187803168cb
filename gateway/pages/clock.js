// Ticks the clock of a page that was just made: a picture of the page stands still. The city's time, whatever the phone's says.
(function () {
  'use strict';
  var clock = document.getElementById('clock');
  if (!clock) { return; }
  var base = clock.dataset.now * 1000, wall = Date.now(), tick = performance.now();
  function two(number) { return (number < 10 ? '0' : '') + number; }
  function show() {
    // One of the two may be set, the other stands still while the phone sleeps.
    var since = Math.max(performance.now() - tick, Date.now() - wall);
    var now = new Date(base + since + 8 * 3600000);
    clock.textContent = two(now.getUTCHours()) + ':' + two(now.getUTCMinutes()) + ':' + two(now.getUTCSeconds());
  }
  var moves = document.getElementById('moves');
  if (moves) { moves.hidden = false; }
  show();
  setInterval(show, 250);
})();
