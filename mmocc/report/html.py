"""The few pieces of HTML that a report is made of; everything is escaped."""

import base64
from collections.abc import Sequence
from html import escape

STYLE = """
:root { color-scheme: light dark; --ink: #1f2328; --muted: #59636e;
  --paper: #fff; --shade: #f3f5f7; --rule: #d1d9e0; --link: #0757ba;
  --warn: #8a3b00; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e9ec; --muted: #9aa4af; --paper: #14171a;
    --shade: #1e2327; --rule: #39424b; --link: #7ab4ff; --warn: #ffb26b; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 72rem; padding: 1rem; color: var(--ink);
  background: var(--paper); font: 1rem/1.5 system-ui, sans-serif;
  overflow-wrap: anywhere; }
a { color: var(--link); }
h1 { font-size: 1.6rem; line-height: 1.2; }
h2 { margin-top: 2.5rem; border-bottom: 1px solid var(--rule); }
h3 { margin-bottom: .3rem; }
nav { padding: .6rem 1rem; background: var(--shade); border-radius: .4rem; }
nav ul { margin: 0; padding-left: 1.2rem; columns: 16rem; }
p.note, figcaption { color: var(--muted); }
ul.missing { color: var(--warn); }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .6rem; border-bottom: 1px solid var(--rule);
  text-align: left; overflow-wrap: normal; vertical-align: top; }
td { white-space: nowrap; }
tr > :first-child { position: sticky; left: 0; background: var(--paper); }
thead tr > :first-child { background: var(--shade); }
td.number, th.number { text-align: right; }
thead th { background: var(--shade); vertical-align: bottom; }
pre { padding: .8rem; overflow-x: auto; background: var(--shade);
  border-radius: .4rem; font-size: .8rem; line-height: 1.35;
  overflow-wrap: normal; }
summary { cursor: pointer; padding: .2rem 0; }
figure { margin: 1rem 0; }
figure img { max-width: 100%; height: auto; border-radius: .3rem; }
.curves { display: grid; gap: 1rem;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 22rem), 1fr)); }
.curves svg { width: 100%; height: auto; }
"""


def section(anchor: str, title: str, *parts: str) -> str:
    """A part of the page that can be linked to."""
    head = f'<section id="{escape(anchor)}"><h2>{escape(title)}</h2>'
    return '\n'.join([head, *parts, '</section>'])


def heading(text: str) -> str:
    """A heading within a section."""
    return f'<h3>{escape(text)}</h3>'


def paragraph(text: str, kind: str = '') -> str:
    """Plain text; of the kind 'note' it is paler."""
    return f'<p class="{escape(kind)}">{escape(text)}</p>'


def items(texts: Sequence[str], kind: str = '') -> str:
    """A list of plain texts."""
    rows = ''.join(f'<li>{escape(text)}</li>' for text in texts)
    return f'<ul class="{escape(kind)}">{rows}</ul>'


def links(targets: Sequence[tuple[str, str]]) -> str:
    """The page's table of contents, of pairs (anchor, title)."""
    rows = ''.join(
        f'<li><a href="#{escape(anchor)}">{escape(title)}</a></li>'
        for anchor, title in targets
    )
    return f'<nav aria-label="Contents"><ul>{rows}</ul></nav>'


def table(
    headers: Sequence[str], rows: Sequence[Sequence[str]], text: int = 1
) -> str:
    """A table that scrolls sideways where it is wider than the screen.

    Args:
        headers (Sequence[str]): Of the columns.
        rows (Sequence[Sequence[str]]): Cells as they are shown.
        text (int): Columns of text, which come first; the others hold
            numbers and stand at the right. Defaults to 1.
    """

    def cells(tag: str, values: Sequence[str]) -> str:
        return ''.join(
            f'<{tag}{" class=number" if place >= text else ""}>'
            f'{escape(value)}</{tag}>'
            for place, value in enumerate(values)
        )

    body = '\n'.join(f'<tr>{cells("td", row)}</tr>' for row in rows)
    return (
        '<div class="wide" tabindex="0"><table><thead><tr>'
        f'{cells("th", headers)}</tr></thead><tbody>{body}</tbody></table>'
        '</div>'
    )


def folded(summary: str, *parts: str, is_open: bool = False) -> str:
    """Parts that a click shows."""
    state = ' open' if is_open else ''
    return (
        f'<details{state}><summary>{escape(summary)}</summary>'
        + '\n'.join(parts)
        + '</details>'
    )


def verbatim(text: str) -> str:
    """Text as it is."""
    return f'<pre tabindex="0">{escape(text)}</pre>'


def photograph(jpeg: bytes, caption: str) -> str:
    """A picture inside the page."""
    data = base64.b64encode(jpeg).decode('ascii')
    text = escape(caption)
    return (
        f'<figure><img src="data:image/jpeg;base64,{data}" alt="{text}" '
        f'loading="lazy"><figcaption>{text}</figcaption></figure>'
    )


def side_by_side(svgs: Sequence[str]) -> str:
    """Curves, as many beside one another as fit."""
    return f'<div class="curves">{"".join(svgs)}</div>'


def document(title: str, *parts: str) -> str:
    """A whole page that needs nothing but itself."""
    body = '\n'.join(parts)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title>
<style>{STYLE}</style>
</head>
<body>
<h1>{escape(title)}</h1>
{body}
</body>
</html>
"""
