// What is wrong with a form: has the focus when the page comes, and goes once its field was mended.
(function () {
  'use strict';
  var wrongs = document.getElementById('wrongs');
  if (!wrongs) { return; }
  wrongs.focus();

  /** A choice is known by its name, as its first box; everything else by its id. */
  function idOf(field) { return field.type === 'radio' ? field.name : field.id; }

  // While something is typed, not when the field is left: nothing may move under a finger that is about to press a button.
  document.addEventListener('input', function (event) {
    var field = event.target, id = idOf(field);
    var link = id && wrongs.querySelector('a[href="#' + id + '"]');
    if (!link || !field.value.trim() || (field.type === 'checkbox' && !field.checked)) { return; }
    var beside = document.getElementById(id + '-wrong');
    if (beside) { beside.remove(); }
    field.removeAttribute('aria-invalid');
    link.parentNode.remove();
    if (wrongs.querySelector('li')) { return; }
    wrongs.remove();
    document.title = document.title.slice(document.title.indexOf(': ') + 2);
  });
})();
