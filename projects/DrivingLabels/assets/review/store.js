'use strict';

/* What the browser remembers. Some browsers deny it to local files. */
const store = {
  works: true,
  read(key) {
    try {
      return localStorage.getItem(key);
    } catch {
      this.works = false;
      return null;
    }
  },
  write(key, value) {
    try {
      localStorage.setItem(key, value);
    } catch {
      this.works = false;
    }
  },
};

const REVIEWER = 'mmocc-review:reviewer';

/* The decided lines of a scene, oldest first. */
function readLines(key) {
  try {
    const lines = JSON.parse(store.read(key) || '[]');
    return Array.isArray(lines) ? lines : [];
  } catch {
    return [];
  }
}

/* Save lines as a JSON Lines file. */
function download(lines, name) {
  const text = lines.map((line) => JSON.stringify(line) + '\n').join('');
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([text], {type: 'application/jsonl'}));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}

/* Lines that carry a name; the present one for those that have none. */
function signed(lines, reviewer) {
  return lines.map((line) => ({...line, reviewer: line.reviewer || reviewer}));
}
