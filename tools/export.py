"""Export a part of a model to ONNX.

The command is part of ``projects/OnnxExport``.
"""

import sys

from mmocc.projects.OnnxExport.tools.export import main

if __name__ == '__main__':
    sys.exit(main())
