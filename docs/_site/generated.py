"""Make parts of the site from the repository when it is built.

Nothing here imports the site's generator, mmocc or torch: configs are read as
text, docstrings stay with the tool that shows them.
"""

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
DOCS = 'docs'
# Pages of the site that lie elsewhere in the repository.
ADOPTED = {
    'README.md': 'index.md',
    'CHANGELOG.md': 'changelog.md',
    'configs/occworld_vqvae/README.md': 'models/occworld_vqvae.md',
    'projects/OccVLA/README.md': 'models/occvla.md',
    'projects/SparseOccVLA/README.md': 'models/sparseoccvla.md',
    'projects/Baselines/README.md': 'projects/baselines.md',
    'projects/Benchmarks/README.md': 'projects/benchmarks.md',
    'projects/Doctor/README.md': 'projects/doctor.md',
    'projects/DrivingLabels/README.md': 'projects/driving_labels.md',
    'projects/OnnxExport/README.md': 'projects/onnx_export.md',
    'projects/RunReports/README.md': 'projects/run_reports.md',
    'projects/SyntheticNuScenes/README.md': 'synthetic.md',
}
NOT_REPRODUCED = 'not reproduced'
_MARKER = re.compile(r'<!-- generated: ([a-z-]+) -->')
_LINK = re.compile(r'(!?)\[([^\]]*)\]\(([^)\s]+)\)')
_API = 'api'
# Of single runs: linked to, but not in the navigation.
_REPORTS = ('benchmarks/demo_', 'benchmarks/earlier_mini/')
_PACKAGES = ('mmocc', 'projects')


def fill(markdown: str) -> str:
    """Replace each marker ``<!-- generated: NAME -->`` by its table.

    Raises:
        KeyError: There is no such table.
    """
    return _MARKER.sub(lambda found: TABLES[found[1]](), markdown)


def configs() -> list[Path]:
    """Return every config that can be trained, relative to the root."""
    folders = (ROOT / 'configs', *sorted(ROOT.glob('projects/*/configs')))
    return sorted(
        path.relative_to(ROOT)
        for folder in folders
        for path in folder.rglob('*.py')
        if '_base_' not in path.parts
    )


def comment_of(path: Path) -> str:
    """Return the first comment of a config that has lines of its own."""
    lines = []
    for line in (ROOT / path).read_text(encoding='utf-8').splitlines():
        if line.startswith('# '):
            lines.append(line[2:])
        elif lines:
            break
    return ' '.join(lines)


def _config_table(keep: Callable[[Path], bool]) -> str:
    rows: dict[str, list[str]] = {}
    for path in configs():
        if keep(path):
            row = f'| `{path.name}` | {comment_of(path)} |'
            rows.setdefault(path.parent.as_posix(), []).append(row)
    parts = []
    for folder, lines in rows.items():
        parts += [f'`{folder}/`:', '', '| config | what it is |']
        parts += ['| --- | --- |', *lines, '']
    return '\n'.join(parts)


def config_table() -> str:
    """Return a table of the stages' configs with their comments."""
    return _config_table(lambda path: 'ablations' not in path.parts)


def ablation_table() -> str:
    """Return a table of ablations with the question that each one asks."""
    return _config_table(lambda path: 'ablations' in path.parts)


def metafiles() -> list[tuple[str, Mapping]]:
    """Return every metafile of ``model-index.yml`` with its content."""
    index = yaml.safe_load((ROOT / 'model-index.yml').read_text())
    return [
        (name, yaml.safe_load((ROOT / name).read_text()))
        for name in index['Import']
    ]


def model_table() -> str:
    """Return tables of all models: measured here, and published."""
    lines = []
    for _, content in metafiles():
        (collection,) = content['Collections']
        page = ADOPTED[collection['README']]
        lines += [f'## {collection["Name"]}', '']
        lines += [f'[About the model]({page})', '']
        lines += [
            '| config | measured here | published |',
            '| --- | --- | --- |',
        ]
        for model in content['Models']:
            published = '; '.join(model.get('Published', [])) or '-'
            lines.append(
                f'| `{model["Name"]}` | {_measured(model)} | {published} |'
            )
        lines.append('')
    return '\n'.join(lines)


