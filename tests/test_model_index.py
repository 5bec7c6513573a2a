"""model-index.yml and the metafiles say what the repository holds."""

import json
import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
INDEX = yaml.safe_load((ROOT / 'model-index.yml').read_text())['Import']
METAFILES = {name: yaml.safe_load((ROOT / name).read_text()) for name in INDEX}
MODELS = [
    pytest.param(model, id=model['Name'])
    for content in METAFILES.values()
    for model in content['Models']
]
RESULTS = [
    pytest.param(
        result,
        model['In Collection'],
        id=f'{model["Name"]}: {result["Task"]}',
    )
    for content in METAFILES.values()
    for model in content['Models']
    if isinstance(model['Results'], list)
    for result in model['Results']
]


def measured(path, model):
    """A model's scores in a file of docs/benchmarks."""
    content = json.loads((ROOT / path).read_text())
    return content['models'][model]['scores']


def test_the_index_lists_every_metafile():
    found = {
        path.relative_to(ROOT).as_posix()
        for folder in ('configs', 'projects')
        for path in (ROOT / folder).rglob('metafile.yml')
    }
    assert found == set(INDEX)


@pytest.mark.parametrize('name', INDEX)
def test_collections_name_existing_files(name):
    (collection,) = METAFILES[name]['Collections']
    assert (ROOT / collection['README']).is_file()
    assert (ROOT / collection['Code']).is_file()


@pytest.mark.parametrize('name', INDEX)
def test_models_belong_to_their_collection(name):
    (collection,) = METAFILES[name]['Collections']
    owners = {model['In Collection'] for model in METAFILES[name]['Models']}
    assert owners == {collection['Name']}


@pytest.mark.parametrize('model', MODELS)
def test_the_config_exists_and_has_the_models_name(model):
    path = ROOT / model['Config']
    assert path.is_file()
    assert path.stem == model['Name']


@pytest.mark.parametrize('model', MODELS)
def test_paper_size_is_not_reproduced(model):
    if '_tiny_' not in model['Name']:
        assert model['Results'] == 'not reproduced'


@pytest.mark.parametrize(('result', 'collection'), RESULTS)
def test_results_are_those_of_their_source(result, collection):
    source = result['Source']
    if source.endswith('.md'):
        text = (ROOT / source).read_text()
        for value in result['Metrics'].values():
            assert re.search(rf'(?<![\d.]){value}(?![\d.])', text), value
        return
    assert source.startswith('docs/benchmarks/')
    scores = measured(source, collection)
    for name, value in result['Metrics'].items():
        assert value == pytest.approx(scores[name], abs=0.00501), name


def test_published_figures_are_those_of_the_readme():
    readme = (ROOT / 'README.md').read_text()
    for model in METAFILES['projects/OccVLA/metafile.yml']['Models']:
        for line in model.get('Published', []):
            for number in re.findall(r'\d+\.\d+', line.split('(')[0]):
                assert number in readme, line
