"""Start toy runs in half the time: Python runs this file first.

mmengine.optim imports transformers where it is installed, four seconds that
toys have no use for.
"""

import os
import sys

if not os.environ.get('MMOCC_TEST_TRANSFORMERS'):
    sys.modules['transformers'] = None
