"""The name that RunPod's hub asks a repository for; the worker is `rp_handler.py`."""

from rp_handler import main

if __name__ == "__main__":
    main()
