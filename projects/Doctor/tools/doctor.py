#!/usr/bin/env python
"""Say what is wrong with this installation, and how to mend it.

    python tools/doctor.py

Prints the environment (paste it into issues), then one finding per known
breakage that applies: the cause and a one-line fix. Exits with 1 if any of
them is an error. Needs neither a GPU nor a working torch.
"""

import argparse
import sys
from pathlib import Path

# mmocc itself may not be installed yet.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from mmocc.projects.Doctor.doctor.rules import RULES, Level, examine
from mmocc.utils.env import (
    collect_environment,
    environment_report,
    format_report,
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument(
        '--quiet',
        action='store_true',
        help='print warnings and errors only',
    )
    parser.add_argument(
        '--no-imports',
        action='store_true',
        help='skip trial imports, which take most of the time',
    )
    args = parser.parse_args()

    if not args.quiet:
        print(format_report(environment_report()))
        print()
    findings = examine(collect_environment(not args.no_imports))
    for finding in findings:
        if args.quiet and finding.level is Level.INFO:
            continue
        print(f'{finding.level.value}: {finding.cause}  [{finding.rule}]')
        print(f'  fix: {finding.fix}')
    errors = sum(finding.level is Level.ERROR for finding in findings)
    if not args.quiet:
        print(f'{len(RULES)} rules checked, {errors} errors')
    return int(errors > 0)


if __name__ == '__main__':
    sys.exit(main())
