"""The documentation site: its generated parts, and the whole of it."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
GENERATORS = ('mkdocs', 'mkdocstrings', 'mkdocstrings_handlers.python')


@pytest.fixture(scope='module')
def generated():
    path = ROOT / 'docs/_site/generated.py'
    spec = importlib.util.spec_from_file_location('_generated', path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_navigation_names_pages_that_exist(generated):
    nav = yaml.safe_load((ROOT / 'mkdocs.yml').read_text())['nav']
    made = {*generated.ADOPTED.values(), 'api/index.md'}
    named = list(generated.named_pages(nav))
    assert made <= set(named)
    assert len(set(named)) == len(named)
    for page in set(named) - made:
        assert (ROOT / 'docs' / page).is_file(), page


def test_pages_that_the_navigation_leaves_out_are_found(generated):
    nav = [{'Home': 'index.md'}, {'Start': [{'FAQ': 'faq.md'}]}]
    found = generated.unlisted(nav)
    assert 'data.md' in found and 'benchmarks/README.md' in found
    assert 'faq.md' not in found
    assert not [page for page in found if 'seed' in page]


def test_tables_list_every_config(generated):
    text = generated.config_table() + generated.ablation_table()
    for path in generated.configs():
        assert f'`{path.name}`' in text
        assert generated.comment_of(path), path


def test_tables_are_filled_in(generated):
    text = generated.fill('a\n<!-- generated: models -->\nb')
    assert 'generated' not in text
    assert '**not reproduced**' in text
    for _, content in generated.metafiles():
        for model in content['Models']:
            assert f'`{model["Name"]}`' in text


def test_an_unknown_table_is_an_error(generated):
    with pytest.raises(KeyError, match='nothing'):
        generated.fill('<!-- generated: nothing -->')


def test_every_package_has_a_page(generated):
    pages = generated.api_pages()
    assert (
        '::: mmocc.structures.occ_grid\n' in pages['api/mmocc.structures.md']
    )
    for package in ('mmocc.models.bridges', 'projects.OccVLA.occvla'):
        assert f'[{package}]({package}.md)' in pages['api/index.md']


@pytest.mark.parametrize(
    ('link', 'expected'),
    [
        ('[a](../docs/data.md#nuscenes)', '[a](../data.md#nuscenes)'),
        ('[a](../projects/OccVLA/README.md)', '[a](occvla.md)'),
        ('![a](../docs/images/x.png)', 'a'),
        ('[a](../tools/train.py)', 'a'),
        ('[a](../docs/benchmarks)', '[a](../benchmarks/README.md)'),
        ('[a](#b)', '[a](#b)'),
        ('[a](https://b.org/c.md)', '[a](https://b.org/c.md)'),
        (
            '```\n[a](../tools/train.py)\n```',
            '```\n[a](../tools/train.py)\n```',
        ),
    ],
)
def test_links_are_pointed_at_the_site(generated, link, expected):
    found = generated.adopt_links(link, 'configs/README.md', 'models/x.md')
    assert found == expected


def test_the_site_builds_without_a_warning(tmp_path):
    for name in GENERATORS:
        try:
            found = importlib.util.find_spec(name)
        except ModuleNotFoundError:
            found = None
        if found is None:
            pytest.skip(f'{name} is not installed; make docs installs it')
    done = subprocess.run(
        [sys.executable, '-m', 'mkdocs', 'build', '-d', str(tmp_path / 's')],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert 'WARNING' not in done.stderr, done.stderr
    for page in ('index.html', 'api/mmocc.structures.html', 'faq.html'):
        text = (tmp_path / 's' / page).read_text()
        assert '<h1' in text
        assert ':class:`' not in text
        assert 'generated:' not in text
        assert 'cdnjs' not in text
