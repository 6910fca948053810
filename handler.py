"""The file name that RunPod's hub expects; the worker is `rp_handler.py`."""

import runpy
from pathlib import Path

if __name__ == "__main__":
    runpy.run_path(str(Path(__file__).with_name("rp_handler.py")), run_name="__main__")
