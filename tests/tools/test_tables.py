"""The papers' tables: what can be recomputed is, and our rows are found."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / 'tools/analysis_tools'))

import tables

PATHS = sorted(tables.PUBLISHED.glob('*.yaml'))
TABLES = {path.stem: tables.load_table(path) for path in PATHS}
PLANNING = [name for name, t in TABLES.items() if t.task == 'planning']
# Half of the last printed digit, of a column and of its average.
ROUNDING = 0.005 + 0.005 + 1e-9


def figures(row, table):
    """The numbers of a row, NaN where nothing is printed."""
    count = len(table.ours[0].figures)
    return np.array(row.values[-count:], dtype=float)


def averaged():
    """Every (table, row, columns, printed average) of three columns."""
    for name, table in TABLES.items():
        for row in table.rows:
            numbers = figures(row, table)
            if table.task == 'planning':
                yield name, row, numbers[:3], numbers[3]
            elif table.task == 'forecast':
                yield name, row, numbers[:3], numbers[3]
                yield name, row, numbers[4:7], numbers[7]


def test_the_papers_tables_are_there():
    assert list(TABLES) == [
        'occvla_table1',
        'occvla_table2',
        'occvla_table3',
        'occvla_table4',
        'occvla_table5',
        'sparseoccvla_forecasting',
        'sparseoccvla_language',
        'sparseoccvla_planning',
    ]


@pytest.mark.parametrize('name', list(TABLES))
def test_every_row_says_convention_and_source(name):
    table = TABLES[name]
    for row in table.rows:
        assert row.convention
        assert row.source
        assert len(row.values) == len(table.columns)
    for kind in table.ours:
        assert len(kind.figures) == len(table.ours[0].figures)


def test_averages_are_the_mean_of_their_columns_or_noted_as_misprints():
    checked = wrong = 0
    for name, row, columns, average in averaged():
        if np.isnan([*columns, average]).any():
            continue
        checked += 1
        if abs(columns.mean() - average) > ROUNDING:
            wrong += 1
            assert row.misprint, (name, row.values)
    # OccNet, and OccVLA without ego trajectory.
    assert (checked, wrong) == (44, 2)


def test_rounding_does_not_explain_the_average_of_sparseoccvla():
    row = TABLES['sparseoccvla_planning'].rows[-1]
    columns, average = np.array(row.values[2:5]), row.values[5]
    # Each column stands for less than 0.005 more than is printed, so their
    # mean is less than 0.225, and 0.23 stands for no less than that.
    assert columns.mean() + 0.005 == pytest.approx(average - 0.005)
    assert row.misprint


def test_the_average_tells_what_0_m_stands_for():
    without = TABLES['occvla_table5'].rows[0]
    one, two, three, average = without.values[2:]
    assert two == 0
    assert '0.36' in without.misprint
    assert 3 * average - one - three == pytest.approx(0.36)


def test_a_running_mean_never_falls_faster_than_its_sum():
    """Bands are errors, so none of them can be negative."""
    for name in PLANNING:
        for row in TABLES[name].rows:
            columns = row.values[-4:-1]
            if row.convention.startswith(tables.MEAN) and all(columns):
                assert min(tables.error_bands(columns)) > 0


@pytest.mark.parametrize(
    ('name', 'method', 'bands', 'growth'),
    [
        ('occvla_table1', 'OccVLA', [0.18, 0.34, 0.68], 3.8),
        ('sparseoccvla_planning', 'Ego-MLP', [0.15, 0.49, 1.13], 7.5),
        ('sparseoccvla_planning', 'AD-MLP', [0.20, 0.32, 0.71], 3.5),
        ('sparseoccvla_planning', 'SparseWorld', [0.19, 0.31, 0.58], 3.1),
        ('sparseoccvla_planning', 'SparseOccVLA', [0.14, 0.30, 0.46], 3.3),
    ],
)
def test_error_bands_of_published_rows(name, method, bands, growth):
    (row,) = (r for r in TABLES[name].rows if r.values[0] == method)
    found = tables.error_bands(row.values[-4:-1])
    assert found == pytest.approx(bands, abs=1e-9)
    assert found[2] / found[0] == pytest.approx(growth, abs=0.06)
    cells = tables.published_row(TABLES[name], row)
    assert ' / '.join(f'{band:.2f}' for band in bands) in cells


def test_both_read_outs_of_occworld_are_one_model():
    """Its log: errors at 0.5 .. 3 s give both rows of the note."""
    note = ' '.join(TABLES['occvla_table2'].notes)
    for value in ('0.429', '1.076', '1.993', '0.316', '0.606', '0.986'):
        assert value in note
    (row,) = (
        r for r in TABLES['occvla_table2'].rows if r.values[0] == 'OccWorld-O'
    )
    assert row.convention == 'at t'
    assert [round(v, 2) for v in (0.429, 1.076, 1.993)] == row.values[3:6]


def test_overall_of_nuscenes_qa_is_a_micro_average():
    """One share of each type explains all rows; equal shares none."""
    table = TABLES['occvla_table3']
    numbers = np.stack([figures(row, table) for row in table.rows])
    types, overall = numbers[:, 2:15:3], numbers[:, 15]
    shares = np.linalg.solve(types, overall)
    assert (shares > 0.1).all()
    assert shares.sum() == pytest.approx(1, abs=0.03)
    assert (overall - types.mean(axis=1) > 1.9).all()


def test_both_hops_enclose_each_type():
    table = TABLES['occvla_table3']
    for row in table.rows:
        for start in range(0, 15, 3):
            one, other, both = figures(row, table)[start : start + 3]
            if not np.isnan(one):
                assert min(one, other) <= both <= max(one, other)


def test_means_and_joint_accuracy_of_meta_actions():
    rows = TABLES['occvla_table4'].rows
    for row in rows:
        speed, direction, mean, joint = row.values[2:]
        slip = abs((speed + direction) / 2 - mean)
        assert slip <= 0.03
        assert bool(row.misprint) == (slip > ROUNDING)
        # Bounds of two events, and their product if they were independent.
        assert max(0, speed + direction - 100) <= joint
        assert joint <= min(speed, direction)
        assert joint == pytest.approx(speed * direction / 100, abs=0.4)
    gain = rows[1].values[-1] - rows[0].values[-1]
    assert gain == pytest.approx(1.6)


def test_gain_of_hermes_over_omnidrive():
    cider = {
        row.values[0]: row.values[2]
        for row in TABLES['sparseoccvla_language'].rows
    }
    assert cider['HERMES'] / cider['OmniDrive'] == pytest.approx(
        1.08, abs=1e-3
    )
    assert cider['HERMES'] * 1.07 == pytest.approx(0.793, abs=1e-3)


@pytest.fixture
def command(monkeypatch, capsys):
    """Run the tool: exit status, output, errors."""

    def run(*arguments):
        monkeypatch.setattr('sys.argv', ['tables.py', *map(str, arguments)])
        return tables.main(), *capsys.readouterr()

    return run


def rows_of(printed, start):
    return [
        [cell.strip() for cell in line.strip('|').split('|')]
        for line in printed.splitlines()
        if line.startswith(f'| {start}')
    ]


def test_all_tables_are_printed_with_empty_rows_of_ours(command):
    status, printed, errors = command()
    assert (status, errors) == (0, '')
    for table in TABLES.values():
        assert f'## {table.title}' in printed
        for row in table.rows:
            assert row.misprint in printed
    ours = rows_of(printed, 'mmocc')
    assert len(ours) == len(TABLES)
    for cells in ours:
        assert cells[-1] == 'not run'
        assert set(cells[1:-1]) == {''}


def test_rows_are_as_wide_as_their_header(command):
    _, printed, _ = command()
    blocks = printed.split('## ')[1:]
    for block in blocks:
        widths = {
            line.count('|') for line in block.splitlines() if '|' in line
        }
        assert len(widths) == 1


def test_our_rows_come_from_the_evaluation(
    command, load_tool, monkeypatch, tmp_path
):
    truth = np.tile(np.arange(1.0, 7)[:, None] * [3, 0], (2, 1, 1))
    np.savez(tmp_path / 'pred.npz', trajs=np.add(truth, (0.0, 0.5)))
    np.savez(tmp_path / 'gt.npz', trajs=truth, mask=np.ones((2, 6), bool))
    out = tmp_path / 'plan.json'
    argv = ['x', 'planning', '--pred', tmp_path / 'pred.npz']
    argv += ['--gt', tmp_path / 'gt.npz', '--out', out]
    monkeypatch.setattr('sys.argv', [str(word) for word in argv])
    assert load_tool('evaluate.py').main() == 0
    status, printed, _ = command(
        '--ours', f'tiny={out}', '--table', 'occvla_table1'
    )
    assert status == 0
    ours = rows_of(printed, 'mmocc')
    bands = '0.50 / 0.50 / 0.50'
    # Subsets of the preset are not the papers' figures.
    assert ours == [
        ['mmocc: tiny (l2)', '', '', *['0.50'] * 4, bands, kind, 'measured']
        for kind in ('mean up to t', 'at t')
    ]


def test_our_rows_come_from_the_runner(command, tmp_path):
    scores = {
        'plan/L2_mean_1s': 0.1,
        'plan/L2_mean_2s': 0.2,
        'plan/L2_mean_3s': 0.3,
        'plan/L2_mean_avg': 0.2,
        'collision/vad/L2_mean_1s': 0.4,
        'collision/vad/non_straight/L2_mean_1s': 0.9,
        'meta/speed': 50.0,
        'meta/direction': 60.0,
        'meta/mean': 55.0,
        'meta/joint': 40.0,
        'occ/mIoU': 7.0,
        'forecast/mIoU_1s': 10.0,
        'forecast/copy_and_paste/mIoU_1s': 9.0,
    }
    path = tmp_path / 'test.json'
    path.write_text(json.dumps({'scores': scores}))
    status, printed, _ = command('--ours', f'a={path}')
    assert status == 0
    tables_of = {b.splitlines()[0]: b for b in printed.split('## ')[1:]}

    def ours(name):
        return rows_of(tables_of[TABLES[name].title], 'mmocc')

    first, second = ours('occvla_table1')
    assert first[:7] == ['mmocc: a', '', '', '0.10', '0.20', '0.30', '0.20']
    assert second[:5] == ['mmocc: a (vad)', '', '', '0.40', '']
    assert ours('occvla_table4')[0][:6] == [
        'mmocc: a',
        '',
        '50.00',
        '60.00',
        '55.00',
        '40.00',
    ]
    names = [cells[0] for cells in ours('sparseoccvla_forecasting')]
    assert names == ['mmocc: a', 'mmocc: a (copy_and_paste)']
    assert ours('occvla_table3')[0][-1] == 'not run'


def test_output_goes_to_a_file_too(command, tmp_path):
    out = tmp_path / 'tables.md'
    _, printed, _ = command('--table', 'occvla_table4', '--out', out)
    assert out.read_text() == printed
    assert printed.count('## ') == 1


@pytest.mark.parametrize(
    ('content', 'says'),
    [
        (None, ': cannot be read'),
        ('{', ', line 1: is cut off'),
        ('[]', ' holds no results'),
        ('{"scores": 3}', ' holds no results'),
    ],
)
def test_bad_result_files_are_named(command, tmp_path, content, says):
    path = tmp_path / 'scores.json'
    if content is not None:
        path.write_text(content)
    status, printed, errors = command('--ours', f'a={path}')
    assert (status, printed) == (1, '')
    assert f'{path}{says}' in errors


@pytest.mark.parametrize('item', ['scores.json', '=scores.json'])
def test_results_need_a_label(command, item):
    status, printed, errors = command('--ours', item)
    assert (status, printed) == (1, '')
    assert 'expected LABEL=FILE.json' in errors


def test_rows_of_another_width_are_refused(tmp_path):
    path = tmp_path / 'table.yaml'
    text = (tables.PUBLISHED / 'occvla_table4.yaml').read_text()
    path.write_text(text.replace('65.50, 41.48', '65.50'))
    with pytest.raises(ValueError, match=r"'OccVLA' has 5 values for 6"):
        tables.load_table(path)
