import time

import numpy as np

from lissome.timing.sessions import measure_sessions


def test_sessions_are_timed_against_each_other_on_the_input():
    seen = []

    class Session:
        def __init__(self, seconds):
            self.seconds = seconds

        def run(self, *images):
            seen.append(images)
            time.sleep(self.seconds)
            return images

    image = np.zeros((1, 3, 4, 4), np.float32)
    timing = measure_sessions({"slow": Session(0.05), "quick": Session(0.0)}, image, baseline="slow", seconds=0.3)
    assert all(len(images) == 1 and images[0] is image for images in seen)
    assert timing.baseline == "slow"
    assert timing.latency("slow").min_ms >= 50
    assert timing.speedup("quick").median > 1.0
