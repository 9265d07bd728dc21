"""What the errors of the W&B client mean, each in a sentence that says what to do.

The client tells a refused key and a server out of reach by errors of the same class, so its words decide.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import wandb

from hackmatrix.tracking.errors import BackendSetupError, BackendUnreachableError, RunConflictError

# What the client says -> what it means, in a sentence; the first that fits. Seen with wandb 0.31.
_MEANINGS: list[tuple[re.Pattern[str], type[Exception], str]] = [
    (re.compile(said, re.IGNORECASE), kind, sentence)
    for said, kind, sentence in (
        (
            r"no api key",
            BackendSetupError,
            "not logged in to W&B; run `wandb login`, or set WANDB_API_KEY",
        ),
        (
            r"api_key invalid|api key must",
            BackendSetupError,
            "{text}; run `wandb login --relogin`, or set WANDB_API_KEY to a whole key",
        ),
        (
            r"previously created and deleted",
            RunConflictError,
            "a run of this name was deleted at W&B, and its id can never be used again",
        ),
        (
            r"permission denied|forbidden|\b403\b|not found during upsertbucket|entity \S+ (was )?not found",
            BackendSetupError,
            "W&B gives {user} no access to entity {entity!r} ({text}); say `--entity YOU`",
        ),
        (
            r"did not respond in time|deadline exceeded|timed out|giving up|retrying|unreachable|no such host",
            BackendUnreachableError,
            "W&B does not answer: {text}",
        ),
        (
            r"connection (refused|reset)|\bEOF\b|(HTTP|error) (429|5\d\d)",
            BackendUnreachableError,
            "W&B does not answer: {text}",
        ),
        (
            r"not logged in|unauthori[sz]ed|\b401\b|invalid (api )?key|verify credentials",
            BackendSetupError,
            "W&B refuses the key ({text}); run `wandb login --relogin`",
        ),
        (
            r"upgrade",
            BackendSetupError,
            "W&B refuses wandb {version} ({text}); run `pip install -U wandb`",
        ),
    )
]


@contextmanager
def translated(entity: str | None = None) -> Iterator[None]:
    """Raise what an error of the client means, in a sentence."""
    try:
        yield
    except Exception as error:
        meant = meaning(error, entity)
        if meant is error:
            raise
        raise meant from error


def meaning(error: Exception, entity: str | None = None) -> Exception:
    """What an error of the client says, as one of ours."""
    text = _words(error)
    if isinstance(error, BackendUnreachableError | BackendSetupError | RunConflictError):
        return error
    if died(error):
        return BackendUnreachableError(f"W&B's client has died: {text}")
    if isinstance(error, TimeoutError):
        return BackendUnreachableError(f"W&B does not answer: {text}")
    for pattern, kind, sentence in _MEANINGS:
        if pattern.search(text):
            user = _user() if "{user}" in sentence else ""
            return kind(sentence.format(text=text, user=user, entity=entity, version=wandb.__version__))
    if isinstance(error, wandb.errors.Error):
        return BackendUnreachableError(f"W&B does not take the run: {text}")
    return error


def _words(error: BaseException | None) -> str:
    """What the error says, and what its causes add: some versions of the client put the reason there."""
    said: list[str] = []
    while error is not None:
        words = " ".join(str(error).split()).rstrip(".") or type(error).__name__
        if not any(words in earlier for earlier in said):
            said.append(words)
        error = error.__cause__
    return ": ".join(said)


def _user() -> str:
    with suppress(Exception):
        return f"user {wandb.Api(timeout=5).viewer.username!r}"
    return "you"


def died(error: BaseException | None) -> bool:
    """Whether the client's own process is gone; it says so in several ways, some of them inside another error."""
    while error is not None:
        gone = isinstance(error, ConnectionError | EOFError) and not isinstance(
            error, BackendUnreachableError
        )
        if (
            gone
            or type(error).__name__ == "MailboxClosedError"
            or "service process is not running" in str(error)
        ):
            return True
        error = error.__cause__
    return False
