"""The same as ``spatialattn try``, where users of MMDetection look for it."""

import sys

from mmdet_spatialattn.cli import main

if __name__ == '__main__':
    sys.exit(main(['try', *sys.argv[1:]]))
