"""What the launch files make of the arguments `params_file` and `model`; needs no launch."""

import os


def params_file(value):
    """Give the whole path of a params file; refuse one that is not there, before anything starts."""
    path = _whole(value)
    if not os.path.isfile(path):
        raise RuntimeError(
            f'params_file:={value}: there is no file {path}, so nothing was started; give the path of '
            'a ROS 2 params file')
    return path


def model(value):
    """Give a bundle's path as a whole one, from where the user stands; a name stays a name."""
    path = _whole(value)
    is_path = os.sep in value or os.path.isfile(os.path.join(path, 'model.yaml'))
    return path if is_path else value


def _whole(value):
    # No shell has seen what stands behind :=, so ~ is still there.
    return os.path.abspath(os.path.expanduser(value))
