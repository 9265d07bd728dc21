"""What can go wrong, as one tree; each leaf is also the builtin that a caller would expect.

```text
TrackingError
├── InvalidArgumentError      ValueError        an argument that the call does not take
├── InvalidNameError          ValueError        a run, project, suffix or artifact name
├── InvalidTagError           ValueError        a tag that no reader could give back
├── MetricValueError          ValueError        a value that is not one number
├── ConfigValueError          TypeError         a config that cannot be stored
├── StepOrderError            ValueError        a smaller, sealed or repeated step
├── TrackerClosedError        RuntimeError      a call after finish, or after the lock was lost
├── UnknownBackendError       ValueError        a name that the registry does not know
├── MissingPackageError       ImportError       a backend whose package is not installed
├── BackendOptionError        ValueError        an option that the backend does not take
├── BackendSetupError         RuntimeError      what the user must mend: login, entity, version
├── BackendUnreachableError   ConnectionError   a server out of reach: later is fine
├── RunConflictError          RuntimeError      the place holds another run under this id
├── RunNotFoundError          LookupError       nothing to resume
├── RunExistsError            ValueError        resume="never" and the run is there
├── RunInUseError             RuntimeError      a live process holds the run
├── ConfigMismatchError       ValueError        a run resumed under another config
├── RunFolderError            OSError           a folder that cannot be used
└── DamagedCheckpointError    ValueError        a checkpoint whose bytes are not what was written
```
"""


class TrackingError(Exception):
    """Base of every error that this package raises on purpose."""


class InvalidArgumentError(TrackingError, ValueError):
    """An argument that the call does not take, whatever else is given."""


class InvalidNameError(TrackingError, ValueError):
    """A name that could not be a folder, a URL part and an artifact name at once."""


class InvalidTagError(TrackingError, ValueError):
    """A tag that is no string, not valid Unicode, empty, begins with ``_``, or has what JSON escapes."""


class MetricValueError(TrackingError, ValueError):
    """A value that is visibly not one number."""


class ConfigValueError(TrackingError, TypeError):
    """A config holds something that cannot be stored and compared later."""


class StepOrderError(TrackingError, ValueError):
    """A step smaller than one before, a sealed step, or a tag repeated within a step."""


class TrackerClosedError(TrackingError, RuntimeError):
    """The run was finished, or another process took it over."""


class UnknownBackendError(TrackingError, ValueError):
    """No backend of this name is registered."""


class MissingPackageError(TrackingError, ImportError):
    """The backend is known, its package is not installed."""


class BackendOptionError(TrackingError, ValueError):
    """An option that the backend does not take, or a value of the wrong type."""


class BackendSetupError(TrackingError, RuntimeError):
    """Something that only the user can mend: no login, no permission, a version too old."""


class BackendUnreachableError(TrackingError, ConnectionError):
    """The place cannot be reached now. Not fatal: the follower tries again."""


class RunConflictError(TrackingError, RuntimeError):
    """The place already holds another run, or a deleted one, under this id."""


class RunNotFoundError(TrackingError, LookupError):
    """A run that must exist was found nowhere."""


class RunExistsError(TrackingError, ValueError):
    """A run that must be new exists."""


class RunInUseError(TrackingError, RuntimeError):
    """Another live process writes this run, or went on with it meanwhile."""


class ConfigMismatchError(TrackingError, ValueError):
    """A run has one config for ever; this one differs."""


class RunFolderError(TrackingError, OSError):
    """The folder cannot be written, or what it holds is not a run."""


class DamagedCheckpointError(TrackingError, ValueError):
    """A checkpoint is cut short or its checksum differs."""
