"""A loop that logs wherever ``--tracker`` says: ``python train.py --tracker trackio``."""

import argparse

from hackmatrix.tracking import open_tracker

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--tracker", default="jsonl")

with open_tracker(parser.parse_args().tracker, project="hackmatrix", config={"rate": 0.5}) as tracker:
    for step in range(100):
        tracker.log({"train/loss": 0.5**step}, step=step)
