"""Packaging that pyproject.toml cannot express: the folder ``mmocc/.mim``.

mim and mmengine look for an installed package's configs, tools and model
index there. A wheel gets copies; an editable install gets links into the
clone, which git ignores::

    mmocc/.mim/configs/_base_/...              configs/_base_/
    mmocc/.mim/configs/OccVLA/configs/...      projects/OccVLA/configs/
    mmocc/.mim/projects/OccVLA/occvla/...      projects/OccVLA/occvla/
    mmocc/.mim/tools/...                       tools/
    mmocc/.mim/model-index.yml                 model-index.yml

A project's configs stand below ``configs`` and nowhere else: mmengine finds
``_base_ = 'mmocc::OccVLA/configs/...'`` there alone, and mim refuses a name
that it finds twice. Paths between configs are relative and stay valid.
"""

import os
import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
# Of a project these stay in the clone.
LEFT_OUT = ('tests', 'docs', 'demo', '__pycache__', '*.pyc', '*.md')


class BuildWithMim(build_py):
    """``build_py`` that adds ``mmocc/.mim``."""

    def run(self) -> None:
        """Build the package, then fill ``.mim`` in the build folder."""
        if self.editable_mode:
            super().run()
            fill(ROOT / 'mmocc' / '.mim', link)
            return
        # setuptools never removes files of an earlier build.
        shutil.rmtree(self.build_lib, ignore_errors=True)
        super().run()
        fill(Path(self.build_lib) / 'mmocc' / '.mim', copy)


def fill(mim: Path, place) -> None:
    """Write ``.mim`` anew.

    Args:
        mim (Path): The folder.
        place (callable): ``copy`` or ``link``, called with source and target.
    """
    shutil.rmtree(mim, ignore_errors=True)
    place(ROOT / 'tools', mim / 'tools')
    for folder in sorted((ROOT / 'configs').iterdir()):
        place(folder, mim / 'configs' / folder.name)
    for project in sorted((ROOT / 'projects').iterdir()):
        if not project.is_dir():
            continue
        target = mim / 'projects' / project.name
        if place is copy:
            copy(project, target, 'configs', 'metafile.yml')
        if (project / 'configs').is_dir():
            place(
                project / 'configs', mim / 'configs' / project.name / 'configs'
            )
        if (project / 'metafile.yml').is_file():
            target.mkdir(parents=True, exist_ok=True)
            text = (project / 'metafile.yml').read_text('utf-8')
            (target / 'metafile.yml').write_text(
                text.replace('Config: projects/', 'Config: configs/'), 'utf-8'
            )
    place(ROOT / 'model-index.yml', mim / 'model-index.yml')


def copy(source: Path, target: Path, *left_out: str) -> None:
    """Copy a file, or a folder without what belongs to the clone."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_file():
        shutil.copy2(source, target)
        return
    shutil.copytree(
        source, target, ignore=shutil.ignore_patterns(*LEFT_OUT, *left_out)
    )


def link(source: Path, target: Path) -> None:
    """Make a relative symbolic link, so that a clone can be moved."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.symlink_to(os.path.relpath(source, target.parent))


setup(cmdclass={'build_py': BuildWithMim})
