"""Render the review pages: a self-contained HTML file per scene, an index."""

import base64
import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from urllib.parse import quote

from markupsafe import Markup

from mmocc.projects.DrivingLabels.driving_labels.review.apply_edits import (
    SOURCE_REVIEW,
)
from mmocc.projects.DrivingLabels.driving_labels.review.bird_eye import (
    Window,
    draw_world,
)
from mmocc.projects.DrivingLabels.driving_labels.review.edits import (
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
from mmocc.projects.DrivingLabels.driving_labels.review.templates import (
    TEMPLATES,
)
from mmocc.structures import DIRECTIONS, SPEEDS
from mmocc.utils.file_names import make_file_name

INDEX_NAME = 'index.html'
# Where a browser keeps what is decided, one entry a scene.
_STORE = 'mmocc-review'
_DIGEST = 10  # characters; tells data sets with equal scene names apart


def page_name(scene: ReviewScene) -> str:
    """Return the file name of a scene's page, safe for any scene name."""
    return f'{make_file_name(scene.name)}.html'


def scene_page(
    scene: ReviewScene, roads: Roads, images: Mapping[str, bytes]
) -> str:
    """Render the page on which a person reviews the labels of a scene.

    Args:
        scene (ReviewScene): Its frames.
        roads (Roads): Of its map; drawn where they are near the paths.
        images (Mapping[str, bytes]): JPEG files by sample token; frames
            without one are shown without a picture.

    Returns:
        str: HTML that needs no other file.
    """
    window = Window.around(scene)
    content = {
        'scene': scene.name,
        'store': _store(scene),
        'speeds': SPEEDS,
        'directions': DIRECTIONS,
        'pairs': LABEL_PAIRS,
        'reviewed': SOURCE_REVIEW,
        'size': window.size.round(2).tolist(),
        'frames': [
            _frame_content(frame, window, images.get(frame.token))
            for frame in scene.frames
        ],
    }
    return TEMPLATES.get_template('scene.html').render(
        scene=scene,
        index=INDEX_NAME,
        window=window,
        roads=roads,
        world=Markup(draw_world(scene, roads, window)),
        content=content,
    )


def index_page(scenes: Sequence[ReviewScene]) -> str:
    """Render the page that links to all scenes, longest queue first."""
    ranked = sorted(scenes, key=lambda scene: (-scene.queued, scene.name))
    return TEMPLATES.get_template('index.html').render(
        rows=[_index_row(scene) for scene in ranked],
        directions=DIRECTIONS,
    )


def _store(scene: ReviewScene) -> str:
    tokens = ' '.join(frame.token for frame in scene.frames)
    digest = hashlib.sha256(tokens.encode()).hexdigest()[:_DIGEST]
    return f'{_STORE}:{scene.name}:{digest}'


def _frame_content(
    frame: ReviewFrame, window: Window, image: bytes | None
) -> dict:
    x, y = window.to_svg(frame.path[:1, :2])[0]
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
    """Return why a frame is queued, and both labels where they differ."""
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


def _index_row(scene: ReviewScene) -> dict:
    labels = [f.label for f in scene.frames if f.label is not None]
    reviewed = sum(label['source'] == SOURCE_REVIEW for label in labels)
    return {
        'name': scene.name,
        'location': scene.location,
        'store': _store(scene),
        # A file name may hold percent signs, which a link has to quote.
        'href': quote(page_name(scene)),
        'directions': Counter(label['direction'] for label in labels),
        'queued': scene.queued,
        'labelled': len(labels),
        'open': len(labels) - reviewed,
    }
