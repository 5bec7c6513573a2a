const rows = [...document.querySelectorAll('tr[data-store]')];

function refresh() {
  let total = 0;
  for (const row of rows) {
    const done = readLines(row.dataset.store).length;
    const left = Math.max(row.dataset.open - done, 0);
    row.querySelector('.left-cell').textContent = left || 'done';
    row.classList.toggle('done', !left);
    total += left;
  }
  document.getElementById('left').textContent =
    total ? `${total} left` : 'All done';
  if (!store.works) {
    say('This browser keeps nothing for local files: export on each page.');
  }
}

function say(text) {
  document.getElementById('notice').textContent = text;
}

document.getElementById('export').addEventListener('click', () => {
  const lines = rows.flatMap((row) => readLines(row.dataset.store));
  if (!lines.length) {
    say('Nothing is decided yet, or this browser shares nothing between local files: export on each page.');
    return;
  }
  const reviewer = store.read(REVIEWER) || '';
  if (signed(lines, reviewer).some((line) => !line.reviewer)) {
    say('Enter your name on the page of a scene first.');
    return;
  }
  download(signed(lines, reviewer), 'review_all.jsonl');
  say(`${lines.length} decisions exported.`);
});

// Coming back from a scene's page, its count has changed.
window.addEventListener('pageshow', refresh);
