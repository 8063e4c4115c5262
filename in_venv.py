#!/usr/bin/env python3
"""Runs a Python command inside the project's own environment, which it makes first if need be.

    python3 in_venv.py -m train.noiseflow        train the default model and write its report
    python3 in_venv.py -m pytest                 run the tests
    python3 in_venv.py script.py ARGUMENTS       anything that `python` takes

The environment is the folder `.venv` beside this file. It holds exactly the versions listed in
`constraints/` for the Python in use, so that everyone runs the same program. The first call makes
it (some minutes, about 1.5 GB); a later call starts at once unless pyproject.toml or the
constraints have changed. An installation that was cut short is done again from the start.

Nothing but a Python from 3.11 to 3.13 is needed. When the one that runs this file is of another
version, a fitting one is looked for by name (python3.13, python3.12, python3.11).

The command starts in the folder you are in, so relative paths mean what you typed; the tests run in
the project's folder. This process becomes the command: signals and the exit code are its own.
Exit codes of the set-up itself: 2 unsupported machine or Python, 3 installation failed, 130 Ctrl-C.
"""

# This file is read by whatever `python3` is, so it keeps to what Python 3.6 can parse.
import hashlib
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.abspath(__file__))
ENVIRONMENT = os.path.join(ROOT, ".venv")
STAMP = os.path.join(ENVIRONMENT, "jaxnoise-environment")
LOG = os.path.join(ENVIRONMENT, "install.log")
UNFINISHED = "unfinished"
OLDEST, NEWEST = (3, 11), (3, 13)
PLATFORMS = {("Linux", "x86_64"), ("Linux", "aarch64"), ("Darwin", "arm64")}
NETWORK = re.compile(
    "NewConnectionError|NameResolutionError|name resolution|establish a new connection|"
    "Network is unreachable|Connection refused|ConnectTimeout|ReadTimeout|ProxyError|SSLError",
    re.IGNORECASE,
)


class SetUpError(Exception):
    """A set-up that cannot go on; `code` is the exit code."""

    def __init__(self, message, code):
        """Keep the sentence for the user and the exit code."""
        super().__init__(message)
        self.code = code


def main(arguments):
    """Make the environment if need be, then become `python ARGUMENTS` inside it."""
    if not arguments:
        print(__doc__)
        return 0
    check_platform()
    if not OLDEST <= sys.version_info[:2] <= NEWEST:
        python = fitting_python()
        os.execv(python, [python, os.path.abspath(__file__), *arguments])
    key = environment_key()
    if read_stamp() != key:
        with alone():
            # Another call may have finished the work while this one waited.
            if read_stamp() != key:
                install(key)
    python = os.path.join(ENVIRONMENT, "bin", "python")
    search_path = [ROOT, os.environ.get("PYTHONPATH", "")]
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, search_path))
    if arguments[:2] == ["-m", "pytest"]:
        os.chdir(ROOT)
    sys.stdout.flush()
    os.execv(python, [python, *arguments])


def check_platform():
    """Refuse a machine for which some dependency has no wheel."""
    system, machine = platform.system(), platform.machine()
    if (system, machine) not in PLATFORMS:
        raise SetUpError(
            f"{system} on {machine} is not supported: JAX and its data libraries have wheels for "
            "Linux on x86_64 or aarch64 and macOS on arm64; use one of these (on Windows: WSL 2).",
            2,
        )
    if system == "Linux" and platform.libc_ver()[0] not in ("", "glibc"):
        raise SetUpError("This Linux has no glibc; JAX has no wheel for it: use another one.", 2)


def fitting_python():
    """Path of an installed Python of a supported version, or SetUpError."""
    for minor in range(NEWEST[1], OLDEST[1] - 1, -1):
        path = shutil.which(f"python3.{minor}")
        # A shim of a version manager may exist for a version that is not switched on.
        if path and subprocess.call([path, "-c", ""], stderr=subprocess.DEVNULL) == 0:
            return path
    raise SetUpError(
        "This is Python {}.{} and jaxnoise needs 3.11 to 3.13: install one of these and call it "
        "by name, as in `python3.13 in_venv.py ...`.".format(*sys.version_info[:2]),
        2,
    )


def constraints_file():
    """Path of the list of exact versions for the running Python."""
    return os.path.join(ROOT, "constraints", "python{}.{}.txt".format(*sys.version_info[:2]))


def environment_key():
    """Text that changes whenever the environment has to be brought up to date."""
    digest = hashlib.sha256(ROOT.encode())
    for path in (os.path.join(ROOT, "pyproject.toml"), constraints_file()):
        with open(path, "rb") as file:
            digest.update(file.read())
    return "{}.{} {}".format(*sys.version_info[:2], digest.hexdigest())


def read_stamp():
    """The key the environment was made for, UNFINISHED, or None when there is no environment."""
    try:
        with open(STAMP) as file:
            stamp = file.read()
    except OSError:
        return None
    # The link is dead when the Python it was made from has been removed.
    return stamp if os.path.exists(os.path.join(ENVIRONMENT, "bin", "python")) else UNFINISHED


