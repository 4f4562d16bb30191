"""``spatialattn list``, where MMDetection users look for it."""

import sys

from mmdet_spatialattn.cli.list import main

sys.exit(main())
