#!/usr/bin/env python
"""Print a config with its bases and overrides merged.

python tools/misc/print_config.py CONFIG [--cfg-options KEY=VALUE ...]
"""

import argparse

from mmocc.utils.config import explained, load_config
from mmocc.utils.overrides import Overrides


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('config', help='config file')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=Overrides,
        metavar='KEY=VALUE',
        help='override config keys',
    )
    args = parser.parse_args()
    with explained():
        print(load_config(args.config, args.cfg_options).pretty_text)


if __name__ == '__main__':
    main()