def write_stamp(text):
    """Write the stamp in one piece, so that it is never half there."""
    with open(STAMP + ".new", "w") as file:
        file.write(text)
    os.replace(STAMP + ".new", STAMP)


class alone:
    """A context in which no other call of this file installs."""

    def __enter__(self):
        """Wait for the lock."""
        import fcntl

        self.file = open(ENVIRONMENT + ".lock", "w")
        try:
            fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            print("Waiting for another call that is setting up .venv ...", flush=True)
            fcntl.flock(self.file, fcntl.LOCK_EX)

    def __exit__(self, *_):
        """Let the next one in."""
        self.file.close()


def install(key):
    """Make or bring up to date the environment for `key`."""
    started = time.time()
    stamp = read_stamp()
    same_python = stamp is not None and stamp.split()[0] == key.split()[0]
    python = os.path.join(ENVIRONMENT, "bin", "python")
    if same_python:
        print(f"Bringing {ENVIRONMENT} up to date with pyproject.toml and constraints/ ...")
    else:
        if stamp is None and os.path.exists(ENVIRONMENT):
            raise SetUpError(
                f"{ENVIRONMENT} was not made by in_venv.py: move it away and try again.", 2
            )
        print(
            "Setting up {} with Python {}.{} (once; about 1.5 GB) ...".format(
                ENVIRONMENT, *sys.version_info[:2]
            ),
            flush=True,
        )
        shutil.rmtree(ENVIRONMENT, ignore_errors=True)
        os.makedirs(ENVIRONMENT)
        write_stamp(UNFINISHED)
        make_environment()
    write_stamp(UNFINISHED if not same_python else key.split()[0] + " " + UNFINISHED)
    pip_install(python)
    write_stamp(key)
    print(f"Set-up finished in {time.time() - started:.0f} s.", flush=True)


def make_environment():
    """Create an empty virtual environment with pip in it."""
    # Not sys.executable: that may be the link inside the folder just removed.
    base = getattr(sys, "_base_executable", sys.executable)
    code, _ = run([base, "-m", "venv", ENVIRONMENT])
    if code != 0:
        raise SetUpError(
            "This Python cannot make a virtual environment; on Debian and Ubuntu `apt install "
            "python{}.{}-venv` mends that.".format(*sys.version_info[:2]),
            3,
        )


def pip_install(python):
    """Install the project and its exact dependencies, showing how far it has come."""
    with open(constraints_file()) as file:
        total = sum(bool(re.match("[A-Za-z0-9]", line)) for line in file)
    command = [python, "-m", "pip", "install", "--disable-pip-version-check", "--progress-bar=off"]
    # Python compiles a module when it is first imported, and most of these never are.
    command += ["--no-compile", "--no-input", "-c", constraints_file(), "-e", ROOT + "[dev]"]
    seen = set()

    def follow(line):
        name = re.match(r"(?:Collecting|Processing) (?:\S*/)?([\w.]+)", line)
        if name and name.group(1).lower() not in seen:
            seen.add(name.group(1).lower())
            show(f"  {min(len(seen), total)} of {total} packages fetched", len(seen) % 20 == 0)
        elif line.startswith("Installing collected packages"):
            show("  unpacking; this takes about a minute", True)

    code, lines = run(command, follow)
    if sys.stdout.isatty():
        print()
    with open(LOG, "w") as log:
        log.writelines(lines)
    if code != 0:
        raise SetUpError(reason([line.strip() for line in lines]), 3)


def run(command, follow=lambda line: None):
    """Exit code and output lines of a command, which ends when this process is told to stop."""
    child = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        universal_newlines=True,
        # A group of its own, to be ended with all that it has started.
        start_new_session=True,
    )
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    lines = []
    try:
        for line in child.stdout or ():
            lines.append(line)
            follow(line)
        return child.wait(), lines
    finally:
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def show(text, milestone):
    """Print a progress line: always on a terminal, in place; in a log file only the milestones."""
    if sys.stdout.isatty():
        print("\r" + text.ljust(50), end="", flush=True)
    elif milestone:
        print(text, flush=True)


def reason(lines):
    """The sentence that says why pip failed, from the lines it printed."""
    text = "\n".join(lines)
    if "No space left on device" in text:
        return "The disk is full: free about 2 GB and run the same command again."
    if NETWORK.search(text):
        return (
            "The package index cannot be reached: check the network, or the proxy and index that "
            "pip is set to (`pip config list`), and run the same command again."
        )
    errors = [line for line in lines if line.startswith("ERROR")] or lines[-1:] or ["no reason"]
    return f"pip could not install the dependencies ({errors[0]}); all it said is in {LOG}."


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except SetUpError as error:
        sys.stdout.flush()
        sys.stderr.write(f"in_venv.py: {error}\n")
        sys.exit(error.code)
    except KeyboardInterrupt:
        sys.stderr.write("\nin_venv.py: stopped; the same command starts the set-up again.\n")
        sys.exit(130)