def _measured(model: Mapping) -> str:
    if model['Results'] == NOT_REPRODUCED:
        return f'**{NOT_REPRODUCED}**'
    return '<br>'.join(
        f'{result["Task"]}, {result["Dataset"]}: '
        + ', '.join(f'`{k}` {v:.2f}' for k, v in result['Metrics'].items())
        for result in model['Results']
    )


TABLES = {
    'configs': config_table,
    'ablations': ablation_table,
    'models': model_table,
}


def api_pages() -> dict[str, str]:
    """Return a page for each package by its path in the site.

    The page of a package shows its modules; packages inside it have pages of
    their own.
    """
    pages = {}
    for package in _packages():
        folder = ROOT / package.replace('.', '/')
        modules = sorted(
            path.stem
            for path in folder.glob('*.py')
            if path.stem != '__init__' and not path.stem.startswith('_')
        )
        if not modules:
            continue
        # Projects are imported as mmocc.projects.NAME.
        name = package
        if package.startswith('projects'):
            name = f'mmocc.{package}'
        lines = [f'# {name}', '']
        lines += [f'::: {package}.{module}\n' for module in modules]
        pages[f'{_API}/{package}.md'] = '\n'.join(lines)
    links = [
        f'* [{name}]({name}.md)'
        for name in (Path(path).stem for path in pages)
    ]
    intro = (
        '# API reference\n\nMade from the docstrings. Arrays are described by '
        'shape, unit and frame.\n\n'
    )
    return {f'{_API}/index.md': intro + '\n'.join(links) + '\n', **pages}


def _packages() -> Iterator[str]:
    for top in _PACKAGES:
        for path in sorted((ROOT / top).rglob('__init__.py')):
            yield '.'.join(path.parent.relative_to(ROOT).parts)


def named_pages(nav: Sequence[Mapping]) -> Iterator[str]:
    """Yield the pages that a navigation names, in its order."""
    for entry in nav:
        for value in entry.values():
            yield from (
                [value] if isinstance(value, str) else named_pages(value)
            )


def unlisted(nav: Sequence[Mapping]) -> list[str]:
    """Return pages below ``docs`` that a navigation lacks, no reports."""
    pages = (
        path.relative_to(ROOT / DOCS).as_posix()
        for path in (ROOT / DOCS).rglob('*.md')
    )
    named = set(named_pages(nav))
    return sorted(
        page
        for page in pages
        if page not in named and not page.startswith(_REPORTS)
    )


def adopt_links(markdown: str, source: str, page: str) -> str:
    """Point links of a page at the site; drop those that leave it.

    Args:
        markdown (str): The page.
        source (str): Its path in the repository.
        page (str): Its path in the site.

    Returns:
        str: Links to other pages and images made relative to ``page``. The
        text of a link to anything else stays.
    """

    def replace(found: re.Match) -> str:
        mark, text, target = found.groups()
        path, hash_, anchor = target.partition('#')
        if '://' in target or target.startswith('mailto:') or not path:
            return found[0]
        inside = site_path(os.path.normpath(f'{Path(source).parent}/{path}'))
        if inside is None:
            return text
        start = Path(page).parent.as_posix()
        return (
            f'{mark}[{text}]({os.path.relpath(inside, start)}{hash_}{anchor})'
        )

    return _outside_code(markdown, lambda text: _LINK.sub(replace, text))


def site_path(path: str) -> str | None:
    """Return the path of a repository file in the site, or None."""
    if path in ADOPTED:
        return ADOPTED[path]
    if not (ROOT / path).exists():
        return None
    inside = os.path.relpath(path, DOCS)
    if inside.startswith('..') or inside == '.':
        return None
    if (ROOT / path).is_dir():
        index = f'{inside}/README.md'
        return index if (ROOT / DOCS / index).exists() else None
    return inside


def _outside_code(markdown: str, change: Callable[[str], str]) -> str:
    """Apply ``change`` to everything but fenced code."""
    parts, end = [], 0
    for block in re.finditer(r'^```.*?^```', markdown, re.M | re.S):
        parts += [change(markdown[end : block.start()]), block[0]]
        end = block.end()
    return ''.join([*parts, change(markdown[end:])])
