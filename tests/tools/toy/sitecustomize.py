"""Start toy runs in half the time: Python runs this file first.

mmengine.optim imports transformers where it is installed, four seconds that
toys have no use for. spconv takes as long and can be left out too.
"""

import os
import sys

if not os.environ.get('MMOCC_TEST_TRANSFORMERS'):
    sys.modules['transformers'] = None
if os.environ.get('MMOCC_TEST_WITHOUT_SPCONV'):
    sys.modules['spconv'] = None
