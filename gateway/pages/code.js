// Counts down to the moment when another code may be asked for, and has the button there from then on.
(function () {
  'use strict';
  var again = document.getElementById('again');
  var left = again && again.querySelector('[data-ticking]');
  if (!left) { return; }
  var button = again.querySelector('button'), until = performance.now() + again.dataset.wait * 1000;

  function tick() {
    var seconds = Math.max(0, Math.ceil((until - performance.now()) / 1000));
    left.hidden = seconds === 0;
    button.hidden = seconds > 0;
    Array.prototype.forEach.call(left.querySelectorAll('[data-left]'), function (shown) { shown.textContent = seconds; });
    if (seconds > 0) { setTimeout(tick, 250); }
  }

  again.querySelector('[data-still]').hidden = true;
  tick();
})();
