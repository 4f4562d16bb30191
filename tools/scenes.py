"""The same as ``spatialattn scenes``."""

import sys

from mmdet_spatialattn.cli.scenes import main

sys.exit(main())
