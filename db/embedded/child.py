"""Script that runs a command as another user, and on Linux stops it when its parent exits.

Arguments: the pid of the parent, the user id and group id to switch to, and the command. This is a separate program
because a process with threads must not run Python code between fork and exec. It switches the user itself because that
user may not be allowed to run this Python. On Linux the command receives SIGINT, PostgreSQL's fast shutdown, when the
*thread* that started it ends, so that thread must live as long as the command. Other systems have no such signal.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


def main() -> None:
    parent, uid, gid = (int(number) for number in sys.argv[1:4])
    command = sys.argv[4:]
    # A shell makes background jobs ignore SIGINT. PostgreSQL would inherit this until it installs its own handler.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if os.geteuid() != uid:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    if sys.platform == "linux":
        # Set after the user is changed, because that clears it.
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(PR_SET_PDEATHSIG, signal.SIGINT, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent:
        sys.exit("The parent process has exited.")
    os.execv(command[0], command)  # noqa: S606


if __name__ == "__main__":
    main()
