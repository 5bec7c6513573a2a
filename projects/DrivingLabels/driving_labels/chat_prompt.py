"""Prompt and answer schema of a chat model that annotates a frame.

The model sees the recorded drive, as the labelling rules do, so that its
direction is a second opinion on theirs. It does not see their label.
"""

import base64
import io
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from mmocc.annotation.frame_context import Agent, FrameContext
from mmocc.structures import DIRECTIONS, SPEEDS
from mmocc.structures.prompts import spell_history

PARTS = ('scene', 'reasoning', 'speed', 'direction')
# The nearest road users, within half of Occ3D's grid, are in a request.
_MAX_AGENTS = 20
_AGENT_RANGE = 40.0
# Every fifth point of the lane ahead, 1 m apart, is in a request.
_WAY_SPACING = 5
_JPEG_QUALITY = 85

SYSTEM_PROMPT = f"""\
You annotate one moment of a recorded drive, for a model that learns to say \
what the ego car should do next and why. Coordinates are metres in the ego \
car's frame: x forward, y to the left, the origin at the rear axle; angles \
are degrees, positive to the left.

Answer with one JSON object and nothing else, with these four strings:
"scene": one sentence: the road and the road users that matter.
"reasoning": one sentence: the cause of the action, from what can be seen now.
"speed": exactly one of {', '.join(SPEEDS)}.
"direction": exactly one of {', '.join(DIRECTIONS)}.

speed and direction name what the recorded path does over the next 3 s. \
Turn is for a turn at an intersection, not for a bend of the lane. \
Change Lane is for a move to a lane beside. Stop is for a car that stands or \
comes to a halt; it is never paired with Accelerate. \
scene and reasoning must not mention the recorded path, coordinates or \
anything later than now, must not contradict the action, and must not contain \
the words "Scene:", "History:", "Reasoning:" or "Action:"."""

CORRECTION = (
    'This answer cannot be used: {reason}. Answer again with the whole JSON '
    'object and nothing else.'
)

# For endpoints that can be held to a schema (structured outputs).
ANSWER_SCHEMA = {
    'name': 'driving_annotation',
    'strict': True,
    'schema': {
        'type': 'object',
        'properties': {
            'scene': {'type': 'string'},
            'reasoning': {'type': 'string'},
            'speed': {'type': 'string', 'enum': list(SPEEDS)},
            'direction': {'type': 'string', 'enum': list(DIRECTIONS)},
        },
        'required': list(PARTS),
        'additionalProperties': False,
    },
}


def frame_facts(context: FrameContext) -> dict:
    """Return the facts of a frame that a request holds, rounded."""
    road = context.surroundings
    return {
        'speed now (m/s)': round(context.speed, 1),
        'past actions, oldest first': spell_history(context.history),
        'recorded path (time in s, x, y, heading)': [
            [round(t, 1), round(x, 2), round(y, 2), _degrees(yaw)]
            for t, x, y, yaw in context.path.tolist()
        ],
        'speed along it (m/s)': _path_speeds(context.path),
        'road': {
            'on a mapped lane': road.on_lane,
            'in an intersection': road.in_intersection,
            'metres to the next intersection': _ahead(road.intersection),
            'metres to the next crosswalk': _ahead(road.crosswalk),
            'metres to the next stop line': _ahead(road.stop_line),
            'lane of the same direction to the left': road.lane_left,
            'lane of the same direction to the right': road.lane_right,
            'middle of the lane ahead (x, y, heading)': [
                [round(x, 1), round(y, 1), _degrees(yaw)]
                for x, y, yaw in road.way[::_WAY_SPACING].tolist()
            ],
        },
        'road users': [_agent_facts(a) for a in _nearest(context.agents)],
    }


def user_content(
    context: FrameContext, cameras: Sequence[str], image_width: int
) -> list[dict]:
    """Make the parts of the user's message: facts, then images.

    Args:
        context (FrameContext): The frame.
        cameras (Sequence[str]): Cameras whose images are added.
        image_width (int): Pixels that wider images are reduced to.

    Raises:
        OSError: An image cannot be read.
        KeyError: The frame has no such camera.
    """
    parts = [
        {
            'type': 'text',
            'text': json.dumps(frame_facts(context), ensure_ascii=False),
        }
    ]
    for camera in cameras:
        url = _data_url(context.images[camera], image_width)
        parts.append({'type': 'text', 'text': f'{camera}:'})
        parts.append({'type': 'image_url', 'image_url': {'url': url}})
    return parts


def _degrees(angle: float) -> int:
    return round(float(np.rad2deg(angle)))


def _ahead(distance: float) -> int | None:
    return round(distance) if np.isfinite(distance) else None


def _path_speeds(path: np.ndarray) -> list[float]:
    steps = np.diff(path, axis=0)
    speeds = np.hypot(steps[:, 1], steps[:, 2]) / steps[:, 0]
    return [round(speed, 2) for speed in speeds.tolist()]


def _nearest(agents: Sequence[Agent]) -> list[Agent]:
    near = [agent for agent in agents if agent.distance <= _AGENT_RANGE]
    return sorted(near, key=lambda agent: agent.distance)[:_MAX_AGENTS]


def _agent_facts(agent: Agent) -> dict:
    speed = np.hypot(agent.vx, agent.vy)
    return {
        'class': agent.name.replace('_', ' '),
        'attribute': agent.attribute,
        'where': agent.sector,
        'x': round(agent.x, 1),
        'y': round(agent.y, 1),
        'speed (m/s)': None if np.isnan(speed) else round(float(speed), 1),
    }


def _data_url(path: Path, width: int) -> str:
    """Encode an image as a JPEG data URL."""
    with Image.open(path) as image:
        image = image.convert('RGB')
        if image.width > width:
            height = round(image.height * width / image.width)
            image = image.resize((width, height))
        file = io.BytesIO()
        image.save(file, format='JPEG', quality=_JPEG_QUALITY)
    encoded = base64.b64encode(file.getvalue()).decode('ascii')
    return f'data:image/jpeg;base64,{encoded}'
