"""``spatialattn doctor``, where MMDetection users look for it."""

import sys

from mmdet_spatialattn.cli.doctor import main

sys.exit(main())
