"""Run as a script: turns into the command it is given, as another user, and dies with the process that asked.

Its arguments are the asking process, the user and group to become, and the command. It is a program of its
own because nothing may run between fork and exec in a process that has threads, and it changes the user
itself because that user may not be allowed to run this Python. On Linux the command gets SIGINT, PostgreSQL's
fast shutdown, when the *thread* that started it ends, so it has to be started by a thread that lives as long
as it may run. Other systems have no such signal.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


def main() -> None:
    parent, uid, gid = (int(number) for number in sys.argv[1:4])
    command = sys.argv[4:]
    # A shell has what it runs in the background ignore it, and PostgreSQL would until it has a handler of its own.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if os.geteuid() != uid:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    if sys.platform == "linux":
        # After the change of user, which clears it.
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(PR_SET_PDEATHSIG, signal.SIGINT, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent:
        sys.exit("The parent process has exited.")
    os.execv(command[0], command)  # noqa: S606


if __name__ == "__main__":
    main()
