"""Notes the program of each command that OpenVINO's verification starts."""

from harness.backends.openvino import precision

started = []


def seen(command, **options):
    started.append(command[0])
    return run_one(command, **options)


run_one, precision.subprocess.run = precision.subprocess.run, seen
