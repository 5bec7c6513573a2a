"""Review pages: one HTML file per scene and an index, each in one piece."""

import base64
import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache
from html import escape
from importlib import resources
from string import Template
from urllib.parse import quote

from mmocc.projects.DrivingLabels.driving_labels.review.apply_edits import (
    SOURCE_REVIEW,
)
from mmocc.projects.DrivingLabels.driving_labels.review.bird_eye import (
    Window,
    draw_world,
)
from mmocc.projects.DrivingLabels.driving_labels.review.label_pairs import (
    LABEL_PAIRS,
)
from mmocc.projects.DrivingLabels.driving_labels.review.review_queue import (
    QueueEntry,
)
from mmocc.projects.DrivingLabels.driving_labels.review.review_scene import (
    ReviewFrame,
    ReviewScene,
)
from mmocc.projects.DrivingLabels.driving_labels.review.roads import Roads
from mmocc.structures import DIRECTIONS, SPEEDS

INDEX_NAME = 'index.html'
# Where a browser keeps what is decided, one entry a scene.
_STORE = 'mmocc-review'
_DIGEST = 10  # characters; tells data sets with equal scene names apart


@cache
def _asset(name: str) -> str:
    folder = resources.files('mmocc') / 'assets' / 'review'
    return (folder / name).read_text(encoding='utf-8')


def page_name(scene: ReviewScene) -> str:
    """File name of a scene's page, whatever its name holds."""
    return f'{quote(scene.name, safe="")}.html'


def scene_page(
    scene: ReviewScene, roads: Roads, images: Mapping[str, bytes]
) -> str:
    """The page on which the labels of a scene are reviewed.

    Args:
        scene (ReviewScene): Its frames.
        roads (Roads): Of its map; drawn where they are near the paths.
        images (Mapping[str, bytes]): JPEG files by sample token; frames
            without one are shown without a picture.

    Returns:
        str: HTML that needs no other file.
    """
    window = Window.around(scene)
    width, height = window.size
    content = {
        'scene': scene.name,
        'store': _store(scene),
        'speeds': SPEEDS,
        'directions': DIRECTIONS,
        'pairs': LABEL_PAIRS,
        'reviewed': SOURCE_REVIEW,
        'size': [round(width, 2), round(height, 2)],
        'frames': [
            _frame_content(frame, window, images.get(frame.token))
            for frame in scene.frames
        ],
    }
    return Template(_asset('scene.html')).substitute(
        scene=escape(scene.name),
        location=escape(scene.location),
        index=INDEX_NAME,
        icons=_asset('icons.svg'),
        style=_asset('review.css'),
        shared=_asset('store.js'),
        script=_asset('scene.js'),
        content=_script_json(content),
        width=f'{width:.2f}',
        height=f'{height:.2f}',
        world=draw_world(scene, roads, window),
        note='' if roads.lanes else 'no map',
    )


def index_page(scenes: Sequence[ReviewScene]) -> str:
    """The page that leads to all scenes, those with most to do first."""
    ranked = sorted(scenes, key=lambda scene: (-scene.queued, scene.name))
    return Template(_asset('index.html')).substitute(
        style=_asset('review.css'),
        shared=_asset('store.js'),
        script=_asset('index.js'),
        rows=''.join(map(_index_row, ranked)),
        scenes=len(scenes),
        frames=sum(map(_labelled, scenes)),
        queued=sum(scene.queued for scene in scenes),
    )


def _store(scene: ReviewScene) -> str:
    tokens = ' '.join(frame.token for frame in scene.frames)
    digest = hashlib.sha256(tokens.encode()).hexdigest()[:_DIGEST]
    return f'{_STORE}:{scene.name}:{digest}'


def _script_json(content: object) -> str:
    """JSON that may stand in a ``script`` element."""
    return json.dumps(content).replace('<', '\\u003c')


def _frame_content(
    frame: ReviewFrame, window: Window, image: bytes | None
) -> dict:
    x, y = window.place(frame.path[:1, :2])[0]
    return {
        'token': frame.token,
        'index': frame.frame_idx,
        'label': dict(frame.label) if frame.label is not None else None,
        'queue': _queue_content(frame.queue) if frame.queue else None,
        'x': round(float(x), 2),
        'y': round(float(y), 2),
        'yaw': round(float(frame.path[0, 2]), 4),
        'speeds': frame.speeds.round(2).tolist(),
        'acceleration': frame.acceleration,
        'image': (
            f'data:image/jpeg;base64,{base64.b64encode(image).decode()}'
            if image
            else None
        ),
    }


def _queue_content(entry: QueueEntry) -> dict:
    """The reason, and both opinions where there are two."""
    opinions = {
        'Rules': entry.map_action,
        entry.annotator: entry.annotator_action,
    }
    agree = entry.annotator_action in (None, entry.map_action)
    return {
        'reason': entry.reason,
        'opinions': []
        if agree
        else [{'name': n, 'pair': pair} for n, pair in opinions.items()],
    }


def _labelled(scene: ReviewScene) -> int:
    return sum(frame.label is not None for frame in scene.frames)


def _index_row(scene: ReviewScene) -> str:
    labels = [f.label for f in scene.frames if f.label is not None]
    count = Counter(label['direction'] for label in labels)
    reviewed = sum(label['source'] == SOURCE_REVIEW for label in labels)
    mix = ''.join(
        f'<i class="d{k}" style="flex:{count[word]}" '
        f'title="{word}: {count[word]}"></i>'
        for k, word in enumerate(DIRECTIONS)
        if count[word]
    )
    queued = f'<b class="badge">{scene.queued}</b>' if scene.queued else '0'
    # The page's name is quoted, so its own percent signs must be, too.
    return (
        f'<tr data-store="{escape(_store(scene))}" '
        f'data-open="{len(labels) - reviewed}">'
        f'<td><a href="{escape(quote(page_name(scene)))}">'
        f'{escape(scene.name)}</a> <small>{escape(scene.location)}</small>'
        f'</td><td class="mix-cell"><span class="mix">{mix}</span></td>'
        f'<td>{queued}</td><td>{len(labels)}</td>'
        '<td class="left-cell"></td></tr>\n'
    )
