"""What the launch files share: packages looked up before anything starts, and a node that comes back."""

import os

from ament_index_python.packages import get_package_prefix, PackageNotFoundError
from launch.actions import EmitEvent, LogInfo, RegisterEventHandler
from launch.event_handlers import OnProcessExit
from launch.events import matches_action
from launch.events.process import ShutdownProcess

# The node's exit code where parameters, bundle or topics were refused (EX_CONFIG of sysexits.h).
REFUSED = 78
# A file system or a busy processor may need a moment at boot; what is refused so often stays refused.
TRIES = 3


def require(package, executable, otherwise):
    """
    Refuse to start anything where an optional package is missing.

    `otherwise` says which argument does without it.
    """
    name = 'ros-{}-{}'.format(os.environ.get('ROS_DISTRO', '<distro>'), package.replace('_', '-'))
    try:
        prefix = get_package_prefix(package)
    except PackageNotFoundError:
        raise RuntimeError(
            f'the package {package} is not installed, so nothing was started: install {name}, or '
            f'{otherwise}') from None
    if not os.access(os.path.join(prefix, 'lib', package, executable), os.X_OK):
        raise RuntimeError(
            f'the package {package} in {prefix} has no executable {executable}, so nothing was '
            f'started: install {name} anew, or {otherwise}')


def until_refused(node, *others):
    """
    End the respawning of `node` once it was refused TRIES times in a row, and `others` with it.

    Any other end (a crash, a signal) brings the node back as often as it happens.
    """
    refused = 0

    def on_exit(event, context):
        nonlocal refused
        refused = refused + 1 if event.returncode == REFUSED else 0
        if refused < TRIES:
            return None
        words = (f'edge_reasoner was refused what it was started with {refused} times in a row (exit '
                 f'code {REFUSED}) and is not started again; the reason is in its last lines above')
        ended = [EmitEvent(event=ShutdownProcess(process_matcher=matches_action(action)))
                 for action in (node, *others)]
        return [LogInfo(msg=words), *ended]

    return RegisterEventHandler(OnProcessExit(target_action=node, on_exit=on_exit))
