"""What Markdown files point at is there: pages, images, paths, options."""

import re
import shlex
import unicodedata
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted(
    path.relative_to(ROOT).as_posix()
    for pattern in (
        '*.md',
        'docs/**/*.md',
        'configs/**/*.md',
        'projects/**/*.md',
    )
    for path in ROOT.glob(pattern)
)
LINK = re.compile(r'!?\[[^\]]*\]\(([^)\s]+)\)')
FENCED = re.compile(r'^ *```\w*\n(.*?)^ *```$', re.MULTILINE | re.DOTALL)
INLINE = re.compile(r'`([^`]+)`')
HEADING = re.compile(r'^#+ (.+)$', re.MULTILINE)
# A path that the repository should hold, without placeholders.
FOLDERS = 'configs|docs|mmocc|projects|requirements|tests|tools'
PATH = re.compile(
    rf'(?<![\w./}}-])(?:{FOLDERS})/[\w./+-]+\.(?:py|sh|md|ya?ml|txt|json)\b'
)
TOOL = re.compile(
    r'(?<![\w./-])((?:projects/\w+/)?(?:tools|demo)/[\w/]+\.(?:py|sh))'
)
# A tool of the root that only forwards to the one of a project.
FORWARD = re.compile(r'\nfrom mmocc\.(projects[\w.]+) import \(?\s*main\b')
# What a shell script hands its further options to.
BEHIND = {
    'tools/dist_train.sh': 'tools/train.py',
    'tools/slurm_train.sh': 'tools/train.py',
    'tools/dist_test.sh': 'tools/test.py',
    'tools/slurm_test.sh': 'tools/test.py',
}


def read(page):
    return (ROOT / page).read_text(encoding='utf-8')


def without_code(text):
    return INLINE.sub('', FENCED.sub('', text))


def code_of(text):
    """Fenced and inline code; a line that goes on is one line."""
    parts = FENCED.findall(text) + INLINE.findall(FENCED.sub('', text))
    indented = re.findall(r'^    \S.*(?:\\\n.*)*$', text, re.MULTILINE)
    return [re.sub(r'\\\n', ' ', part) for part in parts + indented]


def slug(title):
    """The anchor that a heading gets."""
    title = re.sub(r'\[([^\]]*)\]\([^)]*\)', r'\1', title.replace('`', ''))
    kept = ''.join(
        letter
        for letter in unicodedata.normalize('NFKC', title.lower())
        if letter.isalnum() or letter in ' -_'
    )
    return kept.strip().replace(' ', '-')


def test_there_are_pages():
    assert {'README.md', 'docs/data.md', 'docs/faq.md'} <= set(PAGES)


@pytest.mark.parametrize('page', PAGES)
def test_links_lead_somewhere(page):
    lost = []
    for target in LINK.findall(without_code(read(page))):
        path, _, anchor = target.partition('#')
        if '://' in target or target.startswith('mailto:'):
            continue
        file = (ROOT / page).parent / path if path else ROOT / page
        if not file.exists():
            lost.append(target)
        elif anchor and file.suffix == '.md':
            titles = HEADING.findall(file.read_text(encoding='utf-8'))
            if anchor not in map(slug, titles):
                lost.append(target)
    assert not lost, f'{page} links to {lost}'


@pytest.mark.parametrize('page', PAGES)
def test_paths_in_code_exist(page):
    home = (ROOT / page).parent
    lost = {
        path
        for code in code_of(read(page))
        for path in PATH.findall(code)
        if not (ROOT / path).exists() and not (home / path).exists()
    }
    assert not lost, f'{page} names {sorted(lost)}'


@cache
def options_of(tool):
    """All options that a tool's parsers know, read from its source."""
    tool = BEHIND.get(tool, tool)
    if tool.endswith('.sh'):
        return frozenset(re.findall(r'--[\w-]+', read(tool)))
    forwarded = FORWARD.search(read(tool))
    if forwarded:
        return options_of(f'{forwarded[1].replace(".", "/")}.py')
    source = read(tool)
    found = {'--help', *re.findall(r"'(--\w[\w-]*)'", source)}
    # Parsers that several tools share.
    for module in re.findall(r'^from (mmocc\.[\w.]+) import', source, re.M):
        path = module.replace('.', '/')
        shared = (
            f'{path.removeprefix("mmocc/") if "projects" in path else path}.py'
        )
        if (ROOT / shared).is_file() and 'add_argument(' in read(shared):
            found |= options_of(shared)
    return frozenset(found)


def commands(text):
    """Pairs of a tool and the options that it is called with."""
    for code in code_of(text):
        for line in code.splitlines():
            line = line.split(' # ')[0]
            found = TOOL.search(line)
            if found is None:
                continue
            try:
                words = shlex.split(line[found.end() :])
            except ValueError:  # prose with an apostrophe
                words = line[found.end() :].split()
            options = [w.split('=')[0] for w in words if w.startswith('--')]
            yield found[1], [o for o in options if re.fullmatch(r'--\w.*', o)]


@pytest.mark.parametrize('page', PAGES)
def test_options_in_code_exist(page):
    wrong = []
    home = Path(page).parent
    for tool, options in commands(read(page)):
        if not options and (ROOT / home / tool).exists():
            continue  # a file of the page's own project
        if not (ROOT / tool).exists():
            wrong.append(tool)
            continue
        known = options_of(tool)
        wrong += [f'{tool} {name}' for name in options if name not in known]
    assert not wrong, f'{page} has {wrong}'


def test_options_are_found():
    assert {'--resume', '--cfg-options', '--help'} <= options_of(
        'tools/train.py'
    )
    assert '--source' in options_of('tools/create_data.py')
    assert options_of('tools/dist_test.sh') == options_of('tools/test.py')


@pytest.mark.parametrize(
    ('text', 'found'),
    [
        (
            '```bash\npython tools/train.py C \\\n    --resume --x=1\n```\n',
            [('tools/train.py', ['--resume', '--x'])],
        ),
        (
            'Run `tools/infer.py --images DIR`, then rest --no.',
            [('tools/infer.py', ['--images'])],
        ),
        ('    python tools/a.py --b c\n', [('tools/a.py', ['--b'])]),
        ('`mmocc/tools/a.py --b`', []),
    ],
)
def test_commands_are_found(text, found):
    assert list(commands(text)) == found


@pytest.mark.parametrize(
    ('title', 'anchor'),
    [
        ('The demo, honestly', 'the-demo-honestly'),
        ('`a_b` and *c*', 'a_b-and-c'),
        ('Keys of a frame', 'keys-of-a-frame'),
    ],
)
def test_anchor_of_a_heading(title, anchor):
    assert slug(title) == anchor
