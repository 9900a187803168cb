// Switches between the views where the visitor is: nothing that is typed or shown is lost. Without this script a form does it.
(function () {
  'use strict';
  var button = document.querySelector('header .switch');
  if (!button || !window.fetch) { return; }
  button.addEventListener('click', function (event) {
    event.preventDefault();
    var on = button.value === 'on';
    button.disabled = true;
    fetch('/view', { method: 'POST', credentials: 'same-origin', redirect: 'manual', body: new URLSearchParams({ elder: button.value }) })
      .then(function (answer) {
        if (!answer.ok && answer.type !== 'opaqueredirect') { return; }
        var zh = button.firstChild, en = button.querySelector('.en'), word = zh.data, word_en = en.textContent;
        document.documentElement.classList.toggle('elder', on);
        button.value = on ? 'off' : 'on';
        zh.data = button.dataset.other;
        en.textContent = button.dataset.otherEn;
        button.dataset.other = word;
        button.dataset.otherEn = word_en;
      }, function () {})
      .then(function () { button.disabled = false; button.focus(); });
  });
})();
