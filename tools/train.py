"""``spatialattn train``, where MMDetection users look for it."""

import sys

from mmdet_spatialattn.cli.train import main

sys.exit(main())
