"""The floor needs NumPy and SciPy alone."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
HEAVY = ('torch', 'mmengine', 'mmcv', 'mmdet', 'mmdet3d', 'cv2')
SCRIPT = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split('.')[0] in {heavy}:
            raise ImportError(f'{{name}} is blocked')

sys.meta_path.insert(0, Blocked())
from mmocc.infos import *
from mmocc.infos import load_info_file, write_info_file
write_info_file(
    dict(metainfo=dict(), data_list=[dict(token='a')]), {path!r}
)
assert load_info_file({path!r})['data_list'] == [dict(token='a')]
"""


def test_info_files_are_read_without_torch_and_mmdet3d(tmp_path):
    script = SCRIPT.format(heavy=HEAVY, path=str(tmp_path / 'infos.pkl'))
    subprocess.run([sys.executable, '-c', script], check=True, cwd=ROOT)
