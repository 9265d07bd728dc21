"""How a script ends at once, whatever it is doing, when its user or the reader of its output is gone.

Ctrl-C in the first thread hits in the middle of whatever that does. In an import or in a compilation it comes out
as any error, or as a crash, and while a compiled program runs it is not heard at all. So the work is done in a
second thread, and the first one listens.
"""

import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NoReturn, TypeVar

from stopping import FINISHED, INTERRUPTED

Result = TypeVar("Result")


def unless_interrupted(work: Callable[[], Result], farewell: str) -> Result:
    """What `work` gives, done in a second thread.

    Ctrl-C ends the process with 130, after `farewell` on standard error: nothing may be open that has to be closed.
    A reader of standard output that is gone, like `head`, ends it with 0, and without a word.
    """
    try:
        result = ThreadPoolExecutor(1).submit(work).result()
        sys.stdout.flush()
    except KeyboardInterrupt:
        print(f"\n{farewell}", file=sys.stderr)
        end_at_once(INTERRUPTED)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        end_at_once(FINISHED)
    return result


def end_at_once(code: int) -> NoReturn:
    """End the process without waiting for the second thread."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
