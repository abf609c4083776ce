# shellcheck shell=bash
# Gives a script of this repository its Python environment: `.venv`, made when it is missing or out of date.
#
# Sourced, never run. Bash 3.2 is enough. Here is what must happen before a usable Python is known: cleaning the
# variables that would lead Python or pip astray, and finding an interpreter by running it. The rest, with the
# reasons, is in environment.py beside this file.
#
#   ensure_environment            makes $root/.venv ready or ends the script with one sentence
#   HOOP_PYTHON=/path/to/python   uses that interpreter and looks for no other

name=scripts/${0##*/}
unset CDPATH
lib=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
root=$(cd "$lib/../.." && pwd -P)

# Each of these makes Python or pip look at, or write to, another place than .venv, or changes what tests mean.
unset PIP_USER PIP_TARGET PIP_PREFIX PIP_ROOT PYTHONPATH PYTHONHOME PYTHONSTARTUP PYTHONUSERBASE PYTHONPLATLIBDIR
unset PYTHONEXECUTABLE PYTHONOPTIMIZE PYTHONINSPECT PYTHONWARNINGS VIRTUAL_ENV __PYVENV_LAUNCHER__ MYPYPATH

# Loopback never goes through a proxy.
for host in 127.0.0.1 localhost ::1; do
  for variable in no_proxy NO_PROXY; do
    case ",${!variable:-}," in
      *",$host,"*) ;;
      *) export "$variable=${!variable:+${!variable},}$host" ;;
    esac
  done
done
unset host variable

say() { printf '%s: %s\n' "$name" "$*" >&2; }
die() { say "$*"; exit 1; }

# What a Python says of itself; written so that Python 2 can say it too. The first word is "ok", "old" or "lacks".
probe='
import sys
version = "%d.%d.%d" % sys.version_info[:3]
if sys.version_info < (3, 11):
    print("old " + version)
    sys.exit()
import importlib.util
has = importlib.util.find_spec
lacks = [module for module in ("venv", "ssl", "zlib") if not has(module)]
if not (has("ensurepip") or has("pip")):
    lacks.append("ensurepip")
print("lacks %s %s" % (version, " ".join(lacks)) if lacks else "ok %s" % version)
'

# Sets $python to an interpreter that runs and can make environments; else ends with what was found instead.
find_python() {
  local path answer found="" lacking="" broken=""
  while IFS= read -r path; do
    # A name on PATH may be a shim that runs nothing: only an answer counts.
    answer=$("$path" -c "$probe" 2>/dev/null </dev/null) || answer=""
    case $answer in
      "ok "*) python=$path python_version=${answer#ok }; return ;;
      "old "*) found="$found${found:+, }$path is ${answer#old }" ;;
      "lacks "*) [ -n "$lacking" ] || lacking="${answer#lacks }|$path" ;;
      *) [ -n "$broken" ] || broken="$path does not run" ;;
    esac
  done < <(candidates)
  [ -z "$lacking" ] || explain_lacking "$lacking"
  found="$found${broken:+${found:+, }$broken}"
  die "Python 3.11 or newer is needed (${found:-none was found on PATH}); install one, or name it with HOOP_PYTHON=/path/to/python."
}

# Paths to try, best first. Every place on PATH counts, since the first of a name may be a shim that does not work.
candidates() {
  local candidate
  if [ -n "${HOOP_PYTHON:-}" ]; then
    printf '%s\n' "$HOOP_PYTHON"
    return
  fi
  # The interpreter that made the present environment, so that making it anew does not change its Python.
  [ ! -x "$root/.venv/bin/python" ] ||
    "$root/.venv/bin/python" -I -c 'import sys; print(sys._base_executable)' 2>/dev/null </dev/null || true
  for candidate in python3.13 python3.12 python3.11 python3 python python3.14 python3.15; do
    type -aP "$candidate" 2>/dev/null || true
  done
}

# $1: "VERSION MODULE MODULE…|PATH", the modules being those that this Python lacks.
explain_lacking() {
  local path=${1#*|} version=${1%% *} modules=${1%%|*}
  modules=${modules#* }
  case " $modules " in
    *" venv "* | *" ensurepip "*)
      if [ -e /etc/debian_version ]; then
        die "$path ($version) cannot make environments; install the package python${version%.*}-venv and run again."
      fi ;;
  esac
  die "$path ($version) was built without $modules; install a complete Python 3.11 or newer, or name one with HOOP_PYTHON."
}

ensure_environment() {
  local builder signal status=0
  if "$root/.venv/bin/python" -I -S "$lib/environment.py" check "$root" 2>/dev/null </dev/null; then
    return
  fi
  find_python
  say "making .venv with Python $python_version ($python)"
  # In the background, so that a signal reaches it and it can clean up, rather than outlive this script.
  "$python" -I "$lib/environment.py" build "$root" "$name" </dev/null &
  builder=$!
  for signal in HUP INT TERM; do
    # shellcheck disable=SC2064 # each trap sends its own signal
    trap "kill -$signal $builder 2>/dev/null || true" "$signal"
  done
  wait "$builder" || status=$?
  # A trapped signal ends the first wait early.
  while kill -0 "$builder" 2>/dev/null; do wait "$builder" || status=$?; done
  trap - HUP INT TERM
  [ "$status" -eq 0 ] || exit "$status"
}
